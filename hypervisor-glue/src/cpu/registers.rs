//! Control registers, as far as set-up and fault reports need them.

use core::arch::asm;

/// `CR0.WP`: ring 0 obeys read-only pages.
pub const CR0_WP: u64 = 1 << 16;
/// `CR4.PGE`.
pub const CR4_PGE: u64 = 1 << 7;
/// `CR4.UMIP`: no SGDT and the like outside ring 0.
pub const CR4_UMIP: u64 = 1 << 11;
/// `CR4.LA57`: five-level paging.
pub const CR4_LA57: u64 = 1 << 12;
/// `CR4.SMEP`: ring 0 does not execute user pages.
pub const CR4_SMEP: u64 = 1 << 20;
/// `CR4.SMAP`: ring 0 does not touch user pages.
pub const CR4_SMAP: u64 = 1 << 21;

macro_rules! reader {
    ($name:ident, $register:literal) => {
        #[doc = concat!("Reads ", $register, ".")]
        #[inline]
        #[must_use]
        pub fn $name() -> u64 {
            let value: u64;
            // SAFETY: reading a control register in ring 0 has no effect.
            unsafe {
                asm!(concat!("mov {}, ", $register), out(reg) value,
                     options(nomem, nostack, preserves_flags));
            }
            value
        }
    };
}

macro_rules! writer {
    ($name:ident, $register:literal) => {
        #[doc = concat!("Writes ", $register, ".")]
        ///
        /// # Safety
        /// The value must be valid for this CPU and keep every mapping that Rust relies on.
        #[inline]
        pub unsafe fn $name(value: u64) {
            // SAFETY: the caller answers for the value. It orders memory accesses: not `nomem`.
            unsafe {
                asm!(concat!("mov ", $register, ", {}"), in(reg) value,
                     options(nostack, preserves_flags));
            }
        }
    };
}

reader!(read_cr0, "cr0");
reader!(read_cr2, "cr2");
reader!(read_cr3, "cr3");
reader!(read_cr4, "cr4");
writer!(write_cr0, "cr0");
writer!(write_cr3, "cr3");
writer!(write_cr4, "cr4");

/// Forgets the cached translation of the page at `address`.
#[inline]
pub fn flush_page(address: u64) {
    // SAFETY: dropping a cached translation only makes the CPU read the page tables again.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}
