//! Interned texts: each distinct one once, numbered from zero in order of appearance.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Finds a text's number by its content.
#[derive(Debug)]
pub(super) struct Interner {
    texts: Vec<Arc<str>>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// Bytes of the texts.
    bytes: usize,
    /// The numbers of texts seen lately, by a cheap mark: most texts are used again soon.
    recent: [u32; RECENT],
}

const RECENT: usize = 64;

/// What a text takes beside its bytes: two counts and a fat pointer, a slot of the table, its state.
const MEMORY_PER_TEXT: usize = 80;

impl Default for Interner {
    fn default() -> Self {
        Self {
            texts: Vec::new(),
            numbers: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            bytes: 0,
            recent: [u32::MAX; RECENT],
        }
    }
}

/// A place among the recent texts, by length and last bytes.
#[inline]
fn mark(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (before, last) = match bytes {
        [.., before, last] => (*before, *last),
        [last] => (0, *last),
        [] => (0, 0),
    };
    (usize::from(last) + 7 * usize::from(before) + 29 * bytes.len()) % RECENT
}

impl Interner {
    /// The number of `text`, a new one if it was not seen before. `None` if there are 2^32 already.
    pub(super) fn intern(&mut self, text: &str) -> Option<u32> {
        let Self { texts, numbers, hasher, bytes, recent } = self;
        let recent = &mut recent[mark(text)];
        if texts.get(*recent as usize).is_some_and(|t| **t == *text) {
            return Some(*recent);
        }
        let hash = hasher.hash_one(text);
        let is_same = |&number: &u32| texts.get(number as usize).is_some_and(|t| **t == *text);
        if let Some(&number) = numbers.find(hash, is_same) {
            *recent = number;
            return Some(number);
        }
        let number = u32::try_from(texts.len()).ok()?;
        texts.push(Arc::from(text));
        *bytes = bytes.saturating_add(text.len());
        *recent = number;
        numbers.insert_unique(hash, number, |&other| {
            texts.get(other as usize).map_or(0, |t| hasher.hash_one(&**t))
        });
        Some(number)
    }

    /// About how much memory the texts take, with their numbers and what a parser notes of each.
    pub(super) fn memory(&self) -> usize {
        self.texts.len().saturating_mul(MEMORY_PER_TEXT).saturating_add(self.bytes)
    }

    /// The texts by number so far.
    pub(super) fn texts(&self) -> &[Arc<str>] {
        &self.texts
    }

    /// The texts by number.
    pub(super) fn into_texts(self) -> Vec<Arc<str>> {
        self.texts
    }
}
