//! The heap: all usable RAM, in one or more regions, with counts and a record of refusals.
//!
//! [`KernelHeap`] is the global allocator. Below it lies a [`Regions`], which knows ranges of RAM
//! and searches them; what measurements may want between the two, a layer of size classes, takes
//! blocks from `Regions` as `KernelHeap` does and answers `KernelHeap`'s two calls. Memory is
//! touched only where a list of free blocks needs it.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use linked_list_allocator::Heap;
use spin::Mutex;

use super::address::PhysRange;
use super::limits::{MAX_HEAP_REGIONS, MIN_HEAP_REGION_BYTES};

/// Counts of the heap, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// All of it.
    pub total: usize,
    /// In use now.
    pub used: usize,
    /// Most that ever was in use.
    pub peak: usize,
    /// Requests refused for want of memory.
    pub refused: u64,
}

impl Statistics {
    /// Not in use.
    #[must_use]
    pub const fn free(&self) -> usize {
        self.total - self.used
    }
}

/// A request that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Bytes wanted.
    pub bytes: usize,
    /// Alignment wanted.
    pub align: usize,
}

/// Ranges of RAM, each a first-fit list of free blocks; larger ranges are searched first.
struct Regions {
    heaps: [Heap; MAX_HEAP_REGIONS],
    count: usize,
    statistics: Statistics,
    refusal: Option<Refusal>,
}

impl Regions {
    const fn empty() -> Regions {
        Regions {
            heaps: [const { Heap::empty() }; MAX_HEAP_REGIONS],
            count: 0,
            statistics: Statistics { total: 0, used: 0, peak: 0, refused: 0 },
            refusal: None,
        }
    }

    /// # Safety
    /// `range` is mapped for reading and writing, and from now on only the heap's.
    unsafe fn add(&mut self, range: PhysRange) {
        let (Ok(start), Ok(bytes)) = (usize::try_from(range.start), usize::try_from(range.bytes()))
        else {
            return;
        };
        if let Some(heap) = self.heaps.get_mut(self.count) {
            // SAFETY: the caller gives the range away for good.
            unsafe { heap.init(ptr::with_exposed_provenance_mut(start), bytes) };
            self.count += 1;
            self.statistics.total += heap.size();
        }
    }

    fn used(&self) -> usize {
        self.heaps.iter().take(self.count).map(Heap::used).sum()
    }

    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let heaps = self.heaps.iter_mut().take(self.count);
        let found = heaps.flat_map(|heap| heap.allocate_first_fit(layout)).next();
        if found.is_some() {
            self.statistics.used = self.used();
            self.statistics.peak = self.statistics.peak.max(self.statistics.used);
        } else {
            self.statistics.refused += 1;
            self.refusal = Some(Refusal { bytes: layout.size(), align: layout.align() });
        }
        found
    }

    /// # Safety
    /// `block` came from `allocate` with this `layout`, and is not used any more.
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        let holds = |heap: &&mut Heap| (heap.bottom()..heap.top()).contains(&block.as_ptr());
        if let Some(heap) = self.heaps.iter_mut().take(self.count).find(holds) {
            // SAFETY: the block came from this region, by the caller's promise.
            unsafe { heap.deallocate(block, layout) };
            self.statistics.used = self.used();
        }
    }

    /// The largest block that could be had now, to the power of two below.
    fn largest_free(&mut self) -> usize {
        let total = self.statistics.free();
        let sizes = (4..usize::BITS - 1).rev().map(|bit| 1usize << bit);
        for bytes in sizes.filter(|&bytes| bytes <= total) {
            let Ok(layout) = Layout::from_size_align(bytes, 16) else { continue };
            let heaps = self.heaps.iter_mut().take(self.count);
            for heap in heaps {
                if let Ok(block) = heap.allocate_first_fit(layout) {
                    // SAFETY: just allocated with this layout, not used.
                    unsafe { heap.deallocate(block, layout) };
                    return bytes;
                }
            }
        }
        0
    }
}

/// The global allocator: empty until [`KernelHeap::add_ranges`].
pub struct KernelHeap(Mutex<Regions>);

impl core::fmt::Debug for KernelHeap {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("KernelHeap").field(&self.statistics()).finish()
    }
}

impl Default for KernelHeap {
    fn default() -> KernelHeap {
        KernelHeap::new()
    }
}

impl KernelHeap {
    /// A heap without memory.
    #[must_use]
    pub const fn new() -> KernelHeap {
        KernelHeap(Mutex::new(Regions::empty()))
    }

    /// Takes the largest of `ranges`, at most [`MAX_HEAP_REGIONS`]; small ones are left alone.
    ///
    /// # Safety
    /// All ranges are mapped for reading and writing, and from now on only the heap's.
    pub unsafe fn add_ranges(&self, ranges: &[PhysRange]) {
        let mut limit = u64::MAX;
        let mut regions = self.0.lock();
        // Largest first, without a copy to sort: next is the largest below the one before.
        while let Some(largest) =
            ranges.iter().map(PhysRange::bytes).filter(|&bytes| bytes < limit).max()
            && largest >= MIN_HEAP_REGION_BYTES
        {
            for range in ranges.iter().filter(|range| range.bytes() == largest) {
                // SAFETY: the caller gives the ranges away for good.
                unsafe { regions.add(*range) };
            }
            limit = largest;
        }
    }

    /// The counts now. Zeros if asked from within an allocation that failed badly.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.0.try_lock().map(|regions| regions.statistics).unwrap_or_default()
    }

    /// The last request refused.
    #[must_use]
    pub fn last_refusal(&self) -> Option<Refusal> {
        self.0.try_lock().and_then(|regions| regions.refusal)
    }

    /// The largest block that could be had now, to the power of two below; for reports, slow.
    #[must_use]
    pub fn largest_free(&self) -> usize {
        self.0.try_lock().map_or(0, |mut regions| regions.largest_free())
    }
}

// SAFETY: blocks come from `Regions`, which hands out each byte once until it is freed; the lock
// is never contended, since handlers do not allocate.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.0.lock().allocate(layout).map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if let Some(block) = NonNull::new(block) {
            // SAFETY: the caller's promise is the one that `free` wants.
            unsafe { self.0.lock().free(block, layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::boxed::Box;
    use std::vec::Vec;

    const KIB: usize = 1024;

    /// A heap over leaked memory in ranges of these sizes.
    fn heap(sizes: &[usize]) -> KernelHeap {
        let heap = KernelHeap::new();
        let ranges: Vec<PhysRange> = sizes
            .iter()
            .map(|&bytes| {
                let memory: &'static mut [u128] = Box::leak(std::vec![0u128; bytes / 16].into());
                let start = memory.as_mut_ptr().expose_provenance() as u64;
                PhysRange::from_length(start, bytes as u64)
            })
            .collect();
        // SAFETY: leaked memory that nothing else uses.
        unsafe { heap.add_ranges(&ranges) };
        heap
    }

    fn layout(bytes: usize, align: usize) -> Layout {
        Layout::from_size_align(bytes, align).unwrap()
    }

    fn take(heap: &KernelHeap, layout: Layout) -> *mut u8 {
        // SAFETY: the sizes here are not zero.
        unsafe { heap.alloc(layout) }
    }

    #[test]
    fn spans_regions_and_leaves_small_ones() {
        let heap = heap(&[64 * KIB, 16 * KIB, 256 * KIB]);
        assert_eq!(heap.statistics().total, 320 * KIB);
        assert!(!take(&heap, layout(200 * KIB, 16)).is_null());
        assert!(!take(&heap, layout(60 * KIB, 4096)).is_null(), "from either region");
        assert!(!take(&heap, layout(50 * KIB, 16)).is_null(), "from the other one");
    }

    #[test]
    fn refuses_with_a_record_and_goes_on() {
        let heap = heap(&[64 * KIB]);
        assert!(take(&heap, layout(65 * KIB, 32)).is_null());
        assert_eq!(heap.last_refusal(), Some(Refusal { bytes: 65 * KIB, align: 32 }));
        assert_eq!(heap.statistics().refused, 1);
        assert!(!take(&heap, layout(KIB, 32)).is_null());
    }

    #[test]
    fn counts_use_peak_and_the_largest_block() {
        let heap = heap(&[64 * KIB]);
        let wanted = layout(40 * KIB, 16);
        let block = take(&heap, wanted);
        assert_eq!(heap.largest_free(), 16 * KIB);
        // SAFETY: allocated above with this layout.
        unsafe { heap.dealloc(block, wanted) };
        let statistics = heap.statistics();
        assert_eq!((statistics.used, statistics.peak), (0, 40 * KIB));
        assert_eq!(statistics.free(), 64 * KIB);
        assert_eq!(heap.largest_free(), 64 * KIB);
    }

    proptest! {
        #[test]
        fn blocks_are_aligned_and_never_overlap(
            steps in prop::collection::vec((1usize..6000, 0u32..13, any::<bool>()), 1..120),
        ) {
            let heap = heap(&[64 * KIB, 80 * KIB]);
            let mut live: Vec<(usize, Layout)> = Vec::new();
            for (bytes, align, release) in steps {
                if release && !live.is_empty() {
                    let (address, layout) = live.swap_remove(bytes % live.len());
                    // SAFETY: allocated below with this layout.
                    unsafe { heap.dealloc(ptr::with_exposed_provenance_mut(address), layout) };
                    continue;
                }
                let wanted = layout(bytes, 1 << align);
                let block = take(&heap, wanted).expose_provenance();
                if block != 0 {
                    prop_assert_eq!(block % wanted.align(), 0);
                    for (other, layout) in &live {
                        prop_assert!(block + bytes <= *other || other + layout.size() <= block);
                    }
                    live.push((block, wanted));
                }
            }
            for (address, layout) in live {
                // SAFETY: allocated above with this layout.
                unsafe { heap.dealloc(ptr::with_exposed_provenance_mut(address), layout) };
            }
            prop_assert_eq!(heap.statistics().used, 0);
        }
    }
}
