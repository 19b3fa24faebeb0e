//! Addresses, routes and name servers of the interface: static, by DHCP, and how they are announced.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::{dhcpv4, dns};
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpOption, EthernetAddress, EthernetFrame, EthernetProtocol,
    HardwareAddress, IpAddress, IpCidr, Ipv4Address, Ipv4Cidr, Ipv6Address, Ipv6Cidr,
};

use super::{Addressing, Inner, StaticAddressing};
use crate::limits;

/// DHCP option that carries the client's host name (RFC 2132 section 3.14).
const DHCP_HOST_NAME: u8 = 12;

/// Places in the interface's list for one lease and one advertised prefix.
const RESERVED_ADDRESSES: usize = 2;

#[derive(Debug, Default)]
pub(super) struct Addresses {
    pub(super) dhcp: Option<SocketHandle>,
    leased: Option<Ipv4Cidr>,
}

/// True for an address that more than our own link can use.
pub(super) fn is_reachable(cidr: &IpCidr) -> bool {
    match cidr.address() {
        IpAddress::Ipv4(address) => !address.is_unspecified(),
        IpAddress::Ipv6(address) => !address.is_unicast_link_local(),
    }
}

fn is_unicast(address: &IpAddress) -> bool {
    match address {
        IpAddress::Ipv4(v4) => !(v4.is_multicast() || v4.is_unspecified() || v4.is_broadcast()),
        IpAddress::Ipv6(v6) => !(v6.is_multicast() || v6.is_unspecified()),
    }
}

impl Inner {
    /// Sets the addresses that are known before any frame, and starts DHCP.
    pub(super) fn set_up_addresses(&mut self) {
        let mut addresses: Vec<IpCidr> = vec![link_local(self.config.mac).into()];
        let mut router = None;
        match self.config.addressing.clone() {
            Addressing::Dhcp => self.start_dhcp(),
            Addressing::Static(given) => {
                addresses.extend(given.addresses.into_iter().filter(|c| is_unicast(&c.address())));
                for gateway in given.gateways.into_iter().filter(is_unicast) {
                    if let IpAddress::Ipv4(gateway) = gateway {
                        router = Some(gateway);
                    }
                    self.set_gateway(gateway);
                }
                self.set_dns_servers(&given.dns_servers);
            }
        }
        // Places stay free for what DHCP and router advertisements bring.
        addresses.truncate(limits::MAX_ADDRESSES - RESERVED_ADDRESSES);
        for cidr in &addresses {
            if let IpCidr::Ipv4(cidr) = cidr {
                self.announce(*cidr, router);
            }
        }
        self.interface.update_ip_addrs(|list| {
            list.clear();
            for cidr in addresses {
                // Cannot fail: the list was cut to fit.
                let _ = list.push(cidr);
            }
        });
    }

    /// Forgets all addresses, routes and name servers, the lease too, and takes these.
    pub(super) fn take_static(&mut self, given: StaticAddressing) {
        if let Some(handle) = self.addresses.dhcp.take() {
            self.sockets.remove(handle);
        }
        self.addresses.leased = None;
        let routes = self.interface.routes_mut();
        routes.remove_default_ipv4_route();
        routes.remove_default_ipv6_route();
        self.config.addressing = Addressing::Static(given);
        self.set_up_addresses();
        self.mark_dirty();
    }

    fn set_gateway(&mut self, gateway: IpAddress) {
        let routes = self.interface.routes_mut();
        let full = match gateway {
            IpAddress::Ipv4(v4) => routes.add_default_ipv4_route(v4).is_err(),
            IpAddress::Ipv6(v6) => routes.add_default_ipv6_route(v6).is_err(),
        };
        if full {
            log::warn!(target: "network", "no room for the route by {gateway}");
        }
    }

    fn set_dns_servers(&mut self, servers: &[IpAddress]) {
        let servers: Vec<IpAddress> =
            servers.iter().copied().filter(is_unicast).take(limits::MAX_DNS_SERVERS).collect();
        let handle = self.dns;
        self.sockets.get_mut::<dns::Socket<'static>>(handle).update_servers(&servers);
    }

    fn start_dhcp(&mut self) {
        let mut socket = dhcpv4::Socket::new();
        let mut retry = dhcpv4::RetryConfig::default();
        retry.discover_timeout = limits::DHCP_DISCOVER_TIMEOUT;
        retry.initial_request_timeout = limits::DHCP_DISCOVER_TIMEOUT;
        socket.set_retry_config(retry);
        if let Some(name) = &self.config.hostname {
            // The socket borrows its options for as long as the stack lives, which is as long as the
            // machine runs: one name is leaked once.
            let data: &'static [u8] = name.clone().into_bytes().leak();
            let option = DhcpOption { kind: DHCP_HOST_NAME, data };
            socket.set_outgoing_options(Box::leak(Box::new([option])));
        }
        self.addresses.dhcp = Some(self.sockets.add(socket));
    }

    /// Applies what the DHCP client learnt since the last poll.
    pub(super) fn apply_dhcp(&mut self) {
        let lease = match self.dhcp().and_then(dhcpv4::Socket::poll) {
            None => return,
            Some(dhcpv4::Event::Deconfigured) => None,
            Some(dhcpv4::Event::Configured(lease)) => {
                Some((lease.address, lease.router, lease.dns_servers))
            }
        };
        match lease {
            None => self.lose_lease(),
            Some((address, router, servers)) => {
                let servers: Vec<IpAddress> = servers.iter().map(|s| (*s).into()).collect();
                self.take_lease(address, router, &servers);
            }
        }
        self.mark_dirty();
    }

    fn take_lease(&mut self, cidr: Ipv4Cidr, router: Option<Ipv4Address>, servers: &[IpAddress]) {
        if !is_unicast(&cidr.address().into()) {
            log::warn!(target: "network", "DHCP offered {cidr}, which is no host's address");
            return;
        }
        self.replace_lease(Some(cidr));
        self.interface.routes_mut().remove_default_ipv4_route();
        if let Some(router) = router.filter(|router| is_unicast(&(*router).into())) {
            self.set_gateway(router.into());
        }
        self.set_dns_servers(servers);
        self.announce(cidr, router);
        self.counters.leases_acquired += 1;
        match router {
            Some(router) => {
                log::info!(target: "network", "address {cidr} by DHCP, router {router}");
            }
            None => log::info!(target: "network", "address {cidr} by DHCP, no router"),
        }
    }

    fn lose_lease(&mut self) {
        if self.addresses.leased.is_none() {
            return;
        }
        self.replace_lease(None);
        self.interface.routes_mut().remove_default_ipv4_route();
        self.set_dns_servers(&[]);
        self.counters.leases_lost += 1;
        log::warn!(target: "network", "the DHCP lease is lost");
    }

    fn replace_lease(&mut self, lease: Option<Ipv4Cidr>) {
        if self.addresses.leased == lease {
            return;
        }
        let old = core::mem::replace(&mut self.addresses.leased, lease).map(IpCidr::Ipv4);
        self.interface.update_ip_addrs(|list| {
            list.retain(|cidr| Some(*cidr) != old);
            if let Some(cidr) = lease {
                // First, so that it is the source address of choice. There is room: places are reserved
                // for the lease and for the one prefix that smoltcp is built to hold.
                let _ = list.insert(0, cidr.into());
            }
        });
    }

    /// Tells the link whose address this is (RFC 5227 section 2.3), and asks for the router's hardware
    /// address, so that the first packet does not wait for it.
    fn announce(&self, cidr: Ipv4Cidr, router: Option<Ipv4Address>) {
        let mac = self.config.mac;
        self.gate.queue(arp_request(mac, cidr.address(), cidr.address()));
        if let Some(router) = router.filter(|router| cidr.contains_addr(router)) {
            self.gate.queue(arp_request(mac, cidr.address(), router));
        }
    }
}

/// The link-local address made from a hardware address (RFC 4291 appendix A).
pub(super) fn link_local(mac: EthernetAddress) -> Ipv6Cidr {
    let prefix = Ipv6Cidr::new(Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 64);
    Ipv6Cidr::from_link_prefix(&prefix, HardwareAddress::Ethernet(mac)).unwrap_or(prefix)
}

fn arp_request(mac: EthernetAddress, source: Ipv4Address, target: Ipv4Address) -> Vec<u8> {
    let request = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: mac,
        source_protocol_addr: source,
        target_hardware_addr: EthernetAddress::BROADCAST,
        target_protocol_addr: target,
    };
    let length = EthernetFrame::<&[u8]>::buffer_len(request.buffer_len());
    let mut bytes = vec![0; length];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    frame.set_src_addr(mac);
    frame.set_dst_addr(EthernetAddress::BROADCAST);
    frame.set_ethertype(EthernetProtocol::Arp);
    request.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    bytes
}
