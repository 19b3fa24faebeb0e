//! The page tables between firmware and kernel: everything below 4 GiB, mapped to itself.
//!
//! Firmware's own tables may forbid to write or to execute where the kernel goes. Beyond 4 GiB
//! only the pages around an address are mapped that the switch to these tables is made from.

/// Tables that are needed at most: five levels, four of the last for 4 GiB, three for an address beyond.
pub const TABLES: usize = 11;

/// One table, of any level.
pub type Table = [u64; 512];

const PRESENT_WRITABLE: u64 = 3;
const LARGE: u64 = 0x80;
const LARGE_PAGE: u64 = 2 << 20;
const LOW_END: u64 = 4 << 30;
const ADDRESS: u64 = 0x000F_FFFF_FFFF_F000;

/// Fills `tables`, which lie at `base`, and gives the address of the root, for paging with `levels`
/// (4 or 5). Maps the low 4 GiB, and the large page of `also` with the one after it.
pub fn identity(tables: &mut [Table; TABLES], base: u64, levels: u32, also: u64) -> u64 {
    let mut pool = Pool { tables, base, used: 1 };
    pool.tables.iter_mut().for_each(|table| table.fill(0));
    let low = (0..LOW_END / LARGE_PAGE).map(|page| page * LARGE_PAGE);
    let page = also - also % LARGE_PAGE;
    for address in low.chain([page, page.saturating_add(LARGE_PAGE)]) {
        pool.map(address, levels);
    }
    base
}

struct Pool<'a> {
    tables: &'a mut [Table; TABLES],
    base: u64,
    used: usize,
}

impl Pool<'_> {
    /// Maps one large page. Where no table is left it stays unmapped: [`TABLES`] are enough for what
    /// `identity` asks for, unless its address ends a stretch of 1 GiB.
    fn map(&mut self, address: u64, levels: u32) {
        let mut table = 0;
        for level in (3..=levels).rev() {
            let Some(next) = self.below(table, address, level) else { return };
            table = next;
        }
        if let Some(entry) = self.entry(table, address, 2) {
            *entry = address | LARGE | PRESENT_WRITABLE;
        }
    }

    fn entry(&mut self, table: usize, address: u64, level: u32) -> Option<&mut u64> {
        let index = usize::try_from(address >> (12 + 9 * (level - 1)) & 511).ok()?;
        self.tables.get_mut(table)?.get_mut(index)
    }

    /// The number of the table below an entry, made if there is none.
    fn below(&mut self, table: usize, address: u64, level: u32) -> Option<usize> {
        let (base, used) = (self.base, self.used);
        let entry = self.entry(table, address, level)?;
        if *entry == 0 {
            if used == TABLES {
                return None;
            }
            *entry = (base + used as u64 * 4096) | PRESENT_WRITABLE;
            self.used += 1;
            return Some(used);
        }
        usize::try_from(((*entry & ADDRESS) - base) / 4096).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: u64 = 0x123_4000;

    /// Where the tables lead from `address`, walked as a CPU does.
    fn walk(tables: &[Table; TABLES], root: u64, levels: u32, address: u64) -> Option<u64> {
        let mut table = root;
        for level in (2..=levels).rev() {
            let index = usize::try_from(address >> (12 + 9 * (level - 1)) & 511).unwrap();
            let entry = tables[usize::try_from((table - BASE) / 4096).unwrap()][index];
            if entry & 1 == 0 {
                return None;
            }
            assert_eq!(entry & 2, 2, "writable");
            if level == 2 {
                assert_eq!(entry & LARGE, LARGE);
                return Some((entry & ADDRESS) + address % LARGE_PAGE);
            }
            table = entry & ADDRESS;
        }
        None
    }

    proptest! {
        #[test]
        fn maps_the_low_4_gib_and_one_place_more(
            levels in 4u32..=5, low in 0u64..LOW_END, also in 0u64..1 << 46, far in LOW_END..1 << 46,
        ) {
            let mut tables = Box::new([[0xEE; 512]; TABLES]);
            let root = identity(&mut tables, BASE, levels, also);
            prop_assert_eq!(walk(&tables, root, levels, low), Some(low));
            prop_assert_eq!(walk(&tables, root, levels, also), Some(also));
            let near = far.abs_diff(also) < 2 * LARGE_PAGE;
            prop_assert!(near || walk(&tables, root, levels, far).is_none());
        }
    }

    #[test]
    fn the_page_after_is_mapped_across_every_boundary_of_the_tables() {
        for levels in [4, 5] {
            for boundary in [1u64 << 30, 4 << 30, 5 << 30, 1 << 39] {
                let also = boundary - 4096;
                let mut tables = Box::new([[0; 512]; TABLES]);
                let root = identity(&mut tables, BASE, levels, also);
                assert_eq!(walk(&tables, root, levels, also), Some(also));
                assert_eq!(walk(&tables, root, levels, boundary), Some(boundary), "{boundary:#x}");
            }
        }
    }
}
