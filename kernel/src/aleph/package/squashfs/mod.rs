//! Squashfs 4.0, read-only, compressed with gzip, as `mksquashfs` writes by itself, or with zstd.
//!
//! The image is walked from its root without recursion; every directory entry counts against the bound on
//! files, so that directories which contain themselves end. Extended attributes, owners and times are of
//! no interest here and not read. Not supported: the other compressors.

mod bytes;
mod compressor;
mod data;
mod inode;
mod metadata;

use alloc::vec::Vec;

use self::bytes::Bytes;
use self::compressor::Compressor;
use self::data::Blocks;
use self::inode::{Directory, Inode, read_inode};
use self::metadata::{Metadata, Place};
use super::{FileTree, Name, PackageError, shown};
use crate::aleph::limits::{MAX_FILE_NAME_BYTES, MAX_NAME_PARTS, MAX_SQUASHFS_BLOCK_BYTES};

const MAGIC: u32 = u32::from_le_bytes(*b"hsqs");
const SUPERBLOCK_BYTES: usize = 96;
const SMALLEST_BLOCK_BYTES: u32 = 4 << 10;
/// What a directory's size counts more than its entries have.
const DIRECTORY_SIZE_EXTRA: u32 = 3;
/// Head of a run of entries.
const RUN_HEAD_BYTES: usize = 12;
/// Entry without its name.
const ENTRY_BYTES: usize = 8;
const MAX_RUN_ENTRIES: u32 = 256;

/// The part of the superblock that is needed.
struct Superblock {
    compressor: Compressor,
    block_bytes: usize,
    fragments: u32,
    root: Place,
    inode_table: u64,
    directory_table: u64,
    fragment_table: u64,
}

pub(super) fn read(image: &[u8], tree: &mut FileTree) -> Result<(), PackageError> {
    let superblock = read_superblock(image)?;
    let mut inodes = Metadata::new(image, superblock.inode_table, superblock.compressor);
    let mut listings = Metadata::new(image, superblock.directory_table, superblock.compressor);
    let mut blocks = Blocks::new(image, &superblock);
    let Inode::Directory(root) = read_inode(&mut inodes, superblock.root, superblock.block_bytes)?
    else {
        return Err(PackageError::Malformed("root of the squashfs image"));
    };
    let mut open = alloc::vec![(Vec::new(), root)];
    while let Some((path, directory)) = open.pop() {
        for (name, place) in entries(&mut listings, &directory, tree)? {
            let path = join(&path, &name)?;
            match read_inode(&mut inodes, place, superblock.block_bytes)? {
                Inode::Directory(inner) => {
                    Name::new(&path)?;
                    open.push((path, inner));
                }
                Inode::File(file) => {
                    let name = Name::new(&path)?;
                    let bytes = blocks.read(&file, tree)?;
                    tree.add(name, bytes)?;
                }
                Inode::Link => return Err(PackageError::Link(shown(&path))),
                Inode::Special => return Err(PackageError::Special(shown(&path))),
            }
        }
    }
    Ok(())
}

fn read_superblock(image: &[u8]) -> Result<Superblock, PackageError> {
    const DAMAGED: PackageError = PackageError::Malformed("superblock of the squashfs image");
    let mut bytes = Bytes(image.get(..SUPERBLOCK_BYTES).ok_or(DAMAGED)?, DAMAGED);
    if bytes.u32()? != MAGIC {
        return Err(DAMAGED);
    }
    let (_inodes, _time, block_bytes, fragments) =
        (bytes.u32()?, bytes.u32()?, bytes.u32()?, bytes.u32()?);
    let (compressor, _block_log, _flags, _ids) =
        (bytes.u16()?, bytes.u16()?, bytes.u16()?, bytes.u16()?);
    let (major, minor) = (bytes.u16()?, bytes.u16()?);
    let root = Place::from_inode_number(bytes.u64()?);
    let (_used, _id_table, _attributes) = (bytes.u64()?, bytes.u64()?, bytes.u64()?);
    let (inode_table, directory_table, fragment_table) = (bytes.u64()?, bytes.u64()?, bytes.u64()?);
    if (major, minor) != (4, 0) {
        return Err(PackageError::Unsupported("another version of squashfs than 4.0"));
    }
    let compressor = Compressor::of_number(compressor, DAMAGED)?;
    let size = usize::try_from(block_bytes).unwrap_or(usize::MAX);
    if block_bytes < SMALLEST_BLOCK_BYTES
        || size > MAX_SQUASHFS_BLOCK_BYTES
        || !block_bytes.is_power_of_two()
    {
        return Err(DAMAGED);
    }
    Ok(Superblock {
        compressor,
        block_bytes: size,
        fragments,
        root,
        inode_table,
        directory_table,
        fragment_table,
    })
}

/// The names in a directory, and where their inodes are.
fn entries(
    listings: &mut Metadata<'_>,
    directory: &Directory,
    tree: &mut FileTree,
) -> Result<Vec<(Vec<u8>, Place)>, PackageError> {
    const DAMAGED: PackageError = PackageError::Malformed("directory of the squashfs image");
    let mut rest = directory.size.saturating_sub(DIRECTORY_SIZE_EXTRA);
    let mut place = directory.place;
    let mut take = |listings: &mut Metadata<'_>, count: usize| {
        rest =
            u32::try_from(count).ok().and_then(|count| rest.checked_sub(count)).ok_or(DAMAGED)?;
        Ok((listings.take(&mut place, count)?, rest))
    };
    let mut found = Vec::new();
    let mut is_more = directory.size > DIRECTORY_SIZE_EXTRA;
    while is_more {
        let (head, _) = take(listings, RUN_HEAD_BYTES)?;
        let mut head = Bytes(&head, DAMAGED);
        let (count, block, _number) = (head.u32()?, head.u32()?, head.u32()?);
        if count >= MAX_RUN_ENTRIES {
            return Err(DAMAGED);
        }
        for _ in 0..=count {
            tree.count_entry()?;
            let (entry, _) = take(listings, ENTRY_BYTES)?;
            let mut entry = Bytes(&entry, DAMAGED);
            let (offset, _delta, _kind, length) =
                (entry.u16()?, entry.u16()?, entry.u16()?, entry.u16()?);
            let (name, rest) = take(listings, usize::from(length) + 1)?;
            found.push((name, Place { block: u64::from(block), offset: usize::from(offset) }));
            is_more = rest > 0;
        }
    }
    Ok(found)
}

/// A name in a directory; no single one may have a slash.
fn join(directory: &[u8], name: &[u8]) -> Result<Vec<u8>, PackageError> {
    let parts = directory.iter().filter(|byte| **byte == b'/').count() + 2;
    let path = if directory.is_empty() { name.to_vec() } else { [directory, b"/", name].concat() };
    if name.contains(&b'/') || path.len() > MAX_FILE_NAME_BYTES || parts > MAX_NAME_PARTS + 1 {
        return Err(PackageError::BadName(shown(&path)));
    }
    Ok(path)
}
