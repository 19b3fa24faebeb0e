//! What waits to be sent, counted per peer and in all.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use core::cell::RefCell;

use super::limits::{MAX_QUEUED, MAX_QUEUED_BYTES_PER_PEER, MAX_QUEUED_PER_PEER};
use crate::libp2p::PeerId;

/// The counts; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Outbox {
    state: Rc<RefCell<State>>,
    max_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    all: Load,
    by_peer: BTreeMap<PeerId, Load>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Load {
    particles: usize,
    bytes: usize,
}

/// There is no room for another particle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// One particle on its way; over when it is dropped.
#[derive(Debug)]
pub(super) struct Queued {
    state: Rc<RefCell<State>>,
    peer: PeerId,
    bytes: usize,
}

impl Load {
    fn add(&mut self, bytes: usize) {
        self.particles += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, bytes: usize) {
        self.particles = self.particles.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

impl Outbox {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { state: Rc::default(), max_bytes }
    }

    /// Room for a particle of `bytes`. A peer for which nothing waits gets it however large it is.
    pub(super) fn enter(&self, peer: PeerId, bytes: usize) -> Result<Queued, Full> {
        let state = &mut *self.state.borrow_mut();
        let own = state.by_peer.get(&peer).copied().unwrap_or_default();
        let crowded = own.particles > 0
            && (own.particles >= MAX_QUEUED_PER_PEER
                || own.bytes.saturating_add(bytes) > MAX_QUEUED_BYTES_PER_PEER);
        let full = state.all.particles >= MAX_QUEUED
            || state.all.bytes.saturating_add(bytes) > self.max_bytes;
        if crowded || full {
            return Err(Full);
        }
        state.all.add(bytes);
        state.by_peer.entry(peer).or_default().add(bytes);
        Ok(Queued { state: Rc::clone(&self.state), peer, bytes })
    }

    /// Particles and bytes on their way.
    pub(super) fn load(&self) -> (usize, usize) {
        let all = self.state.borrow().all;
        (all.particles, all.bytes)
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let state = &mut *self.state.borrow_mut();
        state.all.remove(self.bytes);
        if let Some(own) = state.by_peer.get_mut(&self.peer) {
            own.remove(self.bytes);
            if own.particles == 0 {
                state.by_peer.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn each_bound_holds_at_its_value_and_one_past_it() {
        let peer = |number| PeerId::from_public_key([number; 32]);
        let outbox = Outbox::new(10 * MAX_QUEUED_BYTES_PER_PEER);
        let count: Vec<_> = (0..MAX_QUEUED_PER_PEER).map(|_| outbox.enter(peer(1), 1)).collect();
        assert!(count.iter().all(Result::is_ok));
        assert_eq!(outbox.enter(peer(1), 1).err(), Some(Full));
        assert!(outbox.enter(peer(2), 1).is_ok(), "another peer has its own");
        drop(count);
        assert_eq!(outbox.load(), (0, 0));

        let one = outbox.enter(peer(1), MAX_QUEUED_BYTES_PER_PEER - 1);
        let two = outbox.enter(peer(1), 1);
        assert!(one.is_ok() && two.is_ok());
        assert_eq!(outbox.enter(peer(1), 1).err(), Some(Full));
        drop((one, two));
        assert!(outbox.enter(peer(1), MAX_QUEUED_BYTES_PER_PEER + 1).is_ok(), "alone it may");

        let outbox = Outbox::new(100);
        let most = outbox.enter(peer(1), 99);
        assert_eq!(outbox.enter(peer(2), 2).err(), Some(Full));
        assert!(outbox.enter(peer(2), 1).is_ok());
        drop(most);

        let outbox = Outbox::new(usize::MAX);
        let held: Vec<_> = (0..MAX_QUEUED)
            .map(|number| {
                let number = u8::try_from(number / MAX_QUEUED_PER_PEER).unwrap_or(u8::MAX);
                outbox.enter(peer(number), 0)
            })
            .collect();
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(outbox.enter(peer(200), 0).err(), Some(Full));
        drop(held);
        assert!(outbox.state.borrow().by_peer.is_empty());
    }
}
