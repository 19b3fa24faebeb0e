//! Which received frames the protocols do not get to see.
//!
//! - A TCP connection request for a listener whose backlog is full is dropped, not reset: the peer then
//!   repeats it, and a burst becomes a delay instead of an error.
//! - A router advertisement with a prefix that no address can come from is dropped, because the
//!   interface takes prefixes on trust.

use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv6Packet, TcpPacket,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Let it in.
    Pass,
    /// A connection request that nobody can take now.
    BacklogFull,
    /// Meant to do harm.
    Hostile,
}

/// Judges a received frame. Whatever cannot be read passes: the protocols have their own checks.
pub(super) fn verdict(frame: &[u8], full_ports: &[u16]) -> Verdict {
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
