//! Gzip (RFC 1952): one or several members, each checked.

use alloc::vec::Vec;

use super::PackageError;
use super::deflate::{Framing, InflateError, crc32, inflate};

const MAGIC: [u8; 3] = [0x1f, 0x8b, 8];
/// Magic, flags, time, extra flags, system.
const HEAD_BYTES: usize = 10;
/// Checksum and length.
const TAIL_BYTES: usize = 8;
const HAS_HEAD_CRC: u8 = 1 << 1;
const HAS_EXTRA: u8 = 1 << 2;
const HAS_NAME: u8 = 1 << 3;
const HAS_COMMENT: u8 = 1 << 4;
const RESERVED: u8 = 0xe0;

/// Unpacks all members to at most `most` bytes together.
pub(super) fn unpack(bytes: &[u8], most: usize) -> Result<Vec<u8>, PackageError> {
    let mut out = Vec::new();
    let mut rest = bytes;
    loop {
        let head = head_length(rest).ok_or(PackageError::Malformed("head of the gzip file"))?;
        let data = rest.get(head..).unwrap_or_default();
        let (unpacked, taken) =
            inflate(data, Framing::Raw, most - out.len()).map_err(|error| match error {
                InflateError::TooLong => PackageError::TooMuch,
                InflateError::Malformed => PackageError::Malformed("gzip file"),
            })?;
        let tail = data.get(taken..).and_then(|tail| tail.split_at_checked(TAIL_BYTES));
        let (tail, behind) = tail.ok_or(PackageError::Malformed("end of the gzip file"))?;
        let length = u32::try_from(unpacked.len()).unwrap_or(u32::MAX);
        if tail != [crc32(&unpacked).to_le_bytes(), length.to_le_bytes()].concat() {
            return Err(PackageError::Checksum("gzip file"));
        }
        if out.is_empty() {
            out = unpacked;
        } else {
            out.extend_from_slice(&unpacked);
        }
        rest = behind;
        // Some writers fill up the last block.
        if rest.iter().all(|byte| *byte == 0) {
            return Ok(out);
        }
    }
}

/// Where the compressed data begin.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let flags = *bytes.get(3)?;
    if !bytes.starts_with(&MAGIC) || flags & RESERVED != 0 {
        return None;
    }
    let mut length = HEAD_BYTES;
    if flags & HAS_EXTRA != 0 {
        let size = bytes.get(length..length + 2)?;
        length += 2 + usize::from(u16::from_le_bytes(size.try_into().ok()?));
    }
    for flag in [HAS_NAME, HAS_COMMENT] {
        if flags & flag != 0 {
            length += bytes.get(length..)?.iter().position(|byte| *byte == 0)? + 1;
        }
    }
    if flags & HAS_HEAD_CRC != 0 {
        length += 2;
    }
    (length <= bytes.len()).then_some(length)
}
