//! Particles whose life here ended before their time, so that a replay does not begin them anew.

use alloc::collections::{BTreeMap, BTreeSet};

use super::shares::Shares;
use crate::particle::{Sender, Signature};

/// What is remembered of a signature: its first sixteen bytes. Nobody makes a valid signature that
/// begins as another one's does, as these are part of a point whose logarithm only the other knows.
type Beginning = [u8; 16];

/// Remembers a bounded number of particles until their time is up. When there are too many, the sender
/// that holds most of them loses the one whose time is up first: that one can be replayed for the
/// shortest time, and nobody can make the node forget what another brought by bringing much.
#[derive(Debug)]
pub(super) struct Ended {
    most: usize,
    until: BTreeMap<Beginning, (u64, Sender)>,
    by_time: BTreeSet<(u64, Beginning)>,
    by_sender: BTreeSet<(Sender, u64, Beginning)>,
    shares: Shares,
}

impl Ended {
    /// None yet, and never more than `most`.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            until: BTreeMap::new(),
            by_time: BTreeSet::new(),
            by_sender: BTreeSet::new(),
            shares: Shares::default(),
        }
    }

    /// Remembers a particle that `sender` brought and that is valid until `expires_ms` of the wall clock.
    pub(super) fn insert(&mut self, sender: Sender, signature: &Signature, expires_ms: u64) {
        let beginning = beginning_of(signature);
        self.forget(beginning);
        self.until.insert(beginning, (expires_ms, sender));
        self.by_time.insert((expires_ms, beginning));
        self.by_sender.insert((sender, expires_ms, beginning));
        self.shares.add(sender, 1);
        while self.until.len() > self.most {
            let Some((most, _)) = self.shares.largest_first().next() else { break };
            let first = self.by_sender.range((most, 0, Beginning::default())..).next();
            let Some(&(_, _, beginning)) = first else { break };
            self.forget(beginning);
        }
    }

    /// Whether the particle is one of them.
    pub(super) fn contains(&mut self, signature: &Signature, now_ms: u64) -> bool {
        self.expire(now_ms);
        self.until.contains_key(&beginning_of(signature))
    }

    /// How many are remembered.
    pub(super) fn len(&mut self, now_ms: u64) -> usize {
        self.expire(now_ms);
        self.until.len()
    }

    /// Forgets those whose time is up.
    fn expire(&mut self, now_ms: u64) {
        while let Some(&(expires_ms, beginning)) = self.by_time.first()
            && expires_ms < now_ms
        {
            self.forget(beginning);
        }
    }

    fn forget(&mut self, beginning: Beginning) {
        if let Some((expires_ms, sender)) = self.until.remove(&beginning) {
            self.by_time.remove(&(expires_ms, beginning));
            self.by_sender.remove(&(sender, expires_ms, beginning));
            self.shares.subtract(sender, 1);
        }
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
    use netstack::libp2p::PeerId;

    fn signature(number: usize) -> Signature {
        let mut signature = [0; 64];
        signature[..8].copy_from_slice(&number.to_le_bytes());
        signature
    }

    fn sender(number: u8) -> Sender {
        Sender::Peer(PeerId::from_public_key([number; 32]))
    }

    fn sizes(ended: &Ended) -> [usize; 4] {
        [ended.until.len(), ended.by_time.len(), ended.by_sender.len(), ended.shares.total()]
    }

    #[test]
    fn particles_are_remembered_until_their_time_is_up() {
        let mut ended = Ended::new(10);
        ended.insert(sender(1), &signature(1), 100);
        ended.insert(sender(1), &signature(2), 200);
        assert!(ended.contains(&signature(1), 100));
        assert!(!ended.contains(&signature(1), 101));
        assert!(ended.contains(&signature(2), 101) && !ended.contains(&signature(3), 101));
        assert_eq!(sizes(&ended), [1; 4]);
        assert_eq!(ended.len(201), 0);
        assert_eq!(sizes(&ended), [0; 4]);
    }

    #[test]
    fn of_too_many_those_that_matter_shortest_are_forgotten() {
        const MOST: usize = 100;
        let mut ended = Ended::new(MOST);
        for number in 0..MOST {
            ended.insert(sender(1), &signature(number), 1000 + number as u64);
        }
        assert!(ended.contains(&signature(0), 0), "at the bound all are there");
        ended.insert(sender(1), &signature(MOST), 5000);
        assert_eq!(sizes(&ended), [MOST; 4]);
        assert!(!ended.contains(&signature(0), 0) && ended.contains(&signature(1), 0));
        ended.insert(sender(2), &signature(1), 5000);
        ended.insert(sender(1), &signature(usize::MAX), 9000);
        assert!(ended.contains(&signature(1), 0) && !ended.contains(&signature(2), 0));
        assert_eq!(sizes(&ended), [MOST; 4]);
    }

    #[test]
    fn who_brings_much_makes_the_node_forget_nothing_of_others() {
        let mut ended = Ended::new(100);
        for number in 0..40 {
            ended.insert(sender(1), &signature(number), 1000);
        }
        for number in 1000..2000 {
            ended.insert(sender(2), &signature(number), 300_000);
        }
        assert_eq!(sizes(&ended), [100; 4]);
        assert!((0..40).all(|number| ended.contains(&signature(number), 0)));
    }
}
