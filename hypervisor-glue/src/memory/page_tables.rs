//! Page tables: identity mappings of ranges, by the largest pages that fit.
//!
//! Four levels, or five where the loader switched five-level paging on. An entry once made is not
//! changed: mapping the same range again with the same rights is accepted, anything else refused.
//! Not supported: unmapping, mappings other than the identity.

use core::ptr::NonNull;

use super::address::{PAGE_BYTES, PhysRange};

pub(super) const PRESENT: u64 = 1 << 0;
pub(super) const WRITABLE: u64 = 1 << 1;
const WRITE_THROUGH: u64 = 1 << 3;
const CACHE_DISABLE: u64 = 1 << 4;
const LARGE: u64 = 1 << 7;
pub(super) const NO_EXECUTE: u64 = 1 << 63;
pub(super) const ADDRESS_MASK: u64 = 0x000F_FFFF_FFFF_F000;
pub(super) const ENTRIES: usize = 512;

/// What a mapping allows. There is no way to ask for both writing and executing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
    /// Reading and executing.
    ReadExecute,
    /// Reading and writing past the caches, for device registers.
    Device,
}

impl Rights {
    const fn bits(self, no_execute: bool) -> u64 {
        let never_execute = if no_execute { NO_EXECUTE } else { 0 };
        PRESENT
            | match self {
                Rights::Read => never_execute,
                Rights::ReadWrite => WRITABLE | never_execute,
                Rights::ReadExecute => 0,
                Rights::Device => WRITABLE | WRITE_THROUGH | CACHE_DISABLE | never_execute,
            }
    }
}

/// Why a range was not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// The range is empty, holds the null page or goes beyond the address space.
    BadRange,
    /// Part of it is mapped already, with other rights.
    Conflict,
    /// No memory for a table.
    OutOfMemory,
}

impl core::fmt::Display for MapError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            MapError::BadRange => "the range cannot be mapped",
            MapError::Conflict => "the range is mapped with other rights",
            MapError::OutOfMemory => "no memory for a page table",
        })
    }
}

/// One table of 512 entries.
#[repr(C, align(4096))]
#[derive(Clone, Debug)]
pub struct Table([u64; ENTRIES]);

impl Table {
    /// A table in which nothing is present.
    pub const EMPTY: Table = Table([0; ENTRIES]);
}

/// Gives memory for tables.
///
/// # Implementation safety
/// Each table given is empty, identity-mapped, used by nothing else, and never taken back.
pub unsafe trait TableSource {
    /// An empty table.
    fn take(&mut self) -> Option<NonNull<Table>>;
}

/// What the CPU can do for mappings.
#[derive(Clone, Copy, Debug)]
pub struct Abilities {
    /// Entries may forbid execution.
    pub no_execute: bool,
    /// 1 GiB pages exist.
    pub gigabyte_pages: bool,
    /// Physical (and so identity-mapped) addresses end here.
    pub end: u64,
}

/// A tree of page tables.
#[derive(Debug)]
pub struct PageTables {
    root: NonNull<Table>,
    abilities: Abilities,
}

// SAFETY: the tables are reached only through the one `PageTables` that owns them.
unsafe impl Send for PageTables {}

impl PageTables {
    /// A tree that maps nothing.
    ///
    /// # Errors
    /// [`MapError::OutOfMemory`].
    pub fn new(
        source: &mut impl TableSource,
        abilities: Abilities,
    ) -> Result<PageTables, MapError> {
        let root = source.take().ok_or(MapError::OutOfMemory)?;
        Ok(PageTables { root, abilities })
    }

    /// The address of the four-level root.
    #[must_use]
    pub fn root(&self) -> u64 {
        self.root.as_ptr().expose_provenance() as u64
    }

    /// Maps the pages that `range` touches to themselves.
    ///
    /// # Errors
    /// See [`MapError`]; pages before the one that failed stay mapped.
    pub fn map(
        &mut self,
        range: PhysRange,
        rights: Rights,
        source: &mut impl TableSource,
    ) -> Result<(), MapError> {
        let pages = range.touched_pages();
        if range.is_empty() || pages.start < PAGE_BYTES || pages.end > self.abilities.end {
            return Err(MapError::BadRange);
        }
        let mut at = pages.start;
        while at < pages.end {
            at += self.map_one(at, pages.end - at, rights, source)?;
        }
        Ok(())
    }

    /// Maps one page at `at`, the largest of at most `room` bytes; returns how far that reached.
    fn map_one(
        &mut self,
        at: u64,
        room: u64,
        rights: Rights,
        source: &mut impl TableSource,
    ) -> Result<u64, MapError> {
        let bits = rights.bits(self.abilities.no_execute);
        let mut table = self.root;
        let mut level = 4;
        loop {
            let entry = entry_of(table, at, level);
            // SAFETY: `entry` is in a table of this tree, which `&mut self` owns.
            let value = unsafe { entry.read() };
            let page_bytes = level_bytes(level);
            if value & PRESENT == 0 {
                let page_exists =
                    level == 1 || level == 2 || level == 3 && self.abilities.gigabyte_pages;
                if page_exists && at.is_multiple_of(page_bytes) && room >= page_bytes {
                    let large = if level == 1 { 0 } else { LARGE };
                    // SAFETY: as above; the address was not mapped before.
                    unsafe { entry.write(at | bits | large) };
                    return Ok(page_bytes);
                }
                let next = source.take().ok_or(MapError::OutOfMemory)?;
                let address = next.as_ptr().expose_provenance() as u64;
                // SAFETY: as above; an empty table maps nothing new.
                unsafe { entry.write(address | PRESENT | WRITABLE) };
                table = next;
            } else if level == 1 || value & LARGE != 0 {
                let rights_bits = PRESENT | WRITABLE | WRITE_THROUGH | CACHE_DISABLE | NO_EXECUTE;
                if value & rights_bits != bits {
                    return Err(MapError::Conflict);
                }
                return Ok((page_bytes - at % page_bytes).min(room));
            } else {
                table = table_at(value & ADDRESS_MASK).ok_or(MapError::Conflict)?;
            }
            level -= 1;
        }
    }

    /// The rights of the page at `address`, if it is mapped.
    #[must_use]
    pub fn rights(&self, address: u64) -> Option<Rights> {
        if address >= self.abilities.end {
            return None;
        }
        let mut table = self.root;
        for level in (1..=4).rev() {
            // SAFETY: the entry is in a table of this tree; `&self` keeps it from changing.
            let value = unsafe { entry_of(table, address, level).read() };
            if value & PRESENT == 0 {
                return None;
            }
            if level == 1 || value & LARGE != 0 {
                return Some(self.rights_of(value));
            }
            table = table_at(value & ADDRESS_MASK)?;
        }
        None
    }

    fn rights_of(&self, entry: u64) -> Rights {
        match (entry & CACHE_DISABLE != 0, entry & WRITABLE != 0) {
            (true, _) => Rights::Device,
            (false, true) => Rights::ReadWrite,
            (false, false) if entry & NO_EXECUTE == 0 && self.abilities.no_execute => {
                Rights::ReadExecute
            }
            (false, false) => Rights::Read,
        }
    }
}

/// The table that an entry of `level` leads to; none if it maps a page.
pub(super) const fn subtable_of(entry: u64, level: u32) -> Option<u64> {
    if level == 1 || entry & LARGE != 0 { None } else { Some(entry & ADDRESS_MASK) }
}

/// Bytes that one entry covers at `level` (1 = page table).
pub(super) const fn level_bytes(level: u32) -> u64 {
    PAGE_BYTES << (9 * (level - 1))
}

/// The entry for `address` in a table of `level`.
fn entry_of(table: NonNull<Table>, address: u64, level: u32) -> NonNull<u64> {
    let index = address / level_bytes(level) % ENTRIES as u64;
    #[expect(clippy::cast_possible_truncation, reason = "below 512")]
    let index = index as usize;
    // SAFETY: the index is below 512, so the entry is within the table.
    unsafe { table.cast::<u64>().add(index) }
}

/// The table at an address; none at null.
pub(super) fn table_at(address: u64) -> Option<NonNull<Table>> {
    NonNull::new(core::ptr::with_exposed_provenance_mut(usize::try_from(address).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::boxed::Box;

    const ALL: Abilities = Abilities { no_execute: true, gigabyte_pages: true, end: 1 << 40 };
    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    /// Leaks its tables: the tests are short.
    struct Leaking(usize);

    // SAFETY: each table is a fresh allocation that nothing frees; tests map nothing for a CPU.
    unsafe impl TableSource for Leaking {
        fn take(&mut self) -> Option<NonNull<Table>> {
            self.0 = self.0.checked_sub(1)?;
            Some(NonNull::from(Box::leak(Box::new(Table::EMPTY))))
        }
    }

    #[test]
    fn maps_by_the_largest_pages_that_fit() {
        let mut source = Leaking(100);
        let mut tables = PageTables::new(&mut source, ALL).unwrap();
        tables.map(PhysRange::new(4096, 3 * GIB), Rights::ReadWrite, &mut source).unwrap();
        assert_eq!(100 - source.0, 4, "root, first GiB, its 2 MiB pages, its first 4 KiB pages");
        assert_eq!(tables.rights(0), None, "the null page");
        for address in [4096, MIB, 2 * MIB, GIB - 1, 3 * GIB - 1] {
            assert_eq!(tables.rights(address), Some(Rights::ReadWrite), "{address:#x}");
        }
        assert_eq!(tables.rights(3 * GIB), None);
    }

    #[test]
    fn works_without_1_gib_pages_and_beyond_4_gib() {
        let mut source = Leaking(100);
        let abilities = Abilities { gigabyte_pages: false, ..ALL };
        let mut tables = PageTables::new(&mut source, abilities).unwrap();
        tables.map(PhysRange::new(4 * GIB, 7 * GIB), Rights::ReadWrite, &mut source).unwrap();
        assert_eq!(100 - source.0, 5);
        assert_eq!(tables.rights(7 * GIB - 1), Some(Rights::ReadWrite));
    }

    #[test]
    fn refuses_the_null_page_the_end_and_other_rights() {
        let mut source = Leaking(100);
        let mut tables = PageTables::new(&mut source, ALL).unwrap();
        let mut map =
            |start, end, rights| tables.map(PhysRange::new(start, end), rights, &mut source);
        assert_eq!(map(0, 8192, Rights::Read), Err(MapError::BadRange));
        assert_eq!(map(8192, 8192, Rights::Read), Err(MapError::BadRange));
        assert_eq!(map(ALL.end - 4096, ALL.end + 1, Rights::Read), Err(MapError::BadRange));
        assert_eq!(map(u64::MAX - 1, u64::MAX, Rights::Read), Err(MapError::BadRange));
        assert_eq!(map(2 * MIB, 4 * MIB, Rights::Read), Ok(()));
        assert_eq!(map(3 * MIB, 5 * MIB, Rights::Read), Ok(()));
        assert_eq!(map(3 * MIB, 4 * MIB, Rights::ReadWrite), Err(MapError::Conflict));
        assert_eq!(map(3 * MIB, 4 * MIB, Rights::Device), Err(MapError::Conflict));
    }

    #[test]
    fn reports_that_tables_ran_out() {
        let mut source = Leaking(2);
        let mut tables = PageTables::new(&mut source, ALL).unwrap();
        let range = PhysRange::new(4096, 8192);
        assert_eq!(tables.map(range, Rights::Read, &mut source), Err(MapError::OutOfMemory));
    }

    proptest! {
        #[test]
        fn what_is_mapped_and_nothing_else_is_found(
            ranges in prop::collection::vec((1u64..4000, 1u64..1500, 0usize..4), 1..6),
            probes in prop::collection::vec(0u64..6000, 50),
        ) {
            let all = [Rights::Read, Rights::ReadWrite, Rights::ReadExecute, Rights::Device];
            let mut source = Leaking(1000);
            let mut tables = PageTables::new(&mut source, ALL).unwrap();
            let mut mapped: std::vec::Vec<(PhysRange, Rights)> = std::vec::Vec::new();
            for (start, pages, rights) in ranges {
                let range = PhysRange::from_length(start * 4096, pages * 4096);
                if mapped.iter().all(|(other, _)| other.end <= range.start || range.end <= other.start) {
                    tables.map(range, all[rights], &mut source).unwrap();
                    mapped.push((range, all[rights]));
                }
            }
            for page in probes {
                let expected = mapped.iter().find(|(range, _)| range.contains(page * 4096));
                prop_assert_eq!(tables.rights(page * 4096 + 17), expected.map(|(_, rights)| *rights));
            }
        }
    }
}
