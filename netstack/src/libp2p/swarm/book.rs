//! The address book: where peers are said to be, and how dialing them went.
//!
//! Whatever a peer says of itself is hearsay: few addresses of a peer, few peers, only addresses that
//! can be meant, and the entry that was of no use for longest leaves first.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::clock::Randomness;
use super::limits::{
    BACKOFF_FIRST, BACKOFF_MAX, MAX_ADDRESSES_PER_PEER, MAX_KNOWN_PEERS, STABLE_AFTER,
};
use crate::libp2p::{Multiaddr, PeerId};
use crate::time::{Duration, Instant, after};

/// The address book.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: BTreeMap<PeerId, Entry>,
    /// Counts uses; the least one is the oldest.
    uses: u64,
}

#[derive(Debug, Default)]
struct Entry {
    /// The one that led to the peer last.
    works: Option<Multiaddr>,
    /// The others, in the order in which to try them.
    hearsay: Vec<Multiaddr>,
    /// A bootstrap peer: stays.
    pinned: bool,
    used: u64,
    failures: u32,
    failed_at: Option<Instant>,
    /// Not dialed again before.
    rests_until: Option<Instant>,
}

/// How long a peer that was not reached is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rest {
    /// The pause that its failures have come to.
    Whole,
    /// The first pause at most: there is an address that has not been tried.
    Short,
}

impl Book {
    fn entry(&mut self, peer: PeerId) -> &mut Entry {
        self.uses += 1;
        let used = self.uses;
        if !self.entries.contains_key(&peer) && self.entries.len() >= MAX_KNOWN_PEERS {
            self.forget_one();
        }
        let entry = self.entries.entry(peer).or_default();
        entry.used = used;
        entry
    }

    fn forget_one(&mut self) {
        let free = self.entries.iter().filter(|(_, entry)| !entry.pinned);
        let oldest = free.min_by_key(|(_, entry)| (entry.has_addresses(), entry.used));
        if let Some(peer) = oldest.map(|(peer, _)| *peer) {
            self.entries.remove(&peer);
        }
    }

    /// Keeps the peer's entry for good.
    pub(super) fn pin(&mut self, peer: PeerId) {
        self.entry(peer).pinned = true;
    }

    /// Adds addresses of a peer that somebody names now: they come before older ones, which leave when
    /// there are too many. True when one of them is new.
    pub(super) fn add(
        &mut self,
        peer: PeerId,
        addresses: impl IntoIterator<Item = Multiaddr>,
    ) -> bool {
        let entry = self.entry(peer);
        let mut fresh = Vec::new();
        for address in addresses.into_iter().take(MAX_ADDRESSES_PER_PEER) {
            if !entry.knows(&address) && !fresh.contains(&address) {
                fresh.push(address);
            }
        }
        let any = !fresh.is_empty();
        fresh.append(&mut entry.hearsay);
        entry.hearsay = fresh;
        entry.trim();
        any
    }

    /// Replaces what is known of a peer by what it says itself, but for the address that works.
    pub(super) fn replace(&mut self, peer: PeerId, said: Vec<Multiaddr>) {
        self.entry(peer).hearsay.clear();
        self.add(peer, said);
    }

    /// The addresses of a peer, in the order in which to try them.
    pub(super) fn addresses(&self, peer: PeerId) -> Vec<Multiaddr> {
        let Some(entry) = self.entries.get(&peer) else { return Vec::new() };
        entry.works.iter().chain(&entry.hearsay).cloned().collect()
    }

    /// The peers of which addresses are known.
    pub(super) fn peers(&self) -> Vec<PeerId> {
        let known = self.entries.iter().filter(|(_, entry)| entry.has_addresses());
        known.map(|(peer, _)| *peer).collect()
    }

    /// Entries.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// When the peer may be dialed again, if that is later than `now`.
    pub(super) fn rests_until(&self, peer: PeerId, rest: Rest, now: Instant) -> Option<Instant> {
        let entry = self.entries.get(&peer)?;
        let whole = entry.rests_until?;
        let until = match (rest, entry.failed_at) {
            (Rest::Short, Some(failed_at)) => whole.min(after(failed_at, BACKOFF_FIRST)),
            _ => whole,
        };
        (until > now).then_some(until)
    }

    /// An address led to the peer: it comes first.
    pub(super) fn worked(&mut self, peer: PeerId, address: &Multiaddr) {
        let entry = self.entry(peer);
        entry.hearsay.retain(|known| known != address);
        let before = entry.works.replace(address.clone());
        entry.hearsay.splice(..0, before.filter(|before| before != address));
        entry.trim();
    }

    /// No address led to the peer, or it did not stay: it rests for a while.
    pub(super) fn failed(&mut self, peer: PeerId, now: Instant, random: &Randomness) {
        let Some(entry) = self.entries.get_mut(&peer) else { return };
        entry.failures = entry.failures.saturating_add(1);
        entry.failed_at = Some(now);
        entry.rests_until = Some(after(now, random.jitter(pause(entry.failures))));
    }

    /// A connection with the peer that has lasted for `lasted` has ended.
    pub(super) fn ended(
        &mut self,
        peer: PeerId,
        now: Instant,
        lasted: Duration,
        random: &Randomness,
    ) {
        if lasted < STABLE_AFTER {
            self.failed(peer, now, random);
        } else if let Some(entry) = self.entries.get_mut(&peer) {
            (entry.failures, entry.failed_at, entry.rests_until) = (0, None, None);
        }
    }
}

impl Entry {
    fn has_addresses(&self) -> bool {
        self.works.is_some() || !self.hearsay.is_empty()
    }

    fn knows(&self, address: &Multiaddr) -> bool {
        self.works.as_ref() == Some(address) || self.hearsay.contains(address)
    }

    fn trim(&mut self) {
        let room = MAX_ADDRESSES_PER_PEER - usize::from(self.works.is_some());
        self.hearsay.truncate(room);
    }
}

/// The pause after so many failures, jitter not included.
fn pause(failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let micros = BACKOFF_FIRST.total_micros().saturating_mul(1 << doublings);
    Duration::from_micros(micros.min(BACKOFF_MAX.total_micros()))
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    use super::*;

    fn peer(number: usize) -> PeerId {
        let mut key = [0; 32];
        key.iter_mut().zip(number.to_le_bytes()).for_each(|(slot, byte)| *slot = byte);
        PeerId::from_public_key(key)
    }

    fn address(port: usize) -> Multiaddr {
        let Ok(address) = format!("/ip4/1.2.3.4/tcp/{port}").parse() else { panic!("an address") };
        address
    }

    #[test]
    fn a_peer_has_few_addresses_the_one_that_works_first_and_the_latest_next() {
        let mut book = Book::default();
        assert!(book.add(peer(1), (1..=MAX_ADDRESSES_PER_PEER + 3).map(address)));
        assert_eq!(book.addresses(peer(1)).len(), MAX_ADDRESSES_PER_PEER);
        assert!(!book.add(peer(1), [address(1)]), "known already");
        book.worked(peer(1), &address(5));
        assert!(book.add(peer(1), [address(99)]));
        let addresses = book.addresses(peer(1));
        assert_eq!(addresses.len(), MAX_ADDRESSES_PER_PEER);
        assert_eq!(addresses.get(..2), Some(&[address(5), address(99)][..]));
        // Whatever a peer says of itself, the address that works stays.
        book.replace(peer(1), Vec::from([address(7)]));
        assert_eq!(book.addresses(peer(1)), [address(5), address(7)]);
        book.worked(peer(1), &address(7));
        assert_eq!(book.addresses(peer(1)), [address(7), address(5)]);
    }

    #[test]
    fn the_book_holds_so_many_peers_and_forgets_the_longest_unused_but_never_a_pinned_one() {
        let mut book = Book::default();
        book.pin(peer(0));
        for number in 1..MAX_KNOWN_PEERS {
            book.add(peer(number), [address(1)]);
        }
        assert_eq!(book.len(), MAX_KNOWN_PEERS);
        book.add(peer(1), [address(2)]);
        book.add(peer(MAX_KNOWN_PEERS), [address(1)]);
        assert_eq!(book.len(), MAX_KNOWN_PEERS);
        assert!(book.addresses(peer(2)).is_empty(), "the longest unused");
        assert!(!book.addresses(peer(1)).is_empty(), "used since");
        assert!(book.entries.contains_key(&peer(0)), "pinned");
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_end_with_a_connection_that_lasts() {
        let random = Randomness::new(ChaCha20Rng::seed_from_u64(1));
        let mut book = Book::default();
        let mut now = Instant::ZERO;
        book.failed(peer(1), now, &random);
        assert_eq!(book.rests_until(peer(1), Rest::Whole, now), None, "nobody that is known");
        book.add(peer(1), [address(1)]);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            book.failed(peer(1), now, &random);
            let Some(until) = book.rests_until(peer(1), Rest::Whole, now) else {
                panic!("it rests")
            };
            let (rest, usual) = (until - now, Duration::from_secs(seconds));
            assert!(rest >= usual * 3 / 4 && rest <= usual * 5 / 4, "{rest} instead of {usual}");
            now = until;
            assert_eq!(book.rests_until(peer(1), Rest::Whole, now), None);
        }
        book.ended(peer(1), now, STABLE_AFTER - Duration::from_micros(1), &random);
        assert!(book.rests_until(peer(1), Rest::Whole, now).is_some(), "it did not last");
        book.ended(peer(1), now, STABLE_AFTER, &random);
        assert_eq!(book.rests_until(peer(1), Rest::Whole, now), None);
        book.failed(peer(1), now, &random);
        let until = book.rests_until(peer(1), Rest::Whole, now);
        assert!(until.is_some_and(|until| until - now <= Duration::from_millis(1250)));
    }
}
