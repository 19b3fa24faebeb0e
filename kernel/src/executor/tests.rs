//! Tests of the executor on a virtual clock.

use super::*;
use crate::machine::{MainLoop, Simulated, SimulatedLoop};
use alloc::boxed::Box;
use alloc::vec;
use core::ops::ControlFlow;
use proptest::prelude::*;

fn executor() -> (Executor, Simulated) {
    let machine = Simulated::new(1);
    (Executor::new(Rc::new(machine.clone())), machine)
}

/// The main loop of a machine that stops when nothing waits for a timer.
fn to_the_end(machine: &Simulated) -> SimulatedLoop {
    SimulatedLoop::until(machine.clone(), Instant::NEVER)
}

#[test]
fn tasks_run_to_their_end_and_may_spawn_others() {
    let (executor, machine) = executor();
    let done = Rc::new(Cell::new(0));
    let (counter, spawner) = (done.clone(), executor.clone());
    executor.spawn(async move {
        counter.set(counter.get() + 1);
        let inner = counter.clone();
        spawner.spawn(async move { inner.set(inner.get() + 10) });
    });
    assert_eq!(executor.live_tasks(), 1);
    drive(&executor, &mut to_the_end(&machine));
    assert_eq!(done.get(), 11);
    assert_eq!(executor.live_tasks(), 0);
}

#[test]
fn sleepers_wake_in_the_order_of_their_deadlines() {
    let (executor, machine) = executor();
    let order = Rc::new(RefCell::new(vec![]));
    for millis in [30_u64, 10, 20, 10] {
        let (order, clock) = (order.clone(), executor.clone());
        executor.spawn(async move {
            clock.sleep(Duration::from_millis(millis)).await;
            order.borrow_mut().push((millis, clock.now().as_micros()));
        });
    }
    drive(&executor, &mut to_the_end(&machine));
    assert_eq!(*order.borrow(), [(10, 10_000), (10, 10_000), (20, 20_000), (30, 30_000)]);
}

#[test]
fn a_dropped_sleep_leaves_no_timer() {
    let (executor, machine) = executor();
    let clock = executor.clone();
    executor.spawn(async move {
        let deadline = clock.now().after(Duration::from_millis(5));
        assert_eq!(clock.timeout_at(deadline, core::future::pending::<()>()).await, Err(Elapsed));
        assert_eq!(clock.timeout_at(Instant::NEVER, async { 7 }).await, Ok(7));
    });
    drive(&executor, &mut to_the_end(&machine));
    assert_eq!(executor.next_deadline(), None);
    assert_eq!(machine.now(), Instant::from_micros(5000));
}

#[test]
fn a_ready_output_wins_over_a_passed_deadline() {
    let (executor, machine) = executor();
    machine.advance(Duration::from_secs(1));
    let seen = Slot::new();
    let (clock, result) = (executor.clone(), seen.clone());
    executor.spawn(async move {
        result.put(clock.timeout_at(Instant::ZERO, async { "ready" }).await);
    });
    drive(&executor, &mut to_the_end(&machine));
    assert_eq!(seen.take().now_or_never(), Some(Ok("ready")));
}

#[test]
fn a_task_that_only_yields_does_not_keep_the_turn() {
    let (executor, _machine) = executor();
    executor.spawn(async {
        loop {
            yield_now().await;
        }
    });
    let quick = Slot::new();
    let sender = quick.clone();
    executor.spawn(async move {
        sender.put(());
    });
    assert_eq!(executor.turn(), Turn::Busy);
    assert!(quick.is_filled());
    executor.shut_down();
    assert_eq!(executor.turn(), Turn::Idle);
}

#[test]
fn shutting_down_drops_tasks_that_hold_the_executor() {
    let (executor, _machine) = executor();
    let held = Rc::new(());
    let (clock, token) = (executor.clone(), held.clone());
    executor.spawn(async move {
        let _token = token;
        clock.sleep_until(Instant::NEVER).await;
    });
    executor.turn();
    assert_eq!(Rc::strong_count(&held), 2);
    executor.shut_down();
    assert_eq!(Rc::strong_count(&held), 1);
    assert_eq!(executor.next_deadline(), None);
}

#[test]
fn a_slot_gives_its_first_value_once() {
    let slot = Slot::new();
    assert!(slot.take().now_or_never().is_none());
    assert!(slot.put(1));
    assert!(!slot.put(2));
    assert_eq!(slot.take().now_or_never(), Some(1));
    assert!(slot.take().now_or_never().is_none());
    assert!(slot.is_filled());
}

#[test]
fn the_main_loop_polls_the_network_after_tasks_wrote() {
    /// Counts what a task "sent" at each poll and stops when it would sleep.
    struct Wire(Rc<Cell<u32>>, Vec<u32>);
    impl MainLoop for Wire {
        fn poll_network(&mut self, _now: Instant) -> Option<Instant> {
            self.1.push(self.0.get());
            None
        }
        fn idle(&mut self, _until: Option<Instant>) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    let (executor, _machine) = executor();
    let sent = Rc::new(Cell::new(0));
    let sender = sent.clone();
    executor.spawn(async move { sender.set(1) });
    let mut wire = Wire(sent, vec![]);
    drive(&executor, &mut wire);
    assert_eq!(wire.1.last(), Some(&1));
}

#[test]
fn the_main_loop_never_sleeps_once_a_task_has_ended_it() {
    /// Sleeps for ever, if it is let.
    struct Ending(Slot<()>);
    impl MainLoop for Ending {
        fn poll_network(&mut self, _now: Instant) -> Option<Instant> {
            None
        }
        fn idle(&mut self, _until: Option<Instant>) -> ControlFlow<()> {
            panic!("asleep for ever");
        }
        fn is_over(&self) -> bool {
            self.0.is_filled()
        }
    }
    let (executor, _machine) = executor();
    let over = Slot::new();
    let end = over.clone();
    executor.spawn(async move {
        end.put(());
    });
    drive(&executor, &mut Ending(over));
    assert_eq!(executor.live_tasks(), 0);
}

proptest! {
    #[test]
    fn every_sleeper_wakes_at_its_own_deadline(deadlines in prop::collection::vec(0_u64..5000, 0..60)) {
        let (executor, machine) = executor();
        let woken: Rc<RefCell<Vec<(u64, u64)>>> = Rc::default();
        for &deadline in &deadlines {
            let (woken, clock) = (woken.clone(), executor.clone());
            executor.spawn(async move {
                let sleep = Box::pin(clock.sleep_until(Instant::from_micros(deadline)));
                sleep.await;
                woken.borrow_mut().push((deadline, clock.now().as_micros()));
            });
        }
        drive(&executor, &mut to_the_end(&machine));
        prop_assert_eq!(woken.borrow().len(), deadlines.len());
        prop_assert!(woken.borrow().iter().all(|(asked, woke)| asked == woke));
        prop_assert_eq!(executor.next_deadline(), None);
    }
}
