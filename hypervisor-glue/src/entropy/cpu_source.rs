//! RDSEED and RDRAND.

use super::{SEED_BYTES, Seed, Source};
use crate::limits::RDRAND_RETRIES;
use core::arch::x86_64::{__cpuid, __cpuid_count, _rdrand64_step, _rdseed64_step};

const WORD_BYTES: usize = size_of::<u64>();
const WORDS: usize = SEED_BYTES / WORD_BYTES;

/// The CPU's own generator.
#[derive(Debug)]
pub struct CpuSource {
    rdseed: bool,
    rdrand: bool,
}

impl CpuSource {
    /// The CPU's generator, if CPUID offers one.
    #[must_use]
    pub fn detect() -> Option<CpuSource> {
        let rdrand = __cpuid(1).ecx & 1 << 30 != 0;
        let rdseed = __cpuid(0).eax >= 7 && __cpuid_count(7, 0).ebx & 1 << 18 != 0;
        (rdrand || rdseed).then_some(CpuSource { rdseed, rdrand })
    }
}

impl Source for CpuSource {
    fn name(&self) -> &'static str {
        if self.rdseed { "the CPU (RDSEED)" } else { "the CPU (RDRAND)" }
    }

    /// RDSEED may run dry, RDRAND hardly ever: what the one does not give is taken from the other.
    fn fill(&mut self, seed: &mut Seed) -> bool {
        let (use_rdseed, use_rdrand) = (self.rdseed, self.rdrand);
        let by_rdseed = move || use_rdseed.then(rdseed).flatten();
        let by_rdrand = move || use_rdrand.then(rdrand).flatten();
        (self.rdseed && collect(by_rdseed, seed)) || (self.rdrand && collect(by_rdrand, seed))
    }
}

fn rdseed() -> Option<u64> {
    let mut word = 0;
    // SAFETY: asked only where CPUID offers the instruction.
    (unsafe { _rdseed64_step(&mut word) } == 1).then_some(word)
}

fn rdrand() -> Option<u64> {
    let mut word = 0;
    // SAFETY: asked only where CPUID offers the instruction.
    (unsafe { _rdrand64_step(&mut word) } == 1).then_some(word)
}

/// Fills `seed` with words; false if the instruction fails too often, or gives a word twice, which
/// a sane one does once in 2^58 seeds, and broken ones (stuck at all ones or zeros, as has been
/// seen on real CPUs) do always.
fn collect(mut word: impl FnMut() -> Option<u64>, seed: &mut Seed) -> bool {
    let mut words = [0; WORDS];
    for index in 0..WORDS {
        let Some(value) = (0..RDRAND_RETRIES).find_map(|_| {
            let value = word();
            if value.is_none() {
                core::hint::spin_loop();
            }
            value
        }) else {
            return false;
        };
        if words.iter().take(index).any(|earlier| *earlier == value) {
            return false;
        }
        if let Some(slot) = words.get_mut(index) {
            *slot = value;
        }
    }
    for (bytes, word) in seed.chunks_exact_mut(WORD_BYTES).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_retried_up_to_the_limit() {
        for (failures, expected) in [(RDRAND_RETRIES - 1, true), (RDRAND_RETRIES, false)] {
            let mut calls = 0;
            let rare = || {
                calls += 1;
                (calls % (failures + 1) == 0).then_some(u64::from(calls))
            };
            assert_eq!(collect(rare, &mut [0; SEED_BYTES]), expected);
        }
    }

    #[test]
    fn a_stuck_instruction_gives_nothing() {
        for stuck in [0, u64::MAX, 42] {
            assert!(!collect(|| Some(stuck), &mut [0; SEED_BYTES]));
        }
        let mut toggle = 0;
        let two = || {
            toggle ^= 1;
            Some(toggle)
        };
        assert!(!collect(two, &mut [0; SEED_BYTES]));
    }

    #[test]
    fn words_fill_the_whole_seed() {
        let mut next = 0x0101_0101_0101_0100;
        let mut seed = [0; SEED_BYTES];
        assert!(collect(
            || {
                next += 1;
                Some(next)
            },
            &mut seed
        ));
        assert!(seed.iter().all(|byte| *byte != 0));
    }
}
