//! What is being done on a connection, and since when nothing is.

use alloc::rc::Rc;
use core::cell::Cell;

use super::clock::Clock;
use crate::time::{Instant, Timer};

/// The streams in use on a connection; pings and identify do not count.
#[derive(Debug)]
pub(super) struct Activity {
    clock: Clock,
    streams: Cell<usize>,
    last: Cell<Instant>,
    /// Whether a particle has ever passed.
    useful: Cell<bool>,
}

impl Activity {
    pub(super) fn new(clock: Clock) -> Rc<Self> {
        let last = Cell::new(clock.now());
        Rc::new(Self { clock, streams: Cell::new(0), last, useful: Cell::new(false) })
    }

    /// A stream is in use until what is returned is dropped.
    pub(super) fn begin(self: &Rc<Self>) -> Busy {
        self.streams.set(self.streams.get() + 1);
        Busy(Rc::clone(self))
    }

    /// A particle has passed.
    pub(super) fn prove_useful(&self) {
        self.useful.set(true);
    }

    pub(super) fn is_useful(&self) -> bool {
        self.useful.get()
    }

    /// Since when no stream has been in use; `None` while one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (self.streams.get() == 0).then(|| self.last.get())
    }
}

/// A stream in use.
#[derive(Debug)]
pub(super) struct Busy(Rc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
        self.0.last.set(self.0.clock.now());
    }
}
