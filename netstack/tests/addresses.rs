//! Addresses: DHCP, SLAAC and link-local, and what answers at them.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use netstack::time::Duration;
use netstack::{
    Addressing, EthernetAddress, IpAddress, IpCidr, IpEndpoint, Ipv4Address, Ipv6Address, Ipv6Cidr,
    Stack, StackConfig, StaticAddressing, TcpListener, TcpStream, limits,
};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetFrame, EthernetProtocol, Icmpv4Packet,
    Icmpv4Repr, Icmpv6Packet, IpProtocol, Ipv4Packet, Ipv6Packet, Ipv6Repr,
};
use support::frames::{SERVER, answer_arp, ethernet, ipv4, udp, udp_payload};
use support::{Faults, Network, Port, address, capabilities, mac};

const LEASED: Ipv4Address = Ipv4Address::new(10, 0, 0, 50);
const MASK: Ipv4Address = Ipv4Address::new(255, 255, 255, 0);

fn dynamic_config(host: u8) -> StackConfig {
    let mut config = StackConfig::new(mac(host), capabilities(), 99);
    config.slaac = false;
    config
}

/// A message to the server and the host name in it.
type Asked = (DhcpMessageType, Option<Vec<u8>>);

/// What a scripted DHCP server did and does.
#[derive(Clone, Default)]
struct Dhcp {
    log: Rc<RefCell<Vec<Asked>>>,
    silent: Rc<Cell<bool>>,
    refuse: Rc<Cell<bool>>,
    lease_seconds: u32,
}

impl Dhcp {
    fn serve(&self, port: &Port, frame: &[u8]) {
        answer_arp(port, frame);
        let Some((_, _, payload)) = udp_payload(frame, 67) else { return };
        let packet = DhcpPacket::new_checked(&payload[..]).expect("a DHCP packet");
        let request = DhcpRepr::parse(&packet).expect("a DHCP message");
        let hostname = packet.options().find(|option| option.kind == 12);
        self.log
            .borrow_mut()
            .push((request.message_type, hostname.map(|option| option.data.to_vec())));
        if self.silent.get() {
            return;
        }
        let message_type = match request.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            DhcpMessageType::Request if self.refuse.get() => DhcpMessageType::Nak,
            DhcpMessageType::Request => DhcpMessageType::Ack,
            _ => return,
        };
        let answer = DhcpRepr {
            message_type,
            transaction_id: request.transaction_id,
            secs: 0,
            client_hardware_address: request.client_hardware_address,
            client_ip: Ipv4Address::UNSPECIFIED,
            your_ip: LEASED,
            server_ip: SERVER,
            router: Some(SERVER),
            subnet_mask: Some(MASK),
            relay_agent_ip: Ipv4Address::UNSPECIFIED,
            broadcast: false,
            requested_ip: None,
            client_identifier: None,
            server_identifier: Some(SERVER),
            parameter_request_list: None,
            dns_servers: Some([SERVER].into_iter().collect()),
            max_size: None,
            lease_duration: Some(self.lease_seconds),
            renew_duration: None,
            rebind_duration: None,
            additional_options: &[],
        };
        let mut bytes = vec![0; answer.buffer_len()];
        answer.emit(&mut DhcpPacket::new_unchecked(&mut bytes[..])).expect("room");
        let datagram = udp((SERVER, 67), (LEASED, 68), &bytes);
        let client = request.client_hardware_address;
        port.send(&ethernet(mac(1), client, EthernetProtocol::Ipv4, &datagram));
    }

    fn count(&self, kind: DhcpMessageType) -> usize {
        self.log.borrow().iter().filter(|entry| entry.0 == kind).count()
    }
}

fn with_dhcp(lease_seconds: u32) -> (Network, Stack, Dhcp) {
    with_dhcp_and(lease_seconds, false)
}

fn with_dhcp_and(lease_seconds: u32, slaac: bool) -> (Network, Stack, Dhcp) {
    let mut network = Network::new(1, Faults::NONE);
    let mut config = dynamic_config(2);
    config.slaac = slaac;
    config.hostname = Some("aerolith-7".into());
    let stack = network.add(config);
    let dhcp = Dhcp { lease_seconds, ..Dhcp::default() };
    let server = dhcp.clone();
    network.script(move |port, frame| server.serve(port, frame));
    (network, stack, dhcp)
}

fn leased() -> IpCidr {
    IpCidr::new(LEASED.into(), 24)
}

#[test]
fn dhcp_gives_an_address_and_carries_the_host_name() {
    let (mut network, stack, dhcp) = with_dhcp(600);
    assert!(!stack.is_configured());
    let addresses = network.run(stack.wait_configured());
    assert!(addresses.contains(&leased()), "{addresses:?}");
    assert!(network.clock_millis() < 100);
    assert_eq!(stack.counters().leases_acquired, 1);
    assert_eq!(dhcp.log.borrow()[0].1.as_deref(), Some(&b"aerolith-7"[..]));
}

#[test]
fn a_lost_dhcp_request_is_repeated_soon() {
    let (mut network, stack, dhcp) = with_dhcp(600);
    dhcp.silent.set(true);
    let clock = network.clock.clone();
    network.run(async {
        clock.sleep(Duration::from_millis(500)).await;
        dhcp.silent.set(false);
        stack.wait_configured().await;
    });
    assert_eq!(dhcp.count(DhcpMessageType::Discover), 2);
    assert!(network.clock_millis() < 3_000);
}

#[test]
fn a_lease_is_renewed_and_connections_live_on() {
    let (mut network, stack, dhcp) = with_dhcp(120);
    let peer = network.add_static(9);
    let clock = network.clock.clone();
    network.run(async {
        stack.wait_configured().await;
        let listener = TcpListener::bind(&stack, 80, 1).expect("free port");
        let endpoint = IpEndpoint::new(LEASED.into(), 80);
        let connect = TcpStream::connect(&peer, endpoint, Duration::from_secs(5));
        let (accepted, stream) = futures_util::join!(listener.accept(), connect);
        let mut stream = stream.expect("connected");
        clock.sleep(Duration::from_secs(1000)).await;
        let mut accepted = accepted;
        embedded_io_async::Write::write_all(&mut stream, b"x").await.expect("open");
        let mut buf = [0; 1];
        embedded_io_async::Read::read_exact(&mut accepted, &mut buf).await.expect("open");
    });
    assert!(dhcp.count(DhcpMessageType::Request) > 5);
    assert_eq!(stack.counters().leases_lost, 0);
}

#[test]
fn a_lease_that_cannot_be_renewed_is_given_up_and_asked_for_again() {
    let (mut network, stack, dhcp) = with_dhcp(120);
    let clock = network.clock.clone();
    network.run(async {
        stack.wait_configured().await;
        dhcp.silent.set(true);
        clock.sleep(Duration::from_secs(130)).await;
        assert!(!stack.addresses().contains(&leased()));
        assert!(!stack.is_configured());
        assert_eq!(stack.counters().leases_lost, 1);
        dhcp.silent.set(false);
        let addresses = stack.wait_configured().await;
        assert!(addresses.contains(&leased()));
    });
}

#[test]
fn a_refused_request_starts_over() {
    let (mut network, stack, dhcp) = with_dhcp(600);
    dhcp.refuse.set(true);
    let clock = network.clock.clone();
    network.run(async {
        clock.sleep(Duration::from_secs(5)).await;
        assert!(!stack.is_configured());
        dhcp.refuse.set(false);
        stack.wait_configured().await;
    });
    assert!(dhcp.count(DhcpMessageType::Discover) >= 2);
}

#[test]
fn a_bad_host_name_is_not_sent() {
    for name in ["", "-x", "a.b", "a b", &"x".repeat(limits::MAX_HOSTNAME_BYTES + 1)] {
        let mut network = Network::new(1, Faults::NONE);
        let mut config = dynamic_config(2);
        config.hostname = Some(name.to_string());
        let stack = network.add(config);
        let dhcp = Dhcp { lease_seconds: 60, ..Dhcp::default() };
        let server = dhcp.clone();
        network.script(move |port, frame| server.serve(port, frame));
        network.run(stack.wait_configured());
        assert_eq!(dhcp.log.borrow()[0].1, None, "{name}");
    }
}

#[test]
fn echo_requests_are_answered_with_their_payload() {
    let mut network = Network::new(1, Faults::NONE);
    let _stack = network.add_static(2);
    let answered = Rc::new(RefCell::new(Vec::new()));
    let answers = answered.clone();
    let peer = network.script(move |port, frame| {
        answer_arp(port, frame);
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return };
        let Ok(packet) = Ipv4Packet::new_checked(frame.payload()) else { return };
        let Ok(icmp) = Icmpv4Packet::new_checked(packet.payload()) else { return };
        if let Ok(Icmpv4Repr::EchoReply { ident, seq_no, data }) =
            Icmpv4Repr::parse(&icmp, &ChecksumCapabilities::default())
        {
            answers.borrow_mut().push((ident, seq_no, data.to_vec()));
        }
    });
    let payload: Vec<u8> = (0..1400).map(|n| n as u8).collect();
    let clock = network.clock.clone();
    network.run(async {
        for (seq_no, length) in [(1, 0), (2, 56), (3, 1400)] {
            let request = Icmpv4Repr::EchoRequest { ident: 7, seq_no, data: &payload[..length] };
            let mut bytes = vec![0; request.buffer_len()];
            request.emit(
                &mut Icmpv4Packet::new_unchecked(&mut bytes[..]),
                &ChecksumCapabilities::default(),
            );
            let packet = ipv4(SERVER, Ipv4Address::new(10, 0, 0, 2), IpProtocol::Icmp, &bytes);
            peer.send(&ethernet(mac(1), mac(2), EthernetProtocol::Ipv4, &packet));
            clock.sleep(Duration::from_secs(3)).await;
            if answered.borrow().is_empty() {
                // The first answer may have been given up for want of our hardware address.
                peer.send(&ethernet(mac(1), mac(2), EthernetProtocol::Ipv4, &packet));
                clock.sleep(Duration::from_secs(1)).await;
            }
        }
    });
    let expected: Vec<_> =
        [(1, 0), (2, 56), (3, 1400)].map(|(n, l)| (7, n, payload[..l].to_vec())).into();
    assert_eq!(*answered.borrow(), expected);
}

fn ipv6_endpoint(stack: &Stack, link_local: bool, port: u16) -> IpEndpoint {
    let found = stack.addresses().into_iter().find_map(|cidr| match cidr {
        IpCidr::Ipv6(cidr) if cidr.address().is_unicast_link_local() == link_local => {
            Some(cidr.address())
        }
        _ => None,
    });
    IpEndpoint::new(found.expect("an address").into(), port)
}

fn connects(network: &mut Network, from: &Stack, to: &Stack, endpoint: IpEndpoint) {
    network.run(async {
        let listener = TcpListener::bind(to, endpoint.port, 1).expect("free port");
        let connect = TcpStream::connect(from, endpoint, Duration::from_secs(5));
        let (accepted, stream) = futures_util::join!(listener.accept(), connect);
        let stream = stream.expect("connected");
        assert_eq!(accepted.peer(), stream.local());
    });
}

#[test]
fn link_local_ipv6_addresses_come_from_the_hardware_address_and_work() {
    let mut network = Network::new(1, Faults::NONE);
    let (a, b) = (network.add(dynamic_config(2)), network.add(dynamic_config(3)));
    let expected = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0xff, 0xfe00, 3);
    assert_eq!(b.addresses(), [IpCidr::Ipv6(Ipv6Cidr::new(expected, 64))]);
    assert!(!b.is_configured(), "link-local alone reaches nobody far");
    let endpoint = ipv6_endpoint(&b, true, 81);
    connects(&mut network, &a, &b, endpoint);
}

#[test]
fn static_ipv6_addresses_work() {
    let mut network = Network::new(1, Faults::NONE);
    let config = |host: u16| {
        let mut config = dynamic_config(host as u8);
        let address = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host);
        config.addressing = Addressing::Static(StaticAddressing {
            addresses: vec![IpCidr::new(address.into(), 64)],
            ..StaticAddressing::default()
        });
        config
    };
    let (a, b) = (network.add(config(2)), network.add(config(3)));
    assert!(b.is_configured());
    let endpoint = ipv6_endpoint(&b, false, 82);
    connects(&mut network, &a, &b, endpoint);
}

#[test]
fn addresses_given_later_take_the_place_of_all_others() {
    let mut network = Network::new(1, Faults::NONE);
    let (a, b) = (network.add(dynamic_config(2)), network.add(dynamic_config(3)));
    let given = |number: u8| StaticAddressing {
        addresses: vec![IpCidr::new(address(number), 24)],
        gateways: vec![address(1)],
        dns_servers: vec![address(1)],
    };
    assert!(!a.is_configured());
    a.set_static(given(2));
    b.set_static(given(9));
    b.set_static(given(3));
    let clock = network.clock.clone();
    network.run(clock.sleep(Duration::from_secs(1)));
    assert!(a.is_configured() && b.is_configured());
    let four = |stack: &Stack| -> Vec<IpCidr> {
        let all = stack.addresses().into_iter();
        all.filter(|cidr| matches!(cidr, IpCidr::Ipv4(_))).collect()
    };
    assert_eq!((four(&a), four(&b)), (given(2).addresses, given(3).addresses));
    connects(&mut network, &a, &b, IpEndpoint::new(address(3), 80));
}

#[test]
fn addresses_that_no_host_can_have_are_left_out() {
    let mut config = dynamic_config(2);
    let mut addresses: Vec<IpCidr> = vec![
        IpCidr::new(IpAddress::v4(224, 0, 0, 1), 24),
        IpCidr::new(IpAddress::v4(0, 0, 0, 0), 0),
        IpCidr::new(IpAddress::v4(255, 255, 255, 255), 32),
        IpCidr::new(IpAddress::v6(0xff02, 0, 0, 0, 0, 0, 0, 1), 64),
    ];
    addresses.extend((1..=20).map(|n| IpCidr::new(address(n), 24)));
    config.addressing = Addressing::Static(StaticAddressing {
        addresses,
        gateways: vec![IpAddress::v4(0, 0, 0, 0), address(1)],
        dns_servers: vec![IpAddress::v4(0, 0, 0, 0), address(1)],
    });
    config.mac = EthernetAddress::BROADCAST;
    let mut network = Network::new(1, Faults::NONE);
    let stack = network.add(config);
    let clock = network.clock.clone();
    network.run(clock.sleep(Duration::from_secs(1)));
    let addresses = stack.addresses();
    assert_eq!(addresses.len(), limits::MAX_ADDRESSES - 2);
    assert_eq!(addresses[1], IpCidr::new(address(1), 24));
}

#[test]
fn asking_for_a_router_that_is_not_there_ends() {
    let mut network = Network::new(1, Faults::NONE);
    let mut config = support::static_config(2);
    config.slaac = true;
    let _stack = network.add(config);
    let _other = network.plug();
    let clock = network.clock.clone();
    network.run(clock.sleep(Duration::from_secs(30)));
    let (polls, sent) = (network.polls, network.segment.borrow().sent[0]);
    // Three solicitations and the announcement of the IPv4 address.
    assert_eq!(sent, 4);
    network.run(clock.sleep(Duration::from_secs(3600)));
    assert!(network.polls - polls < 10, "{} polls in an idle hour", network.polls - polls);
}

fn advertisement(prefix: [u8; 16], valid_seconds: u32, hop_by_hop: bool) -> Vec<u8> {
    let source = Ipv6Address::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
    let all_nodes = Ipv6Address::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let mut icmp = vec![134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0];
    icmp.extend([3, 4, 64, 0xc0]);
    icmp.extend(valid_seconds.to_be_bytes());
    icmp.extend(valid_seconds.to_be_bytes());
    icmp.extend([0; 4]);
    icmp.extend(prefix);
    Icmpv6Packet::new_unchecked(&mut icmp[..]).fill_checksum(&source, &all_nodes);
    let mut payload = if hop_by_hop { vec![58, 0, 1, 4, 0, 0, 0, 0] } else { Vec::new() };
    payload.extend(icmp);
    let repr = Ipv6Repr {
        src_addr: source,
        dst_addr: all_nodes,
        next_header: if hop_by_hop { IpProtocol::HopByHop } else { IpProtocol::Icmpv6 },
        payload_len: payload.len(),
        hop_limit: 255,
    };
    let mut bytes = vec![0; 40];
    repr.emit(&mut Ipv6Packet::new_unchecked(&mut bytes[..]));
    bytes.extend(payload);
    let multicast = EthernetAddress([0x33, 0x33, 0, 0, 0, 1]);
    ethernet(mac(1), multicast, EthernetProtocol::Ipv6, &bytes)
}

#[test]
fn a_router_advertisement_gives_an_address_until_it_expires() {
    let mut network = Network::new(1, Faults::NONE);
    let mut config = dynamic_config(2);
    config.slaac = true;
    let stack = network.add(config);
    let router = network.plug();
    let clock = network.clock.clone();
    let mut prefix = [0; 16];
    prefix[..4].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
    // Also when it comes long after the asking has ended.
    network.run(clock.sleep(Duration::from_secs(20)));
    router.send(&advertisement(prefix, 300, false));
    let addresses = network.run(stack.wait_configured());
    let expected = Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0xff, 0xfe00, 2);
    assert!(addresses.contains(&IpCidr::Ipv6(Ipv6Cidr::new(expected, 64))), "{addresses:?}");
    network.run(clock.sleep(Duration::from_secs(310)));
    assert!(!stack.is_configured());
}

#[test]
fn an_ipv6_address_alone_counts_only_when_dhcp_has_had_its_time() {
    let (mut network, stack, dhcp) = with_dhcp_and(600, true);
    dhcp.silent.set(true);
    let router = network.plug();
    let mut prefix = [0; 16];
    prefix[0] = 0x20;
    router.send(&advertisement(prefix, 300, false));
    let clock = network.clock.clone();
    network.run(async {
        clock.sleep(Duration::from_secs(1)).await;
        assert_eq!(stack.addresses().len(), 2);
        assert!(!stack.is_configured());
        stack.wait_configured().await;
    });
    assert_eq!(network.clock_millis(), limits::DHCP_PATIENCE.total_millis() as i64);
}

#[test]
fn a_router_advertisement_with_a_multicast_prefix_is_refused() {
    for hop_by_hop in [false, true] {
        let mut network = Network::new(1, Faults::NONE);
        let mut config = dynamic_config(2);
        config.slaac = true;
        let stack = network.add(config);
        let router = network.plug();
        let clock = network.clock.clone();
        let mut prefix = [0; 16];
        prefix[..2].copy_from_slice(&[0xff, 0x02]);
        router.send(&advertisement(prefix, 300, hop_by_hop));
        network.run(clock.sleep(Duration::from_secs(5)));
        assert_eq!(stack.counters().frames_refused, 1);
        assert_eq!(stack.addresses().len(), 1);
    }
}
