//! No frame makes the stack fail: corrupt traffic, and frames made up.

#![allow(
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use std::cell::Cell;

use embedded_io_async::{Read, Write};
use netstack::http::{Limits, serve_listener};
use netstack::time::Duration;
use netstack::{
    Addressing, IpAddress, IpCidr, IpEndpoint, Ipv6Address, Stack, StackConfig, StaticAddressing,
    TcpListener, TcpStream, Timer, UdpSocket,
};
use proptest::prelude::*;
use support::http::Echo;
use support::{Faults, Network, UNCHECKED, address, capabilities, mac};

const PORT: u16 = 80;

fn config(host: u8) -> StackConfig {
    let mut config = StackConfig::new(mac(host), capabilities(), u64::from(host));
    config.addressing = Addressing::Static(StaticAddressing {
        addresses: vec![IpCidr::new(address(host), 24), IpCidr::new(v6(host), 64)],
        gateways: vec![address(1), v6(1)],
        dns_servers: vec![address(1)],
    });
    config
}

fn v6(host: u8) -> IpAddress {
    Ipv6Address::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, u16::from(host)).into()
}

/// Connects, asks, and takes whatever comes, again and again.
async fn nag(stack: &Stack, clock: &support::Clock, peer: IpAddress, done: &Cell<u32>) {
    loop {
        let endpoint = IpEndpoint::new(peer, PORT);
        let connect = TcpStream::connect(stack, endpoint, Duration::from_secs(3));
        if let Ok(mut stream) = connect.await {
            let body = "x".repeat(3000);
            let request =
                format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3000\r\n\r\n{body}");
            let exchange = async {
                stream.write_all(request.as_bytes()).await?;
                let mut answer = vec![0; 3000];
                stream.read_exact(&mut answer).await.map_err(|_| netstack::TcpError::Reset)
            };
            let end = clock.now() + Duration::from_secs(10);
            if let Ok(Ok(())) = netstack::time::until(clock, end, exchange).await {
                done.set(done.get() + 1);
            }
        }
        clock.sleep(Duration::from_millis(300)).await;
    }
}

#[test]
fn corrupt_frames_do_no_harm_beyond_their_connection() {
    UNCHECKED.set(true);
    for seed in 1..=24 {
        let faults = Faults {
            loss: 10,
            duplicates: 10,
            reorder: 20,
            corrupt: if seed % 2 == 0 { 30 } else { 300 },
            ..Faults::NONE
        };
        let mut network = Network::new(seed * 7919, faults);
        let (server, client) = (network.add(config(1)), network.add(config(2)));
        let mut leased = StackConfig::new(mac(3), capabilities(), 3);
        leased.hostname = Some("x".into());
        let _leased = network.add(leased);
        let (clock, segment) = (network.clock.clone(), network.segment.clone());
        let (limits, handler, done) = (Limits::default(), Echo::default(), Cell::new(0));
        let listener = TcpListener::bind(&server, PORT, 16).expect("free port");
        let datagrams = UdpSocket::bind(&server, 53).expect("free port");
        let names = async {
            loop {
                let _ = client.resolve("some.name").await;
                clock.sleep(Duration::from_millis(100)).await;
            }
        };
        let echo = async {
            let mut buf = [0; 600];
            loop {
                if let Ok((read, from)) = datagrams.receive_from(&mut buf).await {
                    // An answer of sorts: the query with the response bit.
                    buf[2] |= 0x80;
                    let _ = datagrams.send_to(&buf[..read], from).await;
                }
            }
        };
        let serve = async {
            serve_listener(&listener, 8, &limits, &clock, &handler, std::future::pending()).await;
        };
        let background: Vec<std::pin::Pin<Box<dyn Future<Output = ()>>>> = vec![
            Box::pin(serve),
            Box::pin(names),
            Box::pin(echo),
            Box::pin(nag(&client, &clock, address(1), &done)),
            Box::pin(nag(&client, &clock, v6(1), &done)),
        ];
        network.run_with(background, async {
            clock.sleep(Duration::from_secs(30)).await;
            // And once the segment is sound again, all is well.
            segment.borrow_mut().faults = Faults::NONE;
            clock.sleep(Duration::from_secs(90)).await;
            let before = done.get();
            clock.sleep(Duration::from_secs(10)).await;
            assert!(done.get() > before + 20, "seed {seed}: {} then {}", before, done.get());
        });
        assert!(server.counters().tcp_sockets <= server.counters().tcp_sockets_max);
    }
}

/// Frames that get past the first checks more often than chance has it.
fn almost_frames() -> impl Strategy<Value = Vec<u8>> {
    let ethertype =
        prop_oneof![Just([0x08, 0x00]), Just([0x08, 0x06]), Just([0x86, 0xdd]), any::<[u8; 2]>()];
    let target = prop_oneof![Just(mac(1).0), Just([0xff; 6]), Just([0x33, 0x33, 0, 0, 0, 1])];
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..120),
        (any::<u8>(), prop::collection::vec(any::<u8>(), 0..120)).prop_map(|(protocol, rest)| {
            let protocols = [1, 6, 17, 2, protocol];
            let mut packet = vec![0x45, 0, 0, (20 + rest.len()) as u8, 0, 0, 0x40, 0, 64];
            packet.extend([protocols[usize::from(protocol) % 5], 0, 0, 10, 0, 0, 2, 10, 0, 0, 1]);
            packet.extend(rest);
            packet
        }),
        (any::<u8>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..120)).prop_map(
            |(kind, group, mut rest)| {
                let protocols = [58, 58, 58, 0, 6, 17, 43, 44, 60];
                let protocol = protocols[usize::from(kind) % 9];
                if let (58, [first, ..]) = (protocol, &mut rest[..]) {
                    *first = 128 + *first % 16;
                }
                let mut packet = vec![0x60, 0, 0, 0, 0, rest.len() as u8, protocol, 255];
                packet.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
                let to = if group { [0xff, 2] } else { [0xfe, 0x80] };
                packet.extend(to);
                packet.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
                packet.extend(rest);
                packet
            }
        ),
    ];
    (target, ethertype, payload).prop_map(|(target, ethertype, payload)| {
        [&target[..], &mac(2).0, &ethertype, &payload].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn made_up_frames_do_no_harm(frames in prop::collection::vec(almost_frames(), 1..40)) {
        UNCHECKED.set(true);
        let mut network = Network::new(1, Faults::NONE);
        let stack = network.add(config(1));
        let _leased = network.add(StackConfig::new(mac(3), capabilities(), 3));
        let _listener = TcpListener::bind(&stack, PORT, 4).expect("free port");
        let _datagrams = UdpSocket::bind(&stack, 53).expect("free port");
        let stranger = network.plug();
        let clock = network.clock.clone();
        network.run(async {
            for frame in frames {
                stranger.send(&frame);
                clock.sleep(Duration::from_millis(100)).await;
            }
            clock.sleep(Duration::from_secs(5)).await;
        });
        prop_assert!(stack.counters().tcp_sockets <= 5);
    }
}
