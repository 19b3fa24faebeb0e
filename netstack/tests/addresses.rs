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
    Addressing, IpAddress, IpCidr, IpEndpoint, Ipv4Address, Ipv6Address, Ipv6Cidr, ResolveError,
    Stack, StackConfig, StaticAddressing, TcpListener, TcpStream, UdpError, UdpSocket, limits,
};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress,
    EthernetFrame, EthernetProtocol, Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, IpProtocol,
    Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, UdpPacket, UdpRepr,
};
use support::{Faults, Network, Port, address, capabilities, mac};

const SERVER: Ipv4Address = Ipv4Address::new(10, 0, 0, 1);
const LEASED: Ipv4Address = Ipv4Address::new(10, 0, 0, 50);
const MASK: Ipv4Address = Ipv4Address::new(255, 255, 255, 0);

fn dynamic_config(host: u8) -> StackConfig {
    let mut config = StackConfig::new(mac(host), capabilities(), 99);
    config.slaac = false;
    config
}

fn ethernet(
    from: EthernetAddress,
    to: EthernetAddress,
    kind: EthernetProtocol,
    payload: &[u8],
) -> Vec<u8> {
    let mut bytes = vec![0; 14 + payload.len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    frame.set_src_addr(from);
    frame.set_dst_addr(to);
    frame.set_ethertype(kind);
    frame.payload_mut().copy_from_slice(payload);
    bytes
}

fn ipv4(from: Ipv4Address, to: Ipv4Address, protocol: IpProtocol, payload: &[u8]) -> Vec<u8> {
    let repr = Ipv4Repr {
        src_addr: from,
        dst_addr: to,
        next_header: protocol,
        payload_len: payload.len(),
        hop_limit: 64,
    };
    let mut bytes = vec![0; 20 + payload.len()];
    let mut packet = Ipv4Packet::new_unchecked(&mut bytes[..]);
    repr.emit(&mut packet, &ChecksumCapabilities::default());
    packet.payload_mut().copy_from_slice(payload);
    bytes
}

fn udp(from: (Ipv4Address, u16), to: (Ipv4Address, u16), payload: &[u8]) -> Vec<u8> {
    let repr = UdpRepr { src_port: from.1, dst_port: to.1 };
    let mut bytes = vec![0; 8 + payload.len()];
    repr.emit(
        &mut UdpPacket::new_unchecked(&mut bytes[..]),
        &from.0.into(),
        &to.0.into(),
        payload.len(),
        |buffer| buffer.copy_from_slice(payload),
        &ChecksumCapabilities::default(),
    );
    ipv4(from.0, to.0, IpProtocol::Udp, &bytes)
}

/// The UDP payload of a frame to `port`, and where it came from.
fn udp_payload(frame: &[u8], port: u16) -> Option<(Ipv4Address, u16, Vec<u8>)> {
    let frame = EthernetFrame::new_checked(frame).ok()?;
    if frame.ethertype() != EthernetProtocol::Ipv4 {
        return None;
    }
    let packet = Ipv4Packet::new_checked(frame.payload()).ok()?;
    let udp = UdpPacket::new_checked(packet.payload()).ok()?;
    let ours = packet.next_header() == IpProtocol::Udp && udp.dst_port() == port;
    ours.then(|| (packet.src_addr(), udp.src_port(), udp.payload().to_vec()))
}

/// Answers ARP requests for [`SERVER`].
fn answer_arp(port: &Port, frame: &[u8]) {
    let Ok(frame) = EthernetFrame::new_checked(frame) else { return };
    if frame.ethertype() != EthernetProtocol::Arp {
        return;
    }
    let request = ArpPacket::new_checked(frame.payload()).expect("an ARP packet");
    let Ok(ArpRepr::EthernetIpv4 {
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    }) = ArpRepr::parse(&request)
    else {
        return;
    };
    if target_protocol_addr == SERVER && source_protocol_addr != SERVER {
        let reply = ArpRepr::EthernetIpv4 {
            operation: ArpOperation::Reply,
            source_hardware_addr: mac(1),
            source_protocol_addr: SERVER,
            target_hardware_addr: source_hardware_addr,
            target_protocol_addr: source_protocol_addr,
        };
        let mut bytes = vec![0; reply.buffer_len()];
        reply.emit(&mut ArpPacket::new_unchecked(&mut bytes[..]));
        port.send(&ethernet(mac(1), source_hardware_addr, EthernetProtocol::Arp, &bytes));
    }
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
    let mut network = Network::new(1, Faults::NONE);
    let mut config = dynamic_config(2);
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

/// A name server that knows `v4.test`, `v6.test` and `none.test`, and answers nothing else.
fn name_server(port: &Port, frame: &[u8]) {
    answer_arp(port, frame);
    let Some((client, client_port, query)) = udp_payload(frame, 53) else { return };
    let name_end = 12 + query[12..].iter().position(|byte| *byte == 0).expect("a name") + 1;
    let kind = query[name_end + 1];
    let name = &query[12..name_end];
    let answer: &[u8] = match (name, kind) {
        (b"\x02v4\x04test\x00", 1) => &[192, 0, 2, 7],
        (b"\x02v6\x04test\x00", 28) => &[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
        (b"\x02v6\x04test\x00" | b"\x04none\x04test\x00", _) => &[],
        _ => return,
    };
    let mut reply = query[..2].to_vec();
    reply.extend([
        0x81,
        if answer.is_empty() { 0x83 } else { 0x80 },
        0,
        1,
        0,
        u8::from(!answer.is_empty()),
    ]);
    reply.extend([0, 0, 0, 0]);
    reply.extend(&query[12..name_end + 4]);
    if !answer.is_empty() {
        reply.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, answer.len() as u8]);
        reply.extend(answer);
    }
    let datagram = udp((SERVER, 53), (client, client_port), &reply);
    port.send(&ethernet(mac(1), mac(2), EthernetProtocol::Ipv4, &datagram));
}

fn with_name_server() -> (Network, Stack) {
    let mut network = Network::new(1, Faults::NONE);
    let mut config = support::static_config(2);
    config.addressing = Addressing::Static(StaticAddressing {
        addresses: vec![IpCidr::new(address(2), 24)],
        gateways: vec![SERVER.into()],
        dns_servers: vec![SERVER.into()],
    });
    let stack = network.add(config);
    network.script(name_server);
    (network, stack)
}

#[test]
fn names_resolve_to_their_addresses() {
    let (mut network, stack) = with_name_server();
    network.run(async {
        assert_eq!(stack.resolve("v4.test").await, Ok(vec![IpAddress::v4(192, 0, 2, 7)]));
        assert_eq!(stack.resolve("v4.test.").await, Ok(vec![IpAddress::v4(192, 0, 2, 7)]));
        let v6 = IpAddress::v6(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
        assert_eq!(stack.resolve("v6.test").await, Ok(vec![v6]));
        assert_eq!(stack.resolve("none.test").await, Err(ResolveError::NotFound));
        assert_eq!(stack.resolve("10.1.2.3").await, Ok(vec![IpAddress::v4(10, 1, 2, 3)]));
        assert_eq!(stack.resolve("2001:db8::9").await, Ok(vec![v6]));
    });
    assert!(network.clock_millis() < 2_000, "the router's address was asked for in advance");
}

#[test]
fn a_name_that_no_server_answers_for_ends_in_an_error() {
    let (mut network, stack) = with_name_server();
    assert_eq!(network.run(stack.resolve("lost.test")), Err(ResolveError::NotFound));
    assert!(network.clock_millis() < 60_000);
}

#[test]
fn names_that_are_none_are_refused() {
    let (mut network, stack) = with_name_server();
    let label = "x".repeat(63);
    let longest = format!("{label}.{label}.{label}.{}", "x".repeat(61));
    assert_eq!(longest.len(), limits::MAX_DNS_NAME_BYTES);
    let too_long = format!("{label}.{label}.{label}.{}", "x".repeat(62));
    network.run(async {
        for name in
            ["", ".", "a..b", "-a.b", "a-.b", "a b", "a/b", "ü.test", &"x".repeat(64), &too_long]
        {
            assert_eq!(stack.resolve(name).await, Err(ResolveError::BadName), "{name}");
        }
        assert_eq!(stack.resolve(&longest).await, Err(ResolveError::NotFound));
    });
}

#[test]
fn look_ups_at_once_are_bounded_and_given_up_when_dropped() {
    let (mut network, stack) = with_name_server();
    network.run(async {
        let many = futures_util::future::join_all(
            (0..=limits::MAX_DNS_QUERIES).map(|_| stack.resolve("v4.test")),
        );
        let results = many.await;
        let busy = results.iter().filter(|r| **r == Err(ResolveError::Busy)).count();
        let found = results.iter().filter(|r| r.is_ok()).count();
        assert_eq!((found, busy), (limits::MAX_DNS_QUERIES, 1));
        let lost = futures_util::future::join_all(
            (0..limits::MAX_DNS_QUERIES).map(|_| stack.resolve("lost.test")),
        );
        let _ = futures_util::future::select(lost, Box::pin(stack.resolve("127.0.0.1"))).await;
        assert!(stack.resolve("v4.test").await.is_ok());
    });
}

#[test]
fn datagrams_arrive_whole_with_their_sender() {
    let mut network = Network::new(1, Faults::NONE);
    let (a, b) = (network.add_static(2), network.add_static(3));
    network.run(async {
        let one = UdpSocket::bind(&a, 5000).expect("free port");
        let other = UdpSocket::bind(&b, 6000).expect("free port");
        let to = IpEndpoint::new(address(3), 6000);
        for length in [0, 1, 1400] {
            one.send_to(&vec![7; length], to).await.expect("sent");
            let mut buf = [0; 1400];
            let (read, from) = other.receive_from(&mut buf).await.expect("fits");
            assert_eq!((read, from), (length, IpEndpoint::new(address(2), 5000)));
        }
        one.send_to(&[7; 100], to).await.expect("sent");
        assert_eq!(other.receive_from(&mut [0; 99]).await, Err(UdpError::TooLong));
    });
}

#[test]
fn udp_sockets_and_ports_are_bounded() {
    let mut network = Network::new(1, Faults::NONE);
    let a = network.add_static(2);
    assert_eq!(UdpSocket::bind(&a, 0).err(), Some(UdpError::BadPort));
    let mut sockets: Vec<_> = (1..=limits::MAX_UDP_SOCKETS)
        .map(|port| UdpSocket::bind(&a, port as u16).expect("within the limit"))
        .collect();
    assert_eq!(UdpSocket::bind(&a, 999).err(), Some(UdpError::Exhausted));
    sockets.pop();
    assert_eq!(UdpSocket::bind(&a, 1).err(), Some(UdpError::BadPort));
    UdpSocket::bind(&a, 999).expect("room again");
    network.run(async {
        let too_long = vec![0; limits::UDP_QUEUE_BYTES + 1];
        let to = IpEndpoint::new(address(3), 6000);
        assert_eq!(sockets[0].send_to(&too_long, to).await, Err(UdpError::TooLong));
        let nowhere = IpEndpoint::new(IpAddress::v4(0, 0, 0, 0), 1);
        assert_eq!(sockets[0].send_to(b"x", nowhere).await, Err(UdpError::Unaddressable));
    });
}
