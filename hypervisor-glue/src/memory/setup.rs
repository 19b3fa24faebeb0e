//! From the loader's memory map to our page tables and a heap.

use core::ptr::{self, NonNull};

use super::address::{PAGE_BYTES, PhysRange};
use super::heap::KernelHeap;
use super::limits::MAX_PHYSICAL_ADDRESS;
use super::map::{FreeRanges, MemoryMap, RegionKind};
use super::page_tables::{Abilities, MapError, PageTables, Rights, Table, TableSource};
use super::stacks::Stack;
use super::{KEPT, TABLES, image};
use crate::cpu::{Features, msr, registers};

/// RAM below this is left alone: real-mode structures, and room to start other cores from.
const LOW_RESERVED: PhysRange = PhysRange::new(0, 64 * 1024);
/// Where the boot page tables end.
const BOOT_MAPPED_END: u64 = 1 << 32;

/// Takes tables from the start of a range that the boot page tables map.
struct EarlyTables {
    free: PhysRange,
}

// SAFETY: `free` is RAM that nothing uses, mapped to itself before and after the switch; what was
// taken is cut off from it.
unsafe impl TableSource for EarlyTables {
    fn take(&mut self) -> Option<NonNull<Table>> {
        if self.free.bytes() < PAGE_BYTES || self.free.start + PAGE_BYTES > BOOT_MAPPED_END {
            return None;
        }
        let address = usize::try_from(self.free.start).ok()?;
        let table: NonNull<Table> = NonNull::new(ptr::with_exposed_provenance_mut(address))?;
        // SAFETY: a free page of RAM, aligned, mapped, not used by anything yet.
        unsafe { table.write(Table::EMPTY) };
        self.free.start += PAGE_BYTES;
        Some(table)
    }
}

/// Builds the page tables, switches to them, and gives the rest of RAM to `heap`.
///
/// `keep` (an initial RAM disk) stays out of the heap, and is there for [`super::take_kept`].
///
/// # Errors
/// Not enough memory, or a memory map that contradicts the image.
///
/// # Safety
/// Called once, on the main stack, with the boot page tables in force and interrupts off; nothing
/// of the loader's structures is needed any more but `keep`.
pub unsafe fn take_over(
    map: &MemoryMap,
    keep: Option<PhysRange>,
    features: Features,
    heap: &KernelHeap,
) -> Result<(), MapError> {
    let abilities = Abilities {
        no_execute: features.no_execute,
        gigabyte_pages: features.gigabyte_pages,
        end: MAX_PHYSICAL_ADDRESS.min(1 << features.physical_bits),
    };
    let mut free = FreeRanges::usable_pages(map);
    free.remove(PhysRange::new(abilities.end, MAX_PHYSICAL_ADDRESS));
    free.remove(image::whole());
    free.remove(LOW_RESERVED);
    if let Some(keep) = keep {
        free.remove(keep);
    }
    let mut early = EarlyTables { free: largest_early(&free).ok_or(MapError::OutOfMemory)? };
    let early_start = early.free.start;
    let mut tables = build(map, &free, abilities, &mut early)?;
    // A loader may have put it anywhere: what cannot be mapped cannot be used, no more.
    let keep = keep
        .filter(|keep| super::may_be_kept(*keep, image::whole()))
        .filter(|keep| tables.map(*keep, Rights::ReadWrite, &mut early).is_ok());
    // SAFETY: by the caller's promise; the new tables map all that is in use.
    unsafe { switch(&tables, features, &mut early) }?;
    free.remove(PhysRange::new(early_start, early.free.start));
    *TABLES.lock() = Some(tables);
    *KEPT.lock() = keep;
    // SAFETY: mapped just now, listed as usable RAM, and without what is in use.
    unsafe { heap.add_ranges(free.as_slice()) };
    Ok(())
}

fn largest_early(free: &FreeRanges) -> Option<PhysRange> {
    let reachable = |range: &PhysRange| PhysRange::new(range.start, range.end.min(BOOT_MAPPED_END));
    free.as_slice()
        .iter()
        .filter(|range| range.start < BOOT_MAPPED_END)
        .map(reachable)
        .max_by_key(PhysRange::bytes)
}

fn build(
    map: &MemoryMap,
    free: &FreeRanges,
    abilities: Abilities,
    source: &mut EarlyTables,
) -> Result<PageTables, MapError> {
    let mut tables = PageTables::new(source, abilities)?;
    tables.map(image::text(), Rights::ReadExecute, source)?;
    tables.map(image::constants(), Rights::Read, source)?;
    tables.map(image::data(), Rights::ReadWrite, source)?;
    for stack in Stack::ALL {
        tables.map(stack.range(), Rights::ReadWrite, source)?;
    }
    for range in free.as_slice() {
        tables.map(*range, Rights::ReadWrite, source)?;
    }
    for region in map.regions() {
        if matches!(region.kind, RegionKind::AcpiReclaimable | RegionKind::AcpiStorage) {
            // What cannot be mapped cannot be read, no more; a page shared with RAM stays writable.
            let _ = tables.map(region.range, Rights::Read, source);
        }
    }
    Ok(tables)
}

/// # Safety
/// `tables` map everything in use; interrupts are off.
unsafe fn switch(
    tables: &PageTables,
    features: Features,
    source: &mut EarlyTables,
) -> Result<(), MapError> {
    let old_cr4 = registers::read_cr4();
    let mut root = tables.root();
    if old_cr4 & registers::CR4_LA57 != 0 {
        // Five levels: one table more on top, whose first entry is ours.
        const PRESENT_WRITABLE: u64 = 3;
        let top: NonNull<u64> = source.take().ok_or(MapError::OutOfMemory)?.cast();
        // SAFETY: a fresh table of 512 entries.
        unsafe { top.write(root | PRESENT_WRITABLE) };
        root = top.as_ptr().expose_provenance() as u64;
    }
    if features.no_execute {
        // SAFETY: every CPU with long mode has EFER.
        let efer = unsafe { msr::read(msr::EFER) };
        // SAFETY: CPUID says that the CPU knows NXE.
        unsafe { msr::write(msr::EFER, efer | msr::EFER_NXE) };
    }
    // SAFETY: by the caller's promise.
    unsafe { registers::write_cr3(root) };
    let cr0 = registers::read_cr0() | registers::CR0_WP;
    // SAFETY: WP only makes ring 0 obey what the tables say.
    unsafe { registers::write_cr0(cr0) };
    let mut cr4 = old_cr4;
    for (offered, bit) in [
        (features.smep, registers::CR4_SMEP),
        (features.smap, registers::CR4_SMAP),
        (features.umip, registers::CR4_UMIP),
    ] {
        cr4 |= if offered { bit } else { 0 };
    }
    // SAFETY: CPUID says that the CPU knows these bits; no page is a user page.
    unsafe { registers::write_cr4(cr4) };
    Ok(())
}
