//! The IPFS name of a file: UnixFS in DAG-PB, in chunks of 256 KiB, as IPFS nodes make it by themselves.
//!
//! A file is cut into chunks; up to 174 of them get a node above them, up to 174 of those another one, until
//! there is one root (the balanced layout). The name is the SHA-256 of the root. Version 0 of the names has
//! its chunks in nodes of their own; version 1 mostly has them bare. Who cuts otherwise gets other names, so
//! a name that differs says nothing about the file.

use alloc::string::String;
use alloc::vec::Vec;

use sha2::{Digest, Sha256};

const CHUNK_BYTES: usize = 256 << 10;
const MAX_LINKS: usize = 174;
/// SHA-256, 32 bytes (multihash).
const SHA_256: [u8; 2] = [0x12, 32];
/// Version 1, DAG-PB.
const DAG_PB: [u8; 2] = [1, 0x70];
/// Version 1, raw.
const RAW: [u8; 2] = [1, 0x55];
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// How chunks and names are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `Qm…`
    Version0,
    /// `bafy…`, chunks bare.
    Version1RawLeaves,
    /// `bafy…`, chunks in nodes.
    Version1,
}

/// A node of the file's tree, as those above it see it.
struct Node {
    /// As it stands in a link.
    cid: Vec<u8>,
    /// Bytes of the file below it.
    file_size: u64,
    /// Bytes of all nodes from it on.
    tree_size: u64,
}

/// The name of a file. A file of one bare chunk has a name of another kind, which is none of the network's.
pub(super) fn name(bytes: &[u8], form: Form) -> Option<String> {
    if form == Form::Version1RawLeaves && bytes.len() <= CHUNK_BYTES {
        return None;
    }
    let mut level: Vec<Node> = match bytes {
        [] => alloc::vec![leaf(&[], form)],
        bytes => bytes.chunks(CHUNK_BYTES).map(|chunk| leaf(chunk, form)).collect(),
    };
    while level.len() > 1 {
        level = level.chunks(MAX_LINKS).map(|children| parent(children, form)).collect();
    }
    let root = level.pop()?.cid;
    Some(match form {
        Form::Version0 => bs58::encode(root).into_string(),
        _ => alloc::format!("b{}", base32(&root)),
    })
}

fn leaf(chunk: &[u8], form: Form) -> Node {
    let file_size = length(chunk);
    if form == Form::Version1RawLeaves {
        return Node { cid: cid(&RAW, chunk), file_size, tree_size: file_size };
    }
    let mut file = Vec::with_capacity(chunk.len() + 16);
    number(&mut file, 1, 2);
    if !chunk.is_empty() {
        field(&mut file, 2, chunk);
    }
    number(&mut file, 3, file_size);
    node(&[], &file, file_size, 0, form)
}

fn parent(children: &[Node], form: Form) -> Node {
    let (mut links, mut file) = (Vec::new(), Vec::new());
    let file_size = children.iter().map(|child| child.file_size).sum();
    number(&mut file, 1, 2);
    number(&mut file, 3, file_size);
    for child in children {
        let mut link = Vec::new();
        field(&mut link, 1, &child.cid);
        field(&mut link, 2, b"");
        number(&mut link, 3, child.tree_size);
        field(&mut links, 2, &link);
        number(&mut file, 4, child.file_size);
    }
    let below = children.iter().map(|child| child.tree_size).sum();
    node(&links, &file, file_size, below, form)
}

/// A node of DAG-PB: its links first, then its data.
fn node(links: &[u8], file: &[u8], file_size: u64, below: u64, form: Form) -> Node {
    let mut bytes = links.to_vec();
    field(&mut bytes, 1, file);
    let prefix: &[u8] = if form == Form::Version0 { &[] } else { &DAG_PB };
    Node { cid: cid(prefix, &bytes), file_size, tree_size: below + length(&bytes) }
}

fn cid(prefix: &[u8], bytes: &[u8]) -> Vec<u8> {
    [prefix, &SHA_256, &Sha256::digest(bytes)].concat()
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A field of protobuf that is a number.
fn number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    varint(out, value);
}

/// A field of protobuf that is bytes.
fn field(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    varint(out, length(bytes));
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while let [low, ..] = value.to_le_bytes()
        && value >= 0x80
    {
        out.push(low | 0x80);
        value >>= 7;
    }
    out.push(value.to_le_bytes()[0]);
}

/// Base32 in small letters without padding (RFC 4648, section 6).
pub(super) fn base32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut bits, mut count) = (0_usize, 0);
    for byte in bytes {
        bits = (bits & 31) << 8 | usize::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            out.push(char::from(BASE32[bits >> count & 31]));
        }
    }
    if count > 0 {
        out.push(char::from(BASE32[bits << (5 - count) & 31]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aleph::item_hash::{ItemHash, Names};
    use Form::{Version0, Version1, Version1RawLeaves};

    /// Bytes without structure.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        (0..length).map(|_| byte()).collect()
    }

    // The names were made by `ipfs-unixfs-importer`.
    const EMPTY: &str = "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH";
    const TEXT: &str = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o";

    #[test]
    fn small_files_have_the_names_that_ipfs_gives_them() {
        assert_eq!(name(b"", Version0).as_deref(), Some(EMPTY));
        assert_eq!(name(b"hello world\n", Version0).as_deref(), Some(TEXT));
        assert_eq!(
            name(b"hello world\n", Version1).as_deref(),
            Some("bafybeicg2rebjoofv4kbyovkw7af3rpiitvnl6i7ckcywaq6xjcxnc2mby")
        );
        assert_eq!(name(b"hello world\n", Version1RawLeaves), None);
    }

    #[test]
    fn files_of_several_chunks_have_the_names_that_ipfs_gives_them() {
        for (length, names) in [
            (
                CHUNK_BYTES,
                [
                    Some("QmYH5u9QHv3vJAuYtVEVjdoKTqwxDse32uG6QZHjrUBTxH"),
                    None,
                    Some("bafybeietvmdwbylyf57n2z5its676ut75b225rarbegameiq2xqe23a4ry"),
                ],
            ),
            (
                CHUNK_BYTES + 1,
                [
                    Some("QmXk293KuVQQYgGpKe91CzW2hykJGFjmhjV4ZUDrXiRTFc"),
                    Some("bafybeidmf7miq54symki3qff7ohjgfhn23ysap4nt7fcolcjetgkyvqoaa"),
                    Some("bafybeignhteweakfhzuehw6ktmbrpbwxkarrtucr7fcdchienkv3zxsun4"),
                ],
            ),
            (
                MAX_LINKS * CHUNK_BYTES + 1,
                [
                    Some("QmWrwe6nrE5JShDNfK29Hfh8yzmsTbZcwMrjFXTpDD92h2"),
                    Some("bafybeiak6ul52u63lryr7aaih6sa7n6wbxwdhwgwngisfkspjlt2orzvk4"),
                    Some("bafybeigw2xa4ng4iqjk4cnxwdo7qo7htkji2rhhizgm3wbq4uhu4ebwvtm"),
                ],
            ),
        ] {
            let bytes = noise(length);
            for (form, wanted) in [Version0, Version1RawLeaves, Version1].into_iter().zip(names) {
                assert_eq!(name(&bytes, form).as_deref(), wanted, "{length} {form:?}");
            }
        }
    }

    #[test]
    fn a_hash_says_whether_it_names_a_file() {
        let names = |hash: &str, bytes: &[u8]| hash.parse::<ItemHash>().unwrap().names(bytes);
        assert_eq!(names(TEXT, b"hello world\n"), Names::This);
        assert_eq!(names(TEXT, b"hello"), Names::Unknown);
        let v1 = "bafybeicg2rebjoofv4kbyovkw7af3rpiitvnl6i7ckcywaq6xjcxnc2mby";
        assert_eq!(names(v1, b"hello world\n"), Names::This);
        assert_eq!(names(v1, b""), Names::Unknown);
        let stored = ItemHash::of(b"file");
        assert_eq!(stored.names(b"file"), Names::This);
        assert_eq!(stored.names(b"other"), Names::Another);
    }
}
