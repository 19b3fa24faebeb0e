//! Which program a request is for: `/vm/HASH/PATH`, or the hash in base32 as the first label of the host.

use alloc::string::String;
use alloc::vec::Vec;

use crate::aleph::cid::base32;
use crate::aleph::item_hash::{ItemHash, lower_hex};

/// What a path that names a program begins with.
const PREFIX: &str = "/vm/";
/// Letters of a 32-byte hash in base32, without padding (RFC 4648, section 6, in small letters).
const LABEL_LETTERS: usize = 52;

/// A program, and the path that is left for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route<'a> {
    /// The program.
    pub program: ItemHash,
    /// The path as it is written in the request, from `/` on.
    pub path: &'a str,
}

/// The program that a request names by its path or its `Host`; nothing if by neither.
#[must_use]
pub fn route<'a>(path: &'a str, host: Option<&str>) -> Option<Route<'a>> {
    by_path(path).or_else(|| Some(Route { program: by_host(host?)?, path }))
}

fn by_path(path: &str) -> Option<Route<'_>> {
    let rest = path.strip_prefix(PREFIX)?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (hash, path) = rest.split_at_checked(end)?;
    let path = if path.is_empty() { "/" } else { path };
    Some(Route { program: hash.parse().ok()?, path })
}

fn by_host(host: &str) -> Option<ItemHash> {
    from_host_label(host.split_once('.')?.0)
}

/// The program or instance whose [`host_label`] this is.
#[must_use]
pub fn from_host_label(label: &str) -> Option<ItemHash> {
    if label.len() != LABEL_LETTERS {
        return None;
    }
    let mut bytes = [0; 32];
    let mut bits = 0_u32;
    let mut count = 0;
    let mut out = bytes.iter_mut();
    for letter in label.bytes() {
        let value = match letter {
            b'a'..=b'z' => letter - b'a',
            b'A'..=b'Z' => letter - b'A',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            *out.next()? = u8::try_from(bits >> count & 0xff).ok()?;
            bits &= (1 << count) - 1;
        }
    }
    // What is left over of the last letter says nothing.
    let hash: String = lower_hex(&bytes);
    (bits == 0).then(|| hash.parse().ok())?
}

/// The first label of the host name of a program; CIDs have none.
#[must_use]
pub fn host_label(program: &ItemHash) -> Option<String> {
    let digits = program.as_str().as_bytes();
    let nibble =
        |digit: u8| char::from(digit).to_digit(16).and_then(|nibble| u8::try_from(nibble).ok());
    let byte = |pair: &[u8; 2]| Some(nibble(pair[0])? << 4 | nibble(pair[1])?);
    let bytes: Option<Vec<u8>> = digits.as_chunks().0.iter().map(byte).collect();
    bytes.filter(|bytes| 2 * bytes.len() == 64).map(|bytes| base32(&bytes))
}
