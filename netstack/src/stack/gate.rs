//! The gate between device and protocols: counts every frame and stops the few that must not enter.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;

use super::Counters;
use super::filter::{Verdict, verdict};
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
    /// Ports listened on that can take no further connection now.
    full_ports: RefCell<Vec<u16>>,
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

    /// Replaces the list of ports that can take no further connection.
    pub(crate) fn set_full_ports(&self, ports: impl Iterator<Item = u16>) {
        let mut full = self.full_ports.borrow_mut();
        full.clear();
        full.extend(ports);
    }

    /// Queues a frame for the next poll; the queue is bounded, later frames are left out.
    pub(super) fn queue(&self, frame: Vec<u8>) {
        let mut queued = self.queued.borrow_mut();
        if queued.len() < limits::MAX_QUEUED_FRAMES {
            queued.push_back(frame);
        }
    }

    /// True when frames wait to be sent.
    pub(super) fn has_queued(&self) -> bool {
        !self.queued.borrow().is_empty()
    }

    fn received(&self, frame: &[u8]) -> bool {
        self.frames_received.set(self.frames_received.get() + 1);
        self.bytes_received.set(self.bytes_received.get() + frame.len() as u64);
        match verdict(frame, &self.full_ports.borrow()) {
            Verdict::Pass => true,
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
        let (receive, transmit) = self.device.receive(now)?;
        let state = self.state;
        Some((GateRx { token: receive, state }, GateTx { token: transmit, state }))
    }

    fn transmit(&mut self, now: Instant) -> Option<Self::TxToken<'_>> {
        let state = self.state;
        self.device.transmit(now).map(|token| GateTx { token, state })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.device.capabilities()
    }
}

pub(super) struct GateRx<'a, T> {
    token: T,
    state: &'a GateState,
}

impl<T: RxToken> RxToken for GateRx<'_, T> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        let state = self.state;
        // The interface passes over an empty frame.
        self.token.consume(|frame| if state.received(frame) { f(frame) } else { f(&[]) })
    }

    fn meta(&self) -> PacketMeta {
        self.token.meta()
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
