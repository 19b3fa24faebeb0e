//! Random numbers for keys: a ChaCha20 generator, seeded from the CPU and from virtio-rng.
//!
//! A source counts only if it is made for this: RDSEED, RDRAND, virtio-rng. The time-stamp counter
//! is mixed in and counts for nothing. Without any source there is no generator: a node that cannot
//! make keys must say so and stop.
//!
//! All input goes through SHA-256 together with the old key, so that a bad source spoils nothing
//! that a good one gave, and who learns the state later cannot go back behind the last reseeding, nor
//! behind the last key that was given out. A machine that goes on from a snapshot is told by its
//! [`Generation`], where it has one, and seeded anew before it gives out anything.

mod cpu_source;
mod generation;

use crate::cpu;
use crate::limits::CSPRNG_RESEED_BYTES;
use core::convert::Infallible;
use core::fmt;
use core::hint::black_box;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};
use sha2::{Digest, Sha256};

pub use cpu_source::CpuSource;
pub use generation::Generation;

/// Bytes asked of each source at a time: twice the key, in case a source is weaker than it says.
pub const SEED_BYTES: usize = 64;

/// Bytes of entropy from a source.
pub type Seed = [u8; SEED_BYTES];

/// From so many bytes on, what is asked for at once may become a key.
const KEY_BYTES: usize = 32;

/// Something that gives entropy.
pub trait Source {
    /// What it is, for the log.
    fn name(&self) -> &'static str;
    /// Fills `seed` wholly; false if it cannot at present, and then `seed` is worth nothing.
    fn fill(&mut self, seed: &mut Seed) -> bool;
}

/// Why there is no generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntropyError {
    /// No source gives anything.
    NoSource,
}

impl fmt::Display for EntropyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            EntropyError::NoSource => {
                "no source of random numbers: it takes RDRAND, RDSEED or a virtio-rng device"
            }
        })
    }
}

/// A cryptographically secure generator.
///
/// It implements the traits of `rand_core`: [`Rng`] and `CryptoRng` come with [`TryRng`].
pub struct Csprng {
    generator: ChaCha20Rng,
    left_bytes: u64,
    cpu: Option<CpuSource>,
    generation: Option<Generation>,
}

impl fmt::Debug for Csprng {
    /// Does not show the state.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Csprng").finish_non_exhaustive()
    }
}

impl Csprng {
    /// A generator seeded by the CPU and by each of `others` that gives something. The CPU reseeds
    /// it from then on; other sources do when they are given to [`Csprng::reseed`].
    ///
    /// # Errors
    ///
    /// [`EntropyError::NoSource`] if neither gives anything.
    pub fn new(others: &mut [&mut dyn Source]) -> Result<Csprng, EntropyError> {
        Self::with_cpu(CpuSource::detect(), others)
    }

    fn with_cpu(
        mut cpu: Option<CpuSource>,
        others: &mut [&mut dyn Source],
    ) -> Result<Csprng, EntropyError> {
        let mut csprng = Csprng {
            generator: ChaCha20Rng::from_seed([0; 32]),
            left_bytes: CSPRNG_RESEED_BYTES,
            cpu: None,
            generation: None,
        };
        let mut given = cpu.as_mut().is_some_and(|cpu| csprng.reseed(cpu));
        for source in others.iter_mut() {
            given |= csprng.reseed(*source);
        }
        csprng.cpu = cpu;
        if given { Ok(csprng) } else { Err(EntropyError::NoSource) }
    }

    /// Mixes what a source gives into the state. False if it gave nothing.
    pub fn reseed(&mut self, source: &mut dyn Source) -> bool {
        let mut seed = [0; SEED_BYTES];
        let given = source.fill(&mut seed);
        if given {
            log::info!("seeded from {}", source.name());
            self.mix(&seed);
            self.left_bytes = CSPRNG_RESEED_BYTES;
        } else {
            log::warn!("{} gave no random numbers", source.name());
        }
        wipe(&mut seed);
        given
    }

    /// From now on a change of this ID has the generator seeded anew.
    pub fn watch(&mut self, generation: Generation) {
        self.mix(generation.last());
        self.generation = Some(generation);
    }

    /// Seeds anew if the machine was started from a snapshot or a copy. Without a CPU that gives
    /// something the new ID alone sets the copies apart.
    fn look_at_generation(&mut self) {
        let Some(generation) = &mut self.generation else { return };
        if !generation.has_changed() {
            return;
        }
        let id = *generation.last();
        self.mix(&id);
        self.left_bytes = 0;
        log::info!("another generation of the machine: seeded anew");
    }

    /// Replaces the key by a hash of it and of `input`.
    fn mix(&mut self, input: &[u8]) {
        let mut old = [0; 32];
        self.generator.fill_bytes(&mut old);
        let mut hash = Sha256::new();
        hash.update(b"aerolith csprng 1");
        hash.update(old);
        hash.update(cpu::tsc().to_le_bytes());
        hash.update(input);
        let mut key: [u8; 32] = hash.finalize().into();
        self.generator = ChaCha20Rng::from_seed(key);
        wipe(&mut old);
        wipe(&mut key);
    }

    /// Reseeds when enough was given out. A CPU that fails now still leaves a new key that does not
    /// tell the old one.
    fn account(&mut self, bytes: usize) {
        self.look_at_generation();
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        if let Some(left) = self.left_bytes.checked_sub(bytes) {
            self.left_bytes = left;
            return;
        }
        let mut seed = [0; SEED_BYTES];
        let given = self.cpu.as_mut().is_some_and(|cpu| cpu.fill(&mut seed));
        self.mix(if given { &seed } else { &[] });
        self.left_bytes = CSPRNG_RESEED_BYTES;
        wipe(&mut seed);
    }
}

impl TryRng for Csprng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.account(size_of::<u32>());
        Ok(self.generator.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.account(size_of::<u64>());
        Ok(self.generator.next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.account(out.len());
        self.generator.fill_bytes(out);
        if out.len() >= KEY_BYTES {
            // Neither what is left of the output nor the state tells it any more.
            self.mix(&[]);
        }
        Ok(())
    }
}

impl TryCryptoRng for Csprng {}

/// Overwrites a secret in a way that the compiler does not leave out.
pub(crate) fn wipe(secret: &mut [u8]) {
    secret.fill(0);
    black_box(secret);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::rc::Rc;
    use core::cell::Cell;
    use rand_core::CryptoRng;

    struct Fixed(u8, bool);

    impl Source for Fixed {
        fn name(&self) -> &'static str {
            "test"
        }
        fn fill(&mut self, seed: &mut Seed) -> bool {
            seed.fill(self.0);
            self.1
        }
    }

    fn bytes(rng: &mut impl CryptoRng) -> [u8; 32] {
        let mut out = [0; 32];
        rng.fill_bytes(&mut out);
        out
    }

    #[test]
    fn without_a_source_there_is_no_generator() {
        assert_eq!(Csprng::with_cpu(None, &mut []).err(), Some(EntropyError::NoSource));
        let mut broken = Fixed(1, false);
        assert_eq!(Csprng::with_cpu(None, &mut [&mut broken]).err(), Some(EntropyError::NoSource));
    }

    #[test]
    fn one_working_source_among_broken_ones_is_enough() {
        let (mut broken, mut works) = (Fixed(1, false), Fixed(2, true));
        assert!(Csprng::with_cpu(None, &mut [&mut broken, &mut works]).is_ok());
    }

    #[test]
    fn generators_from_the_same_source_differ_and_do_not_repeat() {
        let mut seen = BTreeSet::new();
        for _ in 0..20 {
            let mut rng = Csprng::with_cpu(None, &mut [&mut Fixed(3, true)]).unwrap();
            for _ in 0..20 {
                assert!(seen.insert(bytes(&mut rng)));
            }
        }
    }

    #[test]
    fn reseeding_comes_after_the_limit_and_changes_the_stream() {
        let mut rng = Csprng::with_cpu(None, &mut [&mut Fixed(4, true)]).unwrap();
        let mut copy = rng.generator.clone();
        let mut out = alloc::vec![0; usize::try_from(CSPRNG_RESEED_BYTES).unwrap()];
        rng.fill_bytes(&mut out);
        let mut expected = out.clone();
        copy.fill_bytes(&mut expected);
        assert!(out == expected, "up to the limit the stream is ChaCha20's");
        assert_eq!(rng.left_bytes, 0);
        assert_ne!(rng.next_u64(), copy.next_u64());
        assert!(rng.left_bytes > 0);
    }

    #[test]
    fn a_key_cannot_be_told_from_the_state_that_is_left() {
        let mut rng = Csprng::with_cpu(None, &mut [&mut Fixed(6, true)]).unwrap();
        let left = rng.left_bytes;
        let (mut short, before) = ([0; KEY_BYTES - 1], rng.generator.get_seed());
        rng.fill_bytes(&mut short);
        assert_eq!(rng.generator.get_seed(), before);
        rng.fill_bytes(&mut [0; KEY_BYTES]);
        assert_ne!(rng.generator.get_seed(), before);
        assert_eq!(rng.generator.get_word_pos(), 0, "nothing of the old output is kept");
        assert_eq!(
            rng.left_bytes,
            left - 2 * KEY_BYTES as u64 + 1,
            "the CPU is asked none the later"
        );
    }

    #[test]
    fn copies_of_a_machine_go_different_ways_once_they_are_told() {
        let id = Rc::new(Cell::new([1; 16]));
        let watched = || {
            let id = id.clone();
            let mut rng = Csprng::with_cpu(None, &mut [&mut Fixed(7, true)]).unwrap();
            rng.generator = ChaCha20Rng::from_seed([9; 32]);
            rng.generation = Some(Generation::of(move || id.get()));
            rng
        };
        let (mut one, mut same) = (watched(), watched());
        assert_eq!(one.next_u64(), same.next_u64());
        let (left, key) = (one.left_bytes, one.generator.get_seed());
        one.next_u64();
        assert_eq!(
            (one.left_bytes, one.generator.get_seed()),
            (left - 8, key),
            "no change, no seed"
        );
        id.set([2; 16]);
        one.next_u64();
        assert_ne!(one.generator.get_seed(), key);
        assert_eq!(one.left_bytes, CSPRNG_RESEED_BYTES, "the CPU was asked");
        let key = one.generator.get_seed();
        one.next_u64();
        assert_eq!(one.generator.get_seed(), key, "once for each change");
    }

    #[test]
    fn the_state_is_not_shown() {
        let rng = Csprng::with_cpu(None, &mut [&mut Fixed(5, true)]).unwrap();
        assert_eq!(alloc::format!("{rng:?}"), "Csprng { .. }");
    }
}
