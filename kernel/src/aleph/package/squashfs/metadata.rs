//! A table of metadata: blocks of up to 8 KiB, each compressed or not, that are read as one stream.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::PackageError;
use super::compressor::Compressor;
use crate::aleph::limits::MAX_SQUASHFS_TABLE_BYTES;

/// The most that a block unpacks to.
const BLOCK_BYTES: usize = 8 << 10;
const NOT_COMPRESSED: u16 = 1 << 15;
const DAMAGED: PackageError = PackageError::Malformed("metadata of the squashfs image");

/// A place in a table: the block's offset from the table's beginning, and an offset in what it unpacks to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub block: u64,
    pub offset: usize,
}

impl Place {
    /// The upper 48 bits of 64 are the block, the lower 16 the offset.
    pub(super) fn from_inode_number(number: u64) -> Self {
        let [a, b, ..] = number.to_le_bytes();
        Self { block: number >> 16, offset: usize::from(u16::from_le_bytes([a, b])) }
    }
}

/// A table; blocks are unpacked when they are needed, and then kept.
pub(super) struct Metadata<'a> {
    image: &'a [u8],
    start: u64,
    compressor: Compressor,
    /// What each block unpacks to, and where the next one begins.
    unpacked: BTreeMap<u64, (Vec<u8>, u64)>,
}

impl<'a> Metadata<'a> {
    pub(super) fn new(image: &'a [u8], start: u64, compressor: Compressor) -> Self {
        Self { image, start, compressor, unpacked: BTreeMap::new() }
    }

    /// So many bytes from a place on, which moves behind them.
    pub(super) fn take(
        &mut self,
        place: &mut Place,
        count: usize,
    ) -> Result<Vec<u8>, PackageError> {
        let mut taken = Vec::with_capacity(count.min(BLOCK_BYTES));
        while taken.len() < count {
            let (block, next) = self.block(place.block)?;
            let rest = block.get(place.offset..).ok_or(DAMAGED)?;
            let piece = rest.get(..count - taken.len()).unwrap_or(rest);
            taken.extend_from_slice(piece);
            place.offset += piece.len();
            if place.offset == block.len() {
                *place = Place { block: next, offset: 0 };
            }
        }
        Ok(taken)
    }

    fn block(&mut self, offset: u64) -> Result<(&[u8], u64), PackageError> {
        if !self.unpacked.contains_key(&offset) {
            if (self.unpacked.len() + 1) * BLOCK_BYTES > MAX_SQUASHFS_TABLE_BYTES {
                return Err(PackageError::TooMuch);
            }
            let block = self.unpack(offset)?;
            self.unpacked.insert(offset, block);
        }
        self.unpacked.get(&offset).map(|(block, next)| (&**block, *next)).ok_or(DAMAGED)
    }

    fn unpack(&self, offset: u64) -> Result<(Vec<u8>, u64), PackageError> {
        let at = self.start.checked_add(offset).and_then(|at| usize::try_from(at).ok());
        let at = at.and_then(|at| self.image.get(at..)).ok_or(DAMAGED)?;
        let (head, data) = at.split_first_chunk().ok_or(DAMAGED)?;
        let head = u16::from_le_bytes(*head);
        let size = usize::from(head & !NOT_COMPRESSED);
        let data = data.get(..size).ok_or(DAMAGED)?;
        let block = if head & NOT_COMPRESSED != 0 {
            data.to_vec()
        } else {
            self.compressor.unpack(data, BLOCK_BYTES).ok_or(DAMAGED)?
        };
        if block.is_empty() || block.len() > BLOCK_BYTES {
            return Err(DAMAGED);
        }
        Ok((block, offset + 2 + u64::from(head & !NOT_COMPRESSED)))
    }
}
