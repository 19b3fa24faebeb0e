//! The heap: all usable RAM, in one or more regions, with counts and a record of refusals.
//!
//! [`KernelHeap`] is the global allocator. Small blocks come from `size_classes`, which takes
//! chunks from `regions`; all others come from `regions`, lists of free blocks over ranges of RAM.
//! Memory is touched only as it is handed out and where a list needs it.

mod regions;
mod size_classes;

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use spin::Mutex;

use super::address::PhysRange;
use regions::{Blocks, Regions};
use size_classes::SizeClasses;

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

/// Regions, the layer of size classes over them, and the counts.
struct Inner {
    regions: Regions,
    small: SizeClasses,
    statistics: Statistics,
    refusal: Option<Refusal>,
}

impl Inner {
    const fn empty() -> Inner {
        Inner {
            regions: Regions::empty(),
            small: SizeClasses::empty(),
            statistics: Statistics { total: 0, used: 0, peak: 0, refused: 0 },
            refusal: None,
        }
    }

    fn allocate(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        let found = self.find(layout).or_else(|| {
            let more = self.small.give_back(&mut self.regions);
            more.then(|| self.find(layout)).flatten()
        });
        if found.is_some() {
            self.statistics.used += bytes_taken(layout);
            self.statistics.peak = self.statistics.peak.max(self.statistics.used);
        } else {
            self.statistics.refused += 1;
            self.refusal = Some(Refusal { bytes: layout.size(), align: layout.align() });
        }
        found
    }

    fn find(&mut self, layout: Layout) -> Option<NonNull<u8>> {
        match SizeClasses::small_bytes(layout) {
            Some(_) => self.small.allocate(layout, &mut self.regions),
            None => self.regions.allocate(layout),
        }
    }

    /// # Safety
    /// `block` came from `allocate` with this `layout`, and is not used any more.
    unsafe fn free(&mut self, block: NonNull<u8>, layout: Layout) {
        self.statistics.used = self.statistics.used.saturating_sub(bytes_taken(layout));
        match SizeClasses::small_bytes(layout) {
            // SAFETY: by the caller's promise; the layout tells which of the two gave the block.
            Some(_) => unsafe { self.small.free(block, layout) },
            // SAFETY: as above.
            None => unsafe { self.regions.free(block, layout) },
        }
    }

    fn largest_free(&mut self) -> usize {
        self.small.give_back(&mut self.regions);
        self.regions.largest_free()
    }
}

/// What a block for `layout` takes of the heap.
fn bytes_taken(layout: Layout) -> usize {
    SizeClasses::small_bytes(layout).unwrap_or_else(|| layout.size().next_multiple_of(16))
}

/// The global allocator: empty until [`KernelHeap::add_ranges`].
pub struct KernelHeap(Mutex<Inner>);

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
        KernelHeap(Mutex::new(Inner::empty()))
    }

    /// Takes the largest of `ranges`, as many as [`super::limits`] says; small ones are left alone.
    ///
    /// # Safety
    /// All ranges are mapped for reading and writing, and from now on only the heap's.
    pub unsafe fn add_ranges(&self, ranges: &[PhysRange]) {
        let mut inner = self.0.lock();
        // SAFETY: by the caller's promise.
        unsafe { inner.regions.add(ranges) };
        inner.statistics.total = inner.regions.total();
    }

    /// The counts now. Zeros if asked from within an allocation that failed badly.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.0.try_lock().map(|inner| inner.statistics).unwrap_or_default()
    }

    /// The last request refused.
    #[must_use]
    pub fn last_refusal(&self) -> Option<Refusal> {
        self.0.try_lock().and_then(|inner| inner.refusal)
    }

    /// The largest block that could be had now, to the power of two below; for reports, slow.
    #[must_use]
    pub fn largest_free(&self) -> usize {
        self.0.try_lock().map_or(0, |mut inner| inner.largest_free())
    }
}

// SAFETY: blocks come from layers that hand out each byte once until it is freed; the lock
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

    #[test]
    fn memory_of_small_blocks_serves_large_ones_again() {
        let heap = heap(&[256 * KIB]);
        let mut blocks = Vec::new();
        loop {
            let wanted = layout(1 + blocks.len() * 7 % 500, 8);
            let block = take(&heap, wanted);
            if block.is_null() {
                break;
            }
            blocks.push((block, wanted));
        }
        let used = heap.statistics().used;
        assert!(used > 230 * KIB, "nearly all of it, {used}");
        // In an order that is neither that of the addresses nor its reverse.
        let (even, odd): (Vec<_>, Vec<_>) =
            blocks.into_iter().enumerate().partition(|b| b.0 % 2 == 0);
        for (_, (block, layout)) in odd.into_iter().chain(even.into_iter().rev()) {
            // SAFETY: allocated above with this layout.
            unsafe { heap.dealloc(block, layout) };
        }
        assert!(!take(&heap, layout(250 * KIB, 16)).is_null());
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
