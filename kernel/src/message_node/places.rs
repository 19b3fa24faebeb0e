//! Places for requests that are under way at once.

use core::cell::Cell;

use crate::executor::Signal;

/// A number of places.
pub(super) struct Places {
    free: Cell<usize>,
    freed: Signal,
}

/// A place, given back when it is dropped.
pub(super) struct Place<'a>(&'a Places);

impl Places {
    pub(super) fn new(count: usize) -> Self {
        Self { free: Cell::new(count), freed: Signal::new() }
    }

    /// Waits for a place.
    pub(super) async fn take(&self) -> Place<'_> {
        loop {
            match self.free.get().checked_sub(1) {
                Some(left) => {
                    self.free.set(left);
                    return Place(self);
                }
                None => {
                    self.freed.after(self.freed.count()).await;
                }
            }
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.free.set(self.0.free.get() + 1);
        self.0.freed.give();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn no_more_are_taken_than_there_are() {
        let places = Places::new(2);
        let first = places.take().now_or_never();
        let second = places.take().now_or_never();
        assert!(first.is_some() && second.is_some());
        assert!(places.take().now_or_never().is_none());
        drop(first);
        assert!(places.take().now_or_never().is_some());
    }
}
