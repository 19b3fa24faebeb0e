//! A schedule against a clock that may stop, jump and be set back.

use super::Schedule;
use crate::aleph::limits::MAX_CLOCK_SET_BACK_SECONDS;

/// A schedule, and up to when its ticks have been dealt with.
///
/// | what happens | what follows |
/// |---|---|
/// | the clock passes a tick | one run, for that tick |
/// | it passes several between two looks (the machine stood still, the clock was set forward, the node was busy) | one run, for the last of them; the others are missed |
/// | it is set back by at most three hours | ticks that were dealt with do not come again |
/// | it is set back by more | that is a correction: the schedule begins anew at the new time, so ticks may come again |
/// | the node starts | the schedule begins at that time: what passed while it was off is missed |
/// | the node starts with what an earlier one kept ([`resume`](Alarm::resume)) | as if it had stood still: at most one run for what passed |
///
/// All times are UTC, which has no summer time; a leap second is one in which the clock stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm {
    schedule: Schedule,
    /// Ticks up to here, in seconds since 1970, have been dealt with.
    dealt_with: u64,
}

/// A run that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The time of the schedule that it is for, in seconds since 1970.
    pub at: u64,
    /// Whether earlier ticks were missed.
    pub after_missed: bool,
}

impl Alarm {
    /// Begins at `now`, in seconds since 1970: the first tick is the first one after it.
    #[must_use]
    pub fn new(schedule: Schedule, now: u64) -> Self {
        Self { schedule, dealt_with: now }
    }

    /// Goes on from what [`dealt_with`](Self::dealt_with) said in an earlier life.
    #[must_use]
    pub fn resume(schedule: Schedule, dealt_with: u64) -> Self {
        Self { schedule, dealt_with }
    }

    /// Up to when ticks have been dealt with, to be kept for [`resume`](Self::resume).
    #[must_use]
    pub fn dealt_with(&self) -> u64 {
        self.dealt_with
    }

    /// When to look again, in seconds since 1970; never if the schedule has no more ticks.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.schedule.next_after(self.dealt_with)
    }

    /// The run that is due at `now`, if one is. Time in which there was none has been dealt with too.
    pub fn look(&mut self, now: u64) -> Option<Tick> {
        if now.saturating_add(MAX_CLOCK_SET_BACK_SECONDS) < self.dealt_with {
            self.dealt_with = now;
            return None;
        }
        let first = self.next().filter(|first| *first <= now)?;
        let at = self.schedule.last_until(now).unwrap_or(first);
        self.dealt_with = now;
        Some(Tick { at, after_missed: first < at })
    }
}
