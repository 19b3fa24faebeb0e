//! One thing at a time, and everybody in turn: who waits for work that takes long.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// Hands out one turn at a time. Those who wait stand in lanes; the lanes go round, each gives one of
/// its own, and within a lane the order is that of asking. So whoever has a lane waits for one turn of
/// every other lane at most, however many wait in those.
///
/// Clones hand out the same turns.
pub struct Turns<K> {
    state: Rc<RefCell<State<K>>>,
}

struct State<K> {
    taken: bool,
    lanes: BTreeMap<K, VecDeque<Rc<Ticket>>>,
    /// Each lane that somebody waits in, once, in the order in which they come.
    order: VecDeque<K>,
}

#[derive(Default)]
struct Ticket {
    state: Cell<TicketState>,
    waker: Cell<Option<Waker>>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum TicketState {
    #[default]
    Waiting,
    Granted,
    /// Taken, or given up by who waited.
    Void,
}

impl<K: Ord + Clone> Turns<K> {
    /// Nobody waits, the turn is free.
    #[must_use]
    pub fn new() -> Self {
        let state = State { taken: false, lanes: BTreeMap::new(), order: VecDeque::new() };
        Self { state: Rc::new(RefCell::new(state)) }
    }

    /// Waits for a turn in `lane`, from this call on and not only when it is awaited: who has a turn and
    /// needs another asks for it before it passes its own on. The turn lasts until the [`TurnGuard`] is
    /// dropped.
    pub fn take(&self, lane: K) -> Take<K> {
        let ticket = Rc::<Ticket>::default();
        let state = &mut *self.state.borrow_mut();
        if state.taken {
            let tickets = state.lanes.entry(lane.clone()).or_default();
            if tickets.is_empty() {
                state.order.push_back(lane);
            }
            tickets.push_back(ticket.clone());
        } else {
            state.taken = true;
            ticket.state.set(TicketState::Granted);
        }
        Take { turns: self.clone(), ticket }
    }

    /// How many wait in all lanes.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.state.borrow().lanes.values().map(VecDeque::len).sum()
    }

    /// Gives the turn to the next who still wants it.
    fn pass_on(&self) {
        loop {
            let ticket = {
                let mut state = self.state.borrow_mut();
                match state.next() {
                    Some(ticket) => ticket,
                    None => {
                        state.taken = false;
                        return;
                    }
                }
            };
            if ticket.state.get() == TicketState::Waiting {
                ticket.state.set(TicketState::Granted);
                if let Some(waker) = ticket.waker.take() {
                    waker.wake();
                }
                return;
            }
        }
    }
}

impl<K: Ord + Clone> State<K> {
    fn next(&mut self) -> Option<Rc<Ticket>> {
        let lane = self.order.pop_front()?;
        let tickets = self.lanes.get_mut(&lane)?;
        let ticket = tickets.pop_front();
        if tickets.is_empty() {
            self.lanes.remove(&lane);
        } else {
            self.order.push_back(lane);
        }
        ticket
    }
}

/// Waits for a turn; see [`Turns::take`].
#[must_use = "a turn is only waited for when this is awaited"]
pub struct Take<K: Ord + Clone> {
    turns: Turns<K>,
    ticket: Rc<Ticket>,
}

impl<K: Ord + Clone> Future for Take<K> {
    type Output = TurnGuard<K>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<TurnGuard<K>> {
        if self.ticket.state.get() != TicketState::Granted {
            self.ticket.waker.set(Some(context.waker().clone()));
            return Poll::Pending;
        }
        self.ticket.state.set(TicketState::Void);
        Poll::Ready(TurnGuard { turns: self.turns.clone() })
    }
}

impl<K: Ord + Clone> Drop for Take<K> {
    fn drop(&mut self) {
        if self.ticket.state.replace(TicketState::Void) == TicketState::Granted {
            self.turns.pass_on();
        }
    }
}

/// The turn; dropping it passes it on.
#[must_use = "the turn is passed on when this is dropped"]
pub struct TurnGuard<K: Ord + Clone> {
    turns: Turns<K>,
}

impl<K: Ord + Clone> Drop for TurnGuard<K> {
    fn drop(&mut self) {
        self.turns.pass_on();
    }
}

impl<K> Clone for Turns<K> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone() }
    }
}

impl<K: Ord + Clone> Default for Turns<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> fmt::Debug for Turns<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        f.debug_struct("Turns").field("lanes", &state.lanes.len()).finish_non_exhaustive()
    }
}

impl<K: Ord + Clone> fmt::Debug for Take<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Take")
    }
}

impl<K: Ord + Clone> fmt::Debug for TurnGuard<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TurnGuard")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::{Executor, yield_now};
    use crate::machine::Simulated;
    use alloc::vec::Vec;
    use futures_util::future::FutureExt;
    use proptest::prelude::*;

    /// Lets each of `lanes` take as many turns as stand there, and tells in which order they came.
    /// Nothing runs until all have asked.
    fn order_of(lanes: &[(char, u32)]) -> Vec<char> {
        let executor = Executor::new(Rc::new(Simulated::new(1)));
        let turns = Turns::new();
        let first = turns.take('-').now_or_never();
        let order: Rc<RefCell<Vec<char>>> = Rc::default();
        for &(lane, count) in lanes {
            for _ in 0..count {
                let (turn, order) = (turns.take(lane), order.clone());
                executor.spawn(async move {
                    let _turn = turn.await;
                    order.borrow_mut().push(lane);
                    yield_now().await;
                });
            }
        }
        drop(first);
        while executor.live_tasks() > 0 {
            executor.turn();
        }
        assert_eq!(turns.waiting(), 0);
        assert!(turns.take('z').now_or_never().is_some(), "the turn is free again");
        order.take()
    }

    #[test]
    fn lanes_alternate_however_long_they_are() {
        assert_eq!(
            order_of(&[('a', 4), ('b', 1), ('c', 2)]).iter().collect::<std::string::String>(),
            "abcacaa"
        );
    }

    #[test]
    fn who_stops_waiting_holds_nobody_up() {
        let turns = Turns::new();
        let turn = turns.take(1).now_or_never().expect("it is free");
        let mut gives_up = turns.take(1);
        let mut stays = turns.take(2);
        assert!((&mut gives_up).now_or_never().is_none() && (&mut stays).now_or_never().is_none());
        drop(gives_up);
        drop(turn);
        assert!((&mut stays).now_or_never().is_some());
    }

    #[test]
    fn a_granted_turn_that_nobody_takes_is_passed_on() {
        let turns = Turns::new();
        let turn = turns.take(1).now_or_never().expect("it is free");
        let mut granted = turns.take(1);
        let mut next = turns.take(2);
        assert!((&mut granted).now_or_never().is_none() && (&mut next).now_or_never().is_none());
        drop(turn);
        drop(granted);
        assert!((&mut next).now_or_never().is_some());
    }

    #[test]
    fn who_asks_again_before_passing_on_goes_behind_the_others() {
        let turns = Turns::new();
        let turn = turns.take(1).now_or_never().expect("it is free");
        let mut other = turns.take(2);
        let mut again = turns.take(1);
        drop(turn);
        assert!((&mut again).now_or_never().is_none());
        drop((&mut other).now_or_never().expect("it is next"));
        assert!((&mut again).now_or_never().is_some());
    }

    proptest! {
        #[test]
        fn a_lane_waits_for_one_turn_of_each_other_lane(counts in prop::collection::vec(1_u32..20, 1..6)) {
            let lanes: Vec<(char, u32)> = ('a'..='f').zip(counts).collect();
            let order = order_of(&lanes);
            prop_assert_eq!(order.len(), lanes.iter().map(|(_, count)| *count as usize).sum::<usize>());
            for (lane, _) in &lanes {
                let places: Vec<usize> =
                    (0..order.len()).filter(|&place| order[place] == *lane).collect();
                for pair in places.windows(2) {
                    prop_assert!(pair[1] - pair[0] <= lanes.len());
                }
            }
        }
    }
}
