//! What the node counts, and its text for Prometheus.

mod exposition;
mod limits;
mod page;
mod peers;

pub use exposition::{CONTENT_TYPE, Exposition, Kind};
pub use page::{Snapshot, render};

use alloc::collections::BTreeMap;
use alloc::string::String;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use crate::particle::{DropReason, End, Vitals};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(Cell<u64>);

impl Counter {
    /// Adds `amount`; stays at the largest number rather than wrap.
    pub fn add(&self, amount: u64) {
        self.0.set(self.0.get().saturating_add(amount));
    }

    /// The number.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// How a particle that the node was asked to run went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The script gave a response.
    Answered,
    /// The script ended without a response.
    Silent,
    /// The script failed.
    Failed,
    /// The script does not parse.
    Invalid,
    /// The deadline came first.
    Expired,
    /// It used up a budget.
    Exhausted,
    /// There were too many particles already.
    Refused,
}

impl Outcome {
    /// All of them, so that each has a line from the start.
    pub const ALL: [Self; 7] = [
        Self::Answered,
        Self::Silent,
        Self::Failed,
        Self::Invalid,
        Self::Expired,
        Self::Exhausted,
        Self::Refused,
    ];

    /// The value of the metric's label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Silent => "silent",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::Refused => "refused",
        }
    }
}

/// Services that have a line of their own; calls of others are counted together, because scripts
/// choose those names.
const NAMED_SERVICES: [&str; 16] = [
    "array",
    "callbackSrv",
    "cmp",
    "debug",
    "dist",
    "errorHandlingSrv",
    "getDataSrv",
    "json",
    "kad",
    "math",
    "op",
    "peer",
    "run-console",
    "sig",
    "srv",
    "stat",
];

/// Everything that the node counts itself.
#[derive(Debug, Default)]
pub struct Metrics {
    particles: RefCell<BTreeMap<Outcome, u64>>,
    services: RefCell<BTreeMap<(&'static str, bool), u64>>,
    responses: RefCell<BTreeMap<u16, u64>>,
    dropped: RefCell<BTreeMap<DropReason, u64>>,
    evicted: RefCell<BTreeMap<DropReason, u64>>,
    sent: RefCell<BTreeMap<&'static str, u64>>,
    /// Particles that other peers brought.
    pub arrived: Counter,
    /// Steps of the interpreter.
    pub steps: Counter,
    /// Fuel that they burnt.
    pub fuel: Counter,
    /// Time that they took, in microseconds.
    pub interpreter_micros: Counter,
    /// Peers that scripts named and that could not be reached.
    pub unreachable: Counter,
}

impl Metrics {
    /// Counts a particle.
    pub fn particle(&self, outcome: Outcome) {
        bump(&mut self.particles.borrow_mut(), outcome);
    }

    /// Counts the work that a particle was.
    pub fn work(&self, vitals: &Vitals) {
        self.steps.add(vitals.steps().into());
        self.fuel.add(vitals.fuel());
        self.interpreter_micros.add(vitals.micros());
    }

    /// Counts an answer of a service.
    pub fn call(&self, service: &str, ret_code: i32) {
        let named = NAMED_SERVICES.iter().find(|named| **named == service);
        let key = (named.copied().unwrap_or("other"), ret_code == 0);
        bump(&mut self.services.borrow_mut(), key);
    }

    /// Counts a particle of another peer that is not run.
    pub fn dropped(&self, reason: DropReason) {
        bump(&mut self.dropped.borrow_mut(), reason);
    }

    /// Counts an idle particle that ended so that another was not dropped for this reason.
    pub fn evicted(&self, reason: DropReason) {
        bump(&mut self.evicted.borrow_mut(), reason);
    }

    /// Counts a particle on its way to another peer: `ok`, or the reason why it did not get there.
    pub fn sent(&self, result: &'static str) {
        bump(&mut self.sent.borrow_mut(), result);
    }

    /// Counts an answer of the HTTP server.
    pub fn response(&self, status: u16) {
        bump(&mut self.responses.borrow_mut(), status);
    }
}

fn bump<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K) {
    let count = counts.entry(key).or_default();
    *count = count.saturating_add(1);
}

/// How the end of an actor counts when nobody got an answer.
impl From<End> for Outcome {
    fn from(end: End) -> Self {
        match end {
            End::Done => Self::Silent,
            End::Failed => Self::Failed,
            End::Expired => Self::Expired,
            End::Evicted => Self::Refused,
            End::Exhausted(_) => Self::Exhausted,
        }
    }
}

/// Seconds as Prometheus wants them.
fn seconds(duration: Duration) -> String {
    alloc::format!("{}.{:06}", duration.as_secs(), duration.subsec_micros())
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::check_exposition;
