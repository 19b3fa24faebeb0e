//! What a program leaves behind, as a tar file in gzip: the same files give the same bytes.
//!
//! Files are sorted by the bytes of their names, belong to nobody in particular and have no times;
//! directories are not written. The compression is that of one version of one library.

use alloc::format;
use alloc::vec::Vec;

use miniz_oxide::deflate::compress_to_vec;

use super::deflate::crc32;
use super::tar::{BLOCK, checksum};
use super::{FileTree, Name};

/// Magic, deflate, no flags, no time, no extra flags, system unknown (RFC 1952, section 2.3).
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// Between time and size, as everybody does.
const LEVEL: u8 = 6;
/// What a name may have in the head alone.
const NAME_BYTES: usize = 100;
/// What the directories before it may have.
const PREFIX_BYTES: usize = 155;

/// All files as `tar.gzip`.
#[must_use]
pub fn tar_gzip(tree: &FileTree) -> Vec<u8> {
    let mut archive = Vec::with_capacity(tree.size() + (2 * tree.len() + 2) * BLOCK);
    for (name, bytes) in tree.iter() {
        write_entry(name, bytes, &mut archive);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    let mut out = GZIP_HEAD.to_vec();
    out.extend_from_slice(&compress_to_vec(&archive, LEVEL));
    out.extend_from_slice(&crc32(&archive).to_le_bytes());
    // The length is meant modulo 2³².
    let [a, b, c, d, ..] = archive.len().to_le_bytes();
    out.extend_from_slice(&[a, b, c, d]);
    out
}

fn write_entry(name: &Name, bytes: &[u8], archive: &mut Vec<u8>) {
    let path = name.as_str();
    let (prefix, last) = split(path).unwrap_or_else(|| {
        let record = pax_path(path);
        write_block(b'x', "", "pax", &record, archive);
        // Who does not know pax finds the beginning of the name.
        ("", path.get(..path.floor_char_boundary(NAME_BYTES)).unwrap_or_default())
    });
    write_block(b'0', prefix, last, bytes, archive);
}

/// Directories and name, if both fit the head.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME_BYTES {
        return Some(("", path));
    }
    path.match_indices('/')
        .map(|(index, _)| {
            (path.get(..index).unwrap_or_default(), path.get(index + 1..).unwrap_or_default())
        })
        .find(|(prefix, name)| prefix.len() <= PREFIX_BYTES && name.len() <= NAME_BYTES)
}

/// A record that counts its own digits.
fn pax_path(path: &str) -> Vec<u8> {
    let rest = format!(" path={path}\n");
    let mut length = rest.len();
    loop {
        let record = format!("{length}{rest}");
        if record.len() == length {
            return record.into_bytes();
        }
        length = record.len();
    }
}

fn write_block(kind: u8, prefix: &str, name: &str, data: &[u8], archive: &mut Vec<u8>) {
    let mut head = [0; BLOCK];
    put(&mut head, 0, name.as_bytes());
    put(&mut head, 100, b"0000644\0");
    put(&mut head, 108, b"0000000\0");
    put(&mut head, 116, b"0000000\0");
    put(&mut head, 124, format!("{:011o}\0", data.len()).as_bytes());
    put(&mut head, 136, b"00000000000\0");
    put(&mut head, 156, &[kind]);
    put(&mut head, 257, b"ustar\x0000");
    put(&mut head, 345, prefix.as_bytes());
    let sum = checksum(&head).unwrap_or(0);
    put(&mut head, 148, format!("{sum:06o}\0 ").as_bytes());
    archive.extend_from_slice(&head);
    archive.extend_from_slice(data);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

fn put(head: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    for (to, from) in head.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}
