//! The stack's bounds, at the bound and one past it.

#![allow(
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use std::collections::VecDeque;

use netstack::time::{Duration, Instant};
use netstack::{
    Addressing, IpAddress, IpCidr, IpEndpoint, Stack, StackConfig, StaticAddressing, Stream,
    TcpListener, TcpStream, UdpSocket, limits,
};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use support::{Faults, Network, address, capabilities, mac, static_config};

/// A device with frames to receive and room for so many to send.
#[derive(Default)]
struct Bench {
    waiting: VecDeque<Vec<u8>>,
    room: usize,
    sent: usize,
}

struct Frame(Vec<u8>);

impl RxToken for Frame {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

struct Slot<'a>(&'a mut Bench);

impl TxToken for Slot<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        self.0.room -= 1;
        self.0.sent += 1;
        f(&mut vec![0; length])
    }
}

impl Device for Bench {
    type RxToken<'a> = Frame;
    type TxToken<'a> = Slot<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Frame, Slot<'_>)> {
        if self.room == 0 {
            return None;
        }
        let frame = self.waiting.pop_front()?;
        Some((Frame(frame), Slot(self)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Slot<'_>> {
        if self.room == 0 { None } else { Some(Slot(self)) }
    }

    fn capabilities(&self) -> DeviceCapabilities {
        capabilities()
    }
}

fn at(millis: i64) -> Instant {
    Instant::from_millis(millis)
}

#[test]
fn one_poll_takes_no_more_frames_than_its_budget() {
    for (count, left, again) in [
        (limits::INGRESS_BUDGET_FRAMES - 1, 0, false),
        (limits::INGRESS_BUDGET_FRAMES, 0, true),
        (limits::INGRESS_BUDGET_FRAMES + 1, 1, true),
    ] {
        let stack = Stack::new(static_config(1), at(0));
        let waiting = (0..count).map(|_| vec![0xff; 60]).collect();
        let mut device = Bench { waiting, room: 1_000, sent: 0 };
        let next = stack.poll(at(5), &mut device);
        assert_eq!(device.waiting.len(), left, "{count}");
        assert_eq!(next == Some(at(5)), again, "{count}: {next:?}");
        assert_eq!(stack.counters().frames_received, (count - left) as u64);
    }
}

#[test]
fn a_device_without_room_is_not_asked_again_at_once() {
    let mut config = static_config(1);
    config.slaac = true;
    let stack = Stack::new(config, at(0));
    let mut device = Bench::default();
    let next = stack.poll(at(7), &mut device).expect("there is something to send");
    assert_eq!(next, at(7) + limits::STALL_BACKOFF);
    device.room = 10;
    stack.poll(next, &mut device);
    assert_eq!(device.sent, 2, "the announcement and the solicitation");
}

#[test]
fn buffers_and_pools_of_a_configuration_are_brought_within_their_bounds() {
    // A window of the least buffer holds a full segment, and a pool of none still has one socket.
    let mut network = Network::new(1, Faults::NONE);
    let mut config = static_config(1);
    (config.tcp_receive_bytes, config.tcp_send_bytes) = (0, 0);
    config.max_tcp_sockets = 0;
    config.seed = 0;
    let tiny = network.add(config);
    let mut config = static_config(2);
    (config.tcp_receive_bytes, config.tcp_send_bytes) = (usize::MAX, usize::MAX);
    let huge = network.add(config);
    network.run(async {
        let listener = TcpListener::bind(&huge, 80, 1).expect("free port");
        let endpoint = IpEndpoint::new(address(2), 80);
        let connect = TcpStream::connect(&tiny, endpoint, Duration::from_secs(5));
        let (mut accepted, stream) = futures_util::join!(listener.accept(), connect);
        let mut stream = stream.expect("connected");
        let sent = vec![5; 20_000];
        let mut received = vec![0; 20_000];
        let (write, read) = futures_util::join!(
            embedded_io_async::Write::write_all(&mut accepted, &sent),
            embedded_io_async::Read::read_exact(&mut stream, &mut received)
        );
        write.expect("open");
        read.expect("open");
        assert_eq!(sent, received);
    });
    assert_eq!(tiny.counters().tcp_sockets_max, 1);
}

#[test]
fn a_backlog_is_as_long_as_asked_and_no_longer_than_the_bound() {
    for (asked, got) in [(0, 1), (1, 1), (2, 2), (limits::MAX_BACKLOG + 1, limits::MAX_BACKLOG)] {
        let mut network = Network::new(1, Faults::NONE);
        let server = network.add_static(1);
        let flood = network.plug();
        let _listener = TcpListener::bind(&server, 80, asked).expect("free port");
        let clock = network.clock.clone();
        network.run(async {
            for port in 1..=150 {
                flood.send(&support::syn(9, port, 1, 80));
            }
            clock.sleep(Duration::from_secs(1)).await;
        });
        let counters = server.counters();
        assert_eq!(counters.connections_half_open, got, "{asked}");
        assert_eq!(counters.connections_refused, 150 - got as u64, "{asked}");
    }
}

#[test]
fn a_closing_connection_whose_peer_is_gone_ends_after_its_linger_time() {
    let mut network = Network::new(1, Faults::NONE);
    let (server, client) = (network.add_static(1), network.add_static(2));
    let (clock, segment) = (network.clock.clone(), network.segment.clone());
    network.run(async {
        let listener = TcpListener::bind(&server, 80, 1).expect("free port");
        let endpoint = IpEndpoint::new(address(1), 80);
        let connect = TcpStream::connect(&client, endpoint, Duration::from_secs(5));
        let (_accepted, stream) = futures_util::join!(listener.accept(), connect);
        let mut stream = stream.expect("connected");
        segment.borrow_mut().unplugged[0] = true;
        stream.shutdown().await.expect("open");
        drop(stream);
        clock.sleep(limits::LINGER - Duration::from_secs(1)).await;
        assert_eq!(client.counters().connections_closing, 1);
        clock.sleep(Duration::from_secs(2) + limits::ABORT_LINGER).await;
        assert_eq!(client.counters().connections_closing, 0);
        assert_eq!(client.counters().tcp_sockets, 0);
        assert_eq!(client.counters().connections_aborted, 1);
    });
}

#[test]
fn datagrams_beyond_the_queue_are_lost_and_the_rest_is_whole() {
    let mut network = Network::new(1, Faults::NONE);
    let (a, b) = (network.add_static(1), network.add_static(2));
    let clock = network.clock.clone();
    network.run(async {
        let one = UdpSocket::bind(&a, 1000).expect("free port");
        let other = UdpSocket::bind(&b, 1000).expect("free port");
        for number in 0..=limits::UDP_QUEUE_DATAGRAMS {
            let to = IpEndpoint::new(address(2), 1000);
            one.send_to(&[number as u8], to).await.expect("sent");
        }
        clock.sleep(Duration::from_secs(3)).await;
        let mut buf = [0; 8];
        for number in 0..limits::UDP_QUEUE_DATAGRAMS {
            let (read, _) = other.receive_from(&mut buf).await.expect("fits");
            assert_eq!(buf[..read], [number as u8]);
        }
        let more = std::pin::pin!(other.receive_from(&mut buf));
        let wait = std::pin::pin!(clock.sleep(Duration::from_secs(1)));
        let lost = futures_util::future::select(more, wait).await;
        assert!(matches!(lost, futures_util::future::Either::Right(_)));
    });
}

#[test]
fn the_longest_host_name_is_sent_and_name_servers_beyond_the_bound_are_left_out() {
    let mut config = StackConfig::new(mac(1), capabilities(), 1);
    config.hostname = Some("h".repeat(limits::MAX_HOSTNAME_BYTES));
    let stack = Stack::new(config, at(0));
    let mut device = Bench { room: 10, ..Bench::default() };
    stack.poll(at(0), &mut device);
    let with_name = stack.counters().bytes_sent;
    let plain = Stack::new(StackConfig::new(mac(1), capabilities(), 1), at(0));
    plain.poll(at(0), &mut device);
    assert_eq!(with_name - plain.counters().bytes_sent, 2 + limits::MAX_HOSTNAME_BYTES as u64);

    let mut config = static_config(2);
    config.addressing = Addressing::Static(StaticAddressing {
        addresses: vec![IpCidr::new(address(2), 24)],
        gateways: Vec::new(),
        dns_servers: (0..=limits::MAX_DNS_SERVERS)
            .map(|n| IpAddress::v4(10, 0, 0, n as u8 + 1))
            .collect(),
    });
    let mut network = Network::new(1, Faults::NONE);
    let stack = network.add(config);
    assert!(network.run(stack.resolve("a.b")).is_err());
}
