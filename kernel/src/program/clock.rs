//! The clock of a reproducible run: it stands still while the run works, and jumps when it waits.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

/// Time that is a function of where it began and of what was waited for. Clones are the same clock.
///
/// Nobody wakes a sleeper because time has passed. When a run has nothing left to do but to sleep, whoever
/// drives it [advances](Self::advance) the clock to the earliest sleeper; those of the same moment wake one
/// by one, in the order in which they fell asleep.
#[derive(Clone)]
pub struct RunClock(Rc<State>);

struct State {
    now_ms: Cell<u64>,
    next: Cell<u64>,
    sleepers: RefCell<BTreeMap<(u64, u64), Option<Waker>>>,
}

impl RunClock {
    /// A clock that shows this many milliseconds since 1970.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        let (now_ms, next) = (Cell::new(now_ms), Cell::new(0));
        Self(Rc::new(State { now_ms, next, sleepers: RefCell::default() }))
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.0.now_ms.get()
    }

    /// How many sleep.
    #[must_use]
    pub fn sleepers(&self) -> usize {
        self.0.sleepers.borrow().len()
    }

    /// Completes when the clock has come to what it shows now and so much more.
    pub fn sleep(&self, milliseconds: u64) -> RunSleep {
        let serial = self.0.next.get();
        self.0.next.set(serial.saturating_add(1));
        let key = (self.now_ms().saturating_add(milliseconds), serial);
        self.0.sleepers.borrow_mut().insert(key, None);
        RunSleep { clock: self.clone(), key }
    }

    /// Goes on to the moment of the earliest sleeper and wakes it; false if nobody sleeps.
    pub fn advance(&self) -> bool {
        let Some(((due, _), waker)) = self.0.sleepers.borrow_mut().pop_first() else {
            return false;
        };
        self.0.now_ms.set(self.now_ms().max(due));
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

impl fmt::Debug for RunClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunClock")
            .field("now_ms", &self.now_ms())
            .field("sleepers", &self.sleepers())
            .finish()
    }
}

/// Sleeps on a [`RunClock`].
#[derive(Debug)]
#[must_use = "nothing sleeps that is not awaited"]
pub struct RunSleep {
    clock: RunClock,
    key: (u64, u64),
}

impl Future for RunSleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match self.clock.0.sleepers.borrow_mut().get_mut(&self.key) {
            Some(waker) => {
                *waker = Some(context.waker().clone());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for RunSleep {
    fn drop(&mut self) {
        self.clock.0.sleepers.borrow_mut().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::future::FutureExt;

    #[test]
    fn sleepers_wake_one_by_one_in_the_order_of_their_moments() {
        let clock = RunClock::new(1000);
        let (mut late, mut early, mut same) = (clock.sleep(30), clock.sleep(10), clock.sleep(10));
        assert!((&mut early).now_or_never().is_none());
        assert!(clock.advance());
        assert_eq!((clock.now_ms(), clock.sleepers()), (1010, 2));
        assert!((&mut early).now_or_never().is_some() && (&mut same).now_or_never().is_none());
        assert!(clock.advance() && (&mut same).now_or_never().is_some());
        assert_eq!(clock.now_ms(), 1010);
        assert!(clock.advance() && (&mut late).now_or_never().is_some());
        assert_eq!(clock.now_ms(), 1030);
        assert!(!clock.advance());
    }

    #[test]
    fn who_is_gone_does_not_move_the_clock() {
        let clock = RunClock::new(0);
        drop(clock.sleep(5));
        assert!(!clock.advance());
        assert_eq!(clock.now_ms(), 0);
    }
}
