//! The end of asking for an IPv6 router, when none answers.
//!
//! smoltcp sends three router solicitations (RFC 4861 section 6.3.7) and then, without an answer, wants
//! to be polled at once for ever. An advertisement of a router with no lifetime and no prefix, which
//! says that there is nothing to be had here, makes it stop; one that comes later from a real router
//! is taken as usual. While no socket has a deadline, smoltcp also forgets to ask to be polled for the
//! next solicitation: we keep those times ourselves. (The end of a prefix needs none: it is noticed at
//! the next poll, before any frame.)

use alloc::vec;
use alloc::vec::Vec;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{
    EthernetFrame, EthernetProtocol, EthernetRepr, Icmpv6Packet, Icmpv6Repr, IpProtocol,
    Ipv6Address, Ipv6Packet, Ipv6Repr, NdiscRepr, NdiscRouterFlags,
};

use super::Inner;
use super::one_shot::OneShot;
use crate::time::after;

/// Time between solicitations (RFC 4861 section 10, RTR_SOLICITATION_INTERVAL).
const INTERVAL: Duration = Duration::from_secs(4);
/// Number of solicitations (MAX_RTR_SOLICITATIONS).
const SOLICITATIONS: u8 = 3;
const ALL_NODES: Ipv6Address = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Where the asking is.
#[derive(Debug)]
pub(super) enum Solicitation {
    /// Not begun.
    Unstarted,
    /// This many are out; the next one, or the end, is at this time.
    Sent(u8, Instant),
    /// Over, or not wanted.
    Over,
}

impl Solicitation {
    pub(super) fn new(wanted: bool) -> Self {
        if wanted { Self::Unstarted } else { Self::Over }
    }

    /// When something is to be done.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Sent(_, at) => Some(*at),
            Self::Unstarted | Self::Over => None,
        }
    }
}

impl Inner {
    /// Keeps count of the solicitations, and stops the asking when its time is over; that is harmless
    /// when a router did answer.
    pub(super) fn tend_solicitation(&mut self, now: Instant) {
        self.solicitation = match self.solicitation {
            Solicitation::Over => return,
            Solicitation::Unstarted => Solicitation::Sent(1, after(now, INTERVAL)),
            Solicitation::Sent(_, at) if now < at => return,
            Solicitation::Sent(count, _) if count < SOLICITATIONS => {
                Solicitation::Sent(count + 1, after(now, INTERVAL))
            }
            Solicitation::Sent(..) => {
                let frame = Some(self.empty_advertisement());
                let mut device = OneShot::new(self.config.capabilities.clone(), frame);
                // Nothing comes of the result: no socket sees an advertisement.
                let _ = self.interface.poll_ingress_single(now, &mut device, &mut self.sockets);
                Solicitation::Over
            }
        };
    }

    /// The advertisement, as if we had sent it to all nodes.
    fn empty_advertisement(&self) -> Vec<u8> {
        let mac = self.config.mac;
        let source = super::addresses::link_local(mac).address();
        let message = Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
            hop_limit: 0,
            flags: NdiscRouterFlags::empty(),
            router_lifetime: Duration::ZERO,
            reachable_time: Duration::ZERO,
            retrans_time: Duration::ZERO,
            lladdr: None,
            mtu: None,
            prefix_info: None,
        });
        let packet = Ipv6Repr {
            src_addr: source,
            dst_addr: ALL_NODES,
            next_header: IpProtocol::Icmpv6,
            payload_len: message.buffer_len(),
            hop_limit: 255,
        };
        let ethernet =
            EthernetRepr { src_addr: mac, dst_addr: mac, ethertype: EthernetProtocol::Ipv6 };
        let header = ethernet.buffer_len();
        let mut bytes = vec![0; header + packet.buffer_len() + message.buffer_len()];
        ethernet.emit(&mut EthernetFrame::new_unchecked(&mut bytes[..]));
        let mut ip = Ipv6Packet::new_unchecked(bytes.get_mut(header..).unwrap_or_default());
        packet.emit(&mut ip);
        message.emit(
            &source,
            &ALL_NODES,
            &mut Icmpv6Packet::new_unchecked(ip.payload_mut()),
            &ChecksumCapabilities::default(),
        );
        bytes
    }
}
