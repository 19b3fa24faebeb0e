//! What tasks of one core wait for: something that happens, and a turn.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Poll, Waker};

/// Something that happens again and again, counted.
#[derive(Debug, Default)]
pub(super) struct Signal {
    count: Cell<u64>,
    next_ticket: Cell<u64>,
    waiting: RefCell<BTreeMap<u64, Waker>>,
}

impl Signal {
    /// How often it has happened.
    pub(super) fn count(&self) -> u64 {
        self.count.get()
    }

    /// It happens now: everybody who waits goes on.
    pub(super) fn raise(&self) {
        self.count.set(self.count.get() + 1);
        let waiting = core::mem::take(&mut *self.waiting.borrow_mut());
        waiting.into_values().for_each(Waker::wake);
    }

    /// Completes when it has happened more often than `seen` times, and says how often.
    pub(super) async fn beyond(&self, seen: u64) -> u64 {
        let mut ticket = Ticket { signal: self, number: None };
        poll_fn(|context| {
            let count = self.count.get();
            if count > seen {
                return Poll::Ready(count);
            }
            let number = *ticket.number.get_or_insert_with(|| {
                self.next_ticket.set(self.next_ticket.get() + 1);
                self.next_ticket.get()
            });
            self.waiting.borrow_mut().insert(number, context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

struct Ticket<'a> {
    signal: &'a Signal,
    number: Option<u64>,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.signal.waiting.borrow_mut().remove(&number);
        }
    }
}

/// So many may do a thing at once; others get their turn in the order of their coming.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    desk: Rc<RefCell<Desk>>,
}

#[derive(Debug)]
struct Desk {
    free: usize,
    next_ticket: u64,
    queue: VecDeque<(u64, Option<Waker>)>,
}

impl Desk {
    fn call_next(&mut self) {
        if self.free > 0
            && let Some((_, waker)) = self.queue.front_mut()
            && let Some(waker) = waker.take()
        {
            waker.wake();
        }
    }
}

/// Somebody's turn, over when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    desk: Rc<RefCell<Desk>>,
}

impl Turns {
    pub(super) fn new(at_once: usize) -> Self {
        let desk = Desk { free: at_once, next_ticket: 0, queue: VecDeque::new() };
        Self { desk: Rc::new(RefCell::new(desk)) }
    }

    /// Those who wait.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.desk.borrow().queue.len()
    }

    /// Waits for a turn. Dropping the future leaves the queue.
    pub(super) async fn take(&self) -> Turn {
        let mut place = Place { desk: &self.desk, ticket: None };
        poll_fn(|context| {
            let desk = &mut *self.desk.borrow_mut();
            let ticket = *place.ticket.get_or_insert_with(|| {
                desk.next_ticket += 1;
                desk.queue.push_back((desk.next_ticket, None));
                desk.next_ticket
            });
            if desk.free > 0 && desk.queue.front().is_some_and(|(first, _)| *first == ticket) {
                desk.queue.pop_front();
                desk.free -= 1;
                place.ticket = None;
                desk.call_next();
                return Poll::Ready(());
            }
            if let Some((_, waker)) = desk.queue.iter_mut().find(|(number, _)| *number == ticket) {
                *waker = Some(context.waker().clone());
            }
            Poll::Pending
        })
        .await;
        Turn { desk: Rc::clone(&self.desk) }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut desk = self.desk.borrow_mut();
        desk.free += 1;
        desk.call_next();
    }
}

struct Place<'a> {
    desk: &'a RefCell<Desk>,
    ticket: Option<u64>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let mut desk = self.desk.borrow_mut();
            desk.queue.retain(|(number, _)| *number != ticket);
            desk.call_next();
        }
    }
}

#[cfg(test)]
mod tests {
    use core::future::Future;
    use core::pin::{Pin, pin};
    use core::task::Context;

    use super::*;

    fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn a_signal_is_seen_by_who_waits_and_by_who_comes_later() {
        let signal = Signal::default();
        let seen = signal.count();
        let mut waiting = pin!(signal.beyond(seen));
        assert_eq!(poll(waiting.as_mut()), Poll::Pending);
        signal.raise();
        assert_eq!(poll(waiting.as_mut()), Poll::Ready(1));
        assert_eq!(poll(pin!(signal.beyond(seen))), Poll::Ready(1));
        assert_eq!(poll(pin!(signal.beyond(1))), Poll::Pending);
        assert!(signal.waiting.borrow().is_empty(), "who left is forgotten");
    }

    #[test]
    fn turns_are_taken_in_order_and_no_more_than_there_are() {
        let turns = Turns::new(1);
        let Poll::Ready(first) = poll(pin!(turns.take())) else { panic!("a turn is free") };
        let mut second = pin!(turns.take());
        let mut third = pin!(turns.take());
        assert!(poll(second.as_mut()).is_pending());
        assert!(poll(third.as_mut()).is_pending());
        drop(first);
        assert!(poll(third.as_mut()).is_pending(), "the second comes first");
        let Poll::Ready(turn) = poll(second.as_mut()) else { panic!("its turn") };
        assert!(poll(third.as_mut()).is_pending());
        drop(turn);
        assert!(poll(third.as_mut()).is_ready());
    }

    #[test]
    fn who_leaves_the_queue_does_not_hold_it_up() {
        let turns = Turns::new(1);
        let Poll::Ready(first) = poll(pin!(turns.take())) else { panic!("a turn is free") };
        let mut third = pin!(turns.take());
        {
            let mut second = pin!(turns.take());
            assert!(poll(second.as_mut()).is_pending());
            assert!(poll(third.as_mut()).is_pending());
        }
        assert_eq!(turns.waiting(), 1);
        drop(first);
        assert!(poll(third.as_mut()).is_ready());
    }
}
