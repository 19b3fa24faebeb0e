//! A partition as a disk of its own.

use alloc::rc::Rc;
use core::fmt;
use core::future::ready;

use futures_util::future::{FutureExt, LocalBoxFuture};

use super::device::check_range;
use super::{BlockDevice, DeviceError};

/// Some of the sectors of a disk.
#[derive(Clone)]
pub struct Part {
    disk: Rc<dyn BlockDevice>,
    first: u64,
    sectors: u64,
}

impl Part {
    /// `sectors` sectors of `disk` from `first` on; fewer where the disk ends before.
    #[must_use]
    pub fn new(disk: Rc<dyn BlockDevice>, first: u64, sectors: u64) -> Self {
        let sectors = sectors.min(disk.sectors().saturating_sub(first));
        Self { disk, first, sectors }
    }

    /// Where a sector is on the disk.
    fn place(&self, sector: u64, bytes: usize) -> Result<u64, DeviceError> {
        check_range(self.sectors, sector, bytes)?;
        self.first.checked_add(sector).ok_or(DeviceError::Range)
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("first", &self.first)
            .field("sectors", &self.sectors)
            .finish_non_exhaustive()
    }
}

impl BlockDevice for Part {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read_only(&self) -> bool {
        self.disk.read_only()
    }

    fn read<'a>(
        &'a self,
        sector: u64,
        into: &'a mut [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        match self.place(sector, into.len()) {
            Ok(sector) => self.disk.read(sector, into),
            Err(error) => ready(Err(error)).boxed_local(),
        }
    }

    fn write<'a>(
        &'a self,
        sector: u64,
        bytes: &'a [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        match self.place(sector, bytes.len()) {
            Ok(sector) => self.disk.write(sector, bytes),
            Err(error) => ready(Err(error)).boxed_local(),
        }
    }

    fn flush(&self) -> LocalBoxFuture<'_, Result<(), DeviceError>> {
        self.disk.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::RamDisk;

    #[test]
    fn a_part_is_all_that_is_seen_of_its_disk() {
        let disk = RamDisk::new(10);
        let part = Part::new(Rc::new(disk.clone()), 8, 5);
        assert_eq!(part.sectors(), 2, "the disk ends before");
        let part = Part::new(Rc::new(disk.clone()), 4, 3);
        part.write(1, &[7; 1024]).now_or_never().unwrap().unwrap();
        assert_eq!(disk.bytes()[5 * 512..7 * 512], [7; 1024]);
        let beyond = part.write(2, &[7; 1024]).now_or_never().unwrap();
        assert_eq!(beyond, Err(DeviceError::Range));
        let beyond = part.read(u64::MAX, &mut [0; 512]).now_or_never().unwrap();
        assert_eq!(beyond, Err(DeviceError::Range));
    }
}
