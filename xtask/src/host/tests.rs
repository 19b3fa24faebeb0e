//! This machine under the node's traits: streams, their ends, and the main loop.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use embedded_io_async::{Error as _, ErrorKind, Read, Write};
use futures_util::future::join;
use netstack::{Listen, Split, Stream, Writer};

use super::{Ground, TcpListener, TcpStream};

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Both ends of a connection over loopback.
async fn pair(ground: &Ground) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(&ground.sockets, LOCAL, ground.executor.clone()).unwrap();
    let address = listener.address().unwrap();
    let (accepted, connected) =
        join(listener.accept(), TcpStream::connect(&ground.sockets, address)).await;
    (accepted.0, connected.unwrap())
}

#[test]
fn bytes_go_both_ways_and_an_end_is_read_after_them() {
    let (read, answer) = Ground::run(|ground| async move {
        let (mut server, mut client) = pair(&ground).await;
        client.write_all(b"question").await.unwrap();
        Stream::shutdown(&mut client).await.unwrap();
        let mut read = Vec::new();
        let mut chunk = [0; 3];
        while let Ok(count @ 1..) = server.read(&mut chunk).await {
            read.extend_from_slice(&chunk[..count]);
        }
        server.write_all(b"answer").await.unwrap();
        let mut answer = [0; 6];
        client.read_exact(&mut answer).await.unwrap();
        (read, answer)
    })
    .unwrap();
    assert_eq!((read.as_slice(), &answer), (b"question".as_slice(), b"answer"));
}

#[test]
fn more_than_the_system_buffers_gets_through_while_the_other_half_reads() {
    const BYTES: usize = 16 << 20;
    let arrived = Ground::run(|ground| async move {
        let (server, client) = pair(&ground).await;
        let (mut from_client, mut to_client) = server.split();
        let (mut from_server, mut to_server) = client.split();
        let sent = vec![7; BYTES];
        let send = async {
            to_server.write_all(&sent).await.unwrap();
            Writer::shutdown(&mut to_server).await.unwrap();
        };
        let echo = async {
            let mut chunk = vec![0; 64 << 10];
            while let Ok(count @ 1..) = from_client.read(&mut chunk).await {
                to_client.write_all(&chunk[..count]).await.unwrap();
            }
            Writer::shutdown(&mut to_client).await.unwrap();
        };
        let receive = async {
            let (mut chunk, mut arrived) = (vec![0; 64 << 10], 0);
            while let Ok(count @ 1..) = from_server.read(&mut chunk).await {
                assert!(chunk[..count].iter().all(|byte| *byte == 7));
                arrived += count;
            }
            arrived
        };
        join(join(send, echo), receive).await.1
    })
    .unwrap();
    assert_eq!(arrived, BYTES);
}

#[test]
fn a_stream_that_is_dropped_without_its_end_resets_the_connection() {
    let (kind, counters) = Ground::run(|ground| async move {
        let (mut server, client) = pair(&ground).await;
        drop(client);
        let error = server.read(&mut [0; 1]).await.unwrap_err();
        (error.kind(), ground.sockets.counters())
    })
    .unwrap();
    assert_eq!(kind, ErrorKind::ConnectionReset);
    assert_eq!((counters.connections_accepted, counters.connections_opened), (1, 1));
    assert_eq!((counters.connections_open, counters.connections_aborted), (1, 1));
}

#[test]
fn nobody_who_listens_is_an_error_and_counted() {
    let failed = Ground::run(|ground| async move {
        let listener = TcpListener::bind(&ground.sockets, LOCAL, ground.executor.clone()).unwrap();
        let address = listener.address().unwrap();
        drop(listener);
        assert!(TcpStream::connect(&ground.sockets, address).await.is_err());
        ground.sockets.counters().connections_failed
    })
    .unwrap();
    assert_eq!(failed, 1);
}

#[test]
fn a_sender_without_pause_does_not_hold_the_thread() {
    let turns = Ground::run(|ground| async move {
        let (mut server, mut client) = pair(&ground).await;
        let end = ground.executor.now().after(Duration::from_millis(200));
        let executor = ground.executor.clone();
        executor.spawn(async move { while client.write_all(&[0; 4096]).await.is_ok() {} });
        executor.spawn(async move {
            let mut chunk = [0; 1024];
            while server.read(&mut chunk).await.is_ok() {}
        });
        let mut turns = 0;
        while ground.executor.now() < end {
            ground.executor.sleep(Duration::from_millis(1)).await;
            turns += 1;
        }
        turns
    })
    .unwrap();
    assert!(turns >= 5, "{turns} turns in 200 ms");
}

#[test]
fn the_loop_sleeps_until_a_timer_and_ends_with_its_future() {
    let start = Instant::now();
    let slept = Ground::run(|ground| async move {
        ground.executor.spawn(std::future::pending());
        ground.executor.sleep(Duration::from_millis(30)).await;
        kernel::machine::Machine::idle(&ground.machine)
    })
    .unwrap();
    assert!(start.elapsed() >= Duration::from_millis(30));
    assert!(slept.halts >= 1 && slept.micros >= 20_000, "{slept:?}");
}
