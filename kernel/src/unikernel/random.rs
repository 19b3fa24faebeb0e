//! Random bytes by the CPU's generator.

use core::arch::x86_64::{__cpuid_count, _rdrand64_step};

use hypervisor_glue::power::{self, ExitCode};

/// Fills `out`; a CPU without a generator ends the boot.
pub fn fill(out: &mut [u8]) {
    if __cpuid_count(1, 0).ecx >> 30 & 1 == 0 {
        log::error!(target: "boot", "cannot boot: no source of randomness");
        power::exit(ExitCode::CannotBoot);
    }
    for chunk in out.chunks_mut(8) {
        chunk.copy_from_slice(&word().to_le_bytes()[..chunk.len()]);
    }
}

#[expect(clippy::panic, reason = "a generator that fails leaves nothing to go on with")]
fn word() -> u64 {
    for _ in 0..32 {
        // SAFETY: CPUID offers RDRAND.
        if let Some(word) = unsafe { step() } {
            return word;
        }
    }
    panic!("RDRAND failed 32 times in a row");
}

/// # Safety
/// The CPU has RDRAND.
#[target_feature(enable = "rdrand")]
unsafe fn step() -> Option<u64> {
    let mut word = 0;
    (_rdrand64_step(&mut word) == 1).then_some(word)
}
