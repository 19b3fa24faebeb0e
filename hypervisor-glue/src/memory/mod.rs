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

pub use address::{PhysAddr, PhysRange};
pub use page_tables::MapError;
use page_tables::{PageTables, Rights, Table, TableSource};

/// The tables in force, once `setup` has made them.
static TABLES: Mutex<Option<PageTables>> = Mutex::new(None);

/// Memory that is nobody's until it is taken by [`take_kept`]: mapped for writing, and neither of the
/// image nor of the heap.
static KEPT: Mutex<Option<PhysRange>> = Mutex::new(None);

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
/// Nothing writes to the range as long as the slice is used: it is no RAM of the heap, not what
/// [`take_kept`] gives, and no device's registers.
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

/// Whether memory may be given to whoever takes it: the image does not lie there, and it is not more than
/// [`limits::MAX_KEPT_BYTES`], which bounds what its page tables take.
#[cfg(any(test, feature = "freestanding"))]
fn may_be_kept(range: PhysRange, image: PhysRange) -> bool {
    range.bytes() <= limits::MAX_KEPT_BYTES && !range.overlaps(image)
}

/// The initial RAM disk, once; `None` if there is none, if it has more than [`limits::MAX_KEPT_BYTES`], if
/// the loader says that it lies where it cannot be mapped or something else is, or if somebody has it already.
#[must_use]
pub fn take_kept() -> Option<&'static mut [u8]> {
    let range = KEPT.lock().take()?;
    let length = usize::try_from(range.bytes()).ok()?;
    let start = pointer(PhysAddr(range.start)).ok()?;
    // SAFETY: `setup` mapped it for writing, and left it out of everything that has an owner; it is
    // given away once.
    Some(unsafe { core::slice::from_raw_parts_mut(start.as_ptr(), length) })
}

fn pointer(address: PhysAddr) -> Result<NonNull<u8>, MapError> {
    let address = usize::try_from(address.0).map_err(|_| MapError::BadRange)?;
    NonNull::new(core::ptr::with_exposed_provenance_mut(address)).ok_or(MapError::BadRange)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_beside_the_image() {
        let image = PhysRange::new(0x10_0000, 0x40_0000);
        let kept = |start, bytes| may_be_kept(PhysRange::from_length(start, bytes), image);
        assert!(kept(0x40_0000, limits::MAX_KEPT_BYTES));
        assert!(!kept(0x40_0000, limits::MAX_KEPT_BYTES + 1));
        assert!(kept(0xF_0000, 0x1_0000) && !kept(0xF_0000, 0x1_0001));
        assert!(!kept(0x3F_FFFF, 1) && !kept(0x20_0000, 0x1000) && !kept(0, 0x100_0000));
    }
}
