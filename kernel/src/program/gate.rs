//! How many runs of a program there are at once: the rest wait in order, and some are sent away.

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// Lets so many in at once and so many wait, first come, first served; clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Rc<State>);

#[derive(Debug)]
struct State {
    most: usize,
    queue: usize,
    inside: Cell<usize>,
    /// Places among those that wait, of some who cannot come yet.
    reserved: Cell<usize>,
    waiting: RefCell<VecDeque<Rc<Ticket>>>,
}

#[derive(Default)]
struct Ticket {
    state: Cell<TicketState>,
    waker: Cell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum TicketState {
    #[default]
    Waiting,
    /// A place is kept for whoever has the ticket.
    Called,
    /// Used, or given up.
    Void,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("state", &self.state.get()).finish_non_exhaustive()
    }
}

/// As many wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Gate {
    /// A gate that lets `most` in at once while `queue` more wait.
    #[must_use]
    pub fn new(most: usize, queue: usize) -> Self {
        let (inside, reserved) = (Cell::new(0), Cell::new(0));
        Self(Rc::new(State { most, queue, inside, reserved, waiting: RefCell::default() }))
    }

    /// Waits to be let in, from this call on. Whoever stops waiting gives its place in the queue up.
    ///
    /// # Errors
    /// [`Full`].
    pub fn enter(&self) -> Result<Enter, Full> {
        self.line_up(self.waiting() + self.reserved() < self.0.queue)
    }

    /// Takes a place among those that wait for somebody who cannot come yet. There is one even where nobody
    /// may wait. Who can come is let in before.
    ///
    /// # Errors
    /// [`Full`].
    pub fn reserve(&self) -> Result<Reserved, Full> {
        if self.waiting() + self.reserved() >= self.0.queue.max(1) {
            return Err(Full);
        }
        self.0.reserved.set(self.reserved() + 1);
        Ok(Reserved(self.clone()))
    }

    /// Goes inside, or to the end of the line if that may be.
    fn line_up(&self, may_wait: bool) -> Result<Enter, Full> {
        let ticket = Rc::<Ticket>::default();
        let mut waiting = self.0.waiting.borrow_mut();
        waiting.retain(|ticket| ticket.state.get() == TicketState::Waiting);
        if self.0.inside.get() < self.0.most && waiting.is_empty() {
            self.0.inside.set(self.0.inside.get() + 1);
            ticket.state.set(TicketState::Called);
        } else if may_wait {
            waiting.push_back(ticket.clone());
        } else {
            return Err(Full);
        }
        Ok(Enter { gate: self.clone(), ticket })
    }

    /// How many are inside.
    #[must_use]
    pub fn inside(&self) -> usize {
        self.0.inside.get()
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let waiting = self.0.waiting.borrow();
        waiting.iter().filter(|ticket| ticket.state.get() == TicketState::Waiting).count()
    }

    /// How many have a place among those that wait, and cannot come yet.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.0.reserved.get()
    }

    /// One has left: its place is for the first who still waits.
    fn leave(&self) {
        let next = {
            let mut waiting = self.0.waiting.borrow_mut();
            loop {
                match waiting.pop_front() {
                    Some(ticket) if ticket.state.get() == TicketState::Waiting => {
                        break Some(ticket);
                    }
                    Some(_) => {}
                    None => break None,
                }
            }
        };
        let Some(ticket) = next else {
            self.0.inside.set(self.0.inside.get().saturating_sub(1));
            return;
        };
        ticket.state.set(TicketState::Called);
        if let Some(waker) = ticket.waker.take() {
            waker.wake();
        }
    }
}

/// A place among those that wait; given back when it is dropped.
#[derive(Debug)]
pub struct Reserved(Gate);

impl Reserved {
    /// Waits to be let in, from this call on, behind all who wait already.
    ///
    /// # Errors
    /// None: the place was reserved.
    pub fn enter(self) -> Result<Enter, Full> {
        self.0.line_up(true)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.0.0.reserved.set(self.0.reserved().saturating_sub(1));
    }
}

/// Waits to be let in; see [`Gate::enter`].
#[derive(Debug)]
#[must_use = "nobody is let in who does not wait"]
pub struct Enter {
    gate: Gate,
    ticket: Rc<Ticket>,
}

impl Future for Enter {
    type Output = Permit;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        if self.ticket.state.get() == TicketState::Called {
            self.ticket.state.set(TicketState::Void);
            return Poll::Ready(Permit(self.gate.clone()));
        }
        self.ticket.waker.set(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Enter {
    fn drop(&mut self) {
        if self.ticket.state.replace(TicketState::Void) == TicketState::Called {
            self.gate.leave();
        }
    }
}

/// The right to be inside; given back when it is dropped.
#[derive(Debug)]
pub struct Permit(Gate);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::FutureExt;

    #[test]
    fn so_many_are_inside_and_so_many_wait() {
        let gate = Gate::new(2, 1);
        let first = gate.enter().unwrap().now_or_never().unwrap();
        let second = gate.enter().unwrap().now_or_never().unwrap();
        let mut third = gate.enter().unwrap();
        assert!((&mut third).now_or_never().is_none());
        assert_eq!(gate.enter().err(), Some(Full), "one past the queue");
        assert_eq!((gate.inside(), gate.waiting()), (2, 1));
        drop(first);
        let third = third.now_or_never().expect("the place that came free");
        assert_eq!((gate.inside(), gate.waiting()), (2, 0));
        drop((second, third));
        assert_eq!(gate.inside(), 0);
    }

    #[test]
    fn first_come_first_served_and_nobody_overtakes() {
        let gate = Gate::new(1, 9);
        let inside = gate.enter().unwrap().now_or_never().unwrap();
        let (mut a, mut b) = (gate.enter().unwrap(), gate.enter().unwrap());
        drop(inside);
        assert!((&mut b).now_or_never().is_none());
        assert_eq!(gate.enter().unwrap().now_or_never().map(|_| ()), None, "a was called first");
        let permit = (&mut a).now_or_never().unwrap();
        drop(permit);
        assert!((&mut b).now_or_never().is_some());
    }

    #[test]
    fn who_stops_waiting_takes_no_place() {
        let gate = Gate::new(1, 2);
        let inside = gate.enter().unwrap().now_or_never().unwrap();
        let (gone, mut stays) = (gate.enter().unwrap(), gate.enter().unwrap());
        drop(gone);
        let _new = gate.enter().expect("the place in the queue is free again");
        drop(inside);
        assert!((&mut stays).now_or_never().is_some());
    }

    #[test]
    fn a_reserved_place_is_one_of_those_that_wait_and_takes_no_turn() {
        let gate = Gate::new(1, 2);
        let (first, second) = (gate.reserve().unwrap(), gate.reserve().unwrap());
        assert_eq!(gate.reserve().err(), Some(Full), "one past the queue");
        let inside = gate.enter().unwrap().now_or_never().expect("nobody is inside");
        assert_eq!(gate.enter().err(), Some(Full), "all places to wait are taken");
        drop(second);
        let mut waits = gate.enter().expect("one came free");
        let mut first = first.enter().unwrap();
        assert_eq!((gate.inside(), gate.waiting(), gate.reserved()), (1, 2, 0));
        drop(inside);
        assert!((&mut first).now_or_never().is_none(), "who came in time is before");
        drop((&mut waits).now_or_never().unwrap());
        drop(first.now_or_never().unwrap());
        assert_eq!((gate.inside(), gate.waiting(), gate.reserved()), (0, 0, 0));
    }

    #[test]
    fn where_nobody_may_wait_there_is_one_place_to_reserve() {
        let gate = Gate::new(1, 0);
        let inside = gate.enter().unwrap().now_or_never().unwrap();
        let reserved = gate.reserve().unwrap();
        assert!(gate.reserve().is_err() && gate.enter().is_err());
        let mut waits = reserved.enter().unwrap();
        drop(inside);
        assert!((&mut waits).now_or_never().is_some());
    }

    #[test]
    fn who_was_called_and_does_not_come_is_followed_by_the_next() {
        let gate = Gate::new(1, 2);
        let inside = gate.enter().unwrap().now_or_never().unwrap();
        let (called, mut next) = (gate.enter().unwrap(), gate.enter().unwrap());
        drop(inside);
        drop(called);
        assert!((&mut next).now_or_never().is_some());
        assert_eq!(gate.inside(), 0, "the permit above was dropped");
    }
}
