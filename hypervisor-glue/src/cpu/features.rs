//! What CPUID says that this room cares about.

use core::arch::x86_64::__cpuid_count;

/// CPU features that set-up decides by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Features {
    /// Page-table entries can forbid execution.
    pub no_execute: bool,
    /// 1 GiB pages.
    pub gigabyte_pages: bool,
    /// Supervisor-mode execution prevention.
    pub smep: bool,
    /// Supervisor-mode access prevention.
    pub smap: bool,
    /// User-mode instruction prevention.
    pub umip: bool,
    /// `rep movsb` is the fast way to copy.
    pub fast_string: bool,
    /// Physical address width in bits (36 where CPUID does not say).
    pub physical_bits: u8,
}

impl Features {
    /// Asks the CPU.
    #[must_use]
    pub fn detect() -> Features {
        let leaf = |leaf, subleaf| __cpuid_count(leaf, subleaf);
        let highest = leaf(0, 0).eax;
        let structured = if highest >= 7 { leaf(7, 0) } else { leaf(highest, 0) };
        let structured_bit = |register: u32, bit: u32| highest >= 7 && register >> bit & 1 == 1;
        let highest_extended = leaf(0x8000_0000, 0).eax;
        let extended = |number| highest_extended >= number && number >= 0x8000_0000;
        let extended_edx = if extended(0x8000_0001) { leaf(0x8000_0001, 0).edx } else { 0 };
        let physical_bits =
            if extended(0x8000_0008) { (leaf(0x8000_0008, 0).eax & 0xFF) as u8 } else { 36 };
        Features {
            no_execute: extended_edx >> 20 & 1 == 1,
            gigabyte_pages: extended_edx >> 26 & 1 == 1,
            smep: structured_bit(structured.ebx, 7),
            smap: structured_bit(structured.ebx, 20),
            umip: structured_bit(structured.ecx, 2),
            fast_string: structured_bit(structured.ebx, 9) && !runs_under_tcg(),
            physical_bits: physical_bits.clamp(32, 52),
        }
    }
}

/// QEMU's translator announces fast strings, but runs `rep movsb` byte by byte.
fn runs_under_tcg() -> bool {
    const HYPERVISOR_BIT: u32 = 1 << 31;
    if __cpuid_count(1, 0).ecx & HYPERVISOR_BIT == 0 {
        return false;
    }
    let signature = __cpuid_count(0x4000_0000, 0);
    let word = u32::from_le_bytes(*b"TCGT");
    signature.ebx == word
}
