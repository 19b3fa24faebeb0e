//! Interrupts: they wake the idle loop and do nothing else.
//!
//! Interrupts are enabled only inside [`wait`]. Their stubs note that one came, tell the local
//! APIC, and return. Who wakes looks at its rings and timers.

use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::cpu;

/// First vector for devices; those below are exceptions.
pub const FIRST_VECTOR: u8 = 32;
/// The local APIC's spurious vector, which takes no end-of-interrupt.
pub const SPURIOUS_VECTOR: u8 = 255;

/// Vector of what people ask of the machine: power button, keyboard. Its stub leaves a mark, so that
/// those devices, which are slow to ask, are asked only when they have something.
pub const REQUEST_VECTOR: u8 = 0x42;

/// Whether [`REQUEST_VECTOR`] came; set by its stub.
pub(super) static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Interrupts since the start; written by the stubs.
pub(super) static COUNT: AtomicU64 = AtomicU64::new(0);

/// How the stubs end an interrupt: 0 = not at all, 1 = x2APIC, else the address of the xAPIC's
/// EOI register. Read by the stubs.
pub(super) static END_OF_INTERRUPT: AtomicU64 = AtomicU64::new(0);

static IDLE_TICKS: AtomicU64 = AtomicU64::new(0);
static HALTS: AtomicU64 = AtomicU64::new(0);

/// How the local APIC is told that an interrupt was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndOfInterrupt {
    /// By the x2APIC's MSR 0x80B.
    X2Apic,
    /// By the memory-mapped EOI register at this (mapped) address.
    XApic(u64),
}

/// Says how interrupts end; before any is enabled.
///
/// # Safety
/// The local APIC is in the mode that is named, and the address is its mapped EOI register.
pub unsafe fn set_end_of_interrupt(way: EndOfInterrupt) {
    let value = match way {
        EndOfInterrupt::X2Apic => 1,
        EndOfInterrupt::XApic(address) => address,
    };
    END_OF_INTERRUPT.store(value, Ordering::Release);
}

/// Interrupts taken since the start.
#[must_use]
pub fn count() -> u64 {
    COUNT.load(Ordering::Acquire)
}

/// Whether [`REQUEST_VECTOR`] came since the last call.
#[must_use]
pub fn take_requested() -> bool {
    // Interrupts are off here, so nothing is lost between the two halves; a plain load is what the
    // common case costs.
    REQUESTED.load(Ordering::Acquire) && REQUESTED.swap(false, Ordering::AcqRel)
}

/// Ticks of the time-stamp counter spent in [`wait`].
#[must_use]
pub fn idle_ticks() -> u64 {
    IDLE_TICKS.load(Ordering::Relaxed)
}

/// Times that [`wait`] halted.
#[must_use]
pub fn halts() -> u64 {
    HALTS.load(Ordering::Relaxed)
}

/// Halts until an interrupt comes, or returns at once if one is pending.
///
/// An interrupt that arrives after the caller looked for work and before the halt is not lost:
/// it stays pending in the APIC until `sti`, and `sti` takes effect after the `hlt` that follows.
pub fn wait() {
    let before = cpu::tsc();
    // SAFETY: the interrupt table is in force whenever this runs; the stubs restore what they use.
    // Not `nomem`: devices may have written to memory meanwhile.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
    let spent = cpu::tsc().wrapping_sub(before);
    IDLE_TICKS.fetch_add(spent, Ordering::Relaxed);
    HALTS.fetch_add(1, Ordering::Relaxed);
}
