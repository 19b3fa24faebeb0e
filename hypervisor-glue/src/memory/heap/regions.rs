//! Ranges of RAM, each with a first-fit list of free blocks.

use core::alloc::Layout;
use core::ptr::{self, NonNull};

use linked_list_allocator::Heap;

use crate::memory::address::PhysRange;
use crate::memory::limits::{MAX_HEAP_REGIONS, MIN_HEAP_REGION_BYTES};

/// Something that blocks of memory can be had from.
///
/// # Implementation safety
/// A block given is aligned and as large as asked for, and nobody else's until it is freed.
pub(super) unsafe trait Blocks {
    /// A block, or nothing if there is none.
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>>;

    /// Takes a block back, or a part of one: parts may be freed one by one if each starts at a
    /// multiple of 16 bytes within the block and is as long as such a multiple.
    ///
    /// # Safety
    /// The block or part came from `allocate` of the same object, and is not used any more.
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout);
}

/// The ranges; larger ones are searched first.
pub(super) struct Regions {
    heaps: [Heap; MAX_HEAP_REGIONS],
    count: usize,
}

impl Regions {
    pub(super) const fn empty() -> Regions {
        Regions { heaps: [const { Heap::empty() }; MAX_HEAP_REGIONS], count: 0 }
    }

    /// Takes the largest of `ranges`, as many as fit; small ones are left alone.
    ///
    /// # Safety
    /// All ranges are mapped for reading and writing, and from now on only the heap's.
    pub(super) unsafe fn add(&mut self, ranges: &[PhysRange]) {
        // Largest first, without a copy to sort: next is the largest below the one before.
        let mut limit = u64::MAX;
        while let Some(largest) =
            ranges.iter().map(PhysRange::bytes).filter(|&bytes| bytes < limit).max()
            && largest >= MIN_HEAP_REGION_BYTES
        {
            for range in ranges.iter().filter(|range| range.bytes() == largest) {
                // SAFETY: the caller gives the ranges away for good.
                unsafe { self.add_one(*range) };
            }
            limit = largest;
        }
    }

    /// # Safety
    /// As for `add`.
    unsafe fn add_one(&mut self, range: PhysRange) {
        let (Ok(start), Ok(bytes)) = (usize::try_from(range.start), usize::try_from(range.bytes()))
        else {
            return;
        };
        if let Some(heap) = self.heaps.get_mut(self.count) {
            // SAFETY: the caller gives the range away for good.
            unsafe { heap.init(ptr::with_exposed_provenance_mut(start), bytes) };
            self.count += 1;
        }
    }

    /// Bytes of all regions.
    pub(super) fn total(&self) -> usize {
        self.heaps.iter().take(self.count).map(Heap::size).sum()
    }

    /// The largest block that could be had now, to the power of two below.
    pub(super) fn largest_free(&mut self) -> usize {
        for bytes in (4..usize::BITS - 1).rev().map(|bit| 1usize << bit) {
            let Ok(layout) = Layout::from_size_align(bytes, 16) else { continue };
            if let Some(block) = self.allocate(layout) {
                // SAFETY: just allocated with this layout, not used.
                unsafe { self.free(block, layout) };
                return bytes;
            }
        }
        0
    }
}

// SAFETY: the lists hand out each byte once; they keep no headers in or beside blocks and round
// sizes up to their word of 16 bytes, so that parts of a block can be freed on their own.
unsafe impl Blocks for Regions {
    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let heaps = self.heaps.iter_mut().take(self.count);
        heaps.flat_map(|heap| heap.allocate_first_fit(layout)).next()
    }

    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        let holds = |heap: &&mut Heap| (heap.bottom()..heap.top()).contains(&block.as_ptr());
        if let Some(heap) = self.heaps.iter_mut().take(self.count).find(holds) {
            // SAFETY: the block came from this region, by the caller's promise.
            unsafe { heap.deallocate(block, layout) };
        }
    }
}
