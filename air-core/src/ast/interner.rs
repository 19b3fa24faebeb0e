//! Interned texts: each distinct one once, numbered from zero in order of appearance.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

/// Finds a text's number by its content.
#[derive(Debug, Default)]
pub(super) struct Interner {
    texts: Vec<Arc<str>>,
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Interner {
    /// The number of `text`, a new one if it was not seen before. `None` if there are 2^32 already.
    pub(super) fn intern(&mut self, text: &str) -> Option<u32> {
        let Self { texts, numbers, hasher } = self;
        let hash = hasher.hash_one(text);
        let is_same = |&number: &u32| texts.get(number as usize).is_some_and(|t| **t == *text);
        if let Some(&number) = numbers.find(hash, is_same) {
            return Some(number);
        }
        let number = u32::try_from(texts.len()).ok()?;
        texts.push(Arc::from(text));
        numbers.insert_unique(hash, number, |&other| {
            texts.get(other as usize).map_or(0, |t| hasher.hash_one(&**t))
        });
        Some(number)
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
