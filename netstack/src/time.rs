//! Time as the protocols see it: instants, durations, and the timer they ask for.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

pub use smoltcp::time::{Duration, Instant};

/// A monotonic clock that can wake a task; the executor implements it.
pub trait Timer {
    /// The time now.
    fn now(&self) -> Instant;

    /// Completes at `deadline` or as soon after it as the executor gets to it; at once when it is past.
    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()>;
}

impl<T: Timer> Timer for &T {
    fn now(&self) -> Instant {
        T::now(self)
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> {
        T::sleep_until(self, deadline)
    }
}

/// The deadline passed before the future completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl core::fmt::Display for Elapsed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("deadline passed")
    }
}

impl core::error::Error for Elapsed {}

/// Runs `future` until `deadline` at the latest.
///
/// # Errors
/// [`Elapsed`] when the deadline came first; the future is dropped then.
pub async fn until<T: Timer, F: Future>(
    timer: &T,
    deadline: Instant,
    future: F,
) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut sleep = pin!(timer.sleep_until(deadline));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Ok(output));
        }
        sleep.as_mut().poll(context).map(|()| Err(Elapsed))
    })
    .await
}

/// Adds without overflow: a sum beyond the end of time is the end of time.
pub(crate) fn after(start: Instant, duration: Duration) -> Instant {
    let micros = i64::try_from(duration.total_micros()).unwrap_or(i64::MAX);
    Instant::from_micros(start.total_micros().saturating_add(micros))
}

/// Lets other tasks run before going on.
pub(crate) async fn yield_now() {
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
