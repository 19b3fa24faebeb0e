//! The bytes of files: their own blocks, and the fragment that their ends share with those of others.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

use super::bytes::Bytes;
use super::compressor::Compressor;
use super::inode::{File, Fragment};
use super::metadata::{Metadata, Place};
use super::{FileTree, PackageError, Superblock};

const DAMAGED: PackageError = PackageError::Malformed("data of the squashfs image");
const NOT_COMPRESSED: u32 = 1 << 24;
/// One entry of the table of fragments, and how many a block of metadata has.
const FRAGMENT_BYTES: usize = 16;
const FRAGMENTS_PER_BLOCK: u32 = 512;

pub(super) struct Blocks<'a> {
    image: &'a [u8],
    compressor: Compressor,
    block_bytes: usize,
    fragment_table: u64,
    fragment_count: u32,
    /// Fragments that were unpacked; files next to each other use the same ones.
    fragments: BTreeMap<u32, Rc<[u8]>>,
    fragments_size: usize,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(image: &'a [u8], superblock: &Superblock) -> Self {
        Self {
            image,
            compressor: superblock.compressor,
            block_bytes: superblock.block_bytes,
            fragment_table: superblock.fragment_table,
            fragment_count: superblock.fragments,
            fragments: BTreeMap::new(),
            fragments_size: 0,
        }
    }

    /// All bytes of a file.
    pub(super) fn read(&mut self, file: &File, tree: &FileTree) -> Result<Vec<u8>, PackageError> {
        if file.size > tree.room() {
            return Err(tree.no_room());
        }
        let mut bytes = Vec::with_capacity(file.size);
        let mut at = file.start;
        for packed in &file.blocks {
            let most = self.block_bytes.min(file.size - bytes.len());
            if *packed == 0 {
                // A hole.
                bytes.resize(bytes.len() + most, 0);
                continue;
            }
            let block = self.block(at, *packed, most)?;
            if block.len() != most {
                return Err(DAMAGED);
            }
            bytes.extend_from_slice(&block);
            at = at.checked_add((packed & !NOT_COMPRESSED).into()).ok_or(DAMAGED)?;
        }
        if let Some(Fragment { index, offset }) = file.fragment {
            let rest = file.size - bytes.len();
            let fragment = self.fragment(index, tree.most())?;
            let end = offset.checked_add(rest).ok_or(DAMAGED)?;
            bytes.extend_from_slice(fragment.get(offset..end).ok_or(DAMAGED)?);
        }
        Ok(bytes)
    }

    fn block(&self, at: u64, packed: u32, most: usize) -> Result<Vec<u8>, PackageError> {
        let start = usize::try_from(at).map_err(|_| DAMAGED)?;
        let size = usize::try_from(packed & !NOT_COMPRESSED).map_err(|_| DAMAGED)?;
        let data = self.image.get(start..).and_then(|data| data.get(..size)).ok_or(DAMAGED)?;
        if packed & NOT_COMPRESSED == 0 {
            return self.compressor.unpack(data, most).ok_or(DAMAGED);
        }
        if data.len() > most {
            return Err(DAMAGED);
        }
        Ok(data.to_vec())
    }

    fn fragment(&mut self, index: u32, most: usize) -> Result<Rc<[u8]>, PackageError> {
        if let Some(fragment) = self.fragments.get(&index) {
            return Ok(fragment.clone());
        }
        if index >= self.fragment_count {
            return Err(DAMAGED);
        }
        // The table's own table: where each block of metadata with 512 entries is.
        let pointer = u64::from(index / FRAGMENTS_PER_BLOCK) * 8;
        let at = self.fragment_table.checked_add(pointer).and_then(|at| usize::try_from(at).ok());
        let at = at.and_then(|at| self.image.get(at..)).ok_or(DAMAGED)?;
        let block = Bytes(at, DAMAGED).u64()?;
        let entry = usize::try_from(index % FRAGMENTS_PER_BLOCK).map_err(|_| DAMAGED)?;
        let mut place = Place { block: 0, offset: entry * FRAGMENT_BYTES };
        let entry =
            Metadata::new(self.image, block, self.compressor).take(&mut place, FRAGMENT_BYTES)?;
        let mut entry = Bytes(&entry, DAMAGED);
        let (start, size) = (entry.u64()?, entry.u32()?);
        let fragment: Rc<[u8]> = self.block(start, size, self.block_bytes)?.into();
        self.fragments_size += fragment.len();
        if self.fragments_size > most.max(self.block_bytes) {
            return Err(PackageError::TooMuch);
        }
        self.fragments.insert(index, fragment.clone());
        Ok(fragment)
    }
}
