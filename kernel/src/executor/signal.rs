//! Something that happens again and again, and tasks that wait for it.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::{Future, poll_fn};
use core::task::{Poll, Waker};

/// Clones are the same signal. Whoever waits says what it has seen, so nothing is missed between two waits.
#[derive(Clone, Default)]
pub struct Signal {
    state: Rc<State>,
}

#[derive(Default)]
struct State {
    count: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Signal {
    /// A signal that has not been given yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How often it was given.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.state.count.get()
    }

    /// Gives it: wakes everybody who waits.
    pub fn give(&self) {
        self.state.count.set(self.count().wrapping_add(1));
        let waiting = core::mem::take(&mut *self.state.waiting.borrow_mut());
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits until the count is another than `seen`, and gives it.
    pub fn after(&self, seen: u64) -> impl Future<Output = u64> + use<> {
        let state = self.state.clone();
        poll_fn(move |context| {
            let count = state.count.get();
            if count != seen {
                return Poll::Ready(count);
            }
            let mut waiting = state.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal").field("count", &self.count()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_signal_wakes_all_who_wait_and_is_not_missed_between_waits() {
        let signal = Signal::new();
        assert_eq!(signal.after(0).now_or_never(), None);
        signal.give();
        assert_eq!(signal.after(0).now_or_never(), Some(1));
        assert_eq!(signal.clone().after(1).now_or_never(), None);
        signal.clone().give();
        assert_eq!(signal.after(1).now_or_never(), Some(2));
    }

    #[test]
    fn a_task_that_waits_again_and_again_takes_one_place() {
        let signal = Signal::new();
        for _ in 0..100 {
            assert_eq!(signal.after(0).now_or_never(), None);
        }
        assert_eq!(signal.state.waiting.borrow().len(), 1);
        signal.give();
        assert!(signal.state.waiting.borrow().is_empty());
    }
}
