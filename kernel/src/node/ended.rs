//! Particles whose life here ended before their time, so that a replay does not begin them anew.

use alloc::collections::{BTreeMap, BTreeSet};

use crate::limits::MAX_ENDED_REMEMBERED;
use crate::particle::Signature;

/// What is remembered of a signature: its first sixteen bytes. Nobody makes a valid signature that
/// begins as another one's does, as these are part of a point whose logarithm only the other knows.
type Beginning = [u8; 16];

/// Remembers a bounded number of particles until their time is up. When there are too many, the one
/// whose time is up first is forgotten: it can be replayed for the shortest time.
#[derive(Debug, Default)]
pub(super) struct Ended {
    until: BTreeMap<Beginning, u64>,
    by_time: BTreeSet<(u64, Beginning)>,
}

impl Ended {
    /// Remembers a particle that is valid until `expires_ms` of the wall clock.
    pub(super) fn insert(&mut self, signature: &Signature, expires_ms: u64) {
        let beginning = beginning_of(signature);
        if let Some(before) = self.until.insert(beginning, expires_ms) {
            self.by_time.remove(&(before, beginning));
        }
        self.by_time.insert((expires_ms, beginning));
        while self.until.len() > MAX_ENDED_REMEMBERED {
            self.forget_first();
        }
    }

    /// Whether the particle is one of them. Those whose time is up at `now_ms` are forgotten.
    pub(super) fn contains(&mut self, signature: &Signature, now_ms: u64) -> bool {
        while self.by_time.first().is_some_and(|(expires_ms, _)| *expires_ms < now_ms) {
            self.forget_first();
        }
        self.until.contains_key(&beginning_of(signature))
    }

    fn forget_first(&mut self) {
        if let Some((_, beginning)) = self.by_time.pop_first() {
            self.until.remove(&beginning);
        }
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.until.len()
    }
}

fn beginning_of(signature: &Signature) -> Beginning {
    let mut beginning = [0; 16];
    for (to, from) in beginning.iter_mut().zip(signature) {
        *to = *from;
    }
    beginning
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(number: usize) -> Signature {
        let mut signature = [0; 64];
        signature[..8].copy_from_slice(&number.to_le_bytes());
        signature
    }

    #[test]
    fn particles_are_remembered_until_their_time_is_up() {
        let mut ended = Ended::default();
        ended.insert(&signature(1), 100);
        ended.insert(&signature(2), 200);
        assert!(ended.contains(&signature(1), 100));
        assert!(!ended.contains(&signature(1), 101));
        assert!(ended.contains(&signature(2), 101) && !ended.contains(&signature(3), 101));
        assert_eq!((ended.len(), ended.by_time.len()), (1, 1));
    }

    #[test]
    fn of_too_many_those_that_matter_shortest_are_forgotten() {
        let mut ended = Ended::default();
        for number in 0..=MAX_ENDED_REMEMBERED {
            ended.insert(&signature(number), 1000 + number as u64);
        }
        assert_eq!(
            (ended.len(), ended.by_time.len()),
            (MAX_ENDED_REMEMBERED, MAX_ENDED_REMEMBERED)
        );
        assert!(!ended.contains(&signature(0), 0) && ended.contains(&signature(1), 0));
        ended.insert(&signature(1), 5000);
        ended.insert(&signature(usize::MAX), 9000);
        assert!(ended.contains(&signature(1), 0) && !ended.contains(&signature(2), 0));
        assert_eq!(ended.len(), ended.by_time.len());
    }
}
