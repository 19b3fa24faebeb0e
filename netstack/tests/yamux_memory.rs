//! What yamux keeps in memory: little for what is idle, nothing of what is over.
//!
//! One test, since the allocator counts for the whole process.

#![allow(clippy::expect_used, reason = "a test may fail by panicking")]

mod support;

use std::alloc::System;
use std::future::Future;
use std::pin::Pin;

use cap::Cap;
use embedded_io_async::{Read, Write};
use futures_util::FutureExt;
use netstack::libp2p::yamux::limits::STREAM_BYTES;
use netstack::libp2p::yamux::{Connection, Control, End, Limits, Role, Stream};
use netstack::{Split, Stream as _, pipe};
use support::Clock;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// An idle connection: its state, and the task with the buffer that it waits with.
const IDLE_CONNECTION_BYTES: usize = 2048;
/// Room that tables keep after a busy time.
const AFTERWARDS_BYTES: usize = 512;

type Task = Pin<Box<dyn Future<Output = End>>>;

/// Both ends of a connection, as tasks that are polled in turn.
struct Link {
    tasks: [Task; 2],
    dialing: Control,
    listening: Control,
}

impl Link {
    fn new(clock: &Clock) -> Self {
        let (a, b) = pipe::pair(1 << 17);
        let ((a, to_b), (b, to_a)) = (a.split(), b.split());
        let limits = Limits::default();
        let (dialer, dialing) = Connection::new(a, to_b, Role::Dialer, clock.clone(), limits);
        let (listener, listening) = Connection::new(b, to_a, Role::Listener, clock.clone(), limits);
        let mut link =
            Self { tasks: [Box::pin(dialer.run()), Box::pin(listener.run())], dialing, listening };
        link.turn();
        link
    }

    fn turn(&mut self) {
        for _ in 0..8 {
            for task in &mut self.tasks {
                assert!(task.now_or_never().is_none(), "the connection lasts");
            }
        }
    }

    fn open(&mut self) -> [Stream; 2] {
        let ours = self.dialing.open().now_or_never().expect("room").expect("a connection");
        self.turn();
        let theirs = self.listening.accept().now_or_never().expect("a stream");
        self.turn();
        [ours, theirs.expect("a connection")]
    }

    /// Carries a megabyte one way, then ends both.
    fn carry_a_megabyte(&mut self, [mut ours, mut theirs]: [Stream; 2]) {
        let (total, mut sent, mut got) = (1 << 20, 0, 0);
        let (payload, mut buf) = ([7; 4096], vec![0; 1 << 16]);
        while got < total {
            if sent < total
                && let Some(written) = ours.write(&payload).now_or_never()
            {
                sent += written.expect("an open stream");
            }
            self.turn();
            if let Some(read) = theirs.read(&mut buf).now_or_never() {
                got += read.expect("an open stream");
            }
        }
        for stream in [&mut ours, &mut theirs] {
            let _ = stream.shutdown().now_or_never();
        }
        self.turn();
    }
}

#[test]
fn what_is_idle_takes_little_and_what_is_over_nothing() {
    let clock = Clock::default();
    drop(Link::new(&clock));
    let start = ALLOCATOR.allocated();

    let mut links: Vec<Link> = (0..50).map(|_| Link::new(&clock)).collect();
    let connection = (ALLOCATOR.allocated() - start) / (2 * links.len());
    assert!(connection <= IDLE_CONNECTION_BYTES, "{connection}");

    let link = links.first_mut().expect("fifty");
    // The pipe below keeps its room.
    let warming = link.open();
    link.carry_a_megabyte(warming);
    let before = ALLOCATOR.allocated();
    let mut streams: Vec<[Stream; 2]> = (0..100).map(|_| link.open()).collect();
    let stream = (ALLOCATOR.allocated() - before) / (2 * streams.len());
    assert!(stream <= STREAM_BYTES, "{stream}");

    link.carry_a_megabyte(streams.pop().expect("a hundred"));
    drop(streams);
    link.turn();
    let after = ALLOCATOR.allocated().saturating_sub(before);
    assert!(after <= AFTERWARDS_BYTES, "{after}");
    assert_eq!(link.dialing.counters().streams_out, 0);
    assert_eq!(link.listening.counters().streams_in, 0);

    drop(links);
    let left = ALLOCATOR.allocated().saturating_sub(start);
    assert!(left <= AFTERWARDS_BYTES, "{left} bytes leaked");
    // At the end, since what is printed takes memory too.
    println!("an idle connection: {connection} bytes, its ends of an empty pipe included");
    println!("an idle stream: {stream} bytes");
    println!("left by 100 streams and a megabyte: {after} bytes");
}
