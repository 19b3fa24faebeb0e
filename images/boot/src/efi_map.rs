//! EFI's memory map as the memory map of `boot_params`.
//!
//! Specification: UEFI 2.10, section 7.2.3 (`EFI_MEMORY_DESCRIPTOR`). After `ExitBootServices` the
//! memory of loader and boot services is free RAM. That of runtime services stays reserved,
//! although nothing here calls them. Neighbours of one kind are merged: firmware lists hundreds of
//! pieces, the kernel takes 128. What still does not fit is left out, the least useful first:
//! memory that is not listed is not used.

use crate::boot_params::{ACPI_STORAGE, ACPI_TABLES, Entry, RESERVED, USABLE};
use crate::limits::MEMORY_MAP_ENTRIES;
use crate::{Range, u32_at, u64_at};

const PAGE_BYTES: u64 = 4096;
/// Bytes that every descriptor has; firmware says how far apart they are.
const DESCRIPTOR_BYTES: usize = 40;

const LOADER_CODE: u32 = 1;
const CONVENTIONAL: u32 = 7;
const RUNTIME_CODE: u32 = 5;
const RUNTIME_DATA: u32 = 6;
const ACPI_RECLAIM: u32 = 9;
const ACPI_NVS: u32 = 10;

/// One descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Descriptor {
    kind: u32,
    range: Range,
}

/// What firmware wrote.
#[derive(Clone, Copy, Debug)]
pub struct EfiMap<'a> {
    bytes: &'a [u8],
    stride: usize,
}

impl<'a> EfiMap<'a> {
    /// The map in `bytes`, whose descriptors begin `stride` bytes apart. A stride that cannot be
    /// gives an empty map.
    #[must_use]
    pub fn new(bytes: &'a [u8], stride: usize) -> EfiMap<'a> {
        if stride < DESCRIPTOR_BYTES {
            return EfiMap { bytes: &[], stride: DESCRIPTOR_BYTES };
        }
        EfiMap { bytes, stride }
    }

    fn descriptors(self) -> impl Iterator<Item = Descriptor> + Clone + use<'a> {
        self.bytes.chunks(self.stride).filter_map(|descriptor| {
            let pages = u64_at(descriptor, 24)?;
            Some(Descriptor {
                kind: u32_at(descriptor, 0)?,
                range: Range::new(u64_at(descriptor, 8)?, pages.saturating_mul(PAGE_BYTES)),
            })
        })
    }

    /// Whether all of `range` may be overwritten once the firmware has let go: RAM of the loader,
    /// of boot services, or of runtime services, which nobody calls then. Firmware that is itself
    /// loaded to 1 MiB calls its own place runtime services.
    #[must_use]
    pub fn may_overwrite(self, range: Range) -> bool {
        let ours = |kind| matches!(kind, LOADER_CODE..=RUNTIME_DATA | CONVENTIONAL);
        let mut covered = range.start;
        // Descriptors come in any order: each turn gets further, or ends.
        while covered < range.end {
            let next = self
                .descriptors()
                .filter(|descriptor| ours(descriptor.kind))
                .filter(|descriptor| descriptor.range.start <= covered)
                .map(|descriptor| descriptor.range.end)
                .max();
            match next {
                Some(end) if end > covered => covered = end,
                _ => return false,
            }
        }
        // Where descriptors overlap, the more careful one counts.
        !self.descriptors().any(|other| !ours(other.kind) && other.range.overlaps(range))
    }

    /// Writes the map into `entries`; how many there are.
    pub fn convert(self, entries: &mut [Entry; MEMORY_MAP_ENTRIES]) -> usize {
        let mut count = 0;
        // Usable memory first, so that it is kept when not all fits.
        for kind in [USABLE, ACPI_TABLES, ACPI_STORAGE, RESERVED] {
            for found in self.descriptors().filter(|found| e820_kind(found.kind) == kind) {
                count = add(entries, count, Entry { range: found.range, kind });
            }
        }
        count
    }
}

fn e820_kind(kind: u32) -> u32 {
    match kind {
        RUNTIME_CODE | RUNTIME_DATA => RESERVED,
        LOADER_CODE..=CONVENTIONAL => USABLE,
        ACPI_RECLAIM => ACPI_TABLES,
        ACPI_NVS => ACPI_STORAGE,
        _ => RESERVED,
    }
}

/// Appends `new`, or merges it with an entry of its kind that it touches; how many there are then.
fn add(entries: &mut [Entry; MEMORY_MAP_ENTRIES], count: usize, new: Entry) -> usize {
    if new.range.bytes() == 0 {
        return count;
    }
    for old in entries.iter_mut().take(count).filter(|old| old.kind == new.kind) {
        if old.range.end == new.range.start {
            old.range.end = new.range.end;
            return count;
        }
        if new.range.end == old.range.start {
            old.range.start = new.range.start;
            return count;
        }
    }
    match entries.get_mut(count) {
        Some(slot) => {
            *slot = new;
            count + 1
        }
        None => count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NONE: Entry = Entry { range: Range { start: 0, end: 0 }, kind: 0 };
    const STRIDE: usize = 48;

    fn map(descriptors: &[(u32, u64, u64)]) -> Vec<u8> {
        let mut bytes = vec![0xEE; descriptors.len() * STRIDE];
        for (slot, (kind, start, pages)) in bytes.chunks_mut(STRIDE).zip(descriptors) {
            slot[..4].copy_from_slice(&kind.to_le_bytes());
            slot[8..16].copy_from_slice(&start.to_le_bytes());
            slot[24..32].copy_from_slice(&pages.to_le_bytes());
        }
        bytes
    }

    fn converted(bytes: &[u8]) -> Vec<Entry> {
        let mut entries = [NONE; MEMORY_MAP_ENTRIES];
        let count = EfiMap::new(bytes, STRIDE).convert(&mut entries);
        entries[..count].to_vec()
    }

    fn entry(start: u64, bytes: u64, kind: u32) -> Entry {
        Entry { range: Range::new(start, bytes), kind }
    }

    #[test]
    fn merges_what_is_free_after_the_exit_and_keeps_holes() {
        let bytes = map(&[
            (7, 0x0, 0x80),
            (3, 0x8_0000, 0x20),
            (0, 0xA_0000, 0x60),
            (4, 0x10_1000, 1),
            (2, 0x10_0000, 1),
            (10, 0x80_0000, 8),
            (6, 0x90_0000, 1),
            (9, 0x91_0000, 2),
            (11, 0xFFC0_0000, 0x400),
            (14, 0x1_0000_1000, 1),
            (0x8000_0000, 0x2_0000_0000, 1),
        ]);
        let expected = [
            entry(0, 0xA_0000, USABLE),
            entry(0x10_0000, 0x2000, USABLE),
            entry(0x91_0000, 0x2000, ACPI_TABLES),
            entry(0x80_0000, 0x8000, ACPI_STORAGE),
            entry(0xA_0000, 0x6_0000, RESERVED),
            entry(0x90_0000, 0x1000, RESERVED),
            entry(0xFFC0_0000, 0x40_0000, RESERVED),
            entry(0x1_0000_1000, 0x1000, RESERVED),
            entry(0x2_0000_0000, 0x1000, RESERVED),
        ];
        assert_eq!(converted(&bytes), expected);
    }

    #[test]
    fn keeps_128_entries_and_usable_memory_before_all_else() {
        let reserved = (0..128).map(|index| (0, index * 0x2000, 1));
        let all: Vec<_> = reserved.chain([(7, 0x100_0000, 1)]).collect();
        let entries = converted(&map(&all));
        assert_eq!(entries.len(), MEMORY_MAP_ENTRIES);
        assert_eq!(entries[0], entry(0x100_0000, 0x1000, USABLE));
    }

    #[test]
    fn the_kernels_place_may_be_in_pieces_but_not_in_holes_or_tables() {
        let place = Range::new(0x10_0000, 0x4000);
        let may = |all: &[(u32, u64, u64)]| EfiMap::new(&map(all), STRIDE).may_overwrite(place);
        assert!(may(&[(7, 0x10_2000, 2), (3, 0x10_0000, 1), (5, 0x10_1000, 1)]));
        assert!(!may(&[(7, 0x10_2000, 2), (3, 0x10_0000, 1)]), "a hole");
        assert!(!may(&[(7, 0x10_0000, 3)]), "too short");
        assert!(!may(&[(7, 0x10_0000, 4), (10, 0x10_3000, 1)]), "firmware's state within");
        assert!(!may(&[(9, 0x10_0000, 4)]), "ACPI's tables");
        assert!(!may(&[]));
    }

    #[test]
    fn a_stride_that_cannot_be_gives_nothing() {
        for stride in [0, 1, 39] {
            let bytes = map(&[(7, 0, 1)]);
            let mut entries = [NONE; MEMORY_MAP_ENTRIES];
            assert_eq!(EfiMap::new(&bytes, stride).convert(&mut entries), 0);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_map_that_calls_usable_only_what_is_listed_so(
            bytes in prop::collection::vec(any::<u8>(), 0..4096),
            stride in 0usize..80,
            place in (any::<u64>(), 1u64..1 << 40),
        ) {
            let map = EfiMap::new(&bytes, stride);
            let mut entries = [NONE; MEMORY_MAP_ENTRIES];
            let count = map.convert(&mut entries);
            for found in entries[..count].iter().filter(|found| found.kind == USABLE) {
                prop_assert!(found.range.start < found.range.end);
                let listed: u64 = map.descriptors()
                    .filter(|one| e820_kind(one.kind) == USABLE && one.range.overlaps(found.range))
                    .fold(0, |sum: u64, one| sum.saturating_add(one.range.bytes()));
                prop_assert!(listed >= found.range.bytes());
            }
            let _may = map.may_overwrite(Range::new(place.0, place.1));
        }

        #[test]
        fn merging_loses_no_byte_of_usable_memory(
            kinds in prop::collection::vec(0u32..16, 1..100),
        ) {
            let all: Vec<_> = kinds.iter().zip(0u64..).map(|(&kind, page)| (kind, page * 4096, 1)).collect();
            let usable = |kind: u32| matches!(kind, 1..=4 | 7);
            let expected = kinds.iter().filter(|&&kind| usable(kind)).count() as u64 * 4096;
            let entries = converted(&map(&all));
            let sum: u64 = entries.iter().filter(|e| e.kind == USABLE).map(|e| e.range.bytes()).sum();
            prop_assert_eq!(sum, expected);
            let pieces = kinds.chunk_by(|a, b| usable(*a) && usable(*b)).filter(|c| usable(c[0])).count();
            prop_assert_eq!(entries.iter().filter(|e| e.kind == USABLE).count(), pieces);
        }
    }
}
