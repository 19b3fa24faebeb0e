//! The particles that live: how many there may be, which one a signature belongs to, and who has to end
//! when there is no room.
//!
//! Room is made by ending a particle that is idle, and in turn over the senders: the one that holds most
//! gives up the particle that has been idle for the longest time. So a sender that floods the node
//! displaces its own particles, and those of others only as far as they hold more than it does.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use super::shares::Shares;
use crate::limits::MAX_LOOKED_AT_FOR_ROOM;
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
    /// Places that are taken; those of particles that are told to end are free already.
    places: Shares,
    /// Bytes of the data that idle particles keep.
    kept: Shares,
    seats: BTreeMap<u64, Seat>,
    /// The particles of each sender, by since when each has been idle at least. What has been busy since
    /// then moves to the end when it is looked at.
    idle: BTreeMap<Sender, BTreeSet<(Instant, u64)>>,
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

struct Seat {
    entry: Entry,
    sender: Sender,
    kept: usize,
    /// Its key among the idle ones; none once it is told to end.
    idle_since: Option<Instant>,
}

impl Live {
    pub(super) fn new(caps: Caps) -> Self {
        Self { caps, table: Rc::default() }
    }

    /// The right of one more particle of `sender` to live.
    ///
    /// # Errors
    /// Why it has to wait for the end of another one.
    pub(super) fn place(&self, sender: Sender) -> Result<Place, DropReason> {
        let sender = holder(sender);
        self.free_place(sender)?;
        let mut table = self.table.borrow_mut();
        table.places.add(sender, 1);
        table.next = table.next.wrapping_add(1);
        Ok(Place { live: self.clone(), sender, serial: table.next })
    }

    fn free_place(&self, sender: Sender) -> Result<(), DropReason> {
        let table = self.table.borrow();
        let own = table.places.of(Sender::Own);
        let (of_peer, of_all) = match sender {
            Sender::Own | Sender::Program(_) => (0, own),
            Sender::Peer(_) => (table.places.of(sender), table.places.total().saturating_sub(own)),
        };
        if of_peer >= self.caps.per_peer {
            return Err(DropReason::TooManyOfPeer);
        }
        if of_all >= self.caps.total {
            return Err(DropReason::TooMany);
        }
        Ok(())
    }

    /// Whether a particle of `sender` gets a place, at the cost of an idle one if need be.
    ///
    /// # Errors
    /// Why it does not.
    pub(super) fn has_place(&self, sender: Sender, now: Instant) -> Result<(), DropReason> {
        match self.free_place(sender) {
            Err(full) => self.displaceable(sender, full, now).map(drop).ok_or(full),
            free => free,
        }
    }

    /// Makes room for a particle of `sender`, for which there is none for the reason `full`; false if
    /// nothing is idle that would have to make room for it.
    pub(super) fn displace(&self, sender: Sender, full: DropReason, now: Instant) -> bool {
        self.displaceable(sender, full, now).inspect(|serial| self.end(*serial)).is_some()
    }

    /// The particle that has to make room for one of `sender`.
    fn displaceable(&self, sender: Sender, full: DropReason, now: Instant) -> Option<u64> {
        if sender == Sender::Own {
            // Who asked over HTTP is told, and nobody is to lose an answer for another's question.
            return None;
        }
        let Table { places, idle, seats, .. } = &mut *self.table.borrow_mut();
        let held = places.of(sender);
        let others = places.largest_first().filter(|(other, amount)| {
            let holds_more = full == DropReason::TooMany && *amount > held;
            *other == sender || (holds_more && *other != Sender::Own)
        });
        longest_idle(others.map(|(other, _)| other), idle, seats, now)
    }

    /// Tells an idle particle to end because memory is short: of the sender whose particles keep the
    /// most bytes, or else of the one that has the most particles. False if none is idle.
    pub(super) fn evict_for_memory(&self, now: Instant) -> bool {
        let serial = {
            let Table { places, kept, idle, seats, .. } = &mut *self.table.borrow_mut();
            let senders = kept.largest_first().chain(places.largest_first());
            longest_idle(senders.map(|(sender, _)| sender), idle, seats, now)
        };
        serial.inspect(|serial| self.end(*serial)).is_some()
    }

    /// Tells a particle to end. Its place is free from now on, although the actor ends a little later.
    fn end(&self, serial: u64) {
        let inbox = self.table.borrow_mut().give_up(serial);
        inbox.inspect(Inbox::close);
    }

    /// The data of an idle particle are kept as so many bytes; none, as soon as it is busy again.
    pub(super) fn keeps(&self, serial: u64, bytes: usize) {
        let table = &mut *self.table.borrow_mut();
        let open = |seat: &&mut Seat| seat.idle_since.is_some();
        if let Some(seat) = table.seats.get_mut(&serial).filter(open) {
            table.kept.subtract(seat.sender, seat.kept);
            table.kept.add(seat.sender, bytes);
            seat.kept = bytes;
        }
    }

    /// The particle with this signature.
    pub(super) fn find(&self, signature: &Signature) -> Option<Entry> {
        let table = self.table.borrow();
        let serial = table.by_signature.get(signature)?;
        Some(table.seats.get(serial)?.entry.clone())
    }

    /// From now on the particle is found by its signature.
    pub(super) fn know_by(&self, serial: u64, signature: Signature) {
        let mut table = self.table.borrow_mut();
        if table.seats.contains_key(&serial) {
            table.by_signature.insert(signature, serial);
        }
    }

    /// Bytes of the data that idle particles keep, those that are told to end left out.
    pub(super) fn kept_bytes(&self) -> usize {
        self.table.borrow().kept.total()
    }

    /// How many live, those that are told to end left out.
    pub(super) fn len(&self) -> usize {
        self.table.borrow().places.total()
    }

    /// The oldest ones, no more than `most`.
    pub(super) fn list(&self, most: usize) -> Vec<Entry> {
        let table = self.table.borrow();
        table.seats.values().take(most).map(|seat| seat.entry.clone()).collect()
    }
}

/// Whose bounds a particle of this sender counts for: those of programs and of the node's users are the same.
fn holder(sender: Sender) -> Sender {
    match sender {
        Sender::Own | Sender::Program(_) => Sender::Own,
        Sender::Peer(_) => sender,
    }
}

impl Table {
    /// Frees what a particle holds of the bounds, once; its inbox.
    fn give_up(&mut self, serial: u64) -> Option<Inbox> {
        let seat = self.seats.get_mut(&serial)?;
        let since = seat.idle_since.take()?;
        self.places.subtract(seat.sender, 1);
        self.kept.subtract(seat.sender, seat.kept);
        if let Some(line) = self.idle.get_mut(&seat.sender) {
            line.remove(&(since, serial));
            if line.is_empty() {
                self.idle.remove(&seat.sender);
            }
        }
        Some(seat.entry.inbox.clone())
    }
}

/// The particle that has been idle for the longest time, of the first of `senders` that has an idle one.
/// Looks at a bounded number; the next time it goes on where it stopped.
fn longest_idle(
    senders: impl Iterator<Item = Sender>,
    idle: &mut BTreeMap<Sender, BTreeSet<(Instant, u64)>>,
    seats: &mut BTreeMap<u64, Seat>,
    now: Instant,
) -> Option<u64> {
    let mut looks = 0..MAX_LOOKED_AT_FOR_ROOM;
    for sender in senders {
        looks.next()?;
        let Some(line) = idle.get_mut(&sender) else { continue };
        // After one look at each of them they stand in order.
        for _ in 0..=line.len() {
            looks.next()?;
            let Some(&(since, serial)) = line.first() else { break };
            let Some(seat) = seats.get_mut(&serial) else { break };
            let found = seat.entry.idle_since();
            if found == Some(since) {
                return Some(serial);
            }
            let later = found.unwrap_or(now);
            line.pop_first();
            line.insert((later, serial));
            seat.idle_since = Some(later);
        }
    }
    None
}

impl Entry {
    /// Since when it has had nothing to do; `None` if it has, or has mail.
    fn idle_since(&self) -> Option<Instant> {
        self.vitals.idle_since().filter(|_| self.inbox.is_empty())
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
        let since = entry.born;
        let seat = Seat { entry, sender: self.sender, kept: 0, idle_since: Some(since) };
        let mut table = self.live.table.borrow_mut();
        table.idle.entry(self.sender).or_default().insert((since, self.serial));
        table.seats.insert(self.serial, seat);
        drop(table);
        if let Some(signature) = signature {
            self.live.know_by(self.serial, signature);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let seat = {
            let mut table = self.live.table.borrow_mut();
            if table.seats.contains_key(&self.serial) {
                table.give_up(self.serial);
            } else {
                table.places.subtract(self.sender, 1);
            }
            let seat = table.seats.remove(&self.serial);
            let signature = seat.as_ref().and_then(|seat| seat.entry.particle.signature.get());
            if let Some(signature) = signature
                && table.by_signature.get(signature) == Some(&self.serial)
            {
                table.by_signature.remove(signature);
            }
            seat
        };
        // What the entry holds is dropped outside the borrow.
        drop(seat);
    }
}
