//! Schedules over simulated years, with clocks that jump, stores that last, and programs that take their time.

use super::*;
use crate::aleph::calendar::Date;
use crate::aleph::package::Encoding;
use crate::aleph::program::{Code, Environment, Program, Resources, Source, Triggers};
use crate::aleph::trigger::Failure;
use crate::executor::{Signal, drive};
use crate::machine::{Instant, MainLoop, SIMULATED_EPOCH_MS, Simulated};
use crate::store::Memory;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::ControlFlow;
use futures_util::future::{FutureExt, LocalBoxFuture};

const START: u64 = SIMULATED_EPOCH_MS / 1000;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A program that notes its ticks and takes its time.
struct Noted {
    program: Program,
    ticks: RefCell<Vec<u64>>,
    takes: Cell<Duration>,
    fails: Cell<bool>,
    executor: Executor,
}

impl Runnable for Noted {
    fn program(&self) -> &Program {
        &self.program
    }

    fn run(self: Rc<Self>, trigger: Trigger) -> LocalBoxFuture<'static, Result<(), Failure>> {
        let Trigger::Cron { tick } = trigger else { panic!("another trigger") };
        self.ticks.borrow_mut().push(tick);
        async move {
            self.executor.sleep(self.takes.get()).await;
            if self.fails.get() { Err(Failure::Busy) } else { Ok(()) }
        }
        .boxed_local()
    }
}

#[derive(Default)]
struct Some {
    all: RefCell<Vec<Rc<Noted>>>,
    changes: Signal,
}

impl Runnables for Some {
    fn all(&self) -> Vec<Rc<dyn Runnable>> {
        self.all.borrow().iter().map(|noted| noted.clone() as Rc<dyn Runnable>).collect()
    }

    fn changes(&self) -> Signal {
        self.changes.clone()
    }
}

/// A node of one machine, with a virtual clock.
struct World {
    machine: Simulated,
    executor: Executor,
    programs: Rc<Some>,
    counts: Rc<ScheduleCounts>,
    looks: Rc<Cell<u64>>,
}

struct Until {
    machine: Simulated,
    end: Instant,
    looks: Rc<Cell<u64>>,
}

impl MainLoop for Until {
    fn poll_network(&mut self, _: Instant) -> Option<Instant> {
        None
    }

    fn idle(&mut self, until: Option<Instant>) -> ControlFlow<()> {
        self.looks.set(self.looks.get() + 1);
        let next = until.filter(|until| *until <= self.end);
        self.machine.sleep_until(next.unwrap_or(self.end));
        if next.is_some() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

impl World {
    fn new(store: Rc<dyn Store>) -> Self {
        Self::at(store, Some(SIMULATED_EPOCH_MS))
    }

    fn at(store: Rc<dyn Store>, clock: Option<u64>) -> Self {
        let machine = Simulated::new(1);
        machine.set_clock(clock);
        let executor = Executor::new(Rc::new(machine.clone()));
        let programs = Rc::new(Some::default());
        let scheduler =
            Scheduler::new(programs.clone(), store, Rc::new(machine.clone()), executor.clone());
        let counts = scheduler.counts();
        executor.spawn(scheduler.run());
        Self { machine, executor, programs, counts, looks: Rc::default() }
    }

    fn add(&self, name: u8, line: &str) -> Rc<Noted> {
        let noted = Rc::new(Noted {
            program: program(name, line),
            ticks: RefCell::default(),
            takes: Cell::default(),
            fails: Cell::default(),
            executor: self.executor.clone(),
        });
        self.programs.all.borrow_mut().push(noted.clone());
        self.programs.changes.give();
        noted
    }

    /// Lets so many seconds pass.
    fn pass(&self, seconds: u64) {
        let end = self.executor.now().after(Duration::from_secs(seconds));
        let (machine, looks) = (self.machine.clone(), self.looks.clone());
        drive(&self.executor, &mut Until { machine, end, looks });
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.executor.shut_down();
    }
}

fn program(name: u8, line: &str) -> Program {
    Program {
        id: ItemHash::of(&[name]),
        owner: "0x".into(),
        time_ms: 0,
        code: Code {
            encoding: Encoding::Plain,
            entrypoint: "main".into(),
            source: Source::Inline(Rc::<[u8]>::from([]).to_vec().into()),
        },
        data: None,
        export: None,
        triggers: Triggers { cron: line.parse().ok(), ..Triggers::default() },
        environment: Environment::default(),
        resources: Resources { vcpus: 1, memory_mib: 1, milliseconds: 1000 },
        variables: Vec::new(),
        replaces: None,
        allow_amend: false,
    }
}

fn memory() -> Rc<dyn Store> {
    Rc::new(Memory::new(1 << 20))
}

#[test]
fn three_years_of_a_daily_schedule_have_a_run_for_each_day_and_its_hour() {
    let world = World::new(memory());
    let daily = world.add(1, "30 6 * * *");
    world.pass(3 * 366 * DAY);
    let ticks = daily.ticks.borrow();
    let first = START + 6 * HOUR + 30 * MINUTE;
    let expected: Vec<u64> = (0..3 * 366).map(|day| first + day * DAY).collect();
    assert_eq!(*ticks, expected);
    assert_eq!(world.counts.done.get(), 3 * 366);
    assert_eq!((world.counts.after_missed.get(), world.counts.overlapped.get()), (0, 0));
}

#[test]
fn a_leap_day_comes_once_in_four_years() {
    let world = World::new(memory());
    let leap = world.add(1, "0 12 29 2 *");
    let never = world.add(2, "0 0 30 2 *");
    world.pass(5 * 366 * DAY);
    let at = |year| {
        let days = Date::new(year, 2, 29).unwrap().days_since_epoch();
        u64::try_from(days).unwrap() * DAY + 12 * HOUR
    };
    assert_eq!(*leap.ticks.borrow(), [at(2024), at(2028)]);
    assert!(never.ticks.borrow().is_empty());
}

#[test]
fn a_program_that_comes_late_runs_at_its_next_time_and_one_that_goes_no_more() {
    let world = World::new(memory());
    world.pass(30);
    let minutely = world.add(1, "* * * * *");
    world.pass(31);
    assert_eq!(*minutely.ticks.borrow(), [START + MINUTE]);
    world.programs.all.borrow_mut().clear();
    world.programs.changes.give();
    world.pass(10 * MINUTE);
    assert_eq!(minutely.ticks.borrow().len(), 1);
}

#[test]
fn a_program_that_is_taken_away_and_comes_again_under_its_name_runs() {
    let world = World::new(memory());
    let first = world.add(1, "* * * * *");
    world.pass(MINUTE);
    world.programs.all.borrow_mut().clear();
    let second = world.add(1, "* * * * *");
    world.pass(MINUTE);
    assert_eq!((first.ticks.borrow().len(), second.ticks.borrow().len()), (1, 1));
}

#[test]
fn a_tick_is_skipped_while_the_last_run_is_under_way() {
    let world = World::new(memory());
    let slow = world.add(1, "* * * * *");
    slow.takes.set(Duration::from_secs(150));
    let quick = world.add(2, "* * * * *");
    world.pass(10 * MINUTE + 1);
    let minutes: Vec<u64> =
        slow.ticks.borrow().iter().map(|tick| (tick - START) / MINUTE).collect();
    // Each run lasts over two further ticks.
    assert_eq!(minutes, [1, 4, 7, 10]);
    assert_eq!(world.counts.overlapped.get(), 6);
    assert_eq!(quick.ticks.borrow().len(), 10, "others are not held up");
}

#[test]
fn a_run_that_fails_counts_and_the_next_one_comes() {
    let world = World::new(memory());
    let failing = world.add(1, "* * * * *");
    failing.fails.set(true);
    world.pass(3 * MINUTE + 1);
    assert_eq!(failing.ticks.borrow().len(), 3);
    assert_eq!((world.counts.failed.get(), world.counts.done.get()), (3, 0));
}

#[test]
fn a_clock_set_forward_makes_one_run_within_a_minute() {
    let world = World::new(memory());
    let hourly = world.add(1, "@hourly");
    world.pass(10 * MINUTE);
    world.machine.set_clock(Some((START + 5 * HOUR + 600) * 1000));
    world.pass(MINUTE);
    assert_eq!(*hourly.ticks.borrow(), [START + 5 * HOUR]);
    assert_eq!(world.counts.after_missed.get(), 1);
    world.pass(HOUR);
    assert_eq!(hourly.ticks.borrow().last(), Some(&(START + 6 * HOUR)));
}

#[test]
fn a_clock_set_back_a_little_repeats_nothing_and_by_more_begins_anew() {
    let world = World::new(memory());
    let hourly = world.add(1, "@hourly");
    world.pass(4 * HOUR + 1);
    assert_eq!(hourly.ticks.borrow().len(), 4);
    world.machine.set_clock(Some((START + 2 * HOUR + 1) * 1000));
    world.pass(2 * HOUR);
    assert_eq!(hourly.ticks.borrow().len(), 4, "ticks that were dealt with do not come again");
    world.pass(HOUR);
    assert_eq!(hourly.ticks.borrow().last(), Some(&(START + 5 * HOUR)));
    world.machine.set_clock(Some((START + 1) * 1000));
    world.pass(HOUR);
    assert_eq!(hourly.ticks.borrow().last(), Some(&(START + HOUR)), "that was a correction");
}

#[test]
fn without_a_clock_nothing_runs_until_there_is_one() {
    let world = World::at(memory(), None);
    let minutely = world.add(1, "* * * * *");
    world.pass(HOUR);
    assert!(minutely.ticks.borrow().is_empty());
    world.machine.set_clock(Some(START * 1000));
    world.pass(3 * MINUTE);
    assert!(!minutely.ticks.borrow().is_empty());
}

#[test]
fn after_a_restart_with_a_store_one_run_makes_up_for_what_passed() {
    let store = memory();
    let first = World::new(store.clone());
    assert_eq!(first.add(1, "@hourly").ticks.borrow().len(), 0);
    first.pass(2 * HOUR + 1);
    drop(first);
    // Off for a day.
    let second = World::at(store, Some((START + 26 * HOUR + 600) * 1000));
    let hourly = second.add(1, "@hourly");
    second.pass(1);
    assert_eq!(*hourly.ticks.borrow(), [START + 26 * HOUR]);
    second.pass(HOUR);
    assert_eq!(*hourly.ticks.borrow(), [START + 26 * HOUR, START + 27 * HOUR]);
}

#[test]
fn after_a_restart_without_one_the_schedule_begins_then() {
    let late = World::at(memory(), Some((START + 26 * HOUR + 600) * 1000));
    let hourly = late.add(1, "@hourly");
    late.pass(HOUR);
    assert_eq!(*hourly.ticks.borrow(), [START + 27 * HOUR]);
}

#[test]
fn what_is_kept_and_cannot_be_read_begins_the_schedule_anew() {
    let store = memory();
    let id = program(1, "@hourly").id;
    for kept in [vec![], vec![1; 7], vec![1; 9]] {
        store.put(&key(&id), &kept).now_or_never().unwrap().unwrap();
        let world = World::new(store.clone());
        let hourly = world.add(1, "@hourly");
        world.pass(HOUR + 1);
        assert_eq!(*hourly.ticks.borrow(), [START + HOUR]);
    }
}

#[test]
fn a_node_without_schedules_does_not_wake_up() {
    let world = World::new(memory());
    world.pass(DAY);
    assert!(world.looks.get() <= 2, "{} looks", world.looks.get());
}
