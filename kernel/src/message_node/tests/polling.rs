//! Rounds of polling: overlap, pages, damage, restarts.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use futures_util::future::{FutureExt, LocalBoxFuture};
use netstack::http::client::ClientError;

use crate::config::AlephConfig;
use crate::executor::Signal;
use crate::limits::{
    MAX_CATCH_UP_SECONDS, MAX_MESSAGES_PER_PAGE, MAX_PAGES_PER_ROUND, POLL_OVERLAP_SECONDS,
};
use crate::message_node::{MessageNode, NodeError, PollCounts, Poller};
use crate::store::testing::Lasting;
use crate::store::{Memory, Store};
use crate::subscribe::tests::bench::{Author, Bench, NOW, read};

/// A message node that answers as the network's do: by time, in pages.
#[derive(Default)]
struct Feed {
    /// With the times of their envelopes.
    messages: RefCell<Vec<(u64, String)>>,
    asked: RefCell<Vec<String>>,
    fails: Cell<bool>,
    /// Bytes of the largest answer that arrives.
    most: Cell<Option<usize>>,
}

impl Feed {
    fn add(&self, time: u64, message: &str) {
        self.messages.borrow_mut().push((time, message.into()));
        self.messages.borrow_mut().sort();
    }

    fn starts(&self) -> Vec<f64> {
        self.asked.borrow().iter().map(|target| number(target, "startDate")).collect()
    }
}

fn number<T: core::str::FromStr>(target: &str, name: &str) -> T {
    let value = target.split(['?', '&']).find_map(|part| part.strip_prefix(&format!("{name}=")));
    value.and_then(|value| value.parse().ok()).unwrap()
}

impl MessageNode for Feed {
    fn get<'a>(
        &'a self,
        target: &'a str,
        _: usize,
    ) -> LocalBoxFuture<'a, Result<Vec<u8>, NodeError>> {
        assert!(target.starts_with("/api/v0/messages.json?"), "{target}");
        assert!(target.contains("sortOrder=1"), "{target}");
        self.asked.borrow_mut().push(target.into());
        if self.fails.get() {
            return core::future::ready(Err(NodeError::Unreachable)).boxed_local();
        }
        let start: f64 = number(target, "startDate");
        let (page, per_page): (usize, usize) =
            (number(target, "page"), number(target, "pagination"));
        let messages = self.messages.borrow();
        let since = messages.iter().filter(|(time, _)| *time as f64 >= start);
        let texts: Vec<&str> = since
            .skip((page - 1) * per_page)
            .take(per_page)
            .map(|(_, text)| text.as_str())
            .collect();
        let answer = format!("{{\"messages\":[{}],\"pagination_page\":{page}}}", texts.join(","));
        let fits = self.most.get().is_none_or(|most| answer.len() <= most);
        let answer = if fits {
            Ok(answer.into_bytes())
        } else {
            Err(NodeError::Http(ClientError::BodyTooLarge))
        };
        core::future::ready(answer).boxed_local()
    }
}

struct Polled {
    bench: Bench,
    feed: Rc<Feed>,
    counts: Rc<PollCounts>,
    poke: Signal,
}

const INTERVAL: Duration = Duration::from_secs(10);

impl Polled {
    fn new() -> Self {
        Self::with(Rc::new(Memory::new(16 << 20)), Rc::default(), Some(INTERVAL), &[])
    }

    fn with(
        store: Rc<dyn Store>,
        feed: Rc<Feed>,
        interval: Option<Duration>,
        channels: &[&str],
    ) -> Self {
        let bench = Bench::with(store.clone(), AlephConfig::default());
        let (counts, poke) = (Rc::new(PollCounts::default()), Signal::new());
        let poller = Poller {
            node: Rc::<Feed>::clone(&feed),
            subscriber: bench.subscriber.clone(),
            store,
            machine: Rc::new(bench.machine.clone()),
            executor: bench.executor.clone(),
            interval,
            channels: channels.iter().map(|channel| (*channel).into()).collect(),
            poke: poke.clone(),
            counts: counts.clone(),
        };
        bench.executor.spawn(poller.run());
        Self { bench, feed, counts, poke }
    }

    /// Lets so many seconds pass.
    fn pass(&self, seconds: u64) {
        self.bench.pass(Duration::from_secs(seconds));
    }
}

#[test]
fn a_new_message_runs_once_though_each_round_brings_it_again() {
    let world = Polled::new();
    let noted = world.bench.host(1, r#"[{"channel":"A"}]"#);
    let author = Author::new(1);
    world.feed.add(NOW - 1, &author.note("A", NOW - 1, "before the start"));
    world.pass(5);
    let message = author.note("A", NOW + 5, "hello");
    world.feed.add(NOW + 5, &message);
    world.pass(60);
    assert_eq!(*noted.ran.borrow(), [read(&message).item_hash().clone()]);
    assert!(world.counts.rounds.get() >= 6);
    let starts = world.feed.starts();
    assert_eq!(starts[0], NOW as f64, "from the start on");
    assert_eq!(*starts.last().unwrap(), NOW as f64);
}

#[test]
fn a_message_that_reaches_the_message_node_late_is_found() {
    let world = Polled::new();
    let noted = world.bench.host(1, r#"[{"channel":"A"}]"#);
    let author = Author::new(1);
    world.pass(300);
    world.feed.add(NOW + 299, &author.note("A", NOW + 299, "in time"));
    world.pass(20);
    world.feed.add(NOW + 200, &author.note("A", NOW + 200, "late"));
    world.pass(20);
    assert_eq!(noted.ran.borrow().len(), 2);
    let start = (NOW + 299 - POLL_OVERLAP_SECONDS) as f64;
    assert_eq!(world.feed.starts().last(), Some(&start));
}

#[test]
fn nothing_is_asked_while_nobody_waits_for_messages() {
    let world = Polled::new();
    world.pass(100);
    assert!(world.feed.asked.borrow().is_empty());
    world.bench.host(1, r#"[{"channel":"A"}]"#);
    world.pass(1);
    assert_eq!(world.feed.asked.borrow().len(), 1);
}

#[test]
fn many_messages_come_in_pages_and_too_many_in_rounds() {
    let world = Polled::new();
    let noted = world.bench.host(1, r#"[{"channel":"A"}]"#);
    let author = Author::new(1);
    for number in 0..450 {
        world.feed.add(NOW, &author.note("A", NOW, &format!("{number}")));
    }
    world.pass(5);
    assert_eq!(noted.ran.borrow().len(), 450);
    let pages: Vec<usize> =
        world.feed.asked.borrow().iter().map(|target| number(target, "page")).collect();
    assert_eq!(pages, [1, 2, 3]);
}

#[test]
fn a_round_is_bounded_and_the_next_one_goes_on_where_it_ended() {
    let world = Polled::new();
    let noted = world.bench.host(1, r#"[{"channel":"B"}]"#);
    let author = Author::new(1);
    // Only one message fits an answer.
    world.feed.most.set(Some(900));
    world.pass(200);
    world.feed.asked.borrow_mut().clear();
    let last = author.note("B", NOW + 100, "last");
    for number in 1..=MAX_PAGES_PER_ROUND as u64 {
        world.feed.add(NOW + number, &author.note("A", NOW + number, "x"));
    }
    world.feed.add(NOW + 100, &last);
    world.pass(11);
    assert_eq!(*noted.ran.borrow(), [read(&last).item_hash().clone()]);
    let asked = world.feed.asked.borrow();
    // Halved from 200 to 1, then all pages of the first round, then where it ended.
    let second =
        asked.iter().filter(|target| number::<f64>(target, "startDate") > NOW as f64).count();
    assert!(second >= 1, "{asked:?}");
    assert!(asked.len() < 2 * MAX_PAGES_PER_ROUND, "{}", asked.len());
}

#[test]
fn an_answer_that_is_too_large_is_asked_for_in_smaller_pages() {
    let world = Polled::new();
    let noted = world.bench.host(1, r#"[{"channel":"A"}]"#);
    world.feed.most.set(Some(20_000));
    let author = Author::new(1);
    for number in 0..60 {
        world.feed.add(NOW, &author.note("A", NOW, &format!("{number}")));
    }
    world.pass(2);
    assert_eq!(noted.ran.borrow().len(), 60);
    assert_eq!(world.counts.failed.get(), 0);
}

#[test]
fn a_message_that_is_too_large_is_passed_over_and_pages_grow_again() {
    let world = Polled::new();
    let noted = world.bench.host(1, r#"[{"channel":"A"}]"#);
    world.feed.most.set(Some(20_000));
    let author = Author::new(1);
    world.feed.add(NOW, &author.note("A", NOW, &"x".repeat(20_000)));
    for number in 1..4 {
        world.feed.add(NOW + number, &author.note("A", NOW + number, "small"));
    }
    world.pass(5);
    assert_eq!(noted.ran.borrow().len(), 3);
    assert_eq!((world.counts.failed.get(), world.counts.unreadable.get()), (0, 1));
    // Later it is too old to be asked for.
    world.pass(POLL_OVERLAP_SECONDS + 100);
    world.feed.add(NOW + 150, &author.note("A", NOW + 150, "late"));
    world.pass(200);
    assert_eq!(noted.ran.borrow().len(), 4);
    let last = world.feed.asked.borrow().last().map(|target| number(target, "pagination"));
    assert_eq!(last, Some(MAX_MESSAGES_PER_PAGE));
}

#[test]
fn a_message_node_that_fails_is_asked_ever_more_seldom_until_it_answers() {
    let world = Polled::new();
    let noted = world.bench.host(1, r#"[{"channel":"A"}]"#);
    world.feed.fails.set(true);
    world.pass(600);
    let failed = world.feed.asked.borrow().len();
    assert!((10..=30).contains(&failed), "{failed}");
    world.feed.add(NOW + 100, &Author::new(1).note("A", NOW + 100, "meanwhile"));
    world.feed.fails.set(false);
    world.pass(60);
    assert_eq!(noted.ran.borrow().len(), 1);
}

#[test]
fn what_is_no_message_is_passed_over() {
    let world = Polled::new();
    let noted = world.bench.host(1, r#"[{"channel":"A"}]"#);
    for text in ["null", "{}", r#"{"type":"POST"}"#, "[[[[]]]]"] {
        world.feed.add(NOW, text);
    }
    world.feed.add(NOW, &Author::new(1).note("A", NOW, "hello"));
    world.pass(1);
    assert_eq!(noted.ran.borrow().len(), 1);
    assert_eq!(world.counts.unreadable.get(), 4);
}

#[test]
fn a_made_up_time_does_not_hide_the_messages_of_today() {
    let world = Polled::new();
    let noted = world.bench.host(1, r#"[{"channel":"A"}]"#);
    let author = Author::new(1);
    let content = format!(
        r#"{{"address":"{}","time":{NOW},"type":"note","content":{{}}}}"#,
        author.address()
    );
    let future = NOW + 1_000_000;
    world.feed.add(future, &author.sign("POST", "A", future, &content));
    world.pass(15);
    world.feed.add(NOW + 14, &author.note("A", NOW + 14, "hello"));
    world.pass(15);
    assert_eq!(noted.ran.borrow().len(), 2);
}

#[test]
fn without_an_interval_rounds_come_when_they_are_asked_for() {
    let feed: Rc<Feed> = Rc::default();
    let world = Polled::with(Rc::new(Memory::new(1 << 20)), feed, None, &["A", "b c"]);
    world.bench.host(1, r#"[{"channel":"A"}]"#);
    world.pass(1000);
    assert_eq!(world.feed.asked.borrow().len(), 1);
    world.poke.give();
    world.pass(1000);
    assert_eq!(world.feed.asked.borrow().len(), 2);
    assert!(world.feed.asked.borrow()[0].ends_with("&channels=A,b%20c"));
}

#[test]
fn a_restart_with_a_volume_goes_on_where_the_node_was() {
    let store: Rc<dyn Store> = Rc::new(Lasting(Memory::new(16 << 20)));
    let feed: Rc<Feed> = Rc::default();
    let author = Author::new(1);
    let first = Polled::with(store.clone(), feed.clone(), Some(INTERVAL), &[]);
    let noted = first.bench.host(1, r#"[{"channel":"A"}]"#);
    feed.add(NOW + 5, &author.note("A", NOW + 5, "first"));
    first.pass(20);
    assert_eq!(noted.ran.borrow().len(), 1);
    // A second one is under way when the machine stops, and a third waits.
    noted.takes.set(Duration::from_secs(1000));
    for (time, text) in [(NOW + 21, "second"), (NOW + 22, "third")] {
        feed.add(time, &author.note("A", time, text));
    }
    first.pass(20);
    assert_eq!(noted.ran.borrow().len(), 2);
    drop(first);
    feed.asked.borrow_mut().clear();
    let second = Polled::with(store, feed.clone(), Some(INTERVAL), &[]);
    second.bench.machine.set_clock(Some((NOW + 3600) * 1000));
    feed.add(NOW + 1800, &author.note("A", NOW + 1800, "while it was off"));
    let noted = second.bench.host(1, r#"[{"channel":"A"}]"#);
    second.pass(1);
    let texts: Vec<String> = noted.scopes.borrow().iter().map(|scope| scope.to_json()).collect();
    assert_eq!(texts.len(), 2, "{texts:?}");
    assert!(texts[0].contains("third") && texts[1].contains("while it was off"), "{texts:?}");
    assert!(feed.starts()[0] <= (NOW + 21) as f64);
}

#[test]
fn a_node_that_was_off_for_long_catches_up_a_week() {
    let store: Rc<dyn Store> = Rc::new(Lasting(Memory::new(1 << 20)));
    store.put("aleph/cursor", &1000_u64.to_le_bytes()).now_or_never().unwrap().unwrap();
    let world = Polled::with(store, Rc::default(), Some(INTERVAL), &[]);
    world.bench.host(1, r#"[{"channel":"A"}]"#);
    world.pass(1);
    let earliest = (NOW - MAX_CATCH_UP_SECONDS - POLL_OVERLAP_SECONDS) as f64;
    assert_eq!(world.feed.starts()[0], earliest);
}

#[test]
fn without_a_clock_nothing_is_asked_until_there_is_one() {
    let world = Polled::new();
    world.bench.machine.set_clock(None);
    world.bench.host(1, r#"[{"channel":"A"}]"#);
    world.pass(100);
    assert!(world.feed.asked.borrow().is_empty());
    world.bench.machine.set_clock(Some(NOW * 1000));
    world.pass(20);
    assert!(!world.feed.asked.borrow().is_empty());
}

#[test]
fn more_messages_of_one_moment_than_a_round_takes_are_passed_over_in_time() {
    let world = Polled::new();
    let noted = world.bench.host(1, r#"[{"channel":"B"}]"#);
    let author = Author::new(1);
    world.feed.most.set(Some(900));
    for number in 0..MAX_PAGES_PER_ROUND + 10 {
        world.feed.add(NOW, &author.note("A", NOW, &format!("{number}")));
    }
    world.feed.add(NOW + 5, &author.note("B", NOW + 5, "x"));
    world.pass(60);
    assert_eq!(noted.ran.borrow().len(), 1);
    let asked = world.feed.asked.borrow().len();
    assert!(asked <= 8 * MAX_PAGES_PER_ROUND, "{asked}");
}
