//! Which messages have been dealt with: each one once, within bounded memory.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::aleph::item_hash::ItemHash;
use crate::aleph::limits::MAX_SEEN_MESSAGES;

/// A time in seconds since 1970 as this module counts: in milliseconds, what is earlier as 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates"
)]
#[must_use]
pub fn milliseconds(seconds: f64) -> u64 {
    (seconds * 1000.0) as u64
}

/// The messages that were seen, up to a number. When that is reached, the oldest by its own time is
/// forgotten, and from then on whatever is not newer than it counts as seen: so nothing is dealt with
/// twice, at the price that what comes very late is not dealt with at all.
#[derive(Clone, Debug)]
pub struct Seen {
    most: usize,
    /// By their times in milliseconds.
    by_time: BTreeSet<(u64, ItemHash)>,
    times: BTreeMap<ItemHash, u64>,
    /// All that is not newer counts as seen.
    forgotten_until: Option<u64>,
}

impl Default for Seen {
    /// Remembers up to [`MAX_SEEN_MESSAGES`].
    fn default() -> Self {
        Self::new(MAX_SEEN_MESSAGES)
    }
}

impl Seen {
    /// Remembers up to so many messages.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, by_time: BTreeSet::new(), times: BTreeMap::new(), forgotten_until: None }
    }

    /// Whether a message of this time, in milliseconds since 1970, has been dealt with.
    #[must_use]
    pub fn has(&self, hash: &ItemHash, time: u64) -> bool {
        self.forgotten_until.is_some_and(|until| time <= until) || self.times.contains_key(hash)
    }

    /// Up to which time everything counts as seen, if anything has been forgotten.
    #[must_use]
    pub fn forgotten_until(&self) -> Option<u64> {
        self.forgotten_until
    }

    /// Counts everything up to this time as seen, as an earlier life did.
    pub fn forget_until(&mut self, time: u64) {
        self.forgotten_until = self.forgotten_until.max(Some(time));
    }

    /// Whether a message of this time, in milliseconds since 1970, is new; from now on it is not.
    pub fn is_new(&mut self, hash: &ItemHash, time: u64) -> bool {
        if self.has(hash, time) {
            return false;
        }
        self.times.insert(hash.clone(), time);
        self.by_time.insert((time, hash.clone()));
        while self.times.len() > self.most {
            let Some((time, oldest)) = self.by_time.pop_first() else { break };
            self.times.remove(&oldest);
            self.forgotten_until = Some(time);
        }
        true
    }

    /// Number of messages that are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }
}
