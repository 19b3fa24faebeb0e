//! Little-endian numbers off the front of a piece of memory.

use super::PackageError;

/// What is left, and what is wrong if it is not enough.
pub(super) struct Bytes<'a>(pub &'a [u8], pub PackageError);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], PackageError> {
        let (first, rest) = self.0.split_first_chunk().ok_or_else(|| self.1.clone())?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn u16(&mut self) -> Result<u16, PackageError> {
        self.take().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, PackageError> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, PackageError> {
        self.take().map(u64::from_le_bytes)
    }
}
