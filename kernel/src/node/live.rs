//! The particles that live: how many there may be, and which one a signature belongs to.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use crate::machine::Instant;
use crate::particle::{DropReason, Inbox, Particle, Sender, Signature, Vitals};

/// How many particles may live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caps {
    /// From all peers together; and as many again of the node's own.
    pub(super) total: usize,
    /// From one peer.
    pub(super) per_peer: usize,
}

/// All live particles; clones are the same.
#[derive(Clone)]
pub(super) struct Live {
    caps: Caps,
    table: Rc<RefCell<Table>>,
}

#[derive(Default)]
struct Table {
    next: u64,
    /// Places taken, by whom.
    taken: BTreeMap<Sender, usize>,
    total: usize,
    entries: BTreeMap<u64, Entry>,
    by_signature: BTreeMap<Signature, u64>,
}

/// A live particle, as others may know it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) particle: Rc<Particle>,
    pub(super) inbox: Inbox,
    pub(super) vitals: Rc<Vitals>,
    pub(super) born: Instant,
}

impl Live {
    pub(super) fn new(caps: Caps) -> Self {
        Self { caps, table: Rc::default() }
    }

    /// The right of one more particle of `sender` to live.
    pub(super) fn place(&self, sender: Sender) -> Result<Place, DropReason> {
        let mut table = self.table.borrow_mut();
        let of_sender = table.taken.get(&sender).copied().unwrap_or(0);
        match sender {
            Sender::Own if of_sender >= self.caps.total => return Err(DropReason::TooMany),
            Sender::Own => {}
            Sender::Peer(_) => {
                let own = table.taken.get(&Sender::Own).copied().unwrap_or(0);
                if table.total.saturating_sub(own) >= self.caps.total {
                    return Err(DropReason::TooMany);
                }
                if of_sender >= self.caps.per_peer {
                    return Err(DropReason::TooManyOfPeer);
                }
            }
        }
        table.taken.insert(sender, of_sender.saturating_add(1));
        table.total = table.total.saturating_add(1);
        table.next = table.next.wrapping_add(1);
        Ok(Place { live: self.clone(), sender, serial: table.next })
    }

    /// The particle with this signature.
    pub(super) fn find(&self, signature: &Signature) -> Option<Entry> {
        let table = self.table.borrow();
        let serial = table.by_signature.get(signature)?;
        table.entries.get(serial).cloned()
    }

    /// From now on the particle is found by its signature.
    pub(super) fn know_by(&self, serial: u64, signature: Signature) {
        let mut table = self.table.borrow_mut();
        if table.entries.contains_key(&serial) {
            table.by_signature.insert(signature, serial);
        }
    }

    /// Tells the particle that has been idle for the longest time to end; false if none is idle.
    pub(super) fn evict_idle(&self) -> bool {
        let inbox = {
            let table = self.table.borrow();
            let open = table.entries.values().filter(|entry| !entry.inbox.is_closed());
            let idle = open.filter_map(|entry| Some((entry.vitals.idle_since()?, entry)));
            idle.min_by_key(|(since, _)| *since).map(|(_, entry)| entry.inbox.clone())
        };
        inbox.inspect(Inbox::close).is_some()
    }

    /// Bytes of the data that idle particles keep, those that are told to end left out.
    pub(super) fn kept_bytes(&self) -> usize {
        let table = self.table.borrow();
        let open = table.entries.values().filter(|entry| !entry.inbox.is_closed());
        open.map(|entry| entry.vitals.kept_bytes()).sum()
    }

    /// How many live.
    pub(super) fn len(&self) -> usize {
        self.table.borrow().total
    }

    /// The oldest ones, no more than `most`.
    pub(super) fn list(&self, most: usize) -> Vec<Entry> {
        self.table.borrow().entries.values().take(most).cloned().collect()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("particles", &self.len()).finish_non_exhaustive()
    }
}

/// The right of one particle to live; given back, and the particle forgotten, when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    live: Live,
    sender: Sender,
    serial: u64,
}

impl Place {
    /// The number of the particle on this node.
    pub(super) const fn serial(&self) -> u64 {
        self.serial
    }

    /// The particle that has the place; with its signature, if it has one yet.
    pub(super) fn seat(&self, entry: Entry) {
        let signature = entry.particle.signature.get().copied();
        self.live.table.borrow_mut().entries.insert(self.serial, entry);
        if let Some(signature) = signature {
            self.live.know_by(self.serial, signature);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let entry = {
            let mut table = self.live.table.borrow_mut();
            table.total = table.total.saturating_sub(1);
            let left = table.taken.get(&self.sender).map_or(0, |taken| taken.saturating_sub(1));
            if left == 0 {
                table.taken.remove(&self.sender);
            } else {
                table.taken.insert(self.sender, left);
            }
            let entry = table.entries.remove(&self.serial);
            let signature = entry.as_ref().and_then(|entry| entry.particle.signature.get());
            if let Some(signature) = signature
                && table.by_signature.get(signature) == Some(&self.serial)
            {
                table.by_signature.remove(signature);
            }
            entry
        };
        // What the entry holds is dropped outside the borrow.
        drop(entry);
    }
}
