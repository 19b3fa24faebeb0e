//! A lock between tasks of one core.

use alloc::vec::Vec;
use core::cell::{RefCell, RefMut};
use core::future::poll_fn;
use core::ops::{Deref, DerefMut};
use core::task::{Poll, Waker};

/// A value that one task at a time has, for as long as it waits for something with it.
pub(super) struct Lock<T> {
    value: RefCell<T>,
    waiting: RefCell<Vec<Waker>>,
}

/// The value; it is given back when this is dropped.
pub(super) struct Guard<'a, T> {
    value: RefMut<'a, T>,
    waiting: &'a RefCell<Vec<Waker>>,
}

impl<T> Lock<T> {
    pub(super) fn new(value: T) -> Self {
        Self { value: RefCell::new(value), waiting: RefCell::new(Vec::new()) }
    }

    /// Waits for the value. Cancel-safe.
    pub(super) async fn lock(&self) -> Guard<'_, T> {
        poll_fn(|context| {
            if let Ok(value) = self.value.try_borrow_mut() {
                return Poll::Ready(Guard { value, waiting: &self.waiting });
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
        .await
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T> Drop for Guard<'_, T> {
    /// Wakes all: one that has gone away meanwhile would not pass it on. They run after this.
    fn drop(&mut self) {
        let waiting = self.waiting.take();
        waiting.into_iter().for_each(Waker::wake);
    }
}
