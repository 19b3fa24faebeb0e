//! Model-specific registers.

use core::arch::asm;

/// `IA32_EFER`.
pub const EFER: u32 = 0xC000_0080;
/// `IA32_EFER.NXE`: page-table entries may forbid execution.
pub const EFER_NXE: u64 = 1 << 11;

/// Reads the MSR `index`.
///
/// # Safety
/// The CPU must have that MSR (else a general-protection fault ends the guest).
#[inline]
#[must_use]
pub unsafe fn read(index: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller knows that the MSR exists; RDMSR touches no memory.
    unsafe {
        asm!("rdmsr", in("ecx") index, out("eax") low, out("edx") high,
             options(nomem, nostack, preserves_flags));
    }
    u64::from(high) << 32 | u64::from(low)
}

/// Writes `value` to the MSR `index`.
///
/// # Safety
/// The CPU must have that MSR and accept the value, and the effect must keep memory safe.
#[inline]
pub unsafe fn write(index: u32, value: u64) {
    let (low, high) = (value & 0xFFFF_FFFF, value >> 32);
    // SAFETY: the caller answers for the effect. Not `nomem`: an MSR may order or enable accesses.
    unsafe {
        asm!("wrmsr", in("ecx") index, in("rax") low, in("rdx") high,
             options(nostack, preserves_flags));
    }
}
