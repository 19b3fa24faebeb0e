//! Which received frames the protocols do not get to see, or not at once.
//!
//! - A TCP connection request for a listener whose backlog is full is dropped, not reset: the peer then
//!   repeats it, and a burst becomes a delay instead of an error.
//! - A request from the address and port of a connection in TIME-WAIT opens a new one (RFC 9293 section
//!   3.6.1), for which the old socket has to go first: smoltcp would let it swallow the request.
//! - A router advertisement with a prefix that no address can come from is dropped, because the
//!   interface takes prefixes on trust.

use alloc::vec::Vec;

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpAddress, IpEndpoint, IpProtocol, Ipv4Packet, Ipv6Packet,
    TcpPacket,
};

/// The two ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ends {
    pub(crate) local: IpEndpoint,
    pub(crate) peer: IpEndpoint,
}

/// What connection requests are compared with.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Ports listened on that can take no further connection now.
    pub(crate) full_ports: Vec<u16>,
    /// Connections in TIME-WAIT.
    pub(crate) time_wait: Vec<Ends>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Let it in.
    Pass,
    /// A connection request that nobody can take now.
    BacklogFull,
    /// A connection request from the peer of a connection in TIME-WAIT.
    Reopens(Ends),
    /// Meant to do harm.
    Hostile,
}

/// A received TCP segment, as far as it decides who gets it.
pub(super) struct Segment {
    pub(super) ends: Ends,
    /// Whether it asks for a connection.
    pub(super) opens: bool,
}

/// The TCP segment in a frame; `None` when there is none, or it cannot be read.
pub(super) fn segment(frame: &[u8]) -> Option<Segment> {
    let ethernet = EthernetFrame::new_checked(frame).ok()?;
    let (from, to, segment): (IpAddress, IpAddress, &[u8]) = match ethernet.ethertype() {
        EthernetProtocol::Ipv4 => {
            let packet = Ipv4Packet::new_checked(ethernet.payload()).ok()?;
            let tcp = packet.next_header() == IpProtocol::Tcp;
            let payload = ethernet.payload().get(usize::from(packet.header_len())..)?;
            tcp.then_some((packet.src_addr().into(), packet.dst_addr().into(), payload))?
        }
        EthernetProtocol::Ipv6 => {
            let packet = Ipv6Packet::new_checked(ethernet.payload()).ok()?;
            let payload = ethernet.payload().get(packet.header_len()..)?;
            let (next, payload) = past_hop_by_hop(packet.next_header(), payload);
            let tcp = next == IpProtocol::Tcp;
            tcp.then_some((packet.src_addr().into(), packet.dst_addr().into(), payload))?
        }
        _ => return None,
    };
    let tcp = TcpPacket::new_checked(segment).ok()?;
    let local = IpEndpoint::new(to, tcp.dst_port());
    let peer = IpEndpoint::new(from, tcp.src_port());
    let opens = tcp.syn() && !tcp.ack() && !tcp.rst();
    Some(Segment { ends: Ends { local, peer }, opens })
}

/// Judges a received frame. Whatever cannot be read passes: the protocols have their own checks.
pub(super) fn verdict(frame: &[u8], watch: &Watch) -> Verdict {
    let Ok(ethernet) = EthernetFrame::new_checked(frame) else { return Verdict::Pass };
    match ethernet.ethertype() {
        EthernetProtocol::Ipv4 => {
            let Ok(packet) = Ipv4Packet::new_checked(ethernet.payload()) else {
                return Verdict::Pass;
            };
            if packet.next_header() == IpProtocol::Tcp && packet.frag_offset() == 0 {
                let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
                return judge_tcp(packet.payload(), from, to, watch);
            }
            Verdict::Pass
        }
        EthernetProtocol::Ipv6 => {
            let Ok(packet) = Ipv6Packet::new_checked(ethernet.payload()) else {
                return Verdict::Pass;
            };
            let (next, payload) = past_hop_by_hop(packet.next_header(), packet.payload());
            let (from, to) = (packet.src_addr().into(), packet.dst_addr().into());
            match next {
                IpProtocol::Tcp => judge_tcp(payload, from, to, watch),
                IpProtocol::Icmpv6 => judge_icmpv6(payload),
                _ => Verdict::Pass,
            }
        }
        _ => Verdict::Pass,
    }
}

/// Steps over a hop-by-hop header (RFC 8200 section 4.3), the one that the protocols read past.
fn past_hop_by_hop(next: IpProtocol, payload: &[u8]) -> (IpProtocol, &[u8]) {
    match (next, payload) {
        (IpProtocol::HopByHop, [inner, units, ..]) => {
            let rest = payload.get((usize::from(*units) + 1) * 8..).unwrap_or_default();
            (IpProtocol::from(*inner), rest)
        }
        _ => (next, payload),
    }
}

fn judge_tcp(segment: &[u8], from: IpAddress, to: IpAddress, watch: &Watch) -> Verdict {
    let Ok(tcp) = TcpPacket::new_checked(segment) else { return Verdict::Pass };
    if !tcp.syn() || tcp.ack() || tcp.rst() {
        return Verdict::Pass;
    }
    if watch.full_ports.contains(&tcp.dst_port()) {
        return Verdict::BacklogFull;
    }
    let ends = Ends {
        local: IpEndpoint::new(to, tcp.dst_port()),
        peer: IpEndpoint::new(from, tcp.src_port()),
    };
    if watch.time_wait.contains(&ends) { Verdict::Reopens(ends) } else { Verdict::Pass }
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
