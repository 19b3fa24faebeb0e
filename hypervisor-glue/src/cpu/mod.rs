//! The processor: registers, ports, descriptor tables, features.

pub mod descriptors;
pub mod features;
pub mod msr;
pub mod port;
pub mod registers;

pub use features::Features;

/// The time-stamp counter, in ticks since some point before the guest started.
#[inline]
#[must_use]
pub fn tsc() -> u64 {
    // SAFETY: RDTSC has no effect on memory; CR4.TSD is never set.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Stops this core for good: interrupts off, halted, and halted again should an NMI wake it.
pub fn halt_forever() -> ! {
    loop {
        // SAFETY: with interrupts off nothing else of ours runs; stopping is what is asked for.
        unsafe { core::arch::asm!("cli", "hlt", options(nomem, nostack)) }
    }
}
