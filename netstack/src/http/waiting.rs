//! Connections that wait for a request, the longest first: who leaves when another needs the room.

use alloc::collections::BTreeMap;
use core::cell::RefCell;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::{Poll, Waker};

use crate::time::{Duration, Instant, after};

/// How long a connection may wait for a request before another may take its room: long enough for a
/// client that has just connected to send one.
const GRACE: Duration = Duration::from_secs(1);

/// The waiting connections of one server.
#[derive(Default)]
pub(super) struct WaitingRoom {
    waiting: RefCell<Waiting>,
}

#[derive(Default)]
struct Waiting {
    closed: bool,
    next_ticket: u64,
    by_ticket: BTreeMap<u64, Guest>,
}

struct Guest {
    since: Instant,
    waker: Option<Waker>,
}

/// Whoever waited has to leave.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dismissed;

impl WaitingRoom {
    /// Makes the connection that has waited longest leave; false when none has waited for
    /// [`GRACE`].
    pub(super) fn dismiss_longest(&self, now: Instant) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        let Some(longest) = waiting.by_ticket.first_entry() else { return false };
        if after(longest.get().since, GRACE) > now {
            return false;
        }
        if let Some(waker) = longest.remove().waker {
            waker.wake();
        }
        true
    }

    /// Makes all who wait leave; nobody waits from now on.
    pub(super) fn close(&self) {
        let guests = {
            let mut waiting = self.waiting.borrow_mut();
            waiting.closed = true;
            core::mem::take(&mut waiting.by_ticket)
        };
        guests.into_values().filter_map(|guest| guest.waker).for_each(Waker::wake);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.waiting.borrow().closed
    }

    /// Runs `arrival` from `now` on until it completes or the room is needed.
    pub(super) async fn wait<F: Future>(
        &self,
        now: Instant,
        arrival: F,
    ) -> Result<F::Output, Dismissed> {
        let ticket = self.enter(now);
        let mut arrival = pin!(arrival);
        poll_fn(|context| {
            // What has arrived counts, even when the room is needed.
            if let Poll::Ready(output) = arrival.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            match self.waiting.borrow_mut().by_ticket.get_mut(&ticket.number) {
                Some(guest) => {
                    guest.waker = Some(context.waker().clone());
                    Poll::Pending
                }
                None => Poll::Ready(Err(Dismissed)),
            }
        })
        .await
    }

    fn enter(&self, since: Instant) -> Ticket<'_> {
        let mut waiting = self.waiting.borrow_mut();
        let number = waiting.next_ticket;
        waiting.next_ticket += 1;
        if !waiting.closed {
            waiting.by_ticket.insert(number, Guest { since, waker: None });
        }
        Ticket { room: self, number }
    }
}

/// A place in the room, given back when it is dropped.
struct Ticket<'a> {
    room: &'a WaitingRoom,
    number: u64,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.room.waiting.borrow_mut().by_ticket.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use core::future::{pending, ready};
    use core::pin::pin;
    use core::task::Context;

    use super::*;

    const START: Instant = Instant::ZERO;

    fn poll<F: Future>(future: core::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_one_that_waited_longest_leaves_and_only_after_its_grace() {
        let room = WaitingRoom::default();
        let mut first = pin!(room.wait(START, pending::<()>()));
        assert_eq!(poll(first.as_mut()), Poll::Pending);
        let later = after(START, Duration::from_millis(10));
        let mut second = pin!(room.wait(later, pending::<()>()));
        assert_eq!(poll(second.as_mut()), Poll::Pending);
        assert!(!room.dismiss_longest(after(START, GRACE - Duration::from_micros(1))));
        assert!(room.dismiss_longest(after(START, GRACE)));
        assert_eq!(poll(first.as_mut()), Poll::Ready(Err(Dismissed)));
        assert_eq!(poll(second.as_mut()), Poll::Pending);
        assert!(!room.dismiss_longest(after(START, GRACE)), "the second has its grace");
    }

    #[test]
    fn nobody_waits_in_a_room_that_is_closed() {
        let room = WaitingRoom::default();
        let mut before = pin!(room.wait(START, pending::<()>()));
        assert_eq!(poll(before.as_mut()), Poll::Pending);
        assert!(!room.is_closed());
        room.close();
        assert!(room.is_closed());
        assert_eq!(poll(before), Poll::Ready(Err(Dismissed)));
        assert_eq!(poll(pin!(room.wait(START, pending::<()>()))), Poll::Ready(Err(Dismissed)));
        assert_eq!(poll(pin!(room.wait(START, ready(7)))), Poll::Ready(Ok(7)), "it had arrived");
    }

    #[test]
    fn what_arrived_counts_although_the_room_is_needed() {
        let room = WaitingRoom::default();
        let arrived = pin!(room.wait(START, ready(7)));
        assert_eq!(poll(arrived), Poll::Ready(Ok(7)));
        assert!(!room.dismiss_longest(after(START, GRACE)), "nobody waits any more");
    }

    #[test]
    fn who_gives_up_waiting_leaves_no_place_behind() {
        let room = WaitingRoom::default();
        {
            let mut dropped = pin!(room.wait(START, pending::<()>()));
            assert_eq!(poll(dropped.as_mut()), Poll::Pending);
        }
        assert!(!room.dismiss_longest(after(START, GRACE)));
    }
}
