//! Where a connection comes from, as far as limits per address go.

use alloc::boxed::Box;

use smoltcp::wire::IpAddress;

use crate::libp2p::Multiaddr;
use crate::libp2p::multiaddr::Host;

/// One remote address; of IPv6, where a host has as many as it likes, one /64 network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    V4([u8; 4]),
    V6([u8; 8]),
    Name(Box<str>),
}

impl Origin {
    pub(super) fn of(remote: &Multiaddr) -> Self {
        match remote.host() {
            Host::Ip(IpAddress::Ipv4(address)) => Self::V4(address.octets()),
            Host::Ip(IpAddress::Ipv6(address)) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
            Host::Dns(_, name) => Self::Name(name.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_origin_and_an_address_of_ipv4_is() {
        let origin = |text: &str| text.parse().map(|address| Origin::of(&address)).ok();
        assert_eq!(origin("/ip6/2001:db8::1/tcp/1"), origin("/ip6/2001:db8::2:3/tcp/2/ws"));
        assert_ne!(origin("/ip6/2001:db8::1/tcp/1"), origin("/ip6/2001:db8:0:1::1/tcp/1"));
        assert_eq!(origin("/ip4/10.0.0.1/tcp/1"), origin("/ip4/10.0.0.1/tcp/2"));
        assert_ne!(origin("/ip4/10.0.0.1/tcp/1"), origin("/ip4/10.0.0.2/tcp/1"));
        assert_ne!(origin("/dns/a.b/tcp/1"), origin("/dns/a.c/tcp/1"));
    }
}
