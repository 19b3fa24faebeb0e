//! What page tables allow: a walk over all that is mapped, as the CPU sees it.
//!
//! For tests of the promise that no page is both writable and executable: it trusts nothing that this
//! crate remembers about its mappings, only the tables themselves.

use core::fmt;

use super::address::PhysRange;
#[cfg(feature = "freestanding")]
use super::page_tables::{ADDRESS_MASK, table_at};
use super::page_tables::{ENTRIES, NO_EXECUTE, PRESENT, WRITABLE, level_bytes, subtable_of};
#[cfg(feature = "freestanding")]
use super::stacks::Stack;

/// Bit of an entry that lets unprivileged code use the page.
const USER: u64 = 1 << 2;

/// How much is mapped with which rights, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Executable, not writable.
    pub code: u64,
    /// Writable, not executable.
    pub data: u64,
    /// Neither.
    pub constants: u64,
    /// Both, which is what must not be.
    pub writable_code: u64,
    /// Open to unprivileged code, whatever else; there is none here.
    pub user: u64,
    /// In the first page, where null pointers lead.
    pub null: u64,
    /// In the guard pages below the stacks.
    pub guards: u64,
}

impl fmt::Display for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Audit { code, data, constants, writable_code, user, null, guards } = self;
        write!(
            f,
            "{code} bytes of code, {data} of data, {constants} of constants, {writable_code} writable and \
             executable, {user} for unprivileged code, {null} at null, {guards} in guard pages"
        )
    }
}

impl Audit {
    /// Counts the pages under a table of `level` (1 = page table). `guards` are those that nothing may be
    /// mapped in. `read` gives the entry of a table, by the table's physical address and the entry's number.
    pub fn of(
        root: u64,
        level: u32,
        guards: &[PhysRange],
        read: &impl Fn(u64, usize) -> u64,
    ) -> Audit {
        let mut audit = Audit::default();
        let all =
            Branch { table: root, level, address: 0, writable: true, user: true, never: false };
        audit.walk(all, guards, read);
        audit
    }

    /// The tables that the CPU uses at this moment.
    #[cfg(feature = "freestanding")]
    #[must_use]
    pub fn in_force() -> Audit {
        use crate::cpu::registers;
        let level = if registers::read_cr4() & registers::CR4_LA57 == 0 { 4 } else { 5 };
        // Nobody adds to them meanwhile.
        let _tables = super::TABLES.lock();
        let guards = Stack::ALL.map(Stack::guard);
        Audit::of(registers::read_cr3() & ADDRESS_MASK, level, &guards, &|table, index| {
            // What is no address is no table either.
            let Some(table) = table_at(table) else { return 0 };
            let entry = table.as_ptr().cast::<u64>().wrapping_add(index);
            // SAFETY: the tables in force lie in RAM that is mapped to itself and readable, and have so
            // many entries.
            unsafe { entry.read_volatile() }
        })
    }

    fn walk(&mut self, branch: Branch, guards: &[PhysRange], read: &impl Fn(u64, usize) -> u64) {
        let mut address = branch.address;
        for index in 0..ENTRIES {
            let entry = read(branch.table, index);
            if entry & PRESENT != 0 {
                let below = Branch {
                    address,
                    level: branch.level - 1,
                    // Rights are what all levels grant (Intel SDM volume 3, section 4.6.1).
                    writable: branch.writable && entry & WRITABLE != 0,
                    user: branch.user && entry & USER != 0,
                    never: branch.never || entry & NO_EXECUTE != 0,
                    table: 0,
                };
                match subtable_of(entry, branch.level) {
                    Some(table) => self.walk(Branch { table, ..below }, guards, read),
                    None => self.count(&below, level_bytes(branch.level), guards),
                }
            }
            address = address.saturating_add(level_bytes(branch.level));
        }
    }

    fn count(&mut self, page: &Branch, bytes: u64, guards: &[PhysRange]) {
        let kind = match (page.writable, page.never) {
            (true, false) => &mut self.writable_code,
            (true, true) => &mut self.data,
            (false, false) => &mut self.code,
            (false, true) => &mut self.constants,
        };
        *kind = kind.saturating_add(bytes);
        if page.user {
            self.user = self.user.saturating_add(bytes);
        }
        if page.address == 0 {
            self.null = self.null.saturating_add(bytes);
        }
        let end = page.address.saturating_add(bytes);
        for guard in guards {
            let common = PhysRange::new(page.address.max(guard.start), end.min(guard.end));
            self.guards = self.guards.saturating_add(common.bytes());
        }
    }
}

/// A table and what the levels above it grant.
#[derive(Clone, Copy, Debug)]
struct Branch {
    table: u64,
    level: u32,
    /// The first address that is mapped by it.
    address: u64,
    writable: bool,
    user: bool,
    /// Some level forbids execution.
    never: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::page_tables::{Abilities, PageTables, Rights, Table, TableSource};
    use core::ptr::NonNull;
    use std::boxed::Box;
    use std::collections::BTreeMap;

    const PAGE: u64 = 4096;
    /// A table beside the first, which is at `PAGE`.
    const SECOND: u64 = 2 * PAGE;
    const LARGE: u64 = 1 << 7;
    const LARGE_BYTES: u64 = 2 << 20;

    /// Tables by address, of which only the entries that are not zero are written down.
    fn audit(level: u32, tables: &BTreeMap<(u64, usize), u64>) -> Audit {
        let guards = [PhysRange::new(3 * LARGE_BYTES - PAGE, 3 * LARGE_BYTES + PAGE)];
        let read = |table, index| tables.get(&(table, index)).copied().unwrap_or(0);
        Audit::of(PAGE, level, &guards, &read)
    }

    #[test]
    fn rights_are_what_all_levels_grant() {
        let all = PRESENT | WRITABLE | USER;
        let mut tables = BTreeMap::from([((PAGE, 0), SECOND | all), ((SECOND, 1), all)]);
        let both = Audit { writable_code: PAGE, user: PAGE, ..Audit::default() };
        assert_eq!(audit(2, &tables), both);
        tables.insert((PAGE, 0), SECOND | PRESENT | WRITABLE | NO_EXECUTE);
        assert_eq!(audit(2, &tables), Audit { data: PAGE, ..Audit::default() });
        tables.insert((PAGE, 0), SECOND | PRESENT);
        assert_eq!(audit(2, &tables), Audit { code: PAGE, ..Audit::default() });
        tables.insert((PAGE, 0), SECOND | WRITABLE);
        assert_eq!(audit(2, &tables), Audit::default(), "a table that is not present");
    }

    #[test]
    fn large_pages_count_whole_and_the_null_page_is_noticed() {
        let page = PRESENT | WRITABLE | NO_EXECUTE | LARGE;
        let tables = BTreeMap::from([((PAGE, 0), page), ((PAGE, 3), page)]);
        let expected =
            Audit { data: 2 * LARGE_BYTES, null: LARGE_BYTES, guards: PAGE, ..Audit::default() };
        assert_eq!(audit(2, &tables), expected);
    }

    struct Leaking;

    // SAFETY: each table is a fresh allocation that nothing frees; no CPU uses them.
    unsafe impl TableSource for Leaking {
        fn take(&mut self) -> Option<NonNull<Table>> {
            Some(NonNull::from(Box::leak(Box::new(Table::EMPTY))))
        }
    }

    #[test]
    fn what_our_own_tables_map_is_counted_and_never_both() {
        let abilities = Abilities { no_execute: true, gigabyte_pages: true, end: 1 << 40 };
        let mut tables = PageTables::new(&mut Leaking, abilities).unwrap();
        let ranges = [
            (1, 3, Rights::ReadExecute),
            (3, 4, Rights::Read),
            (512, 5 << 18, Rights::ReadWrite),
            (6 << 18, (6 << 18) + 1, Rights::Device),
        ];
        for (start, end, rights) in ranges {
            tables.map(PhysRange::new(start * PAGE, end * PAGE), rights, &mut Leaking).unwrap();
        }
        let audit = Audit::of(tables.root(), 4, &[], &|table, index| {
            let table = core::ptr::with_exposed_provenance::<u64>(usize::try_from(table).unwrap());
            // SAFETY: the tables were leaked, and have so many entries.
            unsafe { table.wrapping_add(index).read() }
        });
        let data = ((5 << 18) - 512 + 1) * PAGE;
        let expected = Audit { code: 2 * PAGE, constants: PAGE, data, ..Audit::default() };
        assert_eq!(audit, expected);
    }
}
