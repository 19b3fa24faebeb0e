//! DMA for virtio-drivers: pages of the heap, whose physical address is the pointer itself.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::alloc::Layout;
use core::ptr::NonNull;
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// The machine as virtio-drivers sees it: identity-mapped memory, coherent DMA, no IOMMU.
#[derive(Debug)]
pub struct MachineHal;

fn layout(pages: usize) -> Option<Layout> {
    Layout::from_size_align(pages.checked_mul(PAGE_SIZE)?, PAGE_SIZE).ok().filter(|l| l.size() > 0)
}

// SAFETY: `dma_alloc` gives zeroed, page-aligned heap memory that nobody else has, and says so with
// address 0 when there is none, which the crate turns into an error; memory is identity-mapped, so
// shared buffers need no translation.
unsafe impl Hal for MachineHal {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let memory = layout(pages).and_then(|layout| {
            // SAFETY: `layout` has a size above zero.
            NonNull::new(unsafe { alloc_zeroed(layout) })
        });
        memory.map_or((0, NonNull::dangling()), |memory| (physical(memory), memory))
    }

    unsafe fn dma_dealloc(_: PhysAddr, vaddr: NonNull<u8>, pages: usize) -> i32 {
        if let Some(layout) = layout(pages) {
            // SAFETY: the caller gives back what `dma_alloc` gave for as many pages, hence with
            // this layout.
            unsafe { dealloc(vaddr.as_ptr(), layout) };
        }
        0
    }

    unsafe fn mmio_phys_to_virt(paddr: PhysAddr, _: usize) -> NonNull<u8> {
        // Only the crate's own PCI transport asks, which is not used here (see `super::pci`). The
        // caller vouches for the range, and the mapping is the identity.
        let address = usize::try_from(paddr).unwrap_or(0);
        NonNull::new(core::ptr::with_exposed_provenance_mut(address)).unwrap_or(NonNull::dangling())
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        physical(buffer.cast())
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

fn physical(pointer: NonNull<u8>) -> PhysAddr {
    pointer.as_ptr().expose_provenance() as PhysAddr
}
