//! The executor as the timer, and the place to run tasks, that the network's protocols ask for.

use core::future::Future;

use futures_util::future::LocalBoxFuture;
use netstack::{Spawn, Timer};

use super::Executor;
use crate::machine::Instant;

impl Timer for Executor {
    fn now(&self) -> netstack::time::Instant {
        to_network(Self::now(self))
    }

    fn sleep_until(&self, deadline: netstack::time::Instant) -> impl Future<Output = ()> {
        Self::sleep_until(self, from_network(deadline))
    }
}

impl Spawn for Executor {
    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        Self::spawn(self, task);
    }
}

/// The network counts signed microseconds from the same moment.
#[must_use]
pub fn to_network(instant: Instant) -> netstack::time::Instant {
    let micros = i64::try_from(instant.as_micros()).unwrap_or(i64::MAX);
    netstack::time::Instant::from_micros(micros)
}

/// A moment before entry is entry; the last moment that the network can tell never comes.
#[must_use]
pub fn from_network(instant: netstack::time::Instant) -> Instant {
    match instant.total_micros() {
        i64::MAX => Instant::NEVER,
        micros => Instant::from_micros(u64::try_from(micros).unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_the_way_there_and_back() {
        for micros in [0, 1, 1_000_000, u64::from(u32::MAX) * 1000] {
            let instant = Instant::from_micros(micros);
            assert_eq!(from_network(to_network(instant)), instant);
        }
        assert_eq!(from_network(to_network(Instant::NEVER)), Instant::NEVER);
        assert_eq!(from_network(netstack::time::Instant::from_micros(-5)), Instant::ZERO);
    }
}
