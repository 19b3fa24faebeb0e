//! What the runs of a program came to.

use alloc::collections::BTreeMap;
use core::cell::RefCell;

use super::reply::Reply;
use crate::aleph::trigger::Failure;

/// How one run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RunOutcome {
    /// With a reply.
    Answered,
    /// Without one.
    Silent,
    /// With an error, or at a bound.
    Failed,
    /// At its time limit.
    TooSlow,
    /// It was not begun: as many as may wait did, or memory was short.
    Shed,
    /// It was not begun: the program does not take such triggers, or its state could not be read.
    Refused,
}

impl RunOutcome {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Answered, Self::Silent, Self::Failed, Self::TooSlow, Self::Shed, Self::Refused];

    /// The value of the metric's label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Silent => "silent",
            Self::Failed => "failed",
            Self::TooSlow => "too_slow",
            Self::Shed => "shed",
            Self::Refused => "refused",
        }
    }

    pub(super) fn of(result: &Result<Reply, Failure>) -> Self {
        match result {
            Ok(reply) if reply.value().is_some() => Self::Answered,
            Ok(_) => Self::Silent,
            Err(Failure::TooSlow) => Self::TooSlow,
            Err(Failure::Busy) => Self::Shed,
            Err(Failure::Unavailable | Failure::Start | Failure::NoProgram) => Self::Refused,
            Err(Failure::Program(_) | Failure::Reply(_) | Failure::Silent) => Self::Failed,
        }
    }
}

/// Counts of runs by outcome.
#[derive(Debug, Default)]
pub struct Stats(RefCell<BTreeMap<RunOutcome, u64>>);

impl Stats {
    pub(super) fn count(&self, outcome: RunOutcome) {
        let mut counts = self.0.borrow_mut();
        let count = counts.entry(outcome).or_default();
        *count = count.saturating_add(1);
    }

    /// How many runs ended so.
    #[must_use]
    pub fn get(&self, outcome: RunOutcome) -> u64 {
        self.0.borrow().get(&outcome).copied().unwrap_or(0)
    }
}
