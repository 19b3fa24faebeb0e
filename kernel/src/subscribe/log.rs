//! Which messages a program has been run for, over restarts.
//!
//! # What is kept
//!
//! Under `seen/<item hash of the program>/<number>` (the number as 16 hexadecimal digits, growing) are pieces of
//! up to [`SEEN_PIECE_ENTRIES`] messages each:
//!
//! | bytes | content |
//! |---|---|
//! | 1 | version of the form: 1 |
//! | 8 | up to here, in milliseconds since 1970, every message counts as seen; 0: nothing was forgotten |
//! | then for each message: 8 | the time of its content, in milliseconds since 1970 |
//! | 1 | length of its item hash |
//! | … | its item hash |
//!
//! Numbers are little-endian. Each message rewrites the last piece only. A piece whose messages are all forgotten
//! is deleted; when too many are left with little in them, they are gathered into new ones. What cannot be
//! read of a piece is passed over: then a program may run again for a message.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;

use log::warn;

use crate::aleph::item_hash::ItemHash;
use crate::aleph::trigger::Seen;
use crate::limits::{
    MAX_SEEN_PER_PROGRAM, MAX_SEEN_PIECES, MIN_SEEN_PER_PROGRAM, SEEN_BYTES, SEEN_PART,
    SEEN_PIECE_ENTRIES,
};
use crate::store::{Store, StoreError};

const VERSION: u8 = 1;

/// A message: the time of its content, and its name.
type Entry = (u64, ItemHash);

/// What a program has seen.
pub struct SeenLog {
    seen: Seen,
    store: Rc<dyn Store>,
    prefix: String,
    pieces: VecDeque<Piece>,
    next: u64,
}

struct Piece {
    number: u64,
    entries: Vec<Entry>,
}

/// What a note changes in the store.
struct Changes {
    put: Vec<(String, Vec<u8>)>,
    delete: Vec<String>,
}

impl SeenLog {
    /// Reads what a program has seen in earlier lives, as far as a machine with such a heap remembers it.
    pub async fn open(store: Rc<dyn Store>, program: &ItemHash, heap_bytes: usize) -> Self {
        let prefix = format!("seen/{program}/");
        let mut log = Self {
            seen: Seen::new(most_seen(heap_bytes)),
            store,
            prefix,
            pieces: VecDeque::new(),
            next: 0,
        };
        if let Err(error) = log.load().await {
            warn!(target: "aleph", "{program}: what it has seen cannot be read: {error}");
        }
        log
    }

    async fn load(&mut self) -> Result<(), StoreError> {
        let mut forgotten_until = 0;
        for key in self.store.keys(&self.prefix).await? {
            let number = key.strip_prefix(self.prefix.as_str());
            let number = number.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            let Some(number) = number else { continue };
            // Also where a piece cannot be read: its key is not used for another.
            self.next = self.next.max(number.saturating_add(1));
            let (until, entries) = match self.store.get(&key).await {
                Ok(bytes) => decode(&bytes.unwrap_or_default()),
                Err(error) => {
                    warn!(target: "aleph", "{key} cannot be read: {error}");
                    (0, Vec::new())
                }
            };
            forgotten_until = forgotten_until.max(until);
            self.pieces.push_back(Piece { number, entries });
        }
        if forgotten_until > 0 {
            self.seen.forget_until(forgotten_until);
        }
        for (time, hash) in self.pieces.iter().flat_map(|piece| &piece.entries) {
            self.seen.is_new(hash, *time);
        }
        // A machine with more memory may have kept more.
        let until = self.seen.forgotten_until().unwrap_or(0);
        for piece in &mut self.pieces {
            piece.entries.retain(|(time, _)| *time > until);
        }
        Ok(())
    }

    /// The latest time of all messages that the program has seen, in milliseconds since 1970.
    #[must_use]
    pub fn latest(&self) -> u64 {
        let times = self.pieces.iter().flat_map(|piece| &piece.entries).map(|(time, _)| *time);
        times.chain(self.seen.forgotten_until()).max().unwrap_or(0)
    }

    /// Whether the program has seen a message, or is about to.
    #[must_use]
    pub fn has(&self, hash: &ItemHash, time_ms: u64) -> bool {
        self.seen.has(hash, time_ms)
    }

    /// Whether a message is new; from now on it is not, as long as the node lives.
    pub fn is_new(&mut self, hash: &ItemHash, time_ms: u64) -> bool {
        self.seen.is_new(hash, time_ms)
    }

    /// Notes a message for later lives. What this gives writes it, and ends when it survives power-off.
    pub fn note(
        &mut self,
        hash: &ItemHash,
        time_ms: u64,
    ) -> impl Future<Output = Result<(), StoreError>> + use<> {
        let changes = self.change((time_ms, hash.clone()));
        let store = self.store.clone();
        async move {
            for (key, bytes) in &changes.put {
                store.put(key, bytes).await?;
            }
            for key in &changes.delete {
                store.delete(key).await?;
            }
            store.flush().await
        }
    }

    fn change(&mut self, entry: Entry) -> Changes {
        match self.pieces.back_mut().filter(|piece| piece.entries.len() < SEEN_PIECE_ENTRIES) {
            Some(piece) => piece.entries.push(entry),
            None => self.add_piece(alloc::vec![entry]),
        }
        let until = self.seen.forgotten_until().unwrap_or(0);
        let is_forgotten = |piece: &Piece| piece.entries.iter().all(|(time, _)| *time <= until);
        let last = self.pieces.back().map(|piece| piece.number);
        let mut delete = Vec::new();
        let prefix = &self.prefix;
        self.pieces.retain(|piece| {
            let stays = !is_forgotten(piece) || Some(piece.number) == last;
            if !stays {
                delete.push(key(prefix, piece.number));
            }
            stays
        });
        if self.pieces.len() > MAX_SEEN_PIECES {
            return self.gather(until, delete);
        }
        let put = self
            .pieces
            .back()
            .map(|piece| (key(prefix, piece.number), encode(until, &piece.entries)));
        Changes { put: put.into_iter().collect(), delete }
    }

    fn add_piece(&mut self, entries: Vec<Entry>) {
        self.pieces.push_back(Piece { number: self.next, entries });
        self.next = self.next.saturating_add(1);
    }

    /// Puts what is not forgotten into full pieces.
    fn gather(&mut self, until: u64, mut delete: Vec<String>) -> Changes {
        let pieces = core::mem::take(&mut self.pieces);
        delete.extend(pieces.iter().map(|piece| key(&self.prefix, piece.number)));
        let entries = pieces.into_iter().flat_map(|piece| piece.entries);
        let entries: Vec<Entry> = entries.filter(|(time, _)| *time > until).collect();
        for part in entries.chunks(SEEN_PIECE_ENTRIES) {
            self.add_piece(part.to_vec());
        }
        let put = self
            .pieces
            .iter()
            .map(|piece| (key(&self.prefix, piece.number), encode(until, &piece.entries)));
        Changes { put: put.collect(), delete }
    }
}

/// Messages that are remembered for one program.
fn most_seen(heap_bytes: usize) -> usize {
    (heap_bytes / SEEN_PART / SEEN_BYTES).clamp(MIN_SEEN_PER_PROGRAM, MAX_SEEN_PER_PROGRAM)
}

fn key(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:016x}")
}

fn encode(until: u64, entries: &[Entry]) -> Vec<u8> {
    let mut bytes = alloc::vec![VERSION];
    bytes.extend(until.to_le_bytes());
    for (time, hash) in entries {
        let hash = hash.as_str().as_bytes();
        bytes.extend(time.to_le_bytes());
        // An item hash has at most 64 letters.
        bytes.push(u8::try_from(hash.len()).unwrap_or(0));
        bytes.extend(hash);
    }
    bytes
}

/// Whatever of it can be read.
fn decode(bytes: &[u8]) -> (u64, Vec<Entry>) {
    let mut entries = Vec::new();
    let Some((&VERSION, rest)) = bytes.split_first() else { return (0, entries) };
    let Some((until, mut rest)) = rest.split_first_chunk() else { return (0, entries) };
    while entries.len() < SEEN_PIECE_ENTRIES
        && let Some((entry, behind)) = decode_entry(rest)
    {
        entries.push(entry);
        rest = behind;
    }
    (u64::from_le_bytes(*until), entries)
}

fn decode_entry(bytes: &[u8]) -> Option<(Entry, &[u8])> {
    let (time, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let (hash, rest) = rest.split_at_checked((*length).into())?;
    let hash = core::str::from_utf8(hash).ok()?.parse().ok()?;
    Some(((u64::from_le_bytes(*time), hash), rest))
}

impl fmt::Debug for SeenLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenLog").field("seen", &self.seen.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Memory;
    use crate::store::testing::Damaged;
    use futures_util::FutureExt;
    use proptest::prelude::*;

    fn store() -> Rc<dyn Store> {
        Rc::new(Memory::new(16 << 20))
    }

    fn hash(number: u64) -> ItemHash {
        ItemHash::of(&number.to_le_bytes())
    }

    fn open(store: &Rc<dyn Store>) -> SeenLog {
        SeenLog::open(store.clone(), &hash(0), usize::MAX).now_or_never().unwrap()
    }

    fn run(log: &mut SeenLog, number: u64, time: u64) -> bool {
        let is_new = log.is_new(&hash(number), time);
        if is_new {
            log.note(&hash(number), time).now_or_never().unwrap().unwrap();
        }
        is_new
    }

    fn keys(store: &Rc<dyn Store>) -> usize {
        store.keys("seen/").now_or_never().unwrap().unwrap().len()
    }

    #[test]
    fn what_was_noted_is_known_in_the_next_life_and_what_only_waited_is_not() {
        let store = store();
        let mut first = open(&store);
        assert!(run(&mut first, 1, 100));
        assert!(!run(&mut first, 1, 100));
        assert!(first.is_new(&hash(2), 200), "it waits in a queue");
        let mut second = open(&store);
        assert!(!run(&mut second, 1, 100));
        assert!(run(&mut second, 2, 200));
    }

    #[test]
    fn programs_know_nothing_of_each_other() {
        let store = store();
        assert!(run(&mut open(&store), 1, 100));
        let mut other = SeenLog::open(store, &hash(9), usize::MAX).now_or_never().unwrap();
        assert!(other.is_new(&hash(1), 100));
    }

    #[test]
    fn what_is_kept_stays_bounded_and_nothing_runs_twice() {
        let store = store();
        let mut log = open(&store);
        let most = MAX_SEEN_PER_PROGRAM as u64;
        for number in 0..3 * most {
            assert!(run(&mut log, number, number + 1), "{number}");
            assert!(keys(&store) <= MAX_SEEN_PIECES);
        }
        let mut next = open(&store);
        for number in 0..3 * most {
            assert!(!run(&mut next, number, number + 1), "{number}");
        }
        assert!(run(&mut next, 3 * most, 3 * most + 1));
    }

    #[test]
    fn a_small_machine_remembers_fewer_also_of_what_a_large_one_kept() {
        let store = store();
        let most = MAX_SEEN_PER_PROGRAM as u64;
        let mut large = open(&store);
        (0..most).for_each(|number| assert!(run(&mut large, number, number + 1)));
        for (heap, remembered) in [
            (0, MIN_SEEN_PER_PROGRAM),
            (MIN_SEEN_PER_PROGRAM * SEEN_PART * SEEN_BYTES, MIN_SEEN_PER_PROGRAM),
            (1000 * SEEN_PART * SEEN_BYTES, 1000),
            (usize::MAX, MAX_SEEN_PER_PROGRAM),
        ] {
            let small = SeenLog::open(store.clone(), &hash(0), heap).now_or_never().unwrap();
            let kept: usize = small.pieces.iter().map(|piece| piece.entries.len()).sum();
            assert_eq!((small.seen.len(), kept), (remembered, remembered), "{heap}");
            assert!((0..most).all(|number| small.has(&hash(number), number + 1)), "{heap}");
        }
    }

    #[test]
    fn messages_from_the_future_do_not_keep_pieces_for_ever() {
        let store = store();
        let mut log = open(&store);
        let mut all = Vec::new();
        for number in 0..(SEEN_PIECE_ENTRIES * MAX_SEEN_PIECES * 3) as u64 {
            // The first message of each piece is far ahead of its time, so that its piece is not forgotten.
            let ahead = if number % SEEN_PIECE_ENTRIES as u64 == 0 { 1 << 40 } else { 0 };
            run(&mut log, number, ahead + number + 1);
            all.push((number, ahead + number + 1));
            assert!(keys(&store) <= MAX_SEEN_PIECES + 1, "{}", keys(&store));
        }
        let next = open(&store);
        assert!(all.iter().all(|(number, time)| next.has(&hash(*number), *time)));
    }

    #[test]
    fn a_piece_that_the_disk_cannot_give_takes_no_other_with_it() {
        let store = store();
        let mut first = open(&store);
        let piece = SEEN_PIECE_ENTRIES as u64;
        (0..3 * piece).for_each(|number| assert!(run(&mut first, number, number + 1)));
        for damaged in 0..3 {
            let key = key(&first.prefix, damaged);
            let store: Rc<dyn Store> = Rc::new(Damaged { store: store.clone(), key });
            let next = open(&store);
            let known =
                (0..3 * piece).filter(|number| next.has(&hash(*number), number + 1)).count() as u64;
            assert_eq!(known, 2 * piece, "{damaged}");
        }
        // Its number is not used for another.
        let store: Rc<dyn Store> =
            Rc::new(Damaged { store: store.clone(), key: key(&first.prefix, 2) });
        let mut next = open(&store);
        assert!(run(&mut next, 9999, 9999));
        assert!(!run(&mut open(&store), 0, 1), "the first piece is still there");
    }

    proptest! {
        #[test]
        fn damaged_pieces_are_passed_over(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            valid in any::<bool>(),
            at in any::<prop::sample::Index>(),
            value in any::<u8>(),
        ) {
            let entries: Vec<Entry> = (0..4).map(|number| (number, hash(number))).collect();
            let mut bytes = if valid { encode(7, &entries) } else { bytes };
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            let store = store();
            store.put("seen/x", &bytes).now_or_never().unwrap().unwrap();
            let key = format!("seen/{}/{:016x}", hash(0), 3);
            store.put(&key, &bytes).now_or_never().unwrap().unwrap();
            let mut log = open(&store);
            run(&mut log, 99, u64::MAX);
        }

        #[test]
        fn pieces_read_back(times in prop::collection::vec(any::<u64>(), 0..SEEN_PIECE_ENTRIES), until in any::<u64>()) {
            let entries: Vec<Entry> = times.into_iter().map(|time| (time, hash(time))).collect();
            prop_assert_eq!(decode(&encode(until, &entries)), (until, entries));
        }
    }
}
