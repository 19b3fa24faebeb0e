//! ping over a pipe: who answers, for how long, and what an answer must be.

#![allow(clippy::expect_used, reason = "a test may fail by panicking")]

mod support;

use embedded_io_async::{Read, Write};
use futures_util::join;
use netstack::libp2p::ping::{Error, IDLE_TIMEOUT, PAYLOAD_BYTES, PAYLOAD_TIMEOUT, answer, ping};
use netstack::time::Duration;
use netstack::{Stream, Timer, pipe};
use support::{Clock, run_alone};

const TIMEOUT: Duration = Duration::from_secs(20);

#[test]
fn pings_on_one_stream_are_answered_until_it_ends() {
    let clock = Clock::default();
    let (mut ours, mut theirs) = pipe::pair(7);
    let (answered, took) = run_alone(&clock, async {
        join!(answer(&mut theirs, &clock), async {
            let mut took = Vec::new();
            for n in 0..5 {
                clock.sleep(Duration::from_secs(15)).await;
                took.push(ping(&mut ours, [n; PAYLOAD_BYTES], &clock, TIMEOUT).await);
            }
            ours.shutdown().await.expect("an open pipe");
            let mut rest = [0];
            assert_eq!(ours.read(&mut rest).await, Ok(0), "ended in order");
            took
        })
    });
    assert_eq!(answered, 5);
    assert_eq!(took, [Ok(Duration::ZERO); 5]);
}

#[test]
fn a_stream_without_pings_is_ended_at_its_time() {
    for (early, answered) in [(true, 1), (false, 0)] {
        let clock = Clock::default();
        let (mut ours, mut theirs) = pipe::pair(100);
        let millisecond = Duration::from_millis(1);
        let pause = if early { IDLE_TIMEOUT - millisecond } else { IDLE_TIMEOUT + millisecond };
        let (count, ()) = run_alone(&clock, async {
            join!(answer(&mut theirs, &clock), async {
                clock.sleep(pause).await;
                let _ = ping(&mut ours, [1; PAYLOAD_BYTES], &clock, TIMEOUT).await;
                ours.shutdown().await.expect("a pipe");
            })
        });
        assert_eq!(count, answered);
    }
}

#[test]
fn who_sends_a_ping_by_the_byte_is_not_waited_for() {
    let clock = Clock::default();
    let (mut ours, mut theirs) = pipe::pair(100);
    let (count, ()) = run_alone(&clock, async {
        join!(answer(&mut theirs, &clock), async {
            for _ in 0..PAYLOAD_BYTES {
                if ours.write_all(&[1]).await.is_err() {
                    break;
                }
                clock.sleep(Duration::from_secs(1)).await;
            }
        })
    });
    assert_eq!(count, 0);
    assert!(clock.now().total_millis() <= 33_000);
    assert!(PAYLOAD_TIMEOUT < Duration::from_secs(32));
}

#[test]
fn who_takes_no_answers_is_not_waited_for_and_costs_one_answer() {
    let clock = Clock::default();
    let (mut ours, mut theirs) = pipe::pair(48);
    let (count, written) = run_alone(&clock, async {
        let serve = async {
            let answered = answer(&mut theirs, &clock).await;
            drop(theirs);
            answered
        };
        join!(serve, async {
            let mut written = 0;
            while ours.write_all(&[1; PAYLOAD_BYTES]).await.is_ok() && written < 1000 {
                written += 1;
                clock.sleep(Duration::from_secs(1)).await;
            }
            written
        })
    });
    assert_eq!(count, 1, "the second did not fit");
    assert!(written < 20, "{written} taken from who reads nothing");
}

#[test]
fn an_answer_must_come_in_time_and_be_the_same() {
    let clock = Clock::default();
    let (mut ours, mut theirs) = pipe::pair(100);
    let silent = run_alone(&clock, ping(&mut ours, [1; PAYLOAD_BYTES], &clock, TIMEOUT));
    assert_eq!(silent, Err(Error::Timeout));
    assert_eq!(clock.now().total_millis(), 20_000);

    let (mut asking, mut lying) = pipe::pair(100);
    let wrong = run_alone(&clock, async {
        lying.write_all(&[2; PAYLOAD_BYTES]).await.expect("an open pipe");
        ping(&mut asking, [1; PAYLOAD_BYTES], &clock, TIMEOUT).await
    });
    assert_eq!(wrong, Err(Error::Mismatch));

    run_alone(&clock, theirs.shutdown()).expect("an open pipe");
    let ended = run_alone(&clock, ping(&mut ours, [1; PAYLOAD_BYTES], &clock, TIMEOUT));
    assert!(matches!(ended, Err(Error::Stream(_))), "{ended:?}");
}
