//! Which of the addresses that a peer claims can be meant.

use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};

use crate::libp2p::multiaddr::{Host, Transport};
use crate::libp2p::{Multiaddr, PeerId};

/// How far an address reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// This host.
    Host,
    /// A private network (RFC 1918, RFC 4193, RFC 6598).
    Private,
    /// The internet.
    Global,
}

/// Whether an address that `peer`, connected from `remote`, claims as its own is worth keeping.
///
/// Addresses of this host or of a private network mean something only to those that are there, too:
/// they count when the peer is connected from such an address itself, so that nobody on the internet can
/// make this node call at the doors of its own network.
pub(super) fn is_plausible(claimed: &Multiaddr, peer: PeerId, remote: &Multiaddr) -> bool {
    if claimed.port() == 0 || claimed.transport() == Transport::SecureWebSocket {
        return false;
    }
    if claimed.peer_id().is_some_and(|id| id != peer) {
        return false;
    }
    match claimed.host() {
        Host::Dns(_, name) => name.contains('.'),
        Host::Ip(address) => match reach(address) {
            None => false,
            Some(Reach::Global) => true,
            Some(reached) => {
                matches!(remote.host(), Host::Ip(from) if reach(from) == Some(reached))
            }
        },
    }
}

/// How far an address reaches; `None` when nobody can be there.
fn reach(address: &IpAddress) -> Option<Reach> {
    match address {
        IpAddress::Ipv4(address) => reach_v4(*address),
        IpAddress::Ipv6(address) => reach_v6(*address),
    }
}

fn reach_v4(address: Ipv4Address) -> Option<Reach> {
    let shared = matches!(address.octets(), [100, 64..=127, ..]);
    let nowhere = address.is_unspecified()
        || address.is_broadcast()
        || address.is_multicast()
        || address.is_link_local()
        || matches!(address.octets(), [0 | 240..=255, ..]);
    match () {
        () if nowhere => None,
        () if address.is_loopback() => Some(Reach::Host),
        () if address.is_private() || shared => Some(Reach::Private),
        () => Some(Reach::Global),
    }
}

fn reach_v6(address: Ipv6Address) -> Option<Reach> {
    if let Some(inner) = address.to_ipv4_mapped() {
        return reach_v4(inner);
    }
    let link_local = matches!(address.octets(), [0xfe, 0x80..=0xbf, ..]);
    let unique_local = matches!(address.octets(), [0xfc | 0xfd, ..]);
    match () {
        () if address.is_unspecified() || address.is_multicast() || link_local => None,
        () if address.is_loopback() => Some(Reach::Host),
        () if unique_local => Some(Reach::Private),
        () => Some(Reach::Global),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plausible(claimed: &str, remote: &str) -> bool {
        let parse = |text: &str| text.parse::<Multiaddr>().ok();
        let (Some(claimed), Some(remote)) = (parse(claimed), parse(remote)) else { return false };
        is_plausible(&claimed, PeerId::from_public_key([1; 32]), &remote)
    }

    #[test]
    fn only_addresses_that_can_lead_to_the_peer_are_kept() {
        let (abroad, lan, here) =
            ("/ip4/8.8.8.8/tcp/9", "/ip4/192.168.1.7/tcp/9", "/ip4/127.0.0.1/tcp/9");
        for (claimed, from_abroad, from_lan, from_here) in [
            ("/ip4/1.2.3.4/tcp/7777", true, true, true),
            ("/ip6/2001:db8::1/tcp/7777/ws", true, true, true),
            ("/dns4/host.example/tcp/7777", true, true, true),
            ("/dns4/localhost/tcp/7777", false, false, false),
            ("/ip4/10.1.2.3/tcp/7777", false, true, false),
            ("/ip4/100.64.1.1/tcp/7777", false, true, false),
            ("/ip6/fd00::1/tcp/7777", false, true, false),
            ("/ip4/127.0.0.1/tcp/7777", false, false, true),
            ("/ip6/::1/tcp/7777", false, false, true),
            ("/ip6/::ffff:127.0.0.1/tcp/7777", false, false, true),
            ("/ip4/1.2.3.4/tcp/0", false, false, false),
            ("/ip4/0.0.0.0/tcp/7777", false, false, false),
            ("/ip6/::/tcp/7777", false, false, false),
            ("/ip4/224.0.0.1/tcp/7777", false, false, false),
            ("/ip4/255.255.255.255/tcp/7777", false, false, false),
            ("/ip4/169.254.169.254/tcp/80", false, false, false),
            ("/ip6/fe80::1/tcp/7777", false, false, false),
            ("/ip4/1.2.3.4/tcp/443/wss", false, false, false),
        ] {
            assert_eq!(plausible(claimed, abroad), from_abroad, "{claimed} from abroad");
            assert_eq!(plausible(claimed, lan), from_lan, "{claimed} from the network");
            assert_eq!(plausible(claimed, here), from_here, "{claimed} from this host");
        }
    }

    #[test]
    fn an_address_of_somebody_else_is_not_kept() {
        let own = PeerId::from_public_key([1; 32]);
        let other = PeerId::from_public_key([2; 32]);
        let Ok(remote) = "/ip4/8.8.8.8/tcp/9".parse::<Multiaddr>() else { panic!("an address") };
        let claimed = remote.clone();
        assert!(is_plausible(&claimed.clone().with_peer_id(own), own, &remote));
        assert!(!is_plausible(&claimed.with_peer_id(other), own, &remote));
    }
}
