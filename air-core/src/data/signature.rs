//! Signatures of the peers that produced a particle's data (air-data §6).

use alloc::boxed::Box;
use alloc::vec::Vec;

/// One peer's public key and its signature, as they lie in the data: each begins with the byte of its
/// format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureEntry {
    /// Format byte and key.
    pub public_key: Box<[u8]>,
    /// Format byte and signature.
    pub signature: Box<[u8]>,
}

/// The signatures of a particle's data: one for each key, in the order of first arrival.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignatureStore {
    entries: Vec<SignatureEntry>,
}

impl SignatureStore {
    /// The entries in order.
    #[must_use]
    pub fn entries(&self) -> &[SignatureEntry] {
        &self.entries
    }

    /// Puts a signature in, in place of an earlier one by the same key.
    pub fn put(&mut self, entry: SignatureEntry) {
        match self.entries.iter_mut().find(|known| known.public_key == entry.public_key) {
            Some(known) => known.signature = entry.signature,
            None => self.entries.push(entry),
        }
    }
}
