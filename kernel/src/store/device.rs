//! A disk, as the node sees it: numbered sectors.

use core::fmt;

use futures_util::future::LocalBoxFuture;

/// Size of a sector, which is what everything on a disk is a multiple of.
pub const SECTOR_BYTES: usize = 512;

/// A disk. Object safe: whoever uses a part of one shares an `Rc<dyn BlockDevice>`.
///
/// Several operations may be under way at once, and end in any order: who needs an order waits. A write
/// that is not followed by a [`flush`](Self::flush) may be lost at power-off, as a whole or sector by
/// sector, while a later one stays.
///
/// # Implementation
/// When the future of a write is dropped before its end, no later write may be overtaken by it.
pub trait BlockDevice {
    /// Number of sectors.
    fn sectors(&self) -> u64;

    /// Whether writes are refused.
    fn read_only(&self) -> bool;

    /// Reads as many sectors as fit `into`, from `sector` on.
    ///
    /// # Errors
    /// [`DeviceError`]; `into` may have been changed.
    fn read<'a>(
        &'a self,
        sector: u64,
        into: &'a mut [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>>;

    /// Writes sectors from `sector` on.
    ///
    /// # Errors
    /// [`DeviceError`]; any part of it may have been written.
    fn write<'a>(
        &'a self,
        sector: u64,
        bytes: &'a [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>>;

    /// Makes what was written before survive power-off.
    ///
    /// # Errors
    /// [`DeviceError`]
    fn flush(&self) -> LocalBoxFuture<'_, Result<(), DeviceError>>;
}

/// Why a disk does not do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceError {
    /// Not whole sectors, or beyond the end of the disk.
    Range,
    /// The disk can be read only.
    ReadOnly,
    /// The disk says that it failed to do it.
    Refused,
    /// The disk does not answer, or not by its protocol; it is not used any more.
    Dead,
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Range => "there are no such sectors on the disk",
            Self::ReadOnly => "the disk can be read only",
            Self::Refused => "the disk reports an error",
            Self::Dead => "the disk does not answer",
        })
    }
}

impl core::error::Error for DeviceError {}

/// The number of sectors that `bytes` are, if they are whole ones and are on a disk of `sectors`.
///
/// # Errors
/// [`DeviceError::Range`]
pub fn check_range(sectors: u64, sector: u64, bytes: usize) -> Result<u64, DeviceError> {
    if !bytes.is_multiple_of(SECTOR_BYTES) {
        return Err(DeviceError::Range);
    }
    let count = u64::try_from(bytes / SECTOR_BYTES).map_err(|_| DeviceError::Range)?;
    match sector.checked_add(count) {
        Some(end) if end <= sectors => Ok(count),
        _ => Err(DeviceError::Range),
    }
}
