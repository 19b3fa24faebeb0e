//! Physical memory, page tables, the heap and the C memory functions.
//!
//! Everything that is mapped is mapped to itself: RAM that is ours readable and writable, the
//! image's code executable, its constants read-only, ACPI's tables read-only; nothing is both
//! writable and executable. Not mapped: the first page, the guard pages below the stacks, and
//! device registers and firmware tables until [`map_mmio`] and [`map_firmware`] are asked.

pub mod address;
pub mod audit;
pub mod functions;
pub mod heap;
#[cfg(feature = "freestanding")]
pub mod image;
pub mod limits;
pub mod map;
pub mod page_tables;
#[cfg(feature = "freestanding")]
pub mod setup;
#[cfg(feature = "freestanding")]
pub mod stacks;

use core::alloc::Layout;
use core::ptr::NonNull;

use spin::Mutex;

use address::PAGE_BYTES;
pub use address::{PhysAddr, PhysRange};
pub use page_tables::MapError;
use page_tables::{PageTables, Rights, Table, TableSource};

/// The tables in force, once `setup` has made them.
static TABLES: Mutex<Option<PageTables>> = Mutex::new(None);

/// Tables from the heap.
struct HeapTables;

// SAFETY: each table is an allocation of its own, zeroed, identity-mapped as all of the heap is,
// and never freed.
unsafe impl TableSource for HeapTables {
    fn take(&mut self) -> Option<NonNull<Table>> {
        // SAFETY: the layout's size is not zero.
        NonNull::new(unsafe { alloc::alloc::alloc_zeroed(Layout::new::<Table>()) })
            .map(NonNull::cast)
    }
}

/// Maps device registers, uncached, and gives the address of the first; once mapped, they stay so.
///
/// # Errors
/// [`MapError::Conflict`] if part of the range is RAM that is in use, else as [`MapError`] says.
pub fn map_mmio(start: PhysAddr, bytes: usize) -> Result<NonNull<u8>, MapError> {
    let range = PhysRange::from_length(start.0, bytes as u64);
    let mut tables = TABLES.lock();
    let tables = tables.as_mut().ok_or(MapError::BadRange)?;
    tables.map(range, Rights::Device, &mut HeapTables)?;
    pointer(start)
}

/// Maps memory that the firmware filled (tables of ACPI, SMBIOS …) for reading, and gives it.
///
/// # Errors
/// As [`MapError`] says.
///
/// # Safety
/// Nothing writes to the range as long as the slice is used: it is no RAM of the heap, and no
/// device's registers.
pub unsafe fn map_firmware(start: PhysAddr, bytes: usize) -> Result<&'static [u8], MapError> {
    let range = PhysRange::from_length(start.0, bytes as u64);
    let mut tables = TABLES.lock();
    let tables = tables.as_mut().ok_or(MapError::BadRange)?;
    match tables.map(range, Rights::Read, &mut HeapTables) {
        // Firmware tables may lie in memory that the loader calls usable.
        Err(MapError::Conflict) => tables.map(range, Rights::ReadWrite, &mut HeapTables)?,
        other => other?,
    }
    let start = pointer(start)?;
    // SAFETY: the range is mapped, and unchanged by the caller's promise.
    Ok(unsafe { core::slice::from_raw_parts(start.as_ptr(), bytes) })
}

/// Whether all of the range is mapped for reading and nothing else.
#[must_use]
pub fn is_read_only(range: PhysRange) -> bool {
    let tables = TABLES.lock();
    let Some(tables) = tables.as_ref() else { return false };
    let mut pages = range.touched_pages();
    while !pages.is_empty() {
        if tables.rights(pages.start) != Some(Rights::Read) {
            return false;
        }
        pages.start += PAGE_BYTES;
    }
    true
}

fn pointer(address: PhysAddr) -> Result<NonNull<u8>, MapError> {
    let address = usize::try_from(address.0).map_err(|_| MapError::BadRange)?;
    NonNull::new(core::ptr::with_exposed_provenance_mut(address)).ok_or(MapError::BadRange)
}
