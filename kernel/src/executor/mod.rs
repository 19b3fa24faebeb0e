//! A local executor for one core: tasks, timers, and the main loop that drives them.
//!
//! Tasks are futures without `Send`; they live in a `FuturesUnordered`, which polls only those that
//! were woken. Nothing here is pre-emptive: a task that computes for long must call [`yield_now`], and
//! then the main loop gets to poll the network in between.
//!
//! The executor keeps its tasks, and tasks usually keep a handle of the executor, so dropping the last
//! outside handle frees nothing: whoever wants it back calls [`Executor::shut_down`].

mod main_loop;
mod network_timer;
mod signal;
mod slot;
mod timer;
mod turns;
mod wake;

pub use main_loop::drive;
pub use network_timer::{from_network, to_network};
pub use signal::Signal;
pub use slot::Slot;
pub use timer::{Elapsed, Sleep};
pub use turns::{Take, TurnGuard, Turns};

use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use futures_util::future::{FutureExt, LocalBoxFuture};
use futures_util::stream::{FuturesUnordered, Stream};

use crate::limits::{MAX_ROUNDS_PER_TURN, MAX_TURN_MICROS};
use crate::machine::{Instant, Machine};
use timer::Timers;
use wake::WakeFlag;

/// A handle on the executor; clones are the same executor.
#[derive(Clone)]
pub struct Executor {
    inner: Rc<Inner>,
}

struct Inner {
    machine: Rc<dyn Machine>,
    tasks: RefCell<FuturesUnordered<LocalBoxFuture<'static, ()>>>,
    /// Tasks born since the last round; a task may spawn while `tasks` is being polled.
    born: RefCell<Vec<LocalBoxFuture<'static, ()>>>,
    woken: Arc<WakeFlag>,
    timers: Timers,
    live: Cell<usize>,
}

/// What is left after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Every task waits for a timer or for the network.
    Idle,
    /// Some task could go on at once; the turn's budget was used up.
    Busy,
}

impl Executor {
    /// An executor without tasks, on the clock of `machine`.
    #[must_use]
    pub fn new(machine: Rc<dyn Machine>) -> Self {
        let inner = Inner {
            machine,
            tasks: RefCell::new(FuturesUnordered::new()),
            born: RefCell::default(),
            woken: Arc::new(WakeFlag::default()),
            timers: Timers::default(),
            live: Cell::new(0),
        };
        Self { inner: Rc::new(inner) }
    }

    /// Adds a task; it is first polled in the next round.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        self.inner.live.set(self.inner.live.get().saturating_add(1));
        self.inner.born.borrow_mut().push(task.boxed_local());
    }

    /// Number of tasks that have not ended.
    #[must_use]
    pub fn live_tasks(&self) -> usize {
        self.inner.live.get()
    }

    /// Monotonic time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.inner.machine.now()
    }

    /// Runs what can run, within the turn's budget of rounds and time, and fires due timers.
    pub fn turn(&self) -> Turn {
        let end = self.now().after(Duration::from_micros(MAX_TURN_MICROS));
        for _ in 0..MAX_ROUNDS_PER_TURN {
            let now = self.now();
            self.inner.timers.fire(now);
            if !self.round() {
                return Turn::Idle;
            }
            if now >= end {
                break;
            }
        }
        Turn::Busy
    }

    /// Polls woken tasks once; false if there were none.
    fn round(&self) -> bool {
        let born = core::mem::take(&mut *self.inner.born.borrow_mut());
        let woken = self.inner.woken.take();
        if born.is_empty() && !woken {
            return false;
        }
        let mut tasks = self.inner.tasks.borrow_mut();
        tasks.extend(born);
        let waker = Waker::from(self.inner.woken.clone());
        if let Poll::Ready(Some(())) =
            Pin::new(&mut *tasks).poll_next(&mut Context::from_waker(&waker))
        {
            self.inner.live.set(self.inner.live.get().saturating_sub(1));
            // The set stops at the first task that ends: others may be ready without a new wake.
            self.inner.woken.set();
        }
        true
    }

    /// Whether a turn would run something at once.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.inner.woken.is_set() || !self.inner.born.borrow().is_empty()
    }

    /// When the earliest timer is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.inner.timers.next()
    }

    /// Completes at `deadline`, at once if that has passed.
    pub fn sleep_until(&self, deadline: Instant) -> Sleep {
        Sleep::new(self.inner.timers.clone(), self.inner.machine.clone(), deadline)
    }

    /// Completes after `duration`.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.now().after(duration))
    }

    /// The output of `future` if it comes before `deadline`. An output that is ready wins over a
    /// deadline that has passed.
    ///
    /// # Errors
    /// [`Elapsed`] when the deadline came first; `future` is dropped then.
    pub async fn timeout_at<F: Future>(
        &self,
        deadline: Instant,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        let mut sleep = pin!(self.sleep_until(deadline));
        poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            sleep.as_mut().poll(context).map(|()| Err(Elapsed))
        })
        .await
    }

    /// Drops every task. Must not be called from inside a task.
    pub fn shut_down(&self) {
        // Dropping a task may spawn or wake; those are dropped too, hence the loop.
        loop {
            let tasks = core::mem::take(&mut *self.inner.tasks.borrow_mut());
            let born = core::mem::take(&mut *self.inner.born.borrow_mut());
            if tasks.is_empty() && born.is_empty() {
                break;
            }
        }
        self.inner.live.set(0);
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("live_tasks", &self.live_tasks()).finish_non_exhaustive()
    }
}

/// Lets every other task, and the network, have a turn first.
pub async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests;
