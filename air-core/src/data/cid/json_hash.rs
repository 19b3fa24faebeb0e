//! BLAKE3 of JSON text that is never whole in memory.

use alloc::string::String;

use super::USUAL_JSON_LEN;
use crate::value::JsonSink;

/// Hashes JSON text while it is written, so that the text of a big value is never in memory at once.
pub(super) struct HashSink {
    /// What was written last; nearly always all of it.
    pending: String,
    hasher: Option<blake3::Hasher>,
}

impl HashSink {
    /// Length up to which text is gathered before it is hashed.
    const GATHERED: usize = 4096;

    pub(super) fn new() -> Self {
        Self { pending: String::with_capacity(USUAL_JSON_LEN), hasher: None }
    }

    /// The digest of all the text.
    pub(super) fn digest(self) -> [u8; 32] {
        let digest = match self.hasher {
            None => blake3::hash(self.pending.as_bytes()),
            Some(mut hasher) => hasher.update(self.pending.as_bytes()).finalize(),
        };
        *digest.as_bytes()
    }

    #[cold]
    fn put_beyond(&mut self, text: &str) {
        let hasher = self.hasher.get_or_insert_default();
        hasher.update(self.pending.as_bytes());
        self.pending.clear();
        if text.len() < Self::GATHERED {
            self.pending.push_str(text);
        } else {
            hasher.update(text.as_bytes());
        }
    }
}

impl JsonSink for HashSink {
    #[inline]
    fn put(&mut self, text: &str) {
        if self.pending.len() + text.len() <= Self::GATHERED {
            self.pending.push_str(text);
        } else {
            self.put_beyond(text);
        }
    }
}
