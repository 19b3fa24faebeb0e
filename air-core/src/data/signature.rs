//! Signatures of the peers that produced a particle's data (air-data §6).

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{Cid, KeyPair, OrderedMap};

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
    entries: OrderedMap<Box<[u8]>, Box<[u8]>>,
}

impl SignatureStore {
    /// Keys with their signatures, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|(key, signature)| (&**key, &**signature))
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody has signed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The signature made with the key.
    #[must_use]
    pub fn get(&self, public_key: &[u8]) -> Option<&[u8]> {
        self.entries.get(public_key).map(|signature| &**signature)
    }

    /// Puts a signature in, in place of an earlier one by the same key.
    pub fn put(&mut self, entry: SignatureEntry) {
        self.entries.put(entry.public_key, entry.signature);
    }
}

/// The CIDs that a peer answers for, gathered while a run goes on (air-data §6.4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SignedCids {
    cids: Vec<Cid>,
}

impl SignedCids {
    /// Adds a CID that the peer produced; one that is in several states is added as often.
    pub fn add(&mut self, cid: Cid) {
        self.cids.push(cid);
    }

    /// Signs what was gathered, for the particle whose id is `salt`.
    #[must_use]
    pub fn sign(&self, key_pair: &KeyPair, salt: &str) -> SignatureEntry {
        key_pair.sign(&signed_message(self.cids.iter().collect(), salt))
    }
}

/// The bytes that are signed: the CIDs' texts in order, and the salt, in Borsh (air-data §6.3).
pub(super) fn signed_message(mut cids: Vec<&Cid>, salt: &str) -> Vec<u8> {
    cids.sort_unstable();
    let mut message = Vec::with_capacity(8 + salt.len() + cids.len() * 65);
    put_len(&mut message, cids.len());
    for cid in cids {
        put_len(&mut message, cid.text_len());
        cid.write_bytes(&mut message);
    }
    put_len(&mut message, salt.len());
    message.extend_from_slice(salt.as_bytes());
    message
}

fn put_len(message: &mut Vec<u8>, len: usize) {
    // Lengths are those of parts of data that fit into an archive of 2 GiB.
    message.extend_from_slice(&u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes());
}
