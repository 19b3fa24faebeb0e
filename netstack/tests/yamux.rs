//! yamux between two of our own ends: what goes in comes out, and nothing stays behind.

#![allow(
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use embedded_io_async::{Read, Write};
use futures_util::join;
use netstack::libp2p::yamux::{Connection, Control, End, GoAway, Limits, Role};
use netstack::{Split, Writer, pipe};
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

#[test]
fn a_megabyte_goes_there_and_back_through_a_narrow_pipe() {
    let sent: Vec<u8> = (0..1 << 20).map(|n: u32| (n % 251) as u8).collect();
    let (received, ..) = connect(1000, Limits::default(), async |dialing, listening, _| {
        let echo = async {
            let stream = listening.accept().await.expect("a stream");
            let (mut reader, mut writer) = stream.split();
            let mut buf = [0; 777];
            loop {
                let read = reader.read(&mut buf).await.expect("an open stream");
                if read == 0 {
                    break;
                }
                writer.write_all(&buf[..read]).await.expect("an open stream");
            }
            writer.shutdown().await.expect("an open stream");
        };
        let ask = async {
            let (mut reader, mut writer) = dialing.open().await.expect("a stream").split();
            let write = async {
                writer.write_all(&sent).await.expect("an open stream");
                writer.shutdown().await.expect("an open stream");
            };
            let read = async {
                let (mut all, mut buf) = (Vec::new(), [0; 5000]);
                loop {
                    match reader.read(&mut buf).await.expect("an open stream") {
                        0 => return all,
                        read => all.extend_from_slice(&buf[..read]),
                    }
                }
            };
            join!(write, read).1
        };
        let ((), received) = join!(echo, ask);
        assert_eq!(dialing.counters(), Default::default());
        dialing.close(GoAway::Normal);
        received
    });
    assert!(received == sent);
}
