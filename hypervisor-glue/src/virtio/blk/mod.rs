//! virtio-blk: disks (virtio 1.2 section 5.2).
//!
//! Operations are futures. [`VirtioBlk::poll`], which the main loop calls, collects what the device has
//! finished and wakes those that wait; the device interrupts only while we idle
//! ([`VirtioBlk::prepare_idle`]). Data go through buffers of the driver's own, as a device that does not
//! answer keeps its buffers for ever. A device that breaks the protocol, or does not answer a request
//! within [`BLK_ANSWER_MICROS`], is marked failed with one log line and gets no more work.
//!
//! A write whose future is dropped goes on; until it has ended nothing else is begun, so that no later
//! write is overtaken by it.
//!
//! Not supported: logical blocks other than 512 bytes, discarding, several queues, a device that changes
//! its size.

mod area;
mod operation;
#[cfg(test)]
mod tests;

use super::init::{self, InitError, VERSION_1};
use super::net::Interrupt;
use crate::limits::{
    BLK_ANSWER_MICROS, BLK_QUEUE_SIZE, BLK_REQUEST_BYTES, BLK_REQUESTS, BLK_SECTORS,
};
use alloc::rc::Rc;
use alloc::vec::Vec;
use area::{Area, Kind, Queue, Returned};
use core::cell::RefCell;
use core::fmt;
use core::mem::ManuallyDrop;
use core::sync::atomic::{Ordering, fence};
use core::task::Waker;
use virtio_drivers::transport::{DeviceStatus, Transport};

/// Size of a sector, in bytes (section 5.2.4): the unit of every address and length.
pub const SECTOR_BYTES: usize = 512;

const FEATURE_SIZE_MAX: u64 = 1 << 1;
const FEATURE_READ_ONLY: u64 = 1 << 5;
const FEATURE_BLOCK_SIZE: u64 = 1 << 6;
const FEATURE_FLUSH: u64 = 1 << 9;
const WANTED: u64 =
    FEATURE_SIZE_MAX | FEATURE_READ_ONLY | FEATURE_BLOCK_SIZE | FEATURE_FLUSH | VERSION_1;

/// Offsets in the device's configuration (section 5.2.4).
const CONFIG_CAPACITY: usize = 0;
const CONFIG_SIZE_MAX: usize = 8;
const CONFIG_BLOCK_SIZE: usize = 20;

const QUEUE: u16 = 0;
const STATUS_OK: u8 = 0;

/// Why a disk does not do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlkError {
    /// Not whole sectors, or beyond the end of the disk.
    Range,
    /// The disk can be read only.
    ReadOnly,
    /// The device says that it failed to do it.
    Refused,
    /// The device is out of use.
    Dead,
}

/// Why a device is not used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It gave back a request that it did not have.
    Token(u16),
    /// It claims to have written more than there was room for.
    Length(u32),
    /// It did not answer in time.
    Silence,
    /// The queue refused an operation that our own bookkeeping allows.
    Queue(virtio_drivers::Error),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Token(token) => write!(f, "gave back request {token}, which it did not have"),
            Fault::Length(length) => write!(f, "claims to have written {length} bytes"),
            Fault::Silence => {
                write!(f, "did not answer within {} s", BLK_ANSWER_MICROS / 1_000_000)
            }
            Fault::Queue(error) => write!(f, "queue out of step: {error}"),
        }
    }
}

/// Where a request is.
#[derive(Debug)]
enum Stage {
    /// There is none: the place is free.
    Free,
    /// With the device.
    Waiting {
        /// Who is told of the end; nobody if the operation was dropped.
        waker: Option<Waker>,
        /// When the main loop first saw it.
        since: Option<u64>,
    },
    /// Ended, and not yet told.
    Ended(Result<(), BlkError>),
}

/// Room for one request at a time.
#[derive(Debug)]
struct Place {
    area: Area,
    stage: Stage,
}

/// A disk. Clones are the same disk.
pub struct VirtioBlk<T: Transport> {
    state: Rc<RefCell<State<T>>>,
    sectors: u64,
    read_only: bool,
    interrupt: Interrupt,
    /// Bytes of one request.
    chunk: usize,
    flushes: bool,
}

struct State<T> {
    transport: T,
    /// Never freed: the device may write to it as long as it runs.
    queue: ManuallyDrop<Queue>,
    places: Vec<Place>,
    /// Operations that wait for a place.
    queued: Vec<Waker>,
    /// Whether the device may interrupt at present.
    armed: bool,
    failed: bool,
}

impl<T: Transport> Clone for VirtioBlk<T> {
    fn clone(&self) -> Self {
        VirtioBlk { state: self.state.clone(), ..*self }
    }
}

impl<T: Transport> fmt::Debug for VirtioBlk<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VirtioBlk").field("sectors", &self.sectors).finish_non_exhaustive()
    }
}

impl<T: Transport> VirtioBlk<T> {
    /// Starts the device.
    ///
    /// # Errors
    ///
    /// [`InitError`]; the device has been told to stop then.
    pub fn new(mut transport: T, interrupt: Interrupt) -> Result<Self, InitError> {
        let agreed = init::negotiate(&mut transport, WANTED)?;
        let told = Self::configuration(&transport, agreed).and_then(|told| {
            Queue::new(&mut transport, QUEUE, false, false)
                .map(|queue| (told, ManuallyDrop::new(queue)))
                .map_err(InitError::Queue)
        });
        let ((sectors, chunk), mut queue) = init::stop_on_error(&mut transport, told)?;
        queue.set_dev_notify(false);
        init::finish(&mut transport, agreed);
        let place = || Place { area: Area::new(), stage: Stage::Free };
        let state = State {
            transport,
            queue,
            places: (0..BLK_REQUESTS).map(|_| place()).collect(),
            queued: Vec::new(),
            armed: false,
            failed: false,
        };
        Ok(VirtioBlk {
            state: Rc::new(RefCell::new(state)),
            sectors,
            read_only: agreed & FEATURE_READ_ONLY != 0,
            interrupt,
            chunk,
            flushes: agreed & FEATURE_FLUSH != 0,
        })
    }

    /// Sectors, and bytes of the longest request.
    fn configuration(transport: &T, agreed: u64) -> Result<(u64, usize), InitError> {
        // In halves: registers in memory are read by at most four bytes at a time.
        let [low, high] = init::read_config(transport, |t| {
            let half = |offset| t.read_config_space::<u32>(CONFIG_CAPACITY + offset);
            Ok([half(0)?, half(4)?])
        })?;
        let sectors = u64::from(high) << 32 | u64::from(low);
        let mut chunk = BLK_REQUEST_BYTES;
        if agreed & FEATURE_SIZE_MAX != 0 {
            let told =
                init::read_config(transport, |t| t.read_config_space::<u32>(CONFIG_SIZE_MAX))?;
            let told = usize::try_from(told).unwrap_or(usize::MAX);
            // 0 is what devices say that offer the field without having a bound.
            if told != 0 {
                chunk = chunk.min(told / SECTOR_BYTES * SECTOR_BYTES);
            }
        }
        let mut block = SECTOR_BYTES;
        if agreed & FEATURE_BLOCK_SIZE != 0 {
            let told =
                init::read_config(transport, |t| t.read_config_space::<u32>(CONFIG_BLOCK_SIZE))?;
            block = usize::try_from(told).unwrap_or(usize::MAX);
        }
        if chunk == 0 || block != SECTOR_BYTES {
            return Err(InitError::Config);
        }
        Ok((sectors.min(BLK_SECTORS), chunk))
    }

    /// Number of sectors.
    #[must_use]
    pub const fn sectors(&self) -> u64 {
        self.sectors
    }

    /// Whether the disk can be read only.
    #[must_use]
    pub const fn read_only(&self) -> bool {
        self.read_only
    }

    /// How the device interrupts.
    #[must_use]
    pub const fn interrupt(&self) -> Interrupt {
        self.interrupt
    }

    /// Whether the device broke the protocol or fell silent, and is out of use.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state.borrow().failed
    }

    /// Whether the device has work that is not ended.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.state.borrow().is_busy()
    }

    /// Collects what the device has finished, and gives it up if it is late. `now` is in microseconds
    /// of any clock that goes on. Cheap when there is nothing.
    pub fn poll(&self, now: u64) {
        self.state.borrow_mut().poll(now);
    }

    /// When [`VirtioBlk::poll`] is to be called at the latest, to notice that the device is late.
    #[must_use]
    pub fn deadline(&self) -> Option<u64> {
        let state = self.state.borrow();
        let due = state.places.iter().filter_map(|place| match place.stage {
            Stage::Waiting { since, .. } => Some(since?.saturating_add(BLK_ANSWER_MICROS)),
            _ => None,
        });
        due.min()
    }

    /// Call this last before idling, with CPU interrupts off. True: there is work, do not idle. False:
    /// the device will interrupt when there is work (unless [`Interrupt::None`]).
    pub fn prepare_idle(&self) -> bool {
        self.state.borrow_mut().prepare_idle(self.interrupt)
    }
}

impl<T: Transport> State<T> {
    fn is_busy(&self) -> bool {
        self.places.iter().any(|place| matches!(place.stage, Stage::Waiting { .. }))
    }

    /// Whether a write goes on that nobody waits for.
    fn has_orphaned_write(&self) -> bool {
        self.places.iter().any(|place| {
            matches!(place.stage, Stage::Waiting { waker: None, .. }) && place.area.is_writing()
        })
    }

    /// Begins a request in a free place. `None` if there is none at present.
    fn begin(
        &mut self,
        kind: Kind,
        sector: u64,
        bytes: usize,
        fill: impl FnOnce(&mut [u8]),
        waker: &Waker,
    ) -> Result<Option<usize>, BlkError> {
        if self.failed {
            return Err(BlkError::Dead);
        }
        let free = self.places.iter().position(|place| matches!(place.stage, Stage::Free));
        let Some(number) = free.filter(|_| !self.has_orphaned_write()) else {
            if !self.queued.iter().any(|queued| queued.will_wake(waker)) {
                self.queued.push(waker.clone());
            }
            return Ok(None);
        };
        let State { places, queue, .. } = self;
        let Some(place) = places.get_mut(number) else { return Ok(None) };
        if let Some(data) = place.area.data() {
            fill(data.get_mut(..bytes).unwrap_or_default());
        }
        if let Err(error) = place.area.lend(queue, kind, sector, bytes) {
            self.fail(Fault::Queue(error));
            return Err(BlkError::Dead);
        }
        place.stage = Stage::Waiting { waker: Some(waker.clone()), since: None };
        // The device looks at the available index after it asks to be notified, we the other way
        // round: without a full fence between our store and load both could miss the other's.
        fence(Ordering::SeqCst);
        if self.queue.should_notify() {
            self.transport.notify(QUEUE);
        }
        Ok(Some(number))
    }

    /// Frees a place and lets the operations that wait for one look again.
    fn release(&mut self, number: usize) {
        if let Some(place) = self.places.get_mut(number) {
            place.stage = Stage::Free;
            place.area.erase();
        }
        for waker in core::mem::take(&mut self.queued) {
            waker.wake();
        }
    }

    /// The operation in a place is dropped.
    fn abandon(&mut self, number: usize) {
        let Some(place) = self.places.get_mut(number) else { return };
        match &mut place.stage {
            Stage::Waiting { waker, .. } => *waker = None,
            Stage::Ended(_) => self.release(number),
            Stage::Free => {}
        }
    }

    fn fail(&mut self, fault: Fault) {
        if core::mem::replace(&mut self.failed, true) {
            return;
        }
        log::error!("disk: the device {fault}; it is not used any more");
        self.transport.set_status(DeviceStatus::FAILED);
        for place in &mut self.places {
            if let Stage::Waiting { waker, .. } = &mut place.stage {
                let waker = waker.take();
                place.stage = Stage::Ended(Err(BlkError::Dead));
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
        for waker in core::mem::take(&mut self.queued) {
            waker.wake();
        }
    }

    fn poll(&mut self, now: u64) {
        if self.failed {
            return;
        }
        if core::mem::take(&mut self.armed) {
            self.queue.set_dev_notify(false);
        }
        // At most every request once: a device that finishes them as fast as we look cannot hold us.
        for _ in 0..BLK_QUEUE_SIZE {
            let Some(token) = self.queue.peek_used() else { break };
            if let Err(fault) = self.collect(token) {
                return self.fail(fault);
            }
        }
        let mut late = false;
        for place in &mut self.places {
            if let Stage::Waiting { since, .. } = &mut place.stage {
                late |= now.saturating_sub(*since.get_or_insert(now)) >= BLK_ANSWER_MICROS;
            }
        }
        if late {
            self.fail(Fault::Silence);
        }
    }

    /// Takes back the request with this token.
    fn collect(&mut self, token: u16) -> Result<(), Fault> {
        let State { places, queue, .. } = self;
        let found = places.iter_mut().position(|place| place.area.token() == Some(token));
        let number = found.ok_or(Fault::Token(token))?;
        let place = places.get_mut(number).ok_or(Fault::Token(token))?;
        let Returned { written, writable, status } =
            place.area.take_back(queue).map_err(Fault::Queue)?;
        if usize::try_from(written).map_or(true, |written| written > writable) {
            return Err(Fault::Length(written));
        }
        let result = if status == STATUS_OK { Ok(()) } else { Err(BlkError::Refused) };
        match core::mem::replace(&mut place.stage, Stage::Ended(result)) {
            Stage::Waiting { waker: Some(waker), .. } => waker.wake(),
            _ => self.release(number),
        }
        Ok(())
    }

    fn prepare_idle(&mut self, interrupt: Interrupt) -> bool {
        if interrupt == Interrupt::Line {
            // Whatever comes after this look raises the line anew.
            let _ = self.transport.ack_interrupt();
        }
        if self.failed || !self.is_busy() {
            return false;
        }
        self.queue.set_dev_notify(true);
        self.armed = true;
        // Pairs with the device: it publishes a used buffer, then looks whether we want an interrupt.
        fence(Ordering::SeqCst);
        self.queue.can_pop()
    }
}
