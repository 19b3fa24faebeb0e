//! Timer, executor and randomness of a swarm, whatever their types.

use alloc::boxed::Box;
use alloc::rc::Rc;
use core::cell::RefCell;
use core::convert::Infallible;
use core::fmt;
use core::future::Future;

use futures_util::future::LocalBoxFuture;
use rand_core::{CryptoRng, Rng, TryCryptoRng, TryRng};

use crate::time::{Duration, Instant, Timer, after};

trait AnyTimer {
    fn time(&self) -> Instant;
    fn sleep(self: Rc<Self>, deadline: Instant) -> LocalBoxFuture<'static, ()>;
}

impl<T: Timer + 'static> AnyTimer for T {
    fn time(&self) -> Instant {
        Timer::now(self)
    }

    fn sleep(self: Rc<Self>, deadline: Instant) -> LocalBoxFuture<'static, ()> {
        Box::pin(async move { Timer::sleep_until(&*self, deadline).await })
    }
}

/// A [`Timer`] of any type.
#[derive(Clone)]
pub(super) struct Clock(Rc<dyn AnyTimer>);

impl Clock {
    pub(super) fn new<T: Timer + 'static>(timer: T) -> Self {
        Self(Rc::new(timer))
    }

    /// The time that will be `duration` from now.
    pub(super) fn later(&self, duration: Duration) -> Instant {
        after(self.now(), duration)
    }

    pub(super) async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.later(duration)).await;
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.0.time()).finish()
    }
}

impl Timer for Clock {
    fn now(&self) -> Instant {
        self.0.time()
    }

    fn sleep_until(&self, deadline: Instant) -> impl Future<Output = ()> {
        Rc::clone(&self.0).sleep(deadline)
    }
}

/// A generator of any type, shared by the tasks of a swarm.
#[derive(Clone)]
pub(super) struct Randomness(Rc<RefCell<dyn CryptoRng>>);

impl Randomness {
    pub(super) fn new<R: CryptoRng + 'static>(rng: R) -> Self {
        Self(Rc::new(RefCell::new(rng)))
    }

    /// `duration` with a quarter more or less, at random, so that nodes that failed together do not try
    /// again together.
    pub(super) fn jitter(&self, duration: Duration) -> Duration {
        let micros = duration.total_micros();
        let spread = micros / 2;
        let offset = if spread == 0 { 0 } else { self.0.borrow_mut().next_u64() % spread };
        Duration::from_micros(micros - micros / 4 + offset)
    }
}

impl TryRng for Randomness {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.borrow_mut().next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.borrow_mut().next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.borrow_mut().fill_bytes(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Randomness {}
