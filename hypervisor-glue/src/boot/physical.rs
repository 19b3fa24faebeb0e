//! How boot parsers see physical memory.

use crate::memory::address::PhysRange;
use crate::memory::map::MemoryMap;

/// Where RAM begins that firmware leaves to others.
const FIRMWARE_END: u64 = 1 << 20;

/// Memory that a loader's structures lie in.
pub trait PhysicalMemory {
    /// The bytes from `address`: at most `length`, fewer where readable memory ends, and none
    /// where nothing is readable.
    fn bytes_up_to(&self, address: u64, length: usize) -> &[u8];

    /// Exactly `length` bytes from `address`.
    fn bytes(&self, address: u64, length: usize) -> Option<&[u8]> {
        let bytes = self.bytes_up_to(address, length);
        (bytes.len() == length).then_some(bytes)
    }
}

/// Everything below 4 GiB except address 0, as the boot page tables map it.
///
/// Not without the first page: QEMU's loader of the q35 and pc machines puts its tables there.
#[derive(Debug)]
pub struct BootMappedMemory(());

impl BootMappedMemory {
    const END: u64 = 1 << 32;
    const START: u64 = 1;

    /// Access to it.
    ///
    /// # Safety
    /// While the value lives: the boot page tables are in force, and nothing writes to the
    /// memory that the loader's structures lie in.
    #[must_use]
    pub const unsafe fn new() -> BootMappedMemory {
        BootMappedMemory(())
    }
}

impl PhysicalMemory for BootMappedMemory {
    fn bytes_up_to(&self, address: u64, length: usize) -> &[u8] {
        if !(Self::START..Self::END).contains(&address) {
            return &[];
        }
        let length = (Self::END - address).min(length as u64);
        let (Ok(address), Ok(length)) = (usize::try_from(address), usize::try_from(length)) else {
            return &[];
        };
        let start = core::ptr::with_exposed_provenance(address);
        // SAFETY: the range is within what the boot page tables map, and unchanged by the
        // promise of `new`; any byte pattern is a valid u8.
        unsafe { core::slice::from_raw_parts(start, length) }
    }
}

/// Overwrites what a loader put into memory, if it lies in RAM or below 1 MiB, where firmware keeps such
/// things, and not within `image`.
///
/// # Safety
/// The boot page tables are in force, and nothing in `range` is needed any more.
pub unsafe fn erase(range: PhysRange, map: &MemoryMap, image: PhysRange) {
    if !may_be_erased(range, map, image) {
        return;
    }
    let (Ok(start), Ok(length)) = (usize::try_from(range.start), usize::try_from(range.bytes()))
    else {
        return;
    };
    let start: *mut u8 = core::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the boot page tables map it for writing, and by the caller's promise nobody needs it.
    unsafe { start.write_bytes(0, length) };
}

/// Whether a range is where a loader may have put something, and nothing is of ours.
fn may_be_erased(range: PhysRange, map: &MemoryMap, image: PhysRange) -> bool {
    let within = |place: PhysRange| place.start <= range.start && range.end <= place.end;
    let known = within(PhysRange::new(BootMappedMemory::START, FIRMWARE_END))
        || map.usable().any(within) && range.end <= BootMappedMemory::END;
    known && !range.overlaps(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::map::{Region, RegionKind};

    #[test]
    fn only_ram_that_is_not_the_image_is_erased() {
        let usable =
            |start, end| Region { range: PhysRange::new(start, end), kind: RegionKind::Usable };
        let map =
            MemoryMap::from_raw([usable(0x10_0000, 0x100_0000), usable(0xF000_0000, 1 << 33)]);
        let image = PhysRange::new(0x20_0000, 0x30_0000);
        for (start, bytes, expected) in [
            (0, 1, false),
            (1, 10, true),
            (0x2_0000, 4096, true),
            (0x9_FFF0, 0x20, true),
            (0x1F_FF00, 0x100, true),
            (0x1F_FF00, 0x101, false),
            (0x2F_FFFF, 1, false),
            (0x30_0000, 0x1000, true),
            (0xFF_FFFF, 2, false),
            (0x200_0000, 1, false),
            (0xFFFF_FFFF, 1, true),
            (0xFFFF_FFFF, 2, false),
            (1 << 40, 1, false),
            (u64::MAX, 1, false),
        ] {
            let range = PhysRange::from_length(start, bytes);
            assert_eq!(may_be_erased(range, &map, image), expected, "{start:#x} + {bytes:#x}");
        }
    }
}

#[cfg(test)]
pub(crate) mod fake {
    //! Physical memory of a test.

    use super::PhysicalMemory;
    use std::vec::Vec;

    /// One stretch of memory at `base`.
    pub(crate) struct FakeMemory {
        pub(crate) base: u64,
        pub(crate) bytes: Vec<u8>,
    }

    impl FakeMemory {
        pub(crate) fn new(base: u64, length: usize) -> FakeMemory {
            FakeMemory { base, bytes: std::vec![0; length] }
        }

        pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) {
            let start = usize::try_from(address - self.base).unwrap();
            self.bytes[start..start + bytes.len()].copy_from_slice(bytes);
        }
    }

    impl PhysicalMemory for FakeMemory {
        fn bytes_up_to(&self, address: u64, length: usize) -> &[u8] {
            let offset = address.checked_sub(self.base).and_then(|o| usize::try_from(o).ok());
            let tail = offset.and_then(|offset| self.bytes.get(offset..)).unwrap_or_default();
            &tail[..length.min(tail.len())]
        }
    }
}
