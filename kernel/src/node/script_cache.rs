//! Parsed scripts, so that each distinct one is parsed once.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use air_core::Script;
use sha2::{Digest, Sha256};

use crate::limits::MAX_CACHED_SCRIPTS;

/// Scripts by the hash of their text. The one that was not used for the longest time leaves first.
#[derive(Debug)]
pub struct ScriptCache {
    max_bytes: usize,
    entries: BTreeMap<[u8; 32], Entry>,
    bytes: usize,
    uses: u64,
    hits: u64,
    misses: u64,
}

#[derive(Debug)]
struct Entry {
    script: Arc<Script>,
    last_use: u64,
}

impl ScriptCache {
    /// An empty cache whose scripts take `max_bytes` of memory together.
    #[must_use]
    pub const fn new(max_bytes: usize) -> Self {
        Self { max_bytes, entries: BTreeMap::new(), bytes: 0, uses: 0, hits: 0, misses: 0 }
    }

    /// The script of this text: the one that is kept, or else the one that `parse` makes, which is
    /// kept from then on. What does not parse is not kept.
    ///
    /// # Errors
    /// Those of `parse`.
    pub fn get_or_parse<E>(
        &mut self,
        text: &str,
        parse: impl FnOnce(&str) -> Result<Script, E>,
    ) -> Result<Arc<Script>, E> {
        let hash: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        self.uses = self.uses.saturating_add(1);
        if let Some(entry) = self.entries.get_mut(&hash) {
            entry.last_use = self.uses;
            self.hits = self.hits.saturating_add(1);
            return Ok(entry.script.clone());
        }
        self.misses = self.misses.saturating_add(1);
        let script = Arc::new(parse(text)?);
        let memory = script.memory();
        if memory <= self.max_bytes {
            self.make_room(memory);
            self.bytes = self.bytes.saturating_add(memory);
            let entry = Entry { script: script.clone(), last_use: self.uses };
            self.entries.insert(hash, entry);
        }
        Ok(script)
    }

    fn make_room(&mut self, bytes: usize) {
        while self.entries.len() >= MAX_CACHED_SCRIPTS
            || self.bytes.saturating_add(bytes) > self.max_bytes
        {
            let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.last_use);
            let Some(hash) = oldest.map(|(hash, _)| *hash) else { return };
            if let Some(entry) = self.entries.remove(&hash) {
                self.bytes = self.bytes.saturating_sub(entry.script.memory());
            }
        }
    }

    /// Number of scripts that are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no script is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How often a script was there already.
    #[must_use]
    pub const fn hits(&self) -> u64 {
        self.hits
    }

    /// How often one had to be parsed.
    #[must_use]
    pub const fn misses(&self) -> u64 {
        self.misses
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::MAX_CACHED_SCRIPT_BYTES;
    use air_core::parser::ParseError;
    use alloc::format;
    use alloc::string::String;

    fn get(cache: &mut ScriptCache, text: &str) -> Result<Arc<Script>, ParseError> {
        cache.get_or_parse(text, Script::parse)
    }

    fn script(number: usize) -> String {
        format!("(ap {number} x)")
    }

    #[test]
    fn a_script_is_parsed_once() {
        let mut cache = ScriptCache::new(MAX_CACHED_SCRIPT_BYTES);
        let first = get(&mut cache, "(null)").unwrap();
        let second = cache.get_or_parse("(null)", |_| Err("parsed twice")).unwrap();
        assert!(Arc::ptr_eq(&first, &second));
        assert_eq!((cache.hits(), cache.misses(), cache.len()), (1, 1, 1));
    }

    #[test]
    fn what_does_not_parse_is_not_kept() {
        let mut cache = ScriptCache::new(MAX_CACHED_SCRIPT_BYTES);
        assert!(get(&mut cache, "(seq").is_err());
        assert!(cache.is_empty());
    }

    #[test]
    fn the_least_recently_used_script_leaves_first() {
        let mut cache = ScriptCache::new(MAX_CACHED_SCRIPT_BYTES);
        for number in 0..MAX_CACHED_SCRIPTS {
            get(&mut cache, &script(number)).unwrap();
        }
        get(&mut cache, &script(0)).unwrap();
        assert_eq!(cache.len(), MAX_CACHED_SCRIPTS);
        get(&mut cache, "(null)").unwrap();
        assert_eq!(cache.len(), MAX_CACHED_SCRIPTS);
        let misses = cache.misses();
        get(&mut cache, &script(0)).unwrap();
        assert_eq!(cache.misses(), misses, "0 was used lately");
        get(&mut cache, &script(1)).unwrap();
        assert_eq!(cache.misses(), misses + 1, "1 was the oldest");
    }

    #[test]
    fn the_scripts_together_stay_under_their_bound() {
        const MAX_BYTES: usize = 300_000;
        let mut cache = ScriptCache::new(MAX_BYTES);
        let third = MAX_BYTES / 3;
        for number in 0..5 {
            let text = format!("{}{}", script(number), " ".repeat(third));
            get(&mut cache, &text).unwrap();
            assert!(cache.bytes <= MAX_BYTES);
        }
        assert_eq!(cache.len(), 2);
        let huge = format!("(null){}", " ".repeat(MAX_BYTES));
        get(&mut cache, &huge).unwrap();
        assert_eq!(cache.len(), 2, "too large to be kept");
        let many = format!("(call \"p\" (\"s\" \"f\") [{}])", "1 ".repeat(MAX_BYTES / 10));
        get(&mut cache, &many).unwrap();
        assert_eq!(cache.len(), 2, "its tree is too large to be kept");
    }
}
