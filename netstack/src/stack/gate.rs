//! The gate between device and protocols: counts every frame and stops the few that must not enter.
//!
//! - A TCP connection request for a listener whose backlog is full is dropped, not reset: the peer then
//!   repeats it, and a burst becomes a delay instead of an error.
//! - A router advertisement with a prefix that no address can come from is dropped, because the
//!   interface takes prefixes on trust.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use smoltcp::phy::{Device, DeviceCapabilities, PacketMeta, RxToken, TxToken};
use smoltcp::time::Instant;
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
};

use super::Counters;
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

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    BacklogFull,
    Hostile,
}

/// Judges a received frame. Whatever cannot be read passes: the protocols have their own checks.
fn verdict(frame: &[u8], full_ports: &[u16]) -> Verdict {
    let Ok(ethernet) = EthernetFrame::new_checked(frame) else { return Verdict::Pass };
    match ethernet.ethertype() {
        EthernetProtocol::Ipv4 if !full_ports.is_empty() => {
            let Ok(packet) = Ipv4Packet::new_checked(ethernet.payload()) else {
                return Verdict::Pass;
            };
            if packet.next_header() == IpProtocol::Tcp && packet.frag_offset() == 0 {
                return judge_tcp(packet.payload(), full_ports);
            }
            Verdict::Pass
        }
        EthernetProtocol::Ipv6 => {
            let Ok(packet) = Ipv6Packet::new_checked(ethernet.payload()) else {
                return Verdict::Pass;
            };
            match packet.next_header() {
                IpProtocol::Tcp => judge_tcp(packet.payload(), full_ports),
                IpProtocol::Icmpv6 => judge_icmpv6(packet.payload()),
                IpProtocol::HopByHop => judge_extended(packet.payload(), full_ports),
                _ => Verdict::Pass,
            }
        }
        _ => Verdict::Pass,
    }
}

/// Judges what follows a hop-by-hop header (RFC 8200 section 4.3), the one that the protocols read past.
fn judge_extended(payload: &[u8], full_ports: &[u16]) -> Verdict {
    let [next, units, ..] = *payload else { return Verdict::Pass };
    let rest = payload.get((usize::from(units) + 1) * 8..).unwrap_or_default();
    match IpProtocol::from(next) {
        IpProtocol::Tcp => judge_tcp(rest, full_ports),
        IpProtocol::Icmpv6 => judge_icmpv6(rest),
        _ => Verdict::Pass,
    }
}

fn judge_tcp(segment: &[u8], full_ports: &[u16]) -> Verdict {
    match TcpPacket::new_checked(segment) {
        Ok(tcp) if tcp.syn() && !tcp.ack() && full_ports.contains(&tcp.dst_port()) => {
            Verdict::BacklogFull
        }
        _ => Verdict::Pass,
    }
}

/// Looks for a prefix information option (RFC 4861 section 4.6.2) with a multicast prefix.
fn judge_icmpv6(message: &[u8]) -> Verdict {
    const FIXED_BYTES: usize = 16;
    const PREFIX_INFORMATION: u8 = 3;
    const PREFIX_OFFSET: usize = 16;
    const MULTICAST: u8 = 0xff;
    const ROUTER_ADVERTISEMENT: u8 = 134;
    if message.first() != Some(&ROUTER_ADVERTISEMENT) {
        return Verdict::Pass;
    }
    let mut options = message.get(FIXED_BYTES..).unwrap_or_default();
    while let [kind, units, ..] = *options {
        let length = usize::from(units) * 8;
        if length == 0 {
            return Verdict::Hostile;
        }
        if kind == PREFIX_INFORMATION && options.get(PREFIX_OFFSET) == Some(&MULTICAST) {
            return Verdict::Hostile;
        }
        options = options.get(length..).unwrap_or_default();
    }
    Verdict::Pass
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

/// A device that has nothing but capabilities: what making an interface asks for.
pub(super) struct CapabilitiesOnly {
    capabilities: DeviceCapabilities,
}

impl CapabilitiesOnly {
    pub(super) fn new(capabilities: DeviceCapabilities) -> Self {
        Self { capabilities }
    }
}

/// The token of a device that never has one.
pub(super) enum NoToken {}

impl RxToken for NoToken {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, _: F) -> R {
        match self {}
    }
}

impl TxToken for NoToken {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, _: usize, _: F) -> R {
        match self {}
    }
}

impl Device for CapabilitiesOnly {
    type RxToken<'a> = NoToken;
    type TxToken<'a> = NoToken;

    fn receive(&mut self, _: Instant) -> Option<(NoToken, NoToken)> {
        None
    }

    fn transmit(&mut self, _: Instant) -> Option<NoToken> {
        None
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}
