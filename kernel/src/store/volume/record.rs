//! A record of the log: what was put under a key, or that something was taken out.
//!
//! | offset | bytes | content, little-endian |
//! |---|---|---|
//! | 0 | 4 | `AREC` |
//! | 4 | 1 | kind: 1 put, 2 delete, 3 mount |
//! | 5 | 1 | 0 |
//! | 6 | 2 | length of the key |
//! | 8 | 4 | length of the value |
//! | 12 | 4 | session: how often the log was taken up again in this generation |
//! | 16 | 8 | sequence: its number in this generation |
//! | 24 | 8 | the number below which all records had been flushed |
//! | 32 | 16 | checksum of the value |
//! | 48 | 16 | checksum of the generation and its salt, what stands above, and the key |
//! | 64 | | key, value, zeros up to a whole sector |

use alloc::string::{String, ToString};

use crate::limits::{MAX_STORE_KEY_BYTES, MAX_STORE_VALUE_BYTES};
use crate::store::SECTOR_BYTES;

/// Bytes before the key.
pub const HEADER_BYTES: usize = 64;
/// Where the header's own checksum stands.
const CHECK_AT: usize = 48;
const MAGIC: &[u8; 4] = b"AREC";

// The header and the longest key fit the first sector.
const _: () = assert!(HEADER_BYTES + MAX_STORE_KEY_BYTES <= SECTOR_BYTES);

/// The first 16 bytes of a BLAKE3 hash.
pub type Check = [u8; 16];

/// The checksum of what `hasher` was given.
pub fn check_of(hasher: &blake3::Hasher) -> Check {
    let mut check = [0; 16];
    for (to, from) in check.iter_mut().zip(hasher.finalize().as_bytes()) {
        *to = *from;
    }
    check
}

/// The checksum of a value.
pub fn check(value: &[u8]) -> Check {
    check_of(blake3::Hasher::new().update(value))
}

/// What a record belongs to: one that was written for something else is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// No two generations have the same, on whatever volume.
    pub salt: [u8; 16],
    /// Which generation of the log it is.
    pub generation: u64,
}

/// What a record does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Gives a key a value.
    Put,
    /// Takes a key out.
    Delete,
    /// Begins a session.
    Mount,
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it does.
    pub kind: Kind,
    /// How often the log was taken up again before it.
    pub session: u32,
    /// Its number.
    pub sequence: u64,
    /// Records with lower numbers had been flushed when this one was written.
    pub flushed: u64,
    /// Length of the value.
    pub value_bytes: u32,
    /// Checksum of the value.
    pub value_check: Check,
}

/// Sectors of a record.
pub fn sectors(key: &str, value_bytes: u32) -> u64 {
    let bytes = (HEADER_BYTES + key.len()) as u64 + u64::from(value_bytes);
    bytes.div_ceil(SECTOR_BYTES as u64)
}

impl Header {
    /// The header's bytes.
    pub fn emit(&self, origin: &Origin, key: &str) -> [u8; HEADER_BYTES] {
        let kind = match self.kind {
            Kind::Put => 1,
            Kind::Delete => 2,
            Kind::Mount => 3,
        };
        let mut bytes = [0; HEADER_BYTES];
        let mut rest = &mut bytes[..];
        // Keys were checked to be short.
        let key_bytes = u16::try_from(key.len()).unwrap_or(u16::MAX);
        for part in [
            &MAGIC[..],
            &[kind, 0],
            &key_bytes.to_le_bytes(),
            &self.value_bytes.to_le_bytes(),
            &self.session.to_le_bytes(),
            &self.sequence.to_le_bytes(),
            &self.flushed.to_le_bytes(),
            &self.value_check,
        ] {
            let (to, after) = core::mem::take(&mut rest).split_at_mut(part.len());
            to.copy_from_slice(part);
            rest = after;
        }
        let check = seal(origin, &bytes, key.as_bytes());
        bytes[CHECK_AT..].copy_from_slice(&check);
        bytes
    }

    /// The header and the key of the record that begins with this sector, if one of `origin` does.
    pub fn parse(origin: &Origin, sector: &[u8; SECTOR_BYTES]) -> Option<(Self, String)> {
        let (header, rest) = sector.split_first_chunk::<HEADER_BYTES>()?;
        if !header.starts_with(MAGIC) {
            return None;
        }
        let key_bytes = usize::from(u16::from_le_bytes(at(header, 6)?));
        let key = rest.get(..key_bytes).filter(|key| key.len() <= MAX_STORE_KEY_BYTES)?;
        if at(header, CHECK_AT)? != seal(origin, header, key) {
            return None;
        }
        let kind = match header[4] {
            1 => Kind::Put,
            2 => Kind::Delete,
            3 => Kind::Mount,
            _ => return None,
        };
        let value_bytes = u32::from_le_bytes(at(header, 8)?);
        let fits = usize::try_from(value_bytes).is_ok_and(|bytes| bytes <= MAX_STORE_VALUE_BYTES);
        // Only a mount has no key, and only a put has a value.
        if !fits
            || (kind == Kind::Mount) != key.is_empty()
            || (kind != Kind::Put && value_bytes != 0)
        {
            return None;
        }
        let key = core::str::from_utf8(key).ok()?.to_string();
        let header = Self {
            kind,
            session: u32::from_le_bytes(at(header, 12)?),
            sequence: u64::from_le_bytes(at(header, 16)?),
            flushed: u64::from_le_bytes(at(header, 24)?),
            value_bytes,
            value_check: at(header, 32)?,
        };
        Some((header, key))
    }
}

fn seal(origin: &Origin, header: &[u8; HEADER_BYTES], key: &[u8]) -> Check {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&origin.salt).update(&origin.generation.to_le_bytes());
    hasher.update(header.get(..CHECK_AT).unwrap_or_default()).update(key);
    check_of(&hasher)
}

/// So many bytes at an offset.
pub fn at<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk::<N>().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    const ORIGIN: Origin = Origin { salt: [7; 16], generation: 3 };

    fn sector(header: &Header, key: &str) -> [u8; SECTOR_BYTES] {
        let mut sector = [0xee; SECTOR_BYTES];
        sector[..HEADER_BYTES].copy_from_slice(&header.emit(&ORIGIN, key));
        sector[HEADER_BYTES..HEADER_BYTES + key.len()].copy_from_slice(key.as_bytes());
        sector
    }

    fn header() -> Header {
        Header {
            kind: Kind::Put,
            session: 5,
            sequence: 1 << 40,
            flushed: 77,
            value_bytes: 1000,
            value_check: check(b"value"),
        }
    }

    #[test]
    fn keys_and_values_are_taken_up_to_their_bounds() {
        for (length, taken) in
            [(0, false), (1, true), (MAX_STORE_KEY_BYTES, true), (MAX_STORE_KEY_BYTES + 1, false)]
        {
            let key = "k".repeat(length);
            assert_eq!(
                Header::parse(&ORIGIN, &sector(&header(), &key)).is_some(),
                taken,
                "{length}"
            );
        }
        let largest = u32::try_from(MAX_STORE_VALUE_BYTES).unwrap();
        for (value_bytes, taken) in [(largest, true), (largest + 1, false)] {
            let header = Header { value_bytes, ..header() };
            assert_eq!(Header::parse(&ORIGIN, &sector(&header, "k")).is_some(), taken);
        }
    }

    #[test]
    fn a_record_of_another_generation_is_none() {
        let sector = sector(&header(), "key");
        for other in [Origin { generation: 4, ..ORIGIN }, Origin { salt: [8; 16], ..ORIGIN }] {
            assert_eq!(Header::parse(&other, &sector), None);
        }
    }

    #[test]
    fn a_mount_has_no_key_and_a_delete_no_value() {
        let parse = |kind, key: &str, value_bytes| {
            let header = Header { kind, value_bytes, ..header() };
            Header::parse(&ORIGIN, &sector(&header, key)).is_some()
        };
        assert!(parse(Kind::Mount, "", 0) && parse(Kind::Delete, "k", 0));
        assert!(!parse(Kind::Mount, "k", 0) && !parse(Kind::Delete, "k", 1));
        assert!(!parse(Kind::Mount, "", 1) && !parse(Kind::Delete, "", 0));
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed(
            kind in prop::sample::select(&[Kind::Put, Kind::Delete][..]),
            session: u32, sequence: u64, flushed: u64, value_check: Check,
            value_bytes in 0_u32..1000, key in "[a-zé]{1,80}",
        ) {
            let value_bytes = if kind == Kind::Put { value_bytes } else { 0 };
            let header = Header { kind, session, sequence, flushed, value_bytes, value_check };
            let parsed = Header::parse(&ORIGIN, &sector(&header, &key));
            prop_assert_eq!(parsed, Some((header, key)));
        }

        #[test]
        fn a_changed_bit_of_header_or_key_is_noticed(at in 0_usize..(HEADER_BYTES + 3) * 8) {
            let mut sector = sector(&header(), "key");
            sector[at / 8] ^= 1 << (at % 8);
            prop_assert_eq!(Header::parse(&ORIGIN, &sector), None, "{}", format!("bit {at}"));
        }

        #[test]
        fn any_sector_is_a_record_or_none(bytes in prop::collection::vec(any::<u8>(), SECTOR_BYTES)) {
            let mut sector: [u8; SECTOR_BYTES] = bytes.try_into().unwrap();
            let _ = Header::parse(&ORIGIN, &sector);
            sector[..4].copy_from_slice(MAGIC);
            prop_assert_eq!(Header::parse(&ORIGIN, &sector), None);
        }
    }
}
