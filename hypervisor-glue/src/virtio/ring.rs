//! One direction of a device that moves packets: its queue and the buffers that go through it.
//!
//! The device is not trusted: a token that names no buffer in flight, or a length beyond the
//! buffer, is a [`Fault`], after which the ring is not used any more. Buffers and queue live as
//! long as the machine, so that a broken device never writes to memory that has become something
//! else.

use super::hal::MachineHal;
use alloc::alloc::alloc_zeroed;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::RefCell;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;
use core::sync::atomic::{Ordering, fence};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::Transport;

/// A packet with its header.
#[repr(C, align(64))]
struct Buffer<const BYTES: usize>([u8; BYTES]);

/// Which way packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device to us.
    Receive,
    /// From us to the device.
    Transmit,
}

/// What the device did that no sane device does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It gave back a buffer that it did not have.
    Token(u16),
    /// It claims to have written more than the buffer holds.
    Length(u32),
    /// The queue refused an operation that our own bookkeeping allows.
    Queue(virtio_drivers::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Token(token) => write!(f, "gave back buffer {token}, which it did not have"),
            Fault::Length(length) => write!(f, "claims {length} bytes in a smaller buffer"),
            Fault::Queue(error) => write!(f, "queue out of step: {error}"),
        }
    }
}

/// Number of a buffer in its ring, given out by [`Ring::take`]: the driver has that buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Slot(usize);

/// A buffer that the device has.
#[derive(Clone, Copy)]
struct InFlight {
    buffer: usize,
    bytes: usize,
}

/// A queue of `SLOTS` packets of at most `BYTES` bytes each, headers included.
pub struct Ring<const SLOTS: usize, const BYTES: usize> {
    /// Never freed: the device may write to it as long as it runs.
    queue: ManuallyDrop<VirtQueue<MachineHal, SLOTS>>,
    number: u16,
    direction: Direction,
    buffers: NonNull<Buffer<BYTES>>,
    /// Whether something was posted since the last notification.
    unannounced: bool,
    /// By token.
    in_flight: [Option<InFlight>; SLOTS],
}

impl<const SLOTS: usize, const BYTES: usize> fmt::Debug for Ring<SLOTS, BYTES> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring")
            .field("number", &self.number)
            .field("direction", &self.direction)
            .finish_non_exhaustive()
    }
}

impl<const SLOTS: usize, const BYTES: usize> Ring<SLOTS, BYTES> {
    /// Makes the ring on the device's queue of this number, and all its slots, which are the driver's at
    /// first.
    ///
    /// # Errors
    ///
    /// The queue's, if the device has no such queue or there is no memory.
    pub fn new(
        transport: &mut impl Transport,
        number: u16,
        direction: Direction,
    ) -> virtio_drivers::Result<(Self, Vec<Slot>)> {
        let layout = Layout::array::<Buffer<BYTES>>(SLOTS).ok().filter(|layout| layout.size() > 0);
        let layout = layout.ok_or(virtio_drivers::Error::DmaError)?;
        // SAFETY: the layout has a size above zero.
        let buffers = NonNull::new(unsafe { alloc_zeroed(layout) });
        let buffers = buffers.ok_or(virtio_drivers::Error::DmaError)?.cast();
        let queue = ManuallyDrop::new(VirtQueue::new(transport, number, false, false)?);
        let ring = Ring {
            queue,
            number,
            direction,
            buffers,
            unannounced: false,
            in_flight: [None; SLOTS],
        };
        Ok((ring, (0..SLOTS).map(Slot).collect()))
    }

    /// The bytes of a slot.
    pub fn bytes(&mut self, slot: &Slot) -> &mut [u8; BYTES] {
        // SAFETY: a slot's number is below SLOTS, and the buffers are an array of that many, all zero
        // at first, which is a value of theirs.
        let mut buffer = unsafe { self.buffers.add(slot.0) };
        // SAFETY: whoever has the slot has the buffer: the device gave it back or never had it;
        // `&mut self` keeps others from it.
        unsafe { &mut buffer.as_mut().0 }
    }

    /// Gives `bytes` bytes of a slot's buffer to the device, which learns of it by
    /// [`Ring::announce`].
    ///
    /// # Errors
    ///
    /// A [`Fault`] if the queue is out of step.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "whoever gives a buffer away has its slot no more"
    )]
    pub fn post(&mut self, slot: Slot, bytes: usize) -> Result<(), Fault> {
        let bytes = bytes.min(BYTES);
        let mut buffer = NonNull::from(self.bytes(&slot));
        let token = match self.direction {
            Direction::Receive => {
                // SAFETY: the slot is used up, so nobody touches the buffer until `take` gives it
                // out again.
                let buffer = unsafe { &mut buffer.as_mut()[..bytes] };
                // SAFETY: as above; the buffers are never freed.
                unsafe { self.queue.add(&[], &mut [buffer]) }
            }
            Direction::Transmit => {
                // SAFETY: the slot is used up, so nobody touches the buffer until `take` gives it
                // out again.
                let buffer = unsafe { &buffer.as_ref()[..bytes] };
                // SAFETY: as above; the buffers are never freed.
                unsafe { self.queue.add(&[buffer], &mut []) }
            }
        }
        .map_err(Fault::Queue)?;
        let entry = self.in_flight.get_mut(usize::from(token)).ok_or(Fault::Token(token))?;
        *entry = Some(InFlight { buffer: slot.0, bytes });
        self.unannounced = true;
        Ok(())
    }

    /// Notifies the device of what was posted, if there is something and it wants to know.
    pub fn announce(&mut self, transport: &RefCell<impl Transport>) {
        if !core::mem::take(&mut self.unannounced) {
            return;
        }
        // The device looks at the available index after it asks to be notified, we the other way
        // round: without a full fence between our store and load both could miss the other's.
        fence(Ordering::SeqCst);
        if self.queue.should_notify() {
            transport.borrow_mut().notify(self.number);
        }
    }

    /// Takes back the next buffer that the device is done with, and how many bytes it wrote; `None`
    /// if there is none.
    ///
    /// # Errors
    ///
    /// A [`Fault`] if what the device says cannot be.
    pub fn take(&mut self) -> Result<Option<(Slot, usize)>, Fault> {
        let Some(token) = self.queue.peek_used() else { return Ok(None) };
        let entry = self.in_flight.get_mut(usize::from(token)).ok_or(Fault::Token(token))?;
        let InFlight { buffer, bytes } = entry.take().ok_or(Fault::Token(token))?;
        let slot = Slot(buffer);
        let mut memory = NonNull::from(self.bytes(&slot));
        let written = match self.direction {
            Direction::Receive => {
                // SAFETY: the device gave the buffer back, and its slot is not given out yet.
                let memory = unsafe { &mut memory.as_mut()[..bytes] };
                // SAFETY: this is the buffer that was added under this token.
                unsafe { self.queue.pop_used(token, &[], &mut [memory]) }
            }
            Direction::Transmit => {
                // SAFETY: the device gave the buffer back, and its slot is not given out yet.
                let memory = unsafe { &memory.as_ref()[..bytes] };
                // SAFETY: this is the buffer that was added under this token.
                unsafe { self.queue.pop_used(token, &[memory], &mut []) }
            }
        }
        .map_err(Fault::Queue)?;
        let length = usize::try_from(written).map_err(|_| Fault::Length(written))?;
        if self.direction == Direction::Receive && length > bytes {
            return Err(Fault::Length(written));
        }
        Ok(Some((slot, length)))
    }

    /// Whether [`Ring::take`] would give something.
    pub fn has_finished(&self) -> bool {
        self.queue.can_pop()
    }

    /// Asks the device for an interrupt when it finishes a buffer, or for quiet. Advice only: it
    /// may interrupt anyway.
    pub fn set_interrupts(&mut self, wanted: bool) {
        self.queue.set_dev_notify(wanted);
    }
}
