//! The physical memory map: sorted, free of overlaps, bounded.
//!
//! What the loader hands over may be unsorted, overlapping or garbage. Where entries overlap, the
//! more careful kind wins. What does not fit the bounds is dropped, which is safe: memory that the
//! map does not list as usable is not used.

use super::address::PhysRange;
use super::limits::{MAX_PHYSICAL_ADDRESS, MAX_RAW_REGIONS, MAX_REGIONS};

/// What a region is for, from the least to the most careful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RegionKind {
    /// RAM for us.
    Usable,
    /// RAM with ACPI tables.
    AcpiReclaimable,
    /// RAM that the firmware keeps its state in.
    AcpiStorage,
    /// Anything else: devices, firmware, defects.
    Reserved,
}

impl RegionKind {
    /// From the type number that E820 and PVH share (ACPI 6.5, table 15.4).
    #[must_use]
    pub const fn from_e820(number: u32) -> RegionKind {
        match number {
            1 => RegionKind::Usable,
            3 => RegionKind::AcpiReclaimable,
            4 => RegionKind::AcpiStorage,
            _ => RegionKind::Reserved,
        }
    }
}

/// One region of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Where.
    pub range: PhysRange,
    /// What for.
    pub kind: RegionKind,
}

const NO_REGION: Region = Region { range: PhysRange::new(0, 0), kind: RegionKind::Reserved };

/// A memory map in order, without overlaps, neighbours of one kind merged.
#[derive(Clone, Debug)]
pub struct MemoryMap {
    regions: [Region; MAX_REGIONS],
    count: usize,
    dropped: usize,
}

impl MemoryMap {
    /// A map of nothing.
    #[must_use]
    pub const fn empty() -> MemoryMap {
        MemoryMap { regions: [NO_REGION; MAX_REGIONS], count: 0, dropped: 0 }
    }

    /// Makes a map of what a loader lists; entries beyond [`MAX_RAW_REGIONS`] are dropped.
    pub fn from_raw(raw: impl IntoIterator<Item = Region>) -> MemoryMap {
        let mut map = MemoryMap::empty();
        let mut listed = [NO_REGION; MAX_RAW_REGIONS];
        let mut count = 0;
        for region in raw {
            let clipped = PhysRange::new(
                region.range.start.min(MAX_PHYSICAL_ADDRESS),
                region.range.end.min(MAX_PHYSICAL_ADDRESS),
            );
            if clipped.is_empty() {
                continue;
            }
            match listed.get_mut(count) {
                Some(slot) => {
                    *slot = Region { range: clipped, kind: region.kind };
                    count += 1;
                }
                None => map.dropped += 1,
            }
        }
        map.fill(listed.get(..count).unwrap_or_default());
        map
    }

    /// Sweeps over all boundaries; each stretch between two takes the most careful kind over it.
    fn fill(&mut self, listed: &[Region]) {
        let mut edges = [0u64; 2 * MAX_RAW_REGIONS];
        let mut edge_count = 0;
        for region in listed {
            for edge in [region.range.start, region.range.end] {
                if let Some(slot) = edges.get_mut(edge_count) {
                    *slot = edge;
                    edge_count += 1;
                }
            }
        }
        let edges = edges.get_mut(..edge_count).unwrap_or_default();
        edges.sort_unstable();
        for pair in edges.windows(2) {
            let &[start, end] = pair else { continue };
            let kind = listed
                .iter()
                .filter(|region| region.range.start <= start && end <= region.range.end)
                .map(|region| region.kind)
                .max();
            if let (Some(kind), true) = (kind, start < end) {
                self.append(Region { range: PhysRange::new(start, end), kind });
            }
        }
    }

    fn append(&mut self, region: Region) {
        if let Some(last) = self.count.checked_sub(1).and_then(|last| self.regions.get_mut(last))
            && last.kind == region.kind
            && last.range.end == region.range.start
        {
            last.range.end = region.range.end;
            return;
        }
        match self.regions.get_mut(self.count) {
            Some(slot) => {
                *slot = region;
                self.count += 1;
            }
            None => self.dropped += 1,
        }
    }

    /// The regions, by ascending address.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        self.regions.get(..self.count).unwrap_or_default()
    }

    /// How many regions or parts of them did not fit.
    #[must_use]
    pub const fn dropped(&self) -> usize {
        self.dropped
    }

    /// The ranges of usable RAM, by ascending address.
    pub fn usable(&self) -> impl Iterator<Item = PhysRange> + '_ {
        let usable = |region: &&Region| region.kind == RegionKind::Usable;
        self.regions().iter().filter(usable).map(|region| region.range)
    }

    /// Bytes of usable RAM.
    #[must_use]
    pub fn usable_bytes(&self) -> u64 {
        self.usable().map(|range| range.bytes()).sum()
    }
}

/// A bounded list of disjoint ranges from which pieces are taken away.
#[derive(Clone, Debug)]
pub struct FreeRanges {
    ranges: [PhysRange; MAX_REGIONS],
    count: usize,
}

impl FreeRanges {
    /// The whole usable pages of `map`.
    #[must_use]
    pub fn usable_pages(map: &MemoryMap) -> FreeRanges {
        let mut free = FreeRanges { ranges: [PhysRange::new(0, 0); MAX_REGIONS], count: 0 };
        for range in map.usable() {
            free.push(range.whole_pages());
        }
        free
    }

    /// A range that no longer fits the list is lost, which only wastes it.
    fn push(&mut self, range: PhysRange) {
        if let (Some(slot), false) = (self.ranges.get_mut(self.count), range.is_empty()) {
            *slot = range;
            self.count += 1;
        }
    }

    /// Takes the pages that `hole` touches out of the list.
    pub fn remove(&mut self, hole: PhysRange) {
        let before = self.clone();
        self.count = 0;
        for range in before.as_slice() {
            for part in range.without(hole.touched_pages()) {
                self.push(part);
            }
        }
    }

    /// The ranges.
    #[must_use]
    pub fn as_slice(&self) -> &[PhysRange] {
        self.ranges.get(..self.count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn region(start: u64, end: u64, kind: RegionKind) -> Region {
        Region { range: PhysRange::new(start, end), kind }
    }

    #[test]
    fn sorts_merges_and_lets_the_careful_kind_win() {
        use RegionKind::{Reserved, Usable};
        let map = MemoryMap::from_raw([
            region(0x3000, 0x5000, Usable),
            region(0x1000, 0x3000, Usable),
            region(0x2000, 0x2800, Reserved),
            region(0x9000, 0x9000, Usable),
        ]);
        let expected = [
            region(0x1000, 0x2000, Usable),
            region(0x2000, 0x2800, Reserved),
            region(0x2800, 0x5000, Usable),
        ];
        assert_eq!(map.regions(), expected);
        assert_eq!(map.usable_bytes(), 0x3800);
    }

    #[test]
    fn takes_the_bound_and_drops_one_more() {
        let many =
            |count: u64| (0..count).map(|i| region(i * 8192, i * 8192 + 4096, RegionKind::Usable));
        let limit = MAX_RAW_REGIONS as u64;
        let map = MemoryMap::from_raw(many(limit));
        assert_eq!((map.regions().len(), map.dropped()), (MAX_RAW_REGIONS, 0));
        let map = MemoryMap::from_raw(many(limit + 1));
        assert_eq!((map.regions().len(), map.dropped()), (MAX_RAW_REGIONS, 1));
    }

    #[test]
    fn clips_what_lies_beyond_the_address_space() {
        let map = MemoryMap::from_raw([region(0x1000, u64::MAX, RegionKind::Usable)]);
        assert_eq!(map.regions(), [region(0x1000, MAX_PHYSICAL_ADDRESS, RegionKind::Usable)]);
    }

    #[test]
    fn free_ranges_lose_the_pages_a_hole_touches() {
        let map = MemoryMap::from_raw([region(0x1000, 0x9000, RegionKind::Usable)]);
        let mut free = FreeRanges::usable_pages(&map);
        free.remove(PhysRange::new(0x3001, 0x3002));
        assert_eq!(
            free.as_slice(),
            [PhysRange::new(0x1000, 0x3000), PhysRange::new(0x4000, 0x9000)]
        );
    }

    fn any_kind() -> impl Strategy<Value = RegionKind> {
        (0u32..6).prop_map(RegionKind::from_e820)
    }

    proptest! {
        #[test]
        fn any_input_gives_an_ordered_map_that_never_calls_reserved_memory_usable(
            raw in prop::collection::vec((any::<u64>(), any::<u64>(), any_kind()), 0..40),
            small in prop::collection::vec((0u64..64, 0u64..64, any_kind()), 0..40),
        ) {
            let all: Vec<Region> = raw.iter().chain(&small)
                .map(|&(start, bytes, kind)| Region { range: PhysRange::from_length(start, bytes), kind })
                .collect();
            let map = MemoryMap::from_raw(all.iter().copied());
            for pair in map.regions().windows(2) {
                prop_assert!(pair[0].range.end <= pair[1].range.start);
            }
            for usable in map.usable() {
                prop_assert!(!usable.is_empty() && usable.end <= MAX_PHYSICAL_ADDRESS);
                for other in all.iter().filter(|other| other.kind != RegionKind::Usable && !other.range.is_empty()) {
                    prop_assert!(other.range.end <= usable.start || usable.end <= other.range.start);
                }
            }
        }
    }
}
