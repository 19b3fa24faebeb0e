//! The gate between device and protocols: counts every frame and stops the few that must not enter.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell, RefMut};

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

use super::Counters;
use super::filter::{Ends, Verdict, Watch, verdict};
use crate::limits;

/// What the gate counts and keeps between polls.
#[derive(Debug, Default)]
pub(crate) struct GateState {
    frames_received: Cell<u64>,
    bytes_received: Cell<u64>,
    frames_sent: Cell<u64>,
    bytes_sent: Cell<u64>,
    frames_refused: Cell<u64>,
    requests_dropped: Cell<u64>,
    watch: RefCell<Watch>,
    /// A connection request that was held back, and the connection that is in its way.
    held: RefCell<Option<(Vec<u8>, Ends)>>,
    /// A connection request to be received again.
    again: RefCell<Option<Vec<u8>>>,
    /// Whole frames to send at the next poll.
    queued: RefCell<VecDeque<Vec<u8>>>,
}

impl GateState {
    /// Frames that passed, both ways.
    pub(super) fn frames(&self) -> u64 {
        self.frames_received.get() + self.frames_sent.get()
    }

    pub(super) fn transmitted(&self) -> u64 {
        self.frames_sent.get()
    }

    pub(super) fn count(&self, counters: &mut Counters) {
        counters.frames_received = self.frames_received.get();
        counters.bytes_received = self.bytes_received.get();
        counters.frames_sent = self.frames_sent.get();
        counters.bytes_sent = self.bytes_sent.get();
        counters.frames_refused = self.frames_refused.get();
        counters.connections_refused = self.requests_dropped.get();
    }

    /// Changes what connection requests are compared with.
    pub(crate) fn watch(&self) -> RefMut<'_, Watch> {
        self.watch.borrow_mut()
    }

    /// Gives the connection that is in the way of the request held back, if any, which is received again
    /// next.
    pub(super) fn take_obstacle(&self) -> Option<Ends> {
        let (frame, ends) = self.held.borrow_mut().take()?;
        *self.again.borrow_mut() = Some(frame);
        Some(ends)
    }

    /// Queues a frame for the next poll; the queue is bounded, later frames are left out.
    pub(super) fn queue(&self, frame: Vec<u8>) {
        let mut queued = self.queued.borrow_mut();
        if queued.len() < limits::MAX_QUEUED_FRAMES {
            queued.push_back(frame);
        }
    }

    /// True when frames wait for room in the device.
    pub(super) fn has_queued(&self) -> bool {
        !self.queued.borrow().is_empty() || self.again.borrow().is_some()
    }

    fn received(&self, frame: &[u8]) -> bool {
        self.frames_received.set(self.frames_received.get() + 1);
        self.bytes_received.set(self.bytes_received.get() + frame.len() as u64);
        self.admits(frame)
    }

    fn admits(&self, frame: &[u8]) -> bool {
        match verdict(frame, &self.watch.borrow()) {
            Verdict::Pass => true,
            Verdict::Reopens(ends) => {
                *self.held.borrow_mut() = Some((frame.to_vec(), ends));
                false
            }
            Verdict::BacklogFull => {
                self.requests_dropped.set(self.requests_dropped.get() + 1);
                false
            }
            Verdict::Hostile => {
                self.frames_refused.set(self.frames_refused.get() + 1);
                false
            }
        }
    }

    fn sent(&self, length: usize) {
        self.frames_sent.set(self.frames_sent.get() + 1);
        self.bytes_sent.set(self.bytes_sent.get() + length as u64);
    }
}

/// A device seen through the gate.
pub(super) struct Gate<'a, D> {
    device: &'a mut D,
    state: &'a GateState,
}

impl<'a, D: Device> Gate<'a, D> {
    pub(super) fn new(device: &'a mut D, state: &'a GateState) -> Self {
        Self { device, state }
    }

    /// Sends the queued frames as far as the device takes them.
    pub(super) fn send_queued(&mut self, now: Instant) {
        while !self.state.queued.borrow().is_empty() {
            let Some(token) = self.device.transmit(now) else { return };
            let Some(frame) = self.state.queued.borrow_mut().pop_front() else { return };
            self.state.sent(frame.len());
            token.consume(frame.len(), |buffer| buffer.copy_from_slice(&frame));
        }
    }
}

impl<D: Device> Device for Gate<'_, D> {
    type RxToken<'t>
        = GateRx<'t, D::RxToken<'t>>
    where
        Self: 't;
    type TxToken<'t>
        = GateTx<'t, D::TxToken<'t>>
    where
        Self: 't;

    fn receive(&mut self, now: Instant) -> Option<(Self::RxToken<'_>, Self::TxToken<'_>)> {
        let state = self.state;
        if state.again.borrow().is_some() {
            let transmit = self.device.transmit(now)?;
            let frame = state.again.borrow_mut().take()?;
            return Some((GateRx::Again(frame, state), GateTx { token: transmit, state }));
        }
        let (receive, transmit) = self.device.receive(now)?;
        Some((GateRx::Device(receive, state), GateTx { token: transmit, state }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let state = self.state;
        self.device.transmit(now).map(|token| GateTx { token, state })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

pub(super) enum GateRx<'a, T> {
    /// A frame of the device.
    Device(T, &'a GateState),
    /// A frame that was held back.
    Again(Vec<u8>, &'a GateState),
}

impl<T: RxToken> RxToken for GateRx<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        // The interface passes over an empty frame.
        match self {
            Self::Device(token, state) => {
                token.consume(|frame| if state.received(frame) { f(frame) } else { f(&[]) })
            }
            Self::Again(frame, state) => f(if state.admits(&frame) { &frame } else { &[] }),
        }
    }

    fn meta(&self) -> PacketMeta {
        match self {
            Self::Device(token, _) => token.meta(),
            Self::Again(..) => PacketMeta::default(),
        }
    }
}

pub(super) struct GateTx<'a, T> {
    token: T,
    state: &'a GateState,
}

impl<T: TxToken> TxToken for GateTx<'_, T> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        self.state.sent(length);
        self.token.consume(length, f)
    }

    fn set_meta(&mut self, meta: PacketMeta) {
        self.token.set_meta(meta);
    }
}
