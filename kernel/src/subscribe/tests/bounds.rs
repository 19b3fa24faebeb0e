//! Queues and memory at their bounds and past them.

use alloc::format;
use core::time::Duration;

use futures_util::FutureExt;

use super::bench::{Author, Bench, NOW, read};
use crate::limits::{
    ACCEPTED_MESSAGES_PART, MAX_ACCEPTED_MESSAGES, MAX_QUEUED_MESSAGES, QUEUED_MESSAGES_PART,
};
use crate::machine::Machine;
use crate::subscribe::{Accepted, Origin, Refused};

/// A bench whose program is busy with one message.
fn occupied() -> (Bench, alloc::rc::Rc<super::bench::Noted>, Author) {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    noted.takes.set(Duration::from_secs(100_000));
    let author = Author::new(1);
    assert!(bench.post(&author.note("A", NOW, "first")).is_ok());
    assert_eq!(bench.subscriber.pending(), 1);
    (bench, noted, author)
}

#[test]
fn a_full_queue_turns_posts_away_and_lets_the_message_node_wait() {
    let (bench, noted, author) = occupied();
    for number in 0..MAX_QUEUED_MESSAGES {
        assert!(bench.post(&author.note("A", NOW, &format!("{number}"))).is_ok(), "{number}");
    }
    let beyond = author.note("A", NOW, "beyond");
    assert_eq!(bench.post(&beyond), Err(Refused::Busy));
    assert_eq!(Refused::Busy.status(), 503);
    assert_eq!(bench.subscriber.counts().shed.get(), 1);
    let (subscriber, message) = (bench.subscriber.clone(), read(&beyond));
    let waiting = bench.begin(async move { subscriber.offer(message, Origin::Polled).await });
    bench.pass(Duration::from_secs(1));
    assert!(!waiting.is_filled());
    noted.takes.set(Duration::ZERO);
    bench.pass(Duration::from_secs(200_000));
    let taken = waiting.take().now_or_never().expect("there was room").unwrap();
    assert_eq!(taken.programs.len(), 1, "who was turned away was not counted as seen");
    assert_eq!(noted.ran.borrow().len(), MAX_QUEUED_MESSAGES + 2);
}

#[test]
fn what_waits_has_its_bound_in_bytes() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    noted.takes.set(Duration::from_secs(100_000));
    let author = Author::new(1);
    let long = "x".repeat(90_000);
    let mut taken = 0_usize;
    loop {
        match bench.post(&author.note("A", NOW, &format!("{taken}{long}"))) {
            Ok(_) => taken += 1,
            Err(refused) => {
                assert_eq!(refused, Refused::Busy);
                break;
            }
        }
    }
    // Each is in the body twice: as `item_content` and as `content`.
    let bytes = taken * 180_000;
    let most = usize::try_from(bench.machine.heap().total).unwrap() / QUEUED_MESSAGES_PART;
    assert!(bytes <= most && bytes + 200_000 > most, "{taken}");
}

#[test]
fn what_was_accepted_is_kept_up_to_a_number_and_to_bytes() {
    let author = Author::new(1);
    let mut accepted = Accepted::within(usize::MAX);
    let message = |number: usize| read(&author.note("A", NOW, &format!("{number}")));
    for number in 0..=MAX_ACCEPTED_MESSAGES {
        accepted.insert(&message(number));
        accepted.insert(&message(number));
    }
    assert_eq!(accepted.len(), MAX_ACCEPTED_MESSAGES);
    assert!(accepted.get(message(0).item_hash()).is_none());
    assert!(accepted.get(message(1).item_hash()).is_some());
    let lengths = (1..9).map(|number| {
        let mut accepted = Accepted::within(usize::MAX);
        accepted.insert(&message(number));
        accepted.get(message(number).item_hash()).unwrap().len()
    });
    let lengths: alloc::vec::Vec<usize> = lengths.collect();
    let (least, most) = (*lengths.iter().min().unwrap(), *lengths.iter().max().unwrap());
    for (bytes, kept) in [(least - 1, 0), (most, 1), (3 * most, 3)] {
        let mut accepted = Accepted::within(bytes * ACCEPTED_MESSAGES_PART);
        (1..9).for_each(|number| accepted.insert(&message(number)));
        assert_eq!(accepted.len(), kept);
    }
}
