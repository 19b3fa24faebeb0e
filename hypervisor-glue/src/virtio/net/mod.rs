//! virtio-net as a `smoltcp` device (virtio 1.2 section 5.1).
//!
//! Frames are written and parsed in the very buffers that the device uses: no copy either way. The
//! device interrupts only while we idle ([`VirtioNet::prepare_idle`]). A device that breaks the
//! protocol is marked failed with one log line, gets no more work and gives no more frames.
//!
//! Not supported: checksum and segmentation offload (the stack computes all checksums), mergeable
//! receive buffers, several queue pairs, the control queue.

#[cfg(test)]
mod tests;

use super::init::{self, InitError, VERSION_1};
use super::ring::{self, Direction, Fault, Slot};
use crate::limits::{
    NET_BUFFER_BYTES, NET_FRAME_BYTES, NET_MTU_MIN, NET_QUEUE_SIZE, NET_RECLAIM_BELOW,
};
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::sync::atomic::{Ordering, fence};
use smoltcp::phy::{self, Device, DeviceCapabilities, Medium};
use smoltcp::time::Instant;
use virtio_drivers::transport::{DeviceStatus, InterruptStatus, Transport};

/// The frames of one direction.
type Ring = ring::Ring<NET_QUEUE_SIZE, NET_BUFFER_BYTES>;

/// Numbers of the queues (section 5.1.2).
const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;

const FEATURE_MTU: u64 = 1 << 3;
const FEATURE_MAC: u64 = 1 << 5;
const FEATURE_STATUS: u64 = 1 << 16;
const WANTED: u64 = FEATURE_MTU | FEATURE_MAC | FEATURE_STATUS | VERSION_1;

/// Offsets in the device's configuration (section 5.1.4).
const CONFIG_MAC: usize = 0;
const CONFIG_STATUS: usize = 6;
const CONFIG_MTU: usize = 10;
const STATUS_LINK_UP: u16 = 1;

/// Header before each frame (section 5.1.6): two bytes longer since virtio 1.0.
const HEADER_BYTES: usize = 12;
const LEGACY_HEADER_BYTES: usize = 10;
const ETHERNET_HEADER_BYTES: usize = 14;

/// How the device tells that it has done something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// By a message of its own: nothing to acknowledge.
    Message,
    /// By a line that stays high until acknowledged.
    Line,
    /// Not at all: whoever waits must look from time to time.
    None,
}

/// What went through a device since it was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received.
    pub received_frames: u64,
    /// Bytes of these frames, without virtio header.
    pub received_bytes: u64,
    /// Received buffers without a usable frame.
    pub received_errors: u64,
    /// Frames sent.
    pub sent_frames: u64,
    /// Bytes of these frames, without virtio header.
    pub sent_bytes: u64,
    /// Frames that were not sent: too long, or the device had failed.
    pub sent_drops: u64,
    /// Times that the stack wanted to send and all buffers were with the device.
    pub sent_stalls: u64,
}

/// What both directions need.
#[derive(Debug)]
struct Shared<T> {
    transport: RefCell<T>,
    counters: Cell<Counters>,
    failed: Cell<bool>,
    header_bytes: usize,
}

impl<T: Transport> Shared<T> {
    fn count(&self, change: impl FnOnce(&mut Counters)) {
        let mut counters = self.counters.get();
        change(&mut counters);
        self.counters.set(counters);
    }

    fn fail(&self, fault: Fault) {
        if !self.failed.replace(true) {
            log::error!("net: the device {fault}; it is not used any more");
            self.transport.borrow_mut().set_status(DeviceStatus::FAILED);
        }
    }
}

/// A network device.
pub struct VirtioNet<T: Transport> {
    shared: Shared<T>,
    receive: Ring,
    transmit: Ring,
    free: Vec<Slot>,
    interrupt: Interrupt,
    /// Whether the receive queue may interrupt at present.
    armed: bool,
    mac: [u8; 6],
    mtu: u16,
    reports_link: bool,
    link_up: bool,
}

impl<T: Transport> fmt::Debug for VirtioNet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioNet").field("interrupt", &self.interrupt).finish_non_exhaustive()
    }
}

impl<T: Transport> VirtioNet<T> {
    /// Starts the device. `fallback_mac` is used if the device has no usable address of its own.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device has been told to stop then.
    pub fn new(
        mut transport: T,
        interrupt: Interrupt,
        fallback_mac: [u8; 6],
    ) -> Result<Self, InitError> {
        let agreed = init::negotiate(&mut transport, WANTED)?;
        let parts = Self::read_mac(&transport, agreed).and_then(|mac| {
            let mtu = Self::read_mtu(&transport, agreed)?;
            let mut ring = |number, direction| {
                Ring::new(&mut transport, number, direction).map_err(InitError::Queue)
            };
            let receive = ring(RECEIVE, Direction::Receive)?;
            Ok((mac, mtu, receive, ring(TRANSMIT, Direction::Transmit)?))
        });
        let (mac, mtu, (mut receive, slots), (mut transmit, free)) =
            init::stop_on_error(&mut transport, parts)?;
        receive.set_interrupts(false);
        transmit.set_interrupts(false);
        init::finish(&mut transport, agreed);
        let modern = agreed & VERSION_1 != 0;
        let shared = Shared {
            transport: RefCell::new(transport),
            counters: Cell::default(),
            failed: Cell::new(false),
            header_bytes: if modern { HEADER_BYTES } else { LEGACY_HEADER_BYTES },
        };
        let mut device = VirtioNet {
            shared,
            receive,
            transmit,
            free,
            interrupt,
            armed: false,
            mac: mac.unwrap_or(fallback_mac),
            mtu,
            reports_link: agreed & FEATURE_STATUS != 0,
            link_up: true,
        };
        let posted =
            slots.into_iter().try_for_each(|slot| device.receive.post(slot, NET_BUFFER_BYTES));
        match posted {
            Ok(()) => device.receive.announce(&device.shared.transport),
            Err(fault) => device.shared.fail(fault),
        }
        device.refresh_link();
        Ok(device)
    }

    fn read_mac(transport: &T, agreed: u64) -> Result<Option<[u8; 6]>, InitError> {
        if agreed & FEATURE_MAC == 0 {
            return Ok(None);
        }
        let mac = init::read_config(transport, |t| t.read_config_space::<[u8; 6]>(CONFIG_MAC))?;
        let usable = mac[0] & 1 == 0 && mac != [0; 6];
        if !usable {
            log::warn!("net: the device's own address {mac:02x?} cannot be one");
        }
        Ok(usable.then_some(mac))
    }

    fn read_mtu(transport: &T, agreed: u64) -> Result<u16, InitError> {
        let usual = u16::try_from(NET_FRAME_BYTES - ETHERNET_HEADER_BYTES).unwrap_or(u16::MAX);
        if agreed & FEATURE_MTU == 0 {
            return Ok(usual);
        }
        let wanted = init::read_config(transport, |t| t.read_config_space::<u16>(CONFIG_MTU))?;
        if wanted < NET_MTU_MIN {
            log::warn!("net: an MTU of {wanted} is too small; {NET_MTU_MIN} is used");
        }
        Ok(wanted.clamp(NET_MTU_MIN, usual))
    }

    /// The device's Ethernet address.
    #[must_use]
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Largest IP packet, in bytes.
    #[must_use]
    pub const fn mtu(&self) -> u16 {
        self.mtu
    }

    /// Whether the cable is in, as far as the device tells, when it last told.
    #[must_use]
    pub const fn link_up(&self) -> bool {
        self.link_up
    }

    /// How the device interrupts.
    #[must_use]
    pub const fn interrupt(&self) -> Interrupt {
        self.interrupt
    }

    /// Whether the device broke the protocol and is out of use.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.shared.failed.get()
    }

    /// What went through the device.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.counters.get()
    }

    /// Asks the device for its link status. Costs an exit to the hypervisor: not for each frame.
    pub fn refresh_link(&mut self) {
        if self.reports_link && !self.has_failed() {
            let transport = self.shared.transport.borrow();
            let status =
                init::read_config(&*transport, |t| t.read_config_space::<u16>(CONFIG_STATUS));
            self.link_up = status.is_ok_and(|status| status & STATUS_LINK_UP != 0);
        }
    }

    /// Tells the device of the frames sent and the buffers freed since the last call. Call it after
    /// each round of the stack: one notification, which is an exit to the hypervisor, is enough for
    /// many frames.
    pub fn flush(&mut self) {
        if !self.has_failed() {
            self.transmit.announce(&self.shared.transport);
            self.receive.announce(&self.shared.transport);
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
            let status = self.shared.transport.borrow_mut().ack_interrupt();
            if status.contains(InterruptStatus::DEVICE_CONFIGURATION_INTERRUPT) {
                self.refresh_link();
            }
        }
        if self.has_failed() {
            return false;
        }
        self.flush();
        // Without a free transmit buffer nothing is received either (smoltcp wants to answer at
        // once), so what is waited for then is a sent frame.
        let starved = self.free.is_empty();
        self.set_interrupts(!starved, starved);
        // Pairs with the device: it publishes a used buffer, then looks whether we want an
        // interrupt.
        fence(Ordering::SeqCst);
        let work = if starved { self.transmit.has_finished() } else { self.receive.has_finished() };
        if work {
            self.set_interrupts(false, false);
        }
        work
    }

    fn set_interrupts(&mut self, receive: bool, transmit: bool) {
        self.receive.set_interrupts(receive);
        self.transmit.set_interrupts(transmit);
        self.armed = receive || transmit;
    }

    /// Collects sent buffers when free ones get few.
    fn reclaim(&mut self) {
        if self.free.len() >= NET_RECLAIM_BELOW {
            return;
        }
        // At most every buffer once: a device that finishes them as fast as we look cannot hold us.
        for _ in 0..NET_QUEUE_SIZE {
            match self.transmit.take() {
                Ok(Some((slot, _))) => self.free.push(slot),
                Ok(None) => break,
                Err(fault) => return self.shared.fail(fault),
            }
        }
    }

    /// A slot to send from, if the device is sane and one is free.
    fn free_slot(&mut self) -> Option<Slot> {
        if self.armed {
            self.set_interrupts(false, false);
        }
        if self.has_failed() {
            return None;
        }
        self.reclaim();
        if self.free.is_empty() {
            // The device may not know yet that there is something to send.
            self.transmit.announce(&self.shared.transport);
            self.shared.count(|counters| counters.sent_stalls += 1);
        }
        if self.has_failed() { None } else { self.free.pop() }
    }

    /// The next received frame: its slot and length with header. Empty ones are given back and
    /// passed over.
    fn next_frame(&mut self) -> Option<(Slot, usize)> {
        for _ in 0..NET_QUEUE_SIZE {
            match self.receive.take() {
                Ok(Some((slot, length))) if length > self.shared.header_bytes => {
                    return Some((slot, length));
                }
                Ok(Some((slot, _))) => {
                    self.shared.count(|counters| counters.received_errors += 1);
                    if let Err(fault) = self.receive.post(slot, NET_BUFFER_BYTES) {
                        self.shared.fail(fault);
                        return None;
                    }
                }
                Ok(None) => return None,
                Err(fault) => {
                    self.shared.fail(fault);
                    return None;
                }
            }
        }
        None
    }
}

impl<T: Transport> Device for VirtioNet<T> {
    type RxToken<'a>
        = RxToken<'a, T>
    where
        Self: 'a;
    type TxToken<'a>
        = TxToken<'a, T>
    where
        Self: 'a;

    fn receive(&mut self, _: Instant) -> Option<(RxToken<'_, T>, TxToken<'_, T>)> {
        let free = self.free_slot()?;
        let Some((slot, length)) = self.next_frame() else {
            self.free.push(free);
            return None;
        };
        let VirtioNet { shared, receive, transmit, free: pool, .. } = self;
        let rx = RxToken { shared, ring: receive, slot: Some(slot), length };
        Some((rx, TxToken { shared, ring: transmit, pool, slot: Some(free) }))
    }

    fn transmit(&mut self, _: Instant) -> Option<TxToken<'_, T>> {
        let slot = self.free_slot()?;
        let VirtioNet { shared, transmit, free: pool, .. } = self;
        Some(TxToken { shared, ring: transmit, pool, slot: Some(slot) })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = usize::from(self.mtu) + ETHERNET_HEADER_BYTES;
        capabilities.max_burst_size = Some(NET_QUEUE_SIZE);
        capabilities
    }
}

/// A received frame. Its buffer goes back to the device when the token goes away, used or not.
#[derive(Debug)]
pub struct RxToken<'a, T: Transport> {
    shared: &'a Shared<T>,
    ring: &'a mut Ring,
    slot: Option<Slot>,
    length: usize,
}

impl<T: Transport> phy::RxToken for RxToken<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let header = self.shared.header_bytes;
        let frame = match &self.slot {
            Some(slot) => self.ring.bytes(slot).get(header..self.length).unwrap_or_default(),
            None => &[],
        };
        self.shared.count(|counters| {
            counters.received_frames += 1;
            counters.received_bytes += frame.len() as u64;
        });
        f(frame)
    }
}

impl<T: Transport> Drop for RxToken<'_, T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take()
            && let Err(fault) = self.ring.post(slot, NET_BUFFER_BYTES)
        {
            self.shared.fail(fault);
        }
    }
}

/// The right to send one frame. An unused one gives its buffer back.
#[derive(Debug)]
pub struct TxToken<'a, T: Transport> {
    shared: &'a Shared<T>,
    ring: &'a mut Ring,
    pool: &'a mut Vec<Slot>,
    slot: Option<Slot>,
}

impl<T: Transport> phy::TxToken for TxToken<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(mut self, length: usize, f: F) -> R {
        let header = self.shared.header_bytes;
        let Some(slot) = self.slot.take().filter(|_| length <= NET_FRAME_BYTES) else {
            // Longer than `capabilities` allows: the stack gets its buffer, the network gets
            // nothing.
            self.shared.count(|counters| counters.sent_drops += 1);
            return f(&mut vec![0; length]);
        };
        let (head, frame) = self.ring.bytes(&slot).split_at_mut(header);
        // No flags, no segmentation: all zeros (section 5.1.6.2).
        head.fill(0);
        let result = f(&mut frame[..length]);
        match self.ring.post(slot, header + length) {
            Ok(()) => self.shared.count(|counters| {
                counters.sent_frames += 1;
                counters.sent_bytes += length as u64;
            }),
            Err(fault) => {
                self.shared.count(|counters| counters.sent_drops += 1);
                self.shared.fail(fault);
            }
        }
        result
    }
}

impl<T: Transport> Drop for TxToken<'_, T> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.pool.push(slot);
        }
    }
}

/// A locally administered unicast address made of random bytes.
#[must_use]
pub const fn local_mac(random: [u8; 6]) -> [u8; 6] {
    let [first, b, c, d, e, f] = random;
    [(first & !0b01) | 0b10, b, c, d, e, f]
}
