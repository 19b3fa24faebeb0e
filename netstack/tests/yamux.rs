//! yamux between two of our own ends: what goes in comes out, and nothing stays behind.

#![allow(
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt, join, select_biased};
use netstack::libp2p::yamux::limits::{
    FAREWELL_TIMEOUT, GUARANTEED_RECEIVE_BYTES, READS_IN_A_ROW, SENT_FRAME_BYTES, WINDOW_BYTES,
};
use netstack::libp2p::yamux::{
    Connection, Control, Counters, End, Error, GoAway, Limits, Role, Stream, Violation,
};
use netstack::pipe::Pipe;
use netstack::time::{Duration, Instant};
use netstack::{Split, Stream as _, Timer, Writer, pipe};
use proptest::prelude::*;
use support::{Clock, run_alone};

/// Runs both ends of a connection, and `talk` with their controls.
fn connect<F: Future>(
    capacity: usize,
    limits: Limits,
    talk: impl FnOnce(Control, Control, Clock) -> F,
) -> (F::Output, End, End) {
    let clock = Clock::default();
    let (a, b) = pipe::pair(capacity);
    let ((a, a_writes), (b, b_writes)) = (a.split(), b.split());
    let (dialer, dialing) = Connection::new(a, a_writes, Role::Dialer, clock.clone(), limits);
    let (listener, listening) = Connection::new(b, b_writes, Role::Listener, clock.clone(), limits);
    run_alone(&clock, async {
        join!(talk(dialing, listening, clock.clone()), dialer.run(), listener.run())
    })
}

/// What a connection holds: all zero when nothing is left.
fn held(control: &Control) -> Counters {
    Counters { received_bytes: 0, ..control.counters() }
}

/// Reads until the end of the stream, or until it fails.
async fn read_all(reader: &mut impl Read<Error = Error>) -> Result<Vec<u8>, Error> {
    let (mut all, mut buf) = (Vec::new(), vec![0; 5000]);
    loop {
        match reader.read(&mut buf).await? {
            0 => return Ok(all),
            read => all.extend_from_slice(&buf[..read]),
        }
    }
}

/// Sends everything back, then ends.
async fn echo(stream: Stream) -> Result<(), Error> {
    let (mut reader, mut writer) = stream.split();
    let mut buf = [0; 777];
    loop {
        match reader.read(&mut buf).await? {
            0 => return writer.shutdown().await,
            read => writer.write_all(&buf[..read]).await?,
        }
    }
}

/// Accepts streams until there are no more, and sends back what comes on each.
async fn serve_echo(listening: Control) {
    let mut running = FuturesUnordered::new();
    let mut accept = pin!(listening.accept().fuse());
    loop {
        select_biased! {
            stream = accept => match stream {
                Some(stream) => {
                    running.push(echo(stream));
                    accept.set(listening.accept().fuse());
                }
                None => return,
            },
            _ = running.select_next_some() => {}
        }
    }
}

/// Writes `sent` and reads what comes back at the same time.
async fn ask(stream: Stream, sent: &[u8]) -> Result<Vec<u8>, Error> {
    let (mut reader, mut writer) = stream.split();
    let write = async {
        writer.write_all(sent).await?;
        writer.shutdown().await
    };
    let (written, read) = join!(write, read_all(&mut reader));
    written.and(read)
}

#[test]
fn a_megabyte_goes_there_and_back_through_a_narrow_pipe() {
    let sent: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
    let (received, ..) = connect(1000, Limits::default(), async |dialing, listening, _| {
        let asking = async {
            let received = ask(dialing.open().await?, &sent).await;
            assert_eq!(held(&dialing), Counters::default());
            dialing.close(GoAway::Normal);
            received
        };
        join!(asking, serve_echo(listening)).0
    });
    assert!(received == Ok(sent));
}

/// What can be sent back on a stream while it is read, whatever room there is for what arrives: a window
/// (the update that the other half of it waits for is in line behind at most as much) and a frame.
const MOST_ECHOED: usize = WINDOW_BYTES as usize + SENT_FRAME_BYTES;

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn many_streams_share_a_connection_of_any_width(
        sizes in prop::collection::vec(prop_oneof![4 => 0_usize..2000, 1 => 2000..MOST_ECHOED], 1..60),
        room in prop_oneof![Just(1_usize << 20), 1_usize..3000],
        receive_bytes in prop_oneof![Just(512 * 1024_usize), 0_usize..100_000],
        seed: u8,
    ) {
        let limits = Limits { streams_out: 20, unacknowledged: 7, receive_bytes, ..Limits::default() };
        let sent: Vec<Vec<u8>> = sizes
            .iter()
            .enumerate()
            .map(|(n, size)| (0..*size).map(|place| (place * 7 + n + usize::from(seed)) as u8).collect())
            .collect();
        let (got, ends, ended) = connect(room, limits, async |dialing, listening, _| {
            let asking = async {
                let asked = sent.iter().map(|sent| async { ask(dialing.open().await?, sent).await });
                let got = join_all(asked).await;
                assert_eq!(held(&dialing), Counters::default());
                dialing.close(GoAway::Normal);
                got
            };
            let counted = listening.clone();
            let (got, ()) = join!(asking, serve_echo(listening));
            assert_eq!(held(&counted), Counters::default());
            got
        });
        for (got, sent) in got.into_iter().zip(sent) {
            prop_assert!(got == Ok(sent));
        }
        prop_assert_eq!(ends, End::Closed);
        prop_assert!(matches!(ended, End::ClosedByPeer | End::GoneAway(0)), "{:?}", ended);
    }
}

/// One end of a connection, the other of which is raw bytes.
fn against_raw<F: Future>(
    limits: Limits,
    talk: impl FnOnce(Pipe, Control, Clock) -> F,
) -> (F::Output, End, i64) {
    let clock = Clock::default();
    let (ours, theirs) = pipe::pair(1 << 20);
    let (reader, writer) = ours.split();
    let (connection, control) =
        Connection::new(reader, writer, Role::Listener, clock.clone(), limits);
    let (output, end) =
        run_alone(&clock, async { join!(talk(theirs, control, clock.clone()), connection.run()) });
    (output, end, clock.now().total_millis())
}

const HEADER_BYTES: usize = 12;
const SYN_1: [u8; HEADER_BYTES] = [0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0];

#[test]
fn who_breaks_the_protocol_is_told_so_and_left() {
    let (told, end, _) = against_raw(Limits::default(), async |mut raw, control, _| {
        raw.write_all(&[0, 1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0]).await.expect("an open pipe");
        let mut told = [0; 12];
        raw.read_exact(&mut told).await.expect("a last word");
        assert_eq!(raw.read(&mut [0]).await, Ok(0), "the end");
        assert!(control.accept().await.is_none());
        assert_eq!(control.open().await.unwrap_err(), Error::Gone);
        told
    });
    assert_eq!(end, End::Violation(Violation::Parity));
    assert_eq!(told, [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn the_last_word_to_who_does_not_listen_has_its_time() {
    let clock = Clock::default();
    let (ours, mut raw) = pipe::pair(HEADER_BYTES - 1);
    let (reader, writer) = ours.split();
    let (connection, _control) =
        Connection::new(reader, writer, Role::Listener, clock.clone(), Limits::default());
    let (end, ()) = run_alone(&clock, async {
        join!(connection.run(), async {
            raw.write_all(&[9; HEADER_BYTES]).await.expect("an open pipe");
        })
    });
    assert_eq!(end, End::Violation(Violation::Version));
    assert_eq!(clock.now(), Instant::ZERO + FAREWELL_TIMEOUT);
}

#[test]
fn a_peer_that_hangs_up_ends_the_connection_and_loses_nothing_that_arrived() {
    let (read, end, _) = against_raw(Limits::default(), async |mut raw, control, _| {
        raw.write_all(&SYN_1).await.expect("an open pipe");
        let mut stream = control.accept().await.expect("a stream");
        raw.write_all(&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, b'h', b'i']).await.expect("room");
        raw.shutdown().await.expect("an open pipe");
        let mut buf = [0; 9];
        let read = stream.read(&mut buf).await;
        assert_eq!(&buf[..2], b"hi");
        assert_eq!(stream.read(&mut buf).await, Err(Error::Gone));
        read
    });
    assert_eq!((read, end), (Ok(2), End::ClosedByPeer));
}

#[test]
fn a_connection_whose_task_is_dropped_ends_its_streams() {
    let clock = Clock::default();
    let (ours, _theirs) = pipe::pair(100);
    let (reader, writer) = ours.split();
    let (connection, control) =
        Connection::new(reader, writer, Role::Dialer, clock.clone(), Limits::default());
    run_alone(&clock, async {
        let mut stream = control.open().await.expect("a stream");
        let mut running = Box::pin(connection.run());
        assert!((&mut running).now_or_never().is_none());
        drop(running);
        assert_eq!(stream.read(&mut [0]).await, Err(Error::Gone));
        assert!(control.accept().await.is_none());
    });
}

#[test]
fn what_nobody_reads_ends_the_connection_at_its_time_and_not_before() {
    let limits = Limits { receive_bytes: GUARANTEED_RECEIVE_BYTES, ..Limits::default() };
    let (unread, end, millis) = against_raw(limits, async |mut raw, control, clock| {
        raw.write_all(&SYN_1).await.expect("an open pipe");
        let mut stream = control.accept().await.expect("a stream");
        // As much as there is room for, and 2 KiB.
        let payload = [7; GUARANTEED_RECEIVE_BYTES + 0x0800];
        let frame = [&[0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0x48, 0][..], &payload].concat();
        raw.write_all(&frame).await.expect("room");
        clock.sleep(Duration::from_secs(29)).await;
        stream.read_exact(&mut [0; 500]).await.expect("bytes");
        clock.sleep(Duration::from_secs(29)).await;
        assert!(control.is_open(), "there was room for some in between");
        clock.sleep(Duration::from_secs(5)).await;
        assert!(!control.is_open());
        (stream, raw)
    });
    assert_eq!(end, End::Stalled);
    assert_eq!(millis, 63_000);
    drop(unread);
}

#[test]
fn a_peer_that_takes_nothing_is_left_at_its_time() {
    let clock = Clock::default();
    let (ours, _theirs) = pipe::pair(100);
    let (reader, writer) = ours.split();
    let (connection, control) =
        Connection::new(reader, writer, Role::Dialer, clock.clone(), Limits::default());
    let (error, end) = run_alone(&clock, async {
        let write = async {
            let mut stream = control.open().await.expect("a stream");
            stream.write_all(&[7; 40_000]).await
        };
        join!(write, connection.run())
    });
    assert_eq!((error, end), (Err(Error::Gone), End::Stalled));
    assert_eq!(clock.now().total_millis(), 30_000);
}

#[test]
fn an_idle_peer_is_asked_whether_it_is_there_and_left_when_it_does_not_answer() {
    let keep_alive = Some(Duration::from_secs(30));
    let limits = Limits { keep_alive, ..Limits::default() };
    // Two of our own ends answer each other.
    let ((), a, _) = connect(1000, limits, async |dialing, _listening, clock| {
        clock.sleep(Duration::from_secs(3600)).await;
        assert!(dialing.is_open());
        dialing.close(GoAway::Normal);
    });
    assert_eq!(a, End::Closed);
    // One that reads but does not answer.
    let (pings, end, millis) = against_raw(limits, async |mut raw, _, _| {
        let (mut all, mut buf) = (Vec::new(), [0; 100]);
        while let Ok(read @ 1..) = raw.read(&mut buf).await {
            all.extend_from_slice(&buf[..read]);
        }
        all
    });
    assert_eq!(end, End::Silent);
    assert_eq!(millis, 60_000);
    assert_eq!(pings[..12], [0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(pings[12..], [0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "and a last word");
}

#[test]
fn an_idle_connection_does_nothing() {
    let clock = Clock::default();
    let (ours, _theirs) = pipe::pair(100);
    let (reader, writer) = ours.split();
    let (connection, control) =
        Connection::new(reader, writer, Role::Dialer, clock.clone(), Limits::default());
    let polls = Cell::new(0);
    let mut running = Box::pin(connection.run());
    run_alone(&clock, async {
        let counted = poll_fn(|context| {
            polls.set(polls.get() + 1);
            running.as_mut().poll(context)
        });
        let (mut counted, sleep) = (pin!(counted.fuse()), clock.sleep(Duration::from_secs(3600)));
        let mut sleep = pin!(sleep.fuse());
        select_biased! {
            _ = counted => {}
            () = sleep => {}
        }
    });
    assert!(control.is_open());
    assert!(polls.get() <= 2, "{} polls in an hour", polls.get());
}

#[test]
fn a_connection_that_is_always_readable_lets_others_run() {
    struct Endless(Rc<Cell<usize>>);
    impl ErrorType for Endless {
        type Error = ErrorKind;
    }
    impl Read for Endless {
        async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
            self.0.set(self.0.get() + 1);
            // Window updates of a stream that there is not.
            for (slot, byte) in buf.iter_mut().zip([0, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0]) {
                *slot = byte;
            }
            Ok(12)
        }
    }
    let clock = Clock::default();
    let (ours, _theirs) = pipe::pair(100);
    let reads = Rc::new(Cell::new(0));
    let (connection, _control) = Connection::new(
        Endless(reads.clone()),
        ours.split().1,
        Role::Dialer,
        clock.clone(),
        Limits::default(),
    );
    assert!(connection.run().now_or_never().is_none());
    assert!(reads.get() <= READS_IN_A_ROW, "{} reads", reads.get());
}
