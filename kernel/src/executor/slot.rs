//! A place for one value that one task leaves and another waits for.

use alloc::rc::Rc;
use core::cell::RefCell;
use core::fmt;
use core::future::{Future, poll_fn};
use core::task::{Poll, Waker};

/// Clones are the same place. The first value stays; later ones are refused.
pub struct Slot<T> {
    state: Rc<RefCell<State<T>>>,
}

struct State<T> {
    value: Option<T>,
    filled: bool,
    waiting: Option<Waker>,
}

impl<T> Slot<T> {
    /// An empty place.
    #[must_use]
    pub fn new() -> Self {
        let state = State { value: None, filled: false, waiting: None };
        Self { state: Rc::new(RefCell::new(state)) }
    }

    /// Leaves `value`; false, and the value is dropped, if one was left before.
    pub fn put(&self, value: T) -> bool {
        let waiting = {
            let mut state = self.state.borrow_mut();
            if state.filled {
                return false;
            }
            state.filled = true;
            state.value = Some(value);
            state.waiting.take()
        };
        if let Some(waker) = waiting {
            waker.wake();
        }
        true
    }

    /// Whether a value was ever left.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        self.state.borrow().filled
    }

    /// Waits for the value and takes it. One waiter at a time; the value is given out once.
    pub fn take(&self) -> impl Future<Output = T> + use<T> {
        let state = self.state.clone();
        poll_fn(move |context| {
            let mut state = state.borrow_mut();
            if let Some(value) = state.value.take() {
                return Poll::Ready(value);
            }
            state.waiting = Some(context.waker().clone());
            Poll::Pending
        })
    }
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self { state: self.state.clone() }
    }
}

impl<T> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("filled", &self.is_filled()).finish_non_exhaustive()
    }
}
