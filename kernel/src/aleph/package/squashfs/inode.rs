//! Inodes: what an entry is, and where its parts are.

use alloc::vec::Vec;

use super::PackageError;
use super::bytes::Bytes;
use super::metadata::{Metadata, Place};
use crate::aleph::limits::MAX_UNPACKED_BYTES;

const DAMAGED: PackageError = PackageError::Malformed("inode of the squashfs image");
/// Kind, mode, owner, group, time and number.
const HEAD_BYTES: usize = 16;
/// No fragment.
const NONE: u32 = u32::MAX;

/// What an entry is.
pub(super) enum Inode {
    Directory(Directory),
    File(File),
    Link,
    Special,
}

/// Where a directory's listing is.
pub(super) struct Directory {
    pub place: Place,
    pub size: u32,
}

/// Where a file's bytes are.
pub(super) struct File {
    pub size: usize,
    /// Where its blocks begin in the image, one after the other.
    pub start: u64,
    /// The packed size of each block, with a bit for "not compressed".
    pub blocks: Vec<u32>,
    pub fragment: Option<Fragment>,
}

/// The end of a file, which shares a block with those of others.
pub(super) struct Fragment {
    pub index: u32,
    pub offset: usize,
}

pub(super) fn read_inode(
    table: &mut Metadata<'_>,
    mut place: Place,
    block_bytes: usize,
) -> Result<Inode, PackageError> {
    let head = table.take(&mut place, HEAD_BYTES)?;
    let kind = Bytes(&head, DAMAGED).u16()?;
    let mut body = |count| table.take(&mut place, count);
    match kind {
        1 => {
            let body = body(16)?;
            let mut body = Bytes(&body, DAMAGED);
            let (block, _links) = (body.u32()?, body.u32()?);
            let (size, offset) = (body.u16()?, body.u16()?);
            Ok(Inode::Directory(Directory {
                place: Place { block: block.into(), offset: offset.into() },
                size: size.into(),
            }))
        }
        8 => {
            let body = body(24)?;
            let mut body = Bytes(&body, DAMAGED);
            let (_links, size, block, _parent) =
                (body.u32()?, body.u32()?, body.u32()?, body.u32()?);
            let (_indices, offset) = (body.u16()?, body.u16()?);
            Ok(Inode::Directory(Directory {
                place: Place { block: block.into(), offset: offset.into() },
                size,
            }))
        }
        2 => {
            let body = body(16)?;
            let mut body = Bytes(&body, DAMAGED);
            let (start, fragment, offset, size) =
                (body.u32()?, body.u32()?, body.u32()?, body.u32()?);
            let tail = (fragment, offset);
            file(table, &mut place, (start.into(), size.into()), tail, block_bytes)
        }
        9 => {
            let body = body(40)?;
            let mut body = Bytes(&body, DAMAGED);
            let (start, size, _sparse, _links) =
                (body.u64()?, body.u64()?, body.u64()?, body.u32()?);
            let tail = (body.u32()?, body.u32()?);
            file(table, &mut place, (start, size), tail, block_bytes)
        }
        3 | 10 => Ok(Inode::Link),
        4..=7 | 11..=14 => Ok(Inode::Special),
        _ => Err(DAMAGED),
    }
}

fn file(
    table: &mut Metadata<'_>,
    place: &mut Place,
    (start, size): (u64, u64),
    (fragment, offset): (u32, u32),
    block_bytes: usize,
) -> Result<Inode, PackageError> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if size > MAX_UNPACKED_BYTES {
        return Err(PackageError::TooMuch);
    }
    let fragment = match fragment {
        NONE => None,
        index => Some(Fragment { index, offset: usize::try_from(offset).map_err(|_| DAMAGED)? }),
    };
    let count = if fragment.is_some() { size / block_bytes } else { size.div_ceil(block_bytes) };
    let sizes = table.take(place, 4 * count)?;
    let blocks = sizes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    Ok(Inode::File(File { size, start, blocks, fragment }))
}
