//! virtio-vsock: packets to and from the host (virtio 1.2 section 5.10).
//!
//! The driver only moves packets; what they say is for a state machine that needs no machine.
//! `virtio-drivers` has a driver with connections of its own. It is not used: numbers of the device
//! make its arithmetic overflow (`peer_free`), it waits without bound for every packet that it sends,
//! takes the end of one direction for the end of both, and its packets are too small for answers that
//! a host reads in one go.
//!
//! The device interrupts only while we idle ([`VirtioVsock::prepare_idle`]). One that breaks the
//! protocol is marked failed with one log line and is not used any more; to whoever has connections
//! that looks like a transport reset.
//!
//! `vhost-device-vsock` 0.3.0 gives buffers back that it has not written to: it has an entry left for a
//! connection that is over, and calls that a packet of 44 bytes. What the buffer had before would come
//! again, and a request for a connection that comes twice ends that connection. So buffers
//! are posted with a header of zeros, which is for no machine.

#[cfg(test)]
mod tests;

use super::init::{self, InitError, VERSION_1};
use super::net::Interrupt;
use super::ring::{Direction, Fault, Ring, Slot};
use crate::limits::{
    VSOCK_EVENT_BYTES, VSOCK_EVENT_SLOTS, VSOCK_RECEIVE_BYTES, VSOCK_RECEIVE_SLOTS,
    VSOCK_TRANSMIT_BYTES, VSOCK_TRANSMIT_SLOTS,
};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::sync::atomic::{Ordering, fence};
use virtio_drivers::transport::{DeviceStatus, Transport};

/// Numbers of the queues (section 5.10.2).
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
const EVENTS: u16 = 2;

/// Bytes of a packet's header (section 5.10.6).
const HEADER_BYTES: usize = 44;

/// Offsets of the halves of the machine's number in the configuration (section 5.10.4).
const CONFIG_CID: [usize; 2] = [0, 4];
/// Numbers that no machine can have: below there are the hypervisor and the host (section 5.10.4.1).
const CID_FIRST: u64 = 3;
/// Says "any machine", and that the upper half is reserved.
const CID_ANY: u64 = 0xFFFF_FFFF;

/// The event that says that all connections are lost (section 5.10.6.7).
const TRANSPORT_RESET: [u8; 4] = [0; 4];

/// A socket device.
pub struct VirtioVsock<T: Transport> {
    transport: RefCell<T>,
    receive: Ring<VSOCK_RECEIVE_SLOTS, VSOCK_RECEIVE_BYTES>,
    transmit: Ring<VSOCK_TRANSMIT_SLOTS, VSOCK_TRANSMIT_BYTES>,
    events: Ring<VSOCK_EVENT_SLOTS, VSOCK_EVENT_BYTES>,
    free: Vec<Slot>,
    interrupt: Interrupt,
    /// Whether the device may interrupt at present.
    armed: bool,
    cid: u64,
    failed: bool,
    /// Whether that it failed is still to be told.
    failure_untold: bool,
}

impl<T: Transport> fmt::Debug for VirtioVsock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioVsock").field("cid", &self.cid).finish_non_exhaustive()
    }
}

impl<T: Transport> VirtioVsock<T> {
    /// Starts the device.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device has been told to stop then.
    pub fn new(mut transport: T, interrupt: Interrupt) -> Result<Self, InitError> {
        let agreed = init::negotiate(&mut transport, VERSION_1)?;
        let parts = read_cid(&transport)
            .and_then(|cid| Ok((cid, rings(&mut transport).map_err(InitError::Queue)?)));
        let (cid, rings) = init::stop_on_error(&mut transport, parts)?;
        let ((receive, receive_slots), (transmit, free), (events, event_slots)) = rings;
        init::finish(&mut transport, agreed);
        let mut device = VirtioVsock {
            transport: RefCell::new(transport),
            receive,
            transmit,
            events,
            free,
            interrupt,
            armed: true,
            cid,
            failed: false,
            failure_untold: false,
        };
        device.set_interrupts(false, false);
        let posted = receive_slots
            .into_iter()
            .try_for_each(|slot| device.receive.post(slot, VSOCK_RECEIVE_BYTES))
            .and_then(|()| {
                let mut slots = event_slots.into_iter();
                slots.try_for_each(|slot| device.events.post(slot, VSOCK_EVENT_BYTES))
            });
        if let Err(fault) = posted {
            device.fail(fault);
        }
        device.flush();
        Ok(device)
    }

    /// The number of this machine, as the device said it last.
    #[must_use]
    pub const fn cid(&self) -> u64 {
        self.cid
    }

    /// How the device interrupts.
    #[must_use]
    pub const fn interrupt(&self) -> Interrupt {
        self.interrupt
    }

    /// Whether the device broke the protocol and is out of use.
    #[must_use]
    pub const fn has_failed(&self) -> bool {
        self.failed
    }

    fn fail(&mut self, fault: Fault) {
        if !self.failed {
            self.failed = true;
            self.failure_untold = true;
            log::error!("vsock: the device {fault}; it is not used any more");
            self.transport.borrow_mut().set_status(DeviceStatus::FAILED);
        }
    }

    /// Hands the next received packet to `take`, with its header; false if there is none.
    pub fn receive(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        self.disarm();
        if self.failed {
            return false;
        }
        let (slot, length) = match self.receive.take() {
            Ok(Some(taken)) => taken,
            Ok(None) => return false,
            Err(fault) => {
                self.fail(fault);
                return false;
            }
        };
        let buffer = self.receive.bytes(&slot);
        take(buffer.get(..length).unwrap_or_default());
        buffer[..HEADER_BYTES].fill(0);
        if let Err(fault) = self.receive.post(slot, VSOCK_RECEIVE_BYTES) {
            self.fail(fault);
        }
        true
    }

    /// Has `fill` write a packet, header first, into a free buffer, and sends as many bytes as it
    /// says, nothing if it says 0; false if no buffer is free. The device learns of it by
    /// [`VirtioVsock::flush`].
    pub fn send(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> usize) -> bool {
        self.disarm();
        if self.free.is_empty() {
            self.reclaim();
        }
        if self.failed {
            return false;
        }
        let Some(slot) = self.free.pop() else { return false };
        let length = fill(self.transmit.bytes(&slot));
        if length == 0 {
            self.free.push(slot);
        } else if let Err(fault) = self.transmit.post(slot, length) {
            self.fail(fault);
        }
        true
    }

    /// The machine's number, which may be another then, if all connections are lost: the device says
    /// so, or has failed.
    pub fn transport_reset(&mut self) -> Option<u64> {
        let mut reset = false;
        // At most every buffer once: a device that tells as fast as we look cannot hold us.
        for _ in 0..VSOCK_EVENT_SLOTS {
            if self.failed {
                break;
            }
            match self.events.take() {
                Ok(Some((slot, length))) => {
                    let event = self.events.bytes(&slot).get(..length).unwrap_or_default();
                    reset |= event.starts_with(&TRANSPORT_RESET);
                    if let Err(fault) = self.events.post(slot, VSOCK_EVENT_BYTES) {
                        self.fail(fault);
                    }
                }
                Ok(None) => break,
                Err(fault) => self.fail(fault),
            }
        }
        if reset && let Ok(cid) = read_cid(&*self.transport.borrow()) {
            self.cid = cid;
        }
        let told = reset || core::mem::take(&mut self.failure_untold);
        told.then_some(self.cid)
    }

    /// Tells the device of the packets sent and the buffers freed since the last call: one
    /// notification, which is an exit to the hypervisor, is enough for many.
    pub fn flush(&mut self) {
        if !self.failed {
            self.transmit.announce(&self.transport);
            self.receive.announce(&self.transport);
            self.events.announce(&self.transport);
        }
    }

    /// Call this last before idling, with CPU interrupts off. True: there is work, do not idle.
    /// False: the device will interrupt when there is work (unless [`Interrupt::None`]).
    ///
    /// An interrupt line is acknowledged here, before the queues are looked at, so that whatever
    /// comes after the look raises it anew.
    pub fn prepare_idle(&mut self) -> bool {
        if self.interrupt == Interrupt::Line {
            // A device that has failed too: its line would wake us for ever.
            self.transport.borrow_mut().ack_interrupt();
        }
        if self.failed {
            return self.failure_untold;
        }
        self.flush();
        // Without a free transmit buffer received packets cannot be answered, so what is waited for
        // then is a sent one.
        let starved = self.free.is_empty();
        self.set_interrupts(!starved, starved);
        // Pairs with the device: it publishes a used buffer, then looks whether we want an
        // interrupt.
        fence(Ordering::SeqCst);
        let work = if starved { self.transmit.has_finished() } else { self.receive.has_finished() };
        let work = work || self.events.has_finished();
        if work {
            self.disarm();
        }
        work
    }

    fn disarm(&mut self) {
        if self.armed {
            self.set_interrupts(false, false);
        }
    }

    fn set_interrupts(&mut self, receive: bool, transmit: bool) {
        self.receive.set_interrupts(receive);
        self.transmit.set_interrupts(transmit);
        self.events.set_interrupts(receive || transmit);
        self.armed = receive || transmit;
    }

    /// Collects sent buffers.
    fn reclaim(&mut self) {
        // At most every buffer once: a device that finishes them as fast as we look cannot hold us.
        for _ in 0..VSOCK_TRANSMIT_SLOTS {
            match self.transmit.take() {
                Ok(Some((slot, _))) => self.free.push(slot),
                Ok(None) => break,
                Err(fault) => return self.fail(fault),
            }
        }
        if self.free.is_empty() {
            // The device may not know yet that there is something to send.
            self.transmit.announce(&self.transport);
        }
    }
}

/// The three rings with their slots.
type Rings = (
    (Ring<VSOCK_RECEIVE_SLOTS, VSOCK_RECEIVE_BYTES>, Vec<Slot>),
    (Ring<VSOCK_TRANSMIT_SLOTS, VSOCK_TRANSMIT_BYTES>, Vec<Slot>),
    (Ring<VSOCK_EVENT_SLOTS, VSOCK_EVENT_BYTES>, Vec<Slot>),
);

fn rings(transport: &mut impl Transport) -> virtio_drivers::Result<Rings> {
    let receive = Ring::new(transport, RECEIVE, Direction::Receive)?;
    let transmit = Ring::new(transport, TRANSMIT, Direction::Transmit)?;
    let events = Ring::new(transport, EVENTS, Direction::Receive)?;
    Ok((receive, transmit, events))
}

/// The machine's number: read in halves, as not every transport can read eight bytes at once.
fn read_cid(transport: &impl Transport) -> Result<u64, InitError> {
    let [low, high] = init::read_config(transport, |transport| {
        let [low, high] = CONFIG_CID.map(|at| transport.read_config_space::<u32>(at));
        Ok([low?, high?])
    })?;
    let cid = u64::from(high) << 32 | u64::from(low);
    (CID_FIRST..CID_ANY).contains(&cid).then_some(cid).ok_or(InitError::Config)
}
