//! Memory for the particles that are being received, shared by all connections.
//!
//! A particle says its length first; then it waits until that much is reserved for it, so whatever was
//! begun can come to its end. Those that wait get their turn by claim: a peer's first particle comes
//! before anybody's second, the older before the younger. A particle that stalls or dribbles while others
//! wait loses its reservation, so that nobody is held up by what a peer announces and does not send.
//! Short particles have a part of the memory to themselves and do not wait for long ones.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use core::cell::RefCell;
use core::future::poll_fn;
use core::task::{Poll, Waker};

use super::clock::Clock;
use super::limits::{
    DRIBBLE_BYTES, PARTICLE_OVERHEAD_BYTES, PROGRESS_HALF_LIFE, SHORT_PARTICLE_BYTES, STALL_GRACE,
};
use crate::libp2p::PeerId;
use crate::time::{Instant, Timer, after, until};

/// The memory; clones are the same.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    clock: Clock,
    short: Rc<RefCell<Lane>>,
    long: Rc<RefCell<Lane>>,
}

/// The memory for particles of one kind.
#[derive(Debug)]
struct Lane {
    limit: usize,
    used: usize,
    next: u64,
    entries: BTreeMap<u64, Entry>,
    /// Round and number of those that wait.
    waiting: BTreeSet<(u64, u64)>,
    /// The round that has come to its turn.
    round: u64,
    /// Of each peer that is here its last round and its entries.
    peers: BTreeMap<PeerId, (u64, usize)>,
}

#[derive(Debug)]
struct Entry {
    peer: PeerId,
    round: u64,
    bytes: usize,
    stage: Stage,
    /// Bytes that came lately: what came [`PROGRESS_HALF_LIFE`] ago counts half.
    recent: usize,
    /// When bytes came last.
    at: Instant,
    /// Who is to hear of a turn, or of its end.
    waker: Option<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Waits for its turn.
    Waiting,
    /// Arrives since then.
    Arriving(Instant),
    /// Waits for the handler.
    Complete,
    /// Has lost its reservation.
    CrowdedOut,
}

/// Others needed the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CrowdedOut;

/// The reservation of one particle, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    clock: Clock,
    lane: Rc<RefCell<Lane>>,
    id: u64,
}

impl Budget {
    /// So much in all, of which a quarter is for short particles.
    pub(super) fn new(clock: Clock, limit: usize) -> Self {
        let lane = |limit| Rc::new(RefCell::new(Lane::new(limit)));
        Self { clock, short: lane(limit / 4), long: lane(limit - limit / 4) }
    }

    /// Bytes in use.
    pub(super) fn used(&self) -> usize {
        self.short.borrow().used + self.long.borrow().used
    }

    /// Waits for the reservation of `bytes` for a particle from `peer`. One longer than all there is
    /// gets all there is.
    pub(super) async fn reserve(&self, peer: PeerId, bytes: usize) -> Share {
        let bytes = bytes.saturating_add(PARTICLE_OVERHEAD_BYTES);
        let lane = if bytes <= SHORT_PARTICLE_BYTES { &self.short } else { &self.long };
        let (lane, clock) = (Rc::clone(lane), self.clock.clone());
        let id = lane.borrow_mut().enter(peer, bytes, clock.now());
        let share = Share { clock, lane, id };
        loop {
            let turn = poll_fn(|context| {
                let mut lane = share.lane.borrow_mut();
                if lane.waiting.first().is_some_and(|(_, first)| *first == id) {
                    // It is running already: to wake it would make it run for ever.
                    if let Some(entry) = lane.entries.get_mut(&id) {
                        entry.waker = None;
                    }
                    lane.give_turns(share.clock.now());
                }
                let Some(entry) = lane.entries.get_mut(&id) else { return Poll::Ready(()) };
                if entry.stage != Stage::Waiting {
                    return Poll::Ready(());
                }
                entry.waker = Some(context.waker().clone());
                Poll::Pending
            });
            // Somebody may begin to stall without a word.
            let again = share.clock.later(PROGRESS_HALF_LIFE);
            if until(&share.clock, again, turn).await.is_ok() {
                break;
            }
        }
        share
    }
}

impl Lane {
    fn new(limit: usize) -> Self {
        Self {
            limit,
            used: 0,
            next: 0,
            entries: BTreeMap::new(),
            waiting: BTreeSet::new(),
            round: 0,
            peers: BTreeMap::new(),
        }
    }

    fn enter(&mut self, peer: PeerId, bytes: usize, now: Instant) -> u64 {
        self.next += 1;
        let (last, entries) = self.peers.entry(peer).or_default();
        let round = self.round.max(*last) + 1;
        (*last, *entries) = (round, *entries + 1);
        self.waiting.insert((round, self.next));
        let bytes = bytes.min(self.limit);
        let stage = Stage::Waiting;
        let entry = Entry { peer, round, bytes, stage, recent: 0, at: now, waker: None };
        self.entries.insert(self.next, entry);
        self.next
    }

    fn leave(&mut self, id: u64) {
        let Some(entry) = self.entries.remove(&id) else { return };
        if entry.stage != Stage::Waiting {
            self.used -= entry.bytes;
        }
        self.waiting.remove(&(entry.round, id));
        if let Some((_, entries)) = self.peers.get_mut(&entry.peer) {
            *entries -= 1;
            if *entries == 0 {
                self.peers.remove(&entry.peer);
            }
        }
    }

    /// Gives the first ones their turns, and takes theirs from those that waste it.
    fn give_turns(&mut self, now: Instant) {
        while let Some((round, id)) = self.waiting.first().copied() {
            let Some(entry) = self.entries.get_mut(&id) else { return };
            if self.used + entry.bytes > self.limit {
                // Who has become the first looks for those that waste their turn.
                entry.wake();
                let missing = self.used + entry.bytes - self.limit;
                self.take_turns(missing, now);
                return;
            }
            self.used += entry.bytes;
            (entry.stage, entry.at) = (Stage::Arriving(now), now);
            entry.wake();
            self.waiting.remove(&(round, id));
            self.round = round;
        }
    }

    /// Takes their reservations from as many that stall or dribble as it takes to free `bytes`.
    fn take_turns(&mut self, bytes: usize, now: Instant) {
        let leaving = self.entries.values().filter(|entry| entry.stage == Stage::CrowdedOut);
        let mut coming_back: usize = leaving.map(|entry| entry.bytes).sum();
        for entry in self.entries.values_mut().filter(|entry| entry.is_slow(now)) {
            if coming_back >= bytes {
                return;
            }
            coming_back += entry.bytes;
            entry.stage = Stage::CrowdedOut;
            entry.wake();
        }
    }
}

impl Entry {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Bytes that came lately, as of `now`.
    fn recent_at(&self, now: Instant) -> usize {
        let since = now.total_micros().saturating_sub(self.at.total_micros()).unsigned_abs();
        let halvings = since / PROGRESS_HALF_LIFE.total_micros();
        self.recent.checked_shr(u32::try_from(halvings).unwrap_or(u32::MAX)).unwrap_or(0)
    }

    /// Whether it has its turn and makes no progress to speak of.
    fn is_slow(&self, now: Instant) -> bool {
        let Stage::Arriving(since) = self.stage else { return false };
        let stalls = after(self.at, STALL_GRACE) <= now;
        let dribbles = self.recent_at(now) < DRIBBLE_BYTES.min(self.bytes);
        after(since, STALL_GRACE) <= now && (stalls || dribbles)
    }
}

impl Share {
    /// Bytes have come.
    pub(super) fn progress(&self, bytes: usize) -> Result<(), CrowdedOut> {
        let now = self.clock.now();
        let mut lane = self.lane.borrow_mut();
        let entry = lane.entries.get_mut(&self.id).ok_or(CrowdedOut)?;
        entry.recent = entry.recent_at(now).saturating_add(bytes);
        entry.at = now;
        if entry.stage == Stage::CrowdedOut { Err(CrowdedOut) } else { Ok(()) }
    }

    /// The particle is complete: it stays until it is handed over.
    pub(super) fn complete(&self) {
        if let Some(entry) = self.lane.borrow_mut().entries.get_mut(&self.id) {
            entry.stage = Stage::Complete;
        }
    }

    /// Completes when the particle has to leave.
    pub(super) async fn crowded_out(&self) {
        poll_fn(|context| {
            let mut lane = self.lane.borrow_mut();
            let Some(entry) = lane.entries.get_mut(&self.id) else { return Poll::Ready(()) };
            if entry.stage == Stage::CrowdedOut {
                return Poll::Ready(());
            }
            entry.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut lane = self.lane.borrow_mut();
        lane.leave(self.id);
        lane.give_turns(self.clock.now());
    }
}
