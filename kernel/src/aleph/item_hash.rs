//! Item hashes: the names of messages and files on the network.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};

use super::cid::{self, Form};

/// Digits of a SHA-256 in hexadecimal.
const STORAGE_DIGITS: usize = 64;
/// Lengths of a CID of version 0.
const CID_V0_LENGTHS: core::ops::RangeInclusive<usize> = 44..=46;
/// Length of a CID of version 1 that begins with `bafy`.
const CID_V1_LENGTH: usize = 59;

/// Where the item that a hash names is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The network's own storage, and every inline message: SHA-256 in lower-case hexadecimal.
    Storage,
    /// IPFS: a CID of version 0 (`Qm…`) or 1 (`bafy…`).
    Ipfs,
}

/// The name of a message or a file: 64 lower-case hexadecimal digits, or a CID.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemHash(Arc<str>);

/// Whether a hash is the name of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// It is.
    This,
    /// It is that of others.
    Another,
    /// It is not the one that IPFS nodes give by themselves, but who adds a file may choose how it is cut.
    Unknown,
}

/// The text is none of the forms of an item hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotItemHash;

impl fmt::Display for NotItemHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item hash is 64 lower-case hexadecimal digits, or a CID `Qm…` or `bafy…`")
    }
}

impl core::error::Error for NotItemHash {}

impl ItemHash {
    /// The name of an inline content or a stored file: its SHA-256.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(lower_hex(&Sha256::digest(bytes)).into())
    }

    /// Where the item is kept.
    #[must_use]
    pub fn kind(&self) -> Kind {
        if self.0.len() == STORAGE_DIGITS { Kind::Storage } else { Kind::Ipfs }
    }

    /// Whether this is the name of a file of these bytes.
    #[must_use]
    pub fn names(&self, bytes: &[u8]) -> Names {
        let forms: &[Form] = match self.kind() {
            Kind::Storage if Self::of(bytes) == *self => return Names::This,
            Kind::Storage => return Names::Another,
            Kind::Ipfs if self.0.starts_with("Qm") => &[Form::Version0],
            Kind::Ipfs => &[Form::Version1RawLeaves, Form::Version1],
        };
        let is_this = |form: &Form| cid::name(bytes, *form).is_some_and(|name| *name == *self.0);
        if forms.iter().any(is_this) { Names::This } else { Names::Unknown }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ItemHash {
    type Err = NotItemHash;

    fn from_str(text: &str) -> Result<Self, NotItemHash> {
        let is_cid_v0 = CID_V0_LENGTHS.contains(&text.len())
            && text.strip_prefix("Qm").is_some_and(|rest| rest.bytes().all(is_base58));
        let is_cid_v1 = text.len() == CID_V1_LENGTH
            && text.strip_prefix("bafy").is_some_and(|rest| rest.bytes().all(is_base32));
        let is_sha256 = text.len() == STORAGE_DIGITS && text.bytes().all(is_lower_hex);
        if is_cid_v0 || is_cid_v1 || is_sha256 { Ok(Self(text.into())) } else { Err(NotItemHash) }
    }
}

impl fmt::Display for ItemHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ItemHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn lower_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Whether this is one of the digits that hashes are written with.
pub(super) fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_base58(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() && !matches!(byte, b'0' | b'O' | b'I' | b'l')
}

fn is_base32(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'2'..=b'7')
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use proptest::prelude::*;

    #[test]
    fn the_three_forms_are_told_apart() {
        let kind = |text: &str| text.parse::<ItemHash>().map(|hash| hash.kind());
        assert_eq!(kind(&"0a".repeat(32)), Ok(Kind::Storage));
        assert_eq!(kind("QmQvQnZg9rB2fhmuminFSYgtGGzEhfbiTMobppUXVfGBmD"), Ok(Kind::Ipfs));
        assert_eq!(kind(&["bafy", &"a7".repeat(27), "z"].concat()), Ok(Kind::Ipfs));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            &"0A".repeat(32),
            &"0a".repeat(31),
            &"zz".repeat(32),
            "Qm0vQnZg9rB2fhmuminFSYgtGGzEhfbiTMobppUXVfGBmD",
            &["bafy", &"a8".repeat(27), "z"].concat(),
            &["bafy", &"a7".repeat(27)].concat(),
            &["Qm", &"é".repeat(22)].concat(),
        ] {
            assert_eq!(text.parse::<ItemHash>(), Err(NotItemHash), "{text}");
        }
    }

    #[test]
    fn the_hash_of_nothing_is_that_of_sha_256() {
        let hash = ItemHash::of(b"");
        assert!(hash.to_string().starts_with("e3b0c44298fc1c149afbf4c8996fb924"));
        assert_eq!(hash.as_str().parse(), Ok(hash.clone()));
    }

    proptest! {
        #[test]
        fn what_is_accepted_reads_back(text in "(Qm|bafy)?[0-9a-zA-Z]{40,64}") {
            if let Ok(hash) = text.parse::<ItemHash>() {
                prop_assert_eq!(hash.as_str(), text);
            }
        }
    }
}
