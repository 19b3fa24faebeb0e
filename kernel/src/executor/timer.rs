//! Timers, ordered by deadline.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use crate::machine::{Instant, Machine};

/// The time was up before the thing that was waited for came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time is up")
    }
}

impl core::error::Error for Elapsed {}

/// A timer's place: its deadline, and a serial number that tells timers of one deadline apart.
type Key = (Instant, u64);

#[derive(Clone, Default)]
pub(super) struct Timers {
    inner: Rc<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: RefCell<BTreeMap<Key, Waker>>,
    next_serial: Cell<u64>,
}

impl Timers {
    /// The earliest deadline that somebody waits for.
    pub(super) fn next(&self) -> Option<Instant> {
        self.inner.waiting.borrow().first_key_value().map(|((deadline, _), _)| *deadline)
    }

    /// Wakes everybody whose deadline is not after `now`.
    pub(super) fn fire(&self, now: Instant) {
        if self.next().is_none_or(|deadline| deadline > now) {
            return;
        }
        let due: Vec<Waker> = {
            let mut waiting = self.inner.waiting.borrow_mut();
            let later = match now.as_micros().checked_add(1) {
                Some(micros) => waiting.split_off(&(Instant::from_micros(micros), 0)),
                None => BTreeMap::new(),
            };
            core::mem::replace(&mut *waiting, later).into_values().collect()
        };
        due.into_iter().for_each(Waker::wake);
    }

    fn insert(&self, deadline: Instant, waker: Waker) -> Key {
        let serial = self.inner.next_serial.get();
        self.inner.next_serial.set(serial.wrapping_add(1));
        self.inner.waiting.borrow_mut().insert((deadline, serial), waker);
        (deadline, serial)
    }
}

/// Completes when its moment has come; see [`super::Executor::sleep_until`].
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    timers: Timers,
    machine: Rc<dyn Machine>,
    deadline: Instant,
    key: Option<Key>,
}

impl Sleep {
    pub(super) fn new(timers: Timers, machine: Rc<dyn Machine>, deadline: Instant) -> Self {
        Self { timers, machine, deadline, key: None }
    }

    fn forget(&mut self) {
        if let Some(key) = self.key.take() {
            self.timers.inner.waiting.borrow_mut().remove(&key);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.machine.now() >= self.deadline {
            self.forget();
            return Poll::Ready(());
        }
        let registered = self.key.and_then(|key| {
            let mut waiting = self.timers.inner.waiting.borrow_mut();
            waiting.get_mut(&key).map(|waker| waker.clone_from(context.waker()))
        });
        if registered.is_none() {
            self.key = Some(self.timers.insert(self.deadline, context.waker().clone()));
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}
