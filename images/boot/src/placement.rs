//! Where the image waits while the kernel is put into its place.
//!
//! Loaders put the image at 1 MiB, where the kernel belongs. So the image first copies itself to
//! free RAM above both; nothing that the kernel still needs may lie there.

use crate::boot_params::{Entry, USABLE};
use crate::{Failure, Range};

const PAGE_BYTES: u64 = 4096;
/// Nothing waits from here on: it is what the page tables map.
const END: u64 = 1 << 32;

/// A place for `bytes`, outside of `kernel`, `image` and all of `taken`.
///
/// # Errors
/// What there is no RAM for: the kernel's own place, or the one beside it.
pub fn beside(
    memory_map: &(impl Iterator<Item = Entry> + Clone),
    kernel: Range,
    image: Range,
    taken: &[Range],
    bytes: u64,
) -> Result<u64, Failure> {
    if memory_map.clone().next().is_none() {
        return Err(Failure::NoMemoryMap);
    }
    if !is_usable(memory_map, kernel) || taken.iter().any(|one| one.overlaps(kernel)) {
        return Err(Failure::NoRoomForKernel);
    }
    // Above both, or else directly above something that is in the way.
    let first = kernel.end.max(image.end);
    let candidates = taken.iter().map(|one| one.end).filter(|&end| end > first);
    core::iter::once(first)
        .chain(candidates)
        .filter_map(|start| start.checked_next_multiple_of(PAGE_BYTES))
        .filter(|&start| {
            let place = Range::new(start, bytes);
            place.end <= END
                && is_usable(memory_map, place)
                && !taken.iter().any(|one| one.overlaps(place))
        })
        .min()
        .ok_or(Failure::NoRoomBeside)
}

/// Whether one entry lists all of `range` as RAM, and none says otherwise.
fn is_usable(memory_map: &(impl Iterator<Item = Entry> + Clone), range: Range) -> bool {
    let mut others = memory_map.clone().filter(|entry| entry.kind != USABLE);
    let within = |entry: Entry| {
        entry.kind == USABLE && entry.range.start <= range.start && range.end <= entry.range.end
    };
    memory_map.clone().any(within) && !others.any(|entry| entry.range.overlaps(range))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot_params::RESERVED;
    use proptest::prelude::*;

    const KERNEL: Range = Range { start: 0x10_0000, end: 0x40_0000 };
    const IMAGE: Range = Range { start: 0x10_0000, end: 0x28_0000 };
    const BYTES: u64 = 0x18_0000;

    fn ram(start: u64, end: u64) -> Entry {
        Entry { range: Range { start, end }, kind: USABLE }
    }

    fn place(map: &[Entry], taken: &[Range]) -> Result<u64, Failure> {
        beside(&map.iter().copied(), KERNEL, IMAGE, taken, BYTES)
    }

    #[test]
    fn lies_above_kernel_and_image() {
        assert_eq!(place(&[ram(0x10_0000, 0x58_0000)], &[]), Ok(0x40_0000));
        assert_eq!(place(&[ram(0x10_0000, 0x57_FFFF)], &[]), Err(Failure::NoRoomBeside));
    }

    #[test]
    fn gives_way_to_what_is_still_needed() {
        let map = [ram(0x10_0000, 0x100_0000)];
        let disk = Range::new(0x50_0000, 0x1001);
        assert_eq!(place(&map, &[disk]), Ok(0x50_2000));
        let line = Range::new(0x60_0000, 16);
        assert_eq!(place(&map, &[disk, line]), Ok(0x60_1000));
        assert_eq!(place(&map, &[Range::new(0x20_0000, 1)]), Err(Failure::NoRoomForKernel));
    }

    #[test]
    fn a_missing_map_and_a_hole_are_told_apart() {
        assert_eq!(place(&[], &[]), Err(Failure::NoMemoryMap));
        let hole = Entry { range: Range::new(0x30_0000, 1), kind: RESERVED };
        assert_eq!(place(&[ram(0x10_0000, 0x100_0000), hole], &[]), Err(Failure::NoRoomForKernel));
        assert_eq!(place(&[ram(0x10_0000, 0x30_0000)], &[]), Err(Failure::NoRoomForKernel));
    }

    proptest! {
        #[test]
        fn a_place_touches_nothing_else(
            end in 0x10u64..0x200, taken in prop::collection::vec((0u64..0x200, 1u64..0x100_000), 0..4),
        ) {
            let map = [ram(0, end << 16)];
            let taken: Vec<Range> =
                taken.iter().map(|&(start, bytes)| Range::new(start << 16, bytes)).collect();
            if let Ok(start) = place(&map, &taken) {
                let found = Range::new(start, BYTES);
                prop_assert!(found.end <= end << 16);
                prop_assert!(!found.overlaps(KERNEL) && !found.overlaps(IMAGE));
                prop_assert!(!taken.iter().any(|one| one.overlaps(found) || one.overlaps(KERNEL)));
            }
        }
    }
}
