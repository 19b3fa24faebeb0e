//! TCP between two stacks over a simulated segment.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use embedded_io_async::{Read, Write};
use netstack::time::Duration;
use netstack::{
    BindError, ConnectError, IpEndpoint, Stack, Stream, TcpError, TcpListener, TcpStream, Timer,
    limits,
};
use support::{Faults, Network, address};

const PORT: u16 = 7000;

async fn connect(stack: &Stack, host: u8) -> TcpStream {
    TcpStream::connect(stack, IpEndpoint::new(address(host), PORT), Duration::from_secs(30))
        .await
        .expect("the peer accepts")
}

async fn read_all(stream: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    let mut buf = [0; 3000];
    loop {
        match stream.read(&mut buf).await.expect("no reset") {
            0 => return all,
            read => all.extend_from_slice(&buf[..read]),
        }
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 31 + at / 251) as u8).collect()
}

/// A listener and one connection to it: the accepted end, then the connecting one.
async fn pair(server: &Stack, client: &Stack) -> (TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind(server, PORT, 4).expect("free port");
    let (accepted, stream) = futures_util::join!(listener.accept(), connect(client, 1));
    (listener, accepted, stream)
}

fn two_stacks(seed: u64, faults: Faults) -> (Network, Stack, Stack) {
    let mut network = Network::new(seed, faults);
    let (server, client) = (network.add_static(1), network.add_static(2));
    (network, server, client)
}

#[test]
fn what_is_written_is_read_then_end_of_file() {
    let (mut network, server, client) = two_stacks(1, Faults::NONE);
    let sent = pattern(100_000);
    let received = network.run(async {
        let (_listener, mut accepted, mut stream) = pair(&server, &client).await;
        assert_eq!(accepted.peer(), stream.local());
        assert_eq!(stream.peer(), IpEndpoint::new(address(1), PORT));
        let write = async {
            stream.write_all(&sent).await.expect("written");
            stream.close().await.expect("delivered");
        };
        let (received, ()) = futures_util::join!(read_all(&mut accepted), write);
        received
    });
    assert!(received == sent);
}

#[test]
fn both_ways_at_once_survive_loss_reordering_and_duplicates() {
    for seed in 1..=6 {
        let faults = Faults { loss: 50, duplicates: 20, reorder: 50, delay: 2_000, ..Faults::NONE };
        let (mut network, server, client) = two_stacks(seed, faults);
        let (there, back) = (pattern(60_000), pattern(45_001));
        network.run(async {
            let (_listener, accepted, stream) = pair(&server, &client).await;
            // Reading and writing one connection from two tasks at the same time.
            let one = async |stream: &TcpStream, sends: &[u8]| {
                let (mut reader, mut writer) = (stream, stream);
                let write = async {
                    writer.write_all(sends).await.expect("written");
                };
                let read = async {
                    let expected = if sends.len() == there.len() { &back } else { &there };
                    let mut got = vec![0; expected.len()];
                    reader.read_exact(&mut got).await.expect("all came");
                    assert!(got == *expected, "seed {seed}");
                };
                futures_util::join!(write, read);
            };
            futures_util::join!(one(&stream, &there), one(&accepted, &back));
            let (closed, ended) = futures_util::join!(stream.close(), accepted.close());
            closed.expect("delivered");
            ended.expect("delivered");
        });
    }
}

#[test]
fn a_burst_of_connections_within_the_backlog_all_succeed_at_once() {
    let (mut network, server, client) = two_stacks(3, Faults::NONE);
    let count = 60;
    network.run(async {
        let listener = TcpListener::bind(&server, PORT, count).expect("free port");
        let streams: Vec<_> =
            futures_util::future::join_all((0..count).map(|_| connect(&client, 1))).await;
        assert_eq!(streams.len(), count);
        for _ in 0..count {
            listener.accept().await;
        }
    });
    assert!(network.clock.now().total_millis() < 1_000, "nobody had to repeat a request");
    assert_eq!(server.counters().connections_accepted, count as u64);
    assert_eq!(server.counters().connections_refused, 0);
}

#[test]
fn requests_beyond_the_backlog_wait_instead_of_being_reset() {
    let (mut network, server, client) = two_stacks(4, Faults::NONE);
    let clock = network.clock.clone();
    network.run(async {
        let listener = TcpListener::bind(&server, PORT, 2).expect("free port");
        let connect = futures_util::future::join_all((0..5).map(|_| connect(&client, 1)));
        let accept = async {
            clock.sleep(Duration::from_secs(2)).await;
            assert_eq!(server.counters().connections_accepted, 0);
            let mut accepted = Vec::new();
            for _ in 0..5 {
                accepted.push(listener.accept().await);
            }
            accepted
        };
        let (streams, accepted) = futures_util::join!(connect, accept);
        assert_eq!((streams.len(), accepted.len()), (5, 5));
    });
    assert!(server.counters().connections_refused >= 3);
}

#[test]
fn a_port_without_a_listener_refuses_at_once() {
    let (mut network, server, client) = two_stacks(5, Faults::NONE);
    let peer = IpEndpoint::new(address(1), PORT);
    let result = network.run(TcpStream::connect(&client, peer, Duration::from_secs(30)));
    assert_eq!(result.err(), Some(ConnectError::Refused));
    assert!(network.clock.now().total_millis() < 1_500);
    assert_eq!(client.counters().connections_failed, 1);
    assert_eq!(client.counters().tcp_sockets, 0);
    drop(server);
}

#[test]
fn connecting_to_nobody_ends_with_the_timeout() {
    let (mut network, _server, client) = two_stacks(6, Faults::NONE);
    let peer = IpEndpoint::new(address(77), PORT);
    let result = network.run(TcpStream::connect(&client, peer, Duration::from_secs(5)));
    assert_eq!(result.err(), Some(ConnectError::Refused));
    let waited = network.clock.now().total_millis();
    assert!((5_000..7_000).contains(&waited), "{waited} ms");
}

#[test]
fn a_connection_cannot_be_made_to_nowhere() {
    let (mut network, _server, client) = two_stacks(7, Faults::NONE);
    let zero = IpEndpoint::new(netstack::Ipv4Address::UNSPECIFIED.into(), PORT);
    let result = network.run(TcpStream::connect(&client, zero, Duration::from_secs(5)));
    assert_eq!(result.err(), Some(ConnectError::Unaddressable));
    assert_eq!(client.counters().tcp_sockets, 0);
}

#[test]
fn dropping_a_stream_resets_the_peer_and_frees_the_sockets() {
    let (mut network, server, client) = two_stacks(8, Faults::NONE);
    let clock = network.clock.clone();
    network.run(async {
        let (listener, mut accepted, mut stream) = pair(&server, &client).await;
        stream.write_all(b"unfinished").await.expect("written");
        drop(stream);
        let mut buf = [0; 64];
        let error = loop {
            match accepted.read(&mut buf).await {
                Ok(read) => assert!(read > 0, "a reset is not an end of file"),
                Err(error) => break error,
            }
        };
        assert_eq!(error, TcpError::Reset);
        assert_eq!(accepted.write(b"x").await, Err(TcpError::Reset));
        drop((accepted, listener));
        clock.sleep(Duration::from_secs(3)).await;
    });
    assert_eq!(client.counters().tcp_sockets, 0);
    assert_eq!(client.counters().connections_aborted, 1);
    assert_eq!(server.counters().tcp_sockets, 0);
}

#[test]
fn a_stream_dropped_after_shutdown_still_delivers_everything() {
    let faults = Faults { loss: 100, ..Faults::NONE };
    let (mut network, server, client) = two_stacks(9, faults);
    let sent = pattern(15_000);
    let received = network.run(async {
        let (_listener, mut accepted, mut stream) = pair(&server, &client).await;
        stream.write_all(&sent).await.expect("written");
        stream.shutdown().await.expect("open");
        assert_eq!(stream.write(b"more").await, Err(TcpError::Finished));
        drop(stream);
        read_all(&mut accepted).await
    });
    assert!(received == sent);
}

#[test]
fn reading_goes_on_after_our_side_is_shut_down() {
    let (mut network, server, client) = two_stacks(10, Faults::NONE);
    network.run(async {
        let (_listener, mut accepted, mut stream) = pair(&server, &client).await;
        stream.write_all(b"question").await.expect("written");
        stream.shutdown().await.expect("open");
        assert_eq!(read_all(&mut accepted).await, b"question");
        accepted.write_all(b"answer").await.expect("written");
        accepted.close().await.expect("delivered");
        assert_eq!(read_all(&mut stream).await, b"answer");
    });
}

#[test]
fn sockets_in_time_wait_are_bounded_and_do_not_stop_new_connections() {
    let mut network = Network::new(11, Faults::NONE);
    let mut config = support::static_config(1);
    config.max_tcp_sockets = 8;
    let server = network.add(config);
    let client = network.add_static(2);
    let rounds = 100;
    network.run(async {
        let listener = TcpListener::bind(&server, PORT, 2).expect("free port");
        for _ in 0..rounds {
            let (mut accepted, mut stream) =
                futures_util::join!(listener.accept(), connect(&client, 1));
            // The server closes first, so TIME-WAIT is on its side.
            accepted.shutdown().await.expect("open");
            drop(accepted);
            assert_eq!(read_all(&mut stream).await, b"");
            stream.close().await.expect("delivered");
        }
    });
    let counters = server.counters();
    assert_eq!(counters.connections_accepted, rounds);
    assert!(counters.time_wait_recycled >= rounds - 8, "{counters:?}");
    assert!(counters.tcp_sockets <= 8);
    // 100 connections in far less than the ten seconds that one spends in TIME-WAIT.
    assert!(network.clock.now().total_millis() < 9_000);
}

#[test]
fn time_wait_keeps_at_most_its_share_of_the_pool() {
    let (mut network, server, client) = two_stacks(12, Faults::NONE);
    let clock = network.clock.clone();
    network.run(async {
        let listener = TcpListener::bind(&server, PORT, 4).expect("free port");
        for _ in 0..=limits::MAX_TIME_WAIT {
            let (mut accepted, stream) =
                futures_util::join!(listener.accept(), connect(&client, 1));
            accepted.shutdown().await.expect("open");
            drop(accepted);
            stream.close().await.expect("delivered");
        }
        clock.sleep(Duration::from_millis(100)).await;
        let counters = server.counters();
        assert_eq!(counters.connections_time_wait, limits::MAX_TIME_WAIT);
        assert_eq!(counters.time_wait_recycled, 1);
        // And TIME-WAIT ends by itself.
        clock.sleep(Duration::from_secs(12)).await;
        assert_eq!(server.counters().connections_time_wait, 0);
        assert_eq!(server.counters().tcp_sockets, 1, "the one that listens");
    });
}

#[test]
fn a_request_from_the_ends_of_a_connection_in_time_wait_opens_a_new_one_at_once() {
    let (mut network, server, client) = two_stacks(18, Faults::NONE);
    let clock = network.clock.clone();
    let peer = network.plug();
    network.run(async {
        let listener = TcpListener::bind(&server, PORT, 4).expect("free port");
        let (mut accepted, stream) = futures_util::join!(listener.accept(), connect(&client, 1));
        let port = stream.local().port;
        accepted.shutdown().await.expect("open");
        drop(accepted);
        stream.close().await.expect("delivered");
        clock.sleep(Duration::from_millis(50)).await;
        assert_eq!(server.counters().connections_time_wait, 1);
        peer.send(&support::syn(2, port, 1, PORT));
        clock.sleep(Duration::from_millis(5)).await;
        let counters = server.counters();
        assert_eq!((counters.connections_time_wait, counters.connections_half_open), (0, 1));
        assert_eq!(counters.time_wait_recycled, 1);
    });
}

#[test]
fn half_open_handshakes_time_out_and_free_the_backlog() {
    let mut network = Network::new(13, Faults::NONE);
    let server = network.add_static(1);
    let client = network.add_static(2);
    // A peer that sends requests from addresses that never answer.
    let flood = network.script(|_, _| {});
    let clock = network.clock.clone();
    network.run(async {
        let listener = TcpListener::bind(&server, PORT, 8).expect("free port");
        for port in 1..=100_u16 {
            flood.send(&support::syn(9, port, 1, PORT));
        }
        clock.sleep(Duration::from_secs(1)).await;
        let counters = server.counters();
        assert_eq!(counters.connections_half_open, 8);
        assert_eq!(counters.connections_refused, 92);
        clock.sleep(limits::HANDSHAKE_TIMEOUT + Duration::from_secs(2)).await;
        let counters = server.counters();
        assert_eq!((counters.connections_half_open, counters.handshakes_failed), (0, 8));
        assert_eq!(counters.tcp_sockets, 1);
        let (_accepted, _stream) = futures_util::join!(listener.accept(), connect(&client, 1));
    });
}

#[test]
fn a_silent_peer_is_given_up() {
    let (mut network, server, client) = two_stacks(14, Faults::NONE);
    let (clock, segment) = (network.clock.clone(), network.segment.clone());
    network.run(async {
        let (_listener, mut accepted, _stream) = pair(&server, &client).await;
        segment.borrow_mut().unplugged[1] = true;
        let start = clock.now();
        let mut buf = [0; 16];
        assert_eq!(accepted.read(&mut buf).await, Err(TcpError::Reset));
        let waited = clock.now() - start;
        assert!(waited >= limits::TCP_TIMEOUT && waited <= limits::TCP_TIMEOUT * 2, "{waited}");
    });
}

#[test]
fn an_idle_connection_stays_open_and_costs_only_its_probes() {
    let (mut network, server, client) = two_stacks(15, Faults::NONE);
    let (clock, segment) = (network.clock.clone(), network.segment.clone());
    network.run(async {
        let (_listener, mut accepted, mut stream) = pair(&server, &client).await;
        clock.sleep(Duration::from_secs(1)).await;
        let before: u64 = segment.borrow().sent.iter().sum();
        clock.sleep(Duration::from_secs(3600)).await;
        let frames: u64 = segment.borrow().sent.iter().sum::<u64>() - before;
        // A probe and its answer, from each side, each interval.
        let bound = 4 * 3600 / limits::TCP_KEEP_ALIVE.secs() + 300;
        assert!(frames <= bound, "{frames} frames in an hour");
        stream.write_all(b"still here").await.expect("open");
        let mut buf = [0; 10];
        accepted.read_exact(&mut buf).await.expect("open");
        assert_eq!(&buf, b"still here");
    });
    assert!(network.polls < 10_000, "{} polls in an hour: something spins", network.polls);
}

#[test]
fn ports_are_bound_once_and_freed_with_the_listener() {
    let (mut network, server, client) = two_stacks(16, Faults::NONE);
    assert_eq!(TcpListener::bind(&server, 0, 1).err(), Some(BindError::NoPort));
    let listener = TcpListener::bind(&server, PORT, 1).expect("free port");
    assert_eq!(TcpListener::bind(&server, PORT, 1).err(), Some(BindError::InUse));
    drop(listener);
    let peer = IpEndpoint::new(address(1), PORT);
    let refused = network.run(TcpStream::connect(&client, peer, Duration::from_secs(3)));
    assert_eq!(refused.err(), Some(ConnectError::Refused));
    let listeners: Vec<_> = (0..limits::MAX_LISTENERS)
        .map(|n| TcpListener::bind(&server, PORT + n as u16, 1).expect("within the limit"))
        .collect();
    assert_eq!(TcpListener::bind(&server, 1, 1).err(), Some(BindError::Exhausted));
    drop(listeners);
    assert_eq!(server.counters().tcp_sockets, 0);
}

#[test]
fn the_socket_pool_is_bounded() {
    let mut network = Network::new(17, Faults::NONE);
    let mut config = support::static_config(2);
    config.max_tcp_sockets = 3;
    let client = network.add(config);
    let server = network.add_static(1);
    let clock = network.clock.clone();
    network.run(async {
        let _listener = TcpListener::bind(&server, PORT, 8).expect("free port");
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(connect(&client, 1).await);
        }
        let peer = IpEndpoint::new(address(1), PORT);
        let fourth = TcpStream::connect(&client, peer, Duration::from_secs(3)).await;
        assert_eq!(fourth.err(), Some(ConnectError::Exhausted));
        held.clear();
        clock.sleep(Duration::from_millis(100)).await;
        connect(&client, 1).await;
    });
}

#[test]
fn timers_run_where_there_is_no_ipv6_router() {
    let mut network = Network::new(1, Faults::NONE);
    let mut config = support::static_config(1);
    config.slaac = true;
    let client = network.add(config);
    let _server = network.add_static(2);
    let (clock, segment) = (network.clock.clone(), network.segment.clone());
    network.run(async {
        // By then nobody has answered the solicitations.
        clock.sleep(Duration::from_secs(60)).await;
        let endpoint = IpEndpoint::new(address(2), PORT);
        let timeout = Duration::from_secs(3);
        assert_eq!(
            TcpStream::connect(&client, endpoint, timeout).await.err(),
            Some(ConnectError::Refused)
        );
        segment.borrow_mut().unplugged[1] = true;
        let start = clock.now();
        let given_up = TcpStream::connect(&client, endpoint, timeout).await;
        assert_eq!(given_up.err(), Some(ConnectError::Refused));
        assert!(clock.now() - start < timeout + Duration::from_secs(1));
    });
}

#[test]
fn a_connection_costs_no_more_when_there_are_hundreds_of_idle_ones() {
    const IDLE: usize = 500;
    let mut network = Network::new(1, Faults::NONE);
    let mut config = support::static_config(1);
    config.max_tcp_sockets = IDLE + 10;
    let server = network.add(config.clone());
    config.mac = support::mac(2);
    config.addressing = support::static_config(2).addressing;
    let client = network.add(config);
    network.run(async {
        let listener = TcpListener::bind(&server, PORT, 100).expect("free port");
        let mut idle = Vec::new();
        for _ in 0..IDLE {
            idle.push(futures_util::join!(listener.accept(), connect(&client, 1)));
        }
        assert_eq!(server.counters().connections_open, IDLE);
        let (mut accepted, mut stream) =
            futures_util::join!(listener.accept(), connect(&client, 1));
        let sent = pattern(200_000);
        let before = server.counters().tcp_sockets_asked;
        let write = async {
            stream.write_all(&sent).await.expect("written");
            stream.shutdown().await.expect("open");
        };
        let (received, ()) = futures_util::join!(read_all(&mut accepted), write);
        assert!(received == sent);
        let frames = sent.len() as u64 / 1460;
        let asked = server.counters().tcp_sockets_asked - before;
        assert!(asked < 20 * frames, "{asked} sockets asked for {frames} segments");
        // And none of the idle ones was forgotten.
        for (accepted, stream) in &mut idle {
            stream.write_all(b"x").await.expect("open");
            accepted.read_exact(&mut [0]).await.expect("open");
        }
    });
}

#[test]
fn who_comes_and_goes_all_the_time_leaves_few_sockets_behind_and_is_never_refused() {
    let mut network = Network::new(1, Faults::NONE);
    let mut config = support::static_config(1);
    config.max_tcp_sockets = limits::MAX_TIME_WAIT + 8;
    let server = network.add(config);
    let client = network.add_static(2);
    let start = network.clock.clone();
    network.run(async {
        let listener = TcpListener::bind(&server, PORT, 4).expect("free port");
        for round in 0..300 {
            let (mut accepted, mut stream) =
                futures_util::join!(listener.accept(), connect(&client, 1));
            // The side that closes first is the one that waits.
            let (first, second) = match round % 3 {
                0 => (&mut accepted, &mut stream),
                1 => (&mut stream, &mut accepted),
                _ => continue,
            };
            first.shutdown().await.expect("open");
            assert_eq!(read_all(second).await, []);
            second.shutdown().await.expect("open");
            assert_eq!(read_all(first).await, []);
        }
        let counters = server.counters();
        assert!(counters.tcp_sockets <= limits::MAX_TIME_WAIT + 8, "{counters:?}");
        assert_eq!(counters.connections_refused, 0);
        assert!(start.now().total_millis() < 5_000, "nobody had to wait for a place");
        start.sleep(Duration::from_secs(30)).await;
        let (server, client) = (server.counters(), client.counters());
        assert_eq!((server.tcp_sockets, client.tcp_sockets), (1, 0), "the listening one");
    });
}
