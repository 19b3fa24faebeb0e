//! Name look-up and UDP.

#![allow(
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use netstack::{
    Addressing, IpAddress, IpCidr, IpEndpoint, ResolveError, Stack, StaticAddressing, UdpError,
    UdpSocket, limits,
};
use smoltcp::wire::EthernetProtocol;
use support::frames::{SERVER, answer_arp, ethernet, udp, udp_payload};
use support::{Faults, Network, Port, address, mac};

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
