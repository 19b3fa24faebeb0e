//! Each program runs once for an item hash.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::time::Duration;

use futures_util::FutureExt;

use super::bench::{Author, Bench, NOW, read};
use crate::config::AlephConfig;
use crate::store::testing::{Dice, RamDisk};
use crate::store::{Memory, Store, Volume, volume};
use crate::subscribe::Origin;

fn memory() -> Rc<dyn Store> {
    Rc::new(Memory::new(16 << 20))
}

#[test]
fn a_message_that_comes_by_all_three_ways_runs_a_program_once() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    let message = Author::new(1).note("A", NOW, "hello");
    let hash = read(&message).item_hash().clone();
    let first = bench.offer(&message, Origin::Followed).unwrap();
    assert_eq!((first.programs.len(), first.repeated.len()), (1, 0));
    for taken in [bench.offer(&message, Origin::Polled), bench.post(&message)] {
        let taken = taken.unwrap();
        assert_eq!((taken.programs.len(), taken.repeated.len()), (0, 1));
    }
    assert_eq!(*noted.ran.borrow(), [hash]);
    let counts = bench.subscriber.counts();
    assert_eq!(Origin::ALL.map(|origin| counts.offered(origin)), [1, 1, 1]);
    assert_eq!((counts.done.get(), counts.repeated.get()), (1, 2));
}

#[test]
fn ways_that_bring_it_at_the_same_time_start_one_run() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    let message = Author::new(1).note("A", NOW, "hello");
    for origin in [Origin::Polled, Origin::Followed, Origin::Polled] {
        let (subscriber, message) = (bench.subscriber.clone(), read(&message));
        bench.begin(async move { subscriber.offer(message, origin).await });
    }
    bench.pass(Duration::from_secs(1));
    assert_eq!(noted.ran.borrow().len(), 1);
}

#[test]
fn programs_run_for_what_they_wait_for_and_each_for_itself() {
    let bench = Bench::new();
    let (author, other) = (Author::new(1), Author::new(2));
    let of_channel = bench.host(1, r#"[{"channel":"A"}]"#);
    let of_sender = bench.host(2, &alloc::format!(r#"[{{"sender":"{}"}}]"#, other.address()));
    let of_content = bench.host(3, r#"[{"type":"POST","content":{"content":{"text":"yes"}}}]"#);
    let of_nothing = bench.host(4, r#"[{}]"#);
    let mut times = NOW..;
    for (author, channel, text) in
        [(&author, "A", "no"), (&other, "A", "yes"), (&other, "B", "no"), (&author, "B", "yes")]
    {
        bench.offer(&author.note(channel, times.next().unwrap(), text), Origin::Polled).unwrap();
    }
    let ran = [of_channel, of_sender, of_content, of_nothing].map(|noted| noted.ran.borrow().len());
    assert_eq!(ran, [2, 2, 2, 0]);
    assert_eq!(bench.subscriber.counts().unmatched.get(), 0);
    bench.offer(&author.note("C", NOW, "x"), Origin::Polled).unwrap();
    assert_eq!(bench.subscriber.counts().unmatched.get(), 1);
}

#[test]
fn a_program_gets_the_message_as_the_network_s_nodes_give_it() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    let message = Author::new(1).note("A", NOW, "hello");
    bench.post(&message).unwrap();
    let expected = crate::aleph::trigger::event::scope(&read(&message));
    assert_eq!(*noted.scopes.borrow(), [expected]);
}

#[test]
fn a_restart_with_a_store_repeats_nothing() {
    let store = memory();
    let message = Author::new(1).note("A", NOW, "hello");
    let first = Bench::with(store.clone(), AlephConfig::default());
    let noted = first.host(1, r#"[{"channel":"A"}]"#);
    first.post(&message).unwrap();
    assert_eq!(noted.ran.borrow().len(), 1);
    drop(first);
    let second = Bench::with(store, AlephConfig::default());
    let noted = second.host(1, r#"[{"channel":"A"}]"#);
    assert_eq!(second.offer(&message, Origin::Polled).unwrap().repeated.len(), 1);
    assert!(noted.ran.borrow().is_empty());
    second.offer(&Author::new(1).note("A", NOW, "another"), Origin::Polled).unwrap();
    assert_eq!(noted.ran.borrow().len(), 1);
}

#[test]
fn a_run_is_noted_before_it_begins_and_what_waits_behind_it_is_not() {
    let store = memory();
    let bench = Bench::with(store.clone(), AlephConfig::default());
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    noted.takes.set(Duration::from_secs(1000));
    let kept = Rc::new(Cell::new(0));
    let (look, count) = (store.clone(), kept.clone());
    *noted.look.borrow_mut() = Some(alloc::boxed::Box::new(move || {
        let keys = look.keys("seen/").now_or_never().unwrap().unwrap();
        count.set(keys.len());
    }));
    let author = Author::new(1);
    let messages = [author.note("A", NOW, "first"), author.note("A", NOW, "second")];
    for message in &messages {
        let (subscriber, message) = (bench.subscriber.clone(), read(message));
        bench.begin(async move { subscriber.offer(message, Origin::Polled).await });
    }
    bench.pass(Duration::from_secs(10));
    assert_eq!(kept.get(), 1, "it was noted when the run began");
    assert_eq!((noted.ran.borrow().len(), bench.subscriber.pending()), (1, 2));
    // The machine stops here, in the midst of the first run.
    drop(bench);
    let next = Bench::with(store, AlephConfig::default());
    let noted = next.host(1, r#"[{"channel":"A"}]"#);
    for message in &messages {
        next.offer(message, Origin::Polled).unwrap();
    }
    let second = read(&messages[1]).item_hash().clone();
    assert_eq!(*noted.ran.borrow(), [second]);
}

#[test]
fn an_envelope_with_another_time_is_the_same_message() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    let author = Author::new(1);
    let content = alloc::format!(
        r#"{{"address":"{}","time":{NOW},"type":"note","content":{{}}}}"#,
        author.address()
    );
    for time in [NOW, NOW + 5, NOW - 5] {
        bench.offer(&author.sign("POST", "A", time, &content), Origin::Polled).unwrap();
    }
    assert_eq!(noted.ran.borrow().len(), 1);
}

#[test]
fn a_run_for_which_there_is_no_room_is_tried_until_there_is() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    noted.busy.set(20);
    bench.post(&Author::new(1).note("A", NOW, "hello")).unwrap();
    assert_eq!(noted.ran.borrow().len(), 1);
    let counts = bench.subscriber.counts();
    assert_eq!((counts.put_off.get(), counts.done.get()), (20, 1));
}

#[test]
fn messages_run_in_the_order_in_which_they_came_one_at_a_time() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    noted.takes.set(Duration::from_secs(1));
    let author = Author::new(1);
    let messages: Vec<_> =
        (0..20).map(|number| author.note("A", NOW - number, &alloc::format!("{number}"))).collect();
    for message in &messages {
        let (subscriber, message) = (bench.subscriber.clone(), read(message));
        bench.begin(async move { subscriber.take_posted(message).await });
    }
    bench.pass(Duration::from_millis(9_500));
    assert_eq!(noted.ran.borrow().len(), 10);
    bench.pass(Duration::from_secs(20));
    let expected: Vec<_> =
        messages.iter().map(|message| read(message).item_hash().clone()).collect();
    assert_eq!(*noted.ran.borrow(), expected);
}

#[test]
fn a_program_that_is_taken_away_leaves_nothing_behind() {
    let bench = Bench::new();
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    noted.takes.set(Duration::from_secs(10));
    let author = Author::new(1);
    for number in 0..5 {
        let message = read(&author.note("A", NOW + number, "x"));
        let subscriber = bench.subscriber.clone();
        bench.begin(async move { subscriber.offer(message, Origin::Polled).await });
    }
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.subscriber.pending(), 5);
    bench.evict();
    bench.offer(&author.note("B", NOW, "x"), Origin::Polled).unwrap();
    assert_eq!((bench.subscriber.pending(), bench.subscriber.earliest_pending()), (0, None));
    assert_eq!(noted.ran.borrow().len(), 1, "what waited does not run any more");
    assert_eq!(bench.executor.live_tasks(), 0);
}

#[test]
fn a_program_that_is_taken_away_and_comes_again_under_its_name_runs() {
    let bench = Bench::new();
    let first = bench.host(1, r#"[{"channel":"A"}]"#);
    let author = Author::new(1);
    assert_eq!(bench.post(&author.note("A", NOW, "one")).unwrap().programs.len(), 1);
    bench.evict();
    let second = bench.host(1, r#"[{"channel":"A"}]"#);
    let again = bench.post(&author.note("A", NOW, "one")).unwrap();
    assert_eq!((again.programs.len(), again.repeated.len()), (0, 1));
    assert_eq!(bench.post(&author.note("A", NOW, "two")).unwrap().programs.len(), 1);
    assert_eq!((first.ran.borrow().len(), second.ran.borrow().len()), (1, 1));
}

/// A volume on a disk, and a node that notes on it what it has seen.
fn on_disk(disk: &RamDisk) -> Bench {
    let open = Volume::open(Rc::new(disk.clone()), [7; 32]);
    let (volume, worker) = open.now_or_never().unwrap().unwrap();
    let bench = Bench::with(Rc::new(volume), AlephConfig::default());
    bench.executor.spawn(worker.run());
    bench
}

#[test]
fn a_power_cut_at_any_moment_repeats_no_run_that_had_begun() {
    const MESSAGES: u64 = 5;
    let author = Author::new(1);
    let messages: Vec<String> =
        (0..MESSAGES).map(|number| author.note("A", NOW + number, "x")).collect();
    let blank = RamDisk::new(256);
    volume::format(&blank, [1; 16]).now_or_never().unwrap().unwrap();
    let mut operations = u32::MAX;
    let mut cut = 0;
    while cut <= operations {
        for seed in 0..4 {
            let disk = RamDisk::of(blank.bytes());
            let bench = on_disk(&disk);
            disk.die_after(cut);
            let noted = bench.host(1, r#"[{"channel":"A"}]"#);
            // Where a note fails the machine would be dead by then.
            let begun = Rc::new(Cell::new(0));
            let (counter, counts) = (begun.clone(), bench.subscriber.counts());
            *noted.look.borrow_mut() = Some(Box::new(move || {
                if counts.not_kept.get() == 0 {
                    counter.set(counter.get() + 1);
                }
            }));
            for message in &messages {
                bench.post(message).unwrap();
            }
            if begun.get() == messages.len() {
                operations = operations.min(disk.done());
            }
            let first: Vec<_> = noted.ran.borrow()[..begun.get()].to_vec();
            drop(bench);
            let bench = on_disk(&disk.after_cut(&mut Dice::new(seed)));
            let noted = bench.host(1, r#"[{"channel":"A"}]"#);
            for message in &messages {
                bench.post(message).unwrap();
            }
            let second = noted.ran.borrow();
            assert!(first.iter().all(|hash| !second.contains(hash)), "repeated: {cut}, {seed}");
            for message in messages.iter().skip(first.len() + 1) {
                assert!(second.contains(read(message).item_hash()), "lost: {cut}, {seed}");
            }
        }
        cut += 1;
    }
    assert!(cut > 10, "each note takes writes and flushes: {cut}");
}

#[test]
fn a_store_that_fails_does_not_keep_programs_from_running() {
    // So little room that nothing fits.
    let bench = Bench::with(Rc::new(Memory::new(1)), AlephConfig::default());
    let noted = bench.host(1, r#"[{"channel":"A"}]"#);
    bench.post(&Author::new(1).note("A", NOW, "hello")).unwrap();
    assert_eq!(noted.ran.borrow().len(), 1);
    assert_eq!(bench.subscriber.counts().not_kept.get(), 1);
}
