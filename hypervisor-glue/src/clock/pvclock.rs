//! kvmclock: time that KVM keeps in a page of ours (Linux Documentation/virt/kvm/x86/msr.rst).

use super::Hypervisor;
use crate::cpu::{self, msr};
use crate::limits::{PVCLOCK_RETRIES, TSC_HZ};
use core::cell::UnsafeCell;
use core::sync::atomic::{Ordering, compiler_fence};

const FEATURE_CLOCK: u32 = 1 << 3;
const MSR_WALL_CLOCK: u32 = 0x4b56_4d00;
const MSR_SYSTEM_TIME: u32 = 0x4b56_4d01;
const ENABLE: u64 = 1;
const WORDS: usize = 8;

/// Memory that KVM writes to. Aligned so that it does not cross a page.
#[repr(C, align(64))]
struct Shared(UnsafeCell<[u32; WORDS]>);

// SAFETY: all accesses are volatile reads of single words; the protocol's version tells torn
// readings.
unsafe impl Sync for Shared {}

impl Shared {
    fn word(&self, index: usize) -> u32 {
        let words = self.0.get().cast::<u32>();
        debug_assert!(index < WORDS);
        // SAFETY: the array has WORDS words, and every index here is a constant below that.
        let word = unsafe { words.add(index % WORDS) };
        // SAFETY: in bounds and aligned; KVM may write meanwhile, hence volatile.
        unsafe { word.read_volatile() }
    }

    fn address(&self) -> u64 {
        self.0.get().expose_provenance() as u64
    }
}

static TIME: Shared = Shared(UnsafeCell::new([0; WORDS]));
static WALL: Shared = Shared(UnsafeCell::new([0; WORDS]));

/// What kvmclock told at start.
#[derive(Clone, Copy, Debug)]
pub struct Started {
    /// The TSC's frequency, in hertz.
    pub tsc_hz: u64,
    /// Unix time at kvmclock's zero, in nanoseconds.
    pub unix_nanos_at_zero: Option<u64>,
}

/// Asks KVM to keep time for us; `None` without KVM, or if what it writes makes no sense.
pub fn start(hypervisor: &Hypervisor) -> Option<Started> {
    let Hypervisor::Kvm { features, .. } = hypervisor else { return None };
    if features & FEATURE_CLOCK == 0 {
        return None;
    }
    // SAFETY: KVM offers these registers; it writes 32 bytes of `TIME` from now on, which is
    // reserved for that.
    unsafe { msr::write(MSR_SYSTEM_TIME, TIME.address() | ENABLE) };
    let time = TimeInfo::read(|index| TIME.word(index))?;
    // SAFETY: KVM writes 12 bytes of `WALL`, once.
    unsafe { msr::write(MSR_WALL_CLOCK, WALL.address()) };
    let unix_nanos_at_zero = wall_nanos(|index| WALL.word(index));
    Some(Started { tsc_hz: time.tsc_hz()?, unix_nanos_at_zero })
}

/// kvmclock's time in nanoseconds; `None` if the page is torn for too long or makes no sense.
pub fn nanos() -> Option<u64> {
    TimeInfo::read(|index| TIME.word(index))?.nanos(cpu::tsc())
}

/// `struct pvclock_vcpu_time_info`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TimeInfo {
    tsc_timestamp: u64,
    system_nanos: u64,
    multiplier: u32,
    shift: i8,
}

impl TimeInfo {
    /// Reads the page until the version was even and the same before and after.
    fn read(word: impl Fn(usize) -> u32) -> Option<TimeInfo> {
        let long = |low: usize| u64::from(word(low + 1)) << 32 | u64::from(word(low));
        for _ in 0..PVCLOCK_RETRIES {
            let version = word(0);
            // x86 keeps loads in order, and volatile reads are not reordered by the compiler.
            compiler_fence(Ordering::SeqCst);
            let [shift, ..] = word(7).to_le_bytes();
            let info = TimeInfo {
                tsc_timestamp: long(2),
                system_nanos: long(4),
                multiplier: word(6),
                shift: i8::from_le_bytes([shift]),
            };
            compiler_fence(Ordering::SeqCst);
            if version.is_multiple_of(2) && word(0) == version {
                return (info.multiplier != 0 && info.shift.unsigned_abs() < 32).then_some(info);
            }
            core::hint::spin_loop();
        }
        None
    }

    fn nanos(&self, tsc: u64) -> Option<u64> {
        // Another core's page may be a little ahead of our TSC.
        let ticks = u128::from(tsc.saturating_sub(self.tsc_timestamp));
        let amount = u32::from(self.shift.unsigned_abs());
        let ticks = if self.shift < 0 { ticks >> amount } else { ticks << amount };
        let nanos = u64::try_from((ticks * u128::from(self.multiplier)) >> 32).ok()?;
        self.system_nanos.checked_add(nanos)
    }

    fn tsc_hz(&self) -> Option<u64> {
        let amount = u32::from(self.shift.unsigned_abs());
        let unshifted = (1_000_000_000_u128 << 32) / u128::from(self.multiplier.max(1));
        let hz = if self.shift < 0 { unshifted << amount } else { unshifted >> amount };
        u64::try_from(hz).ok().filter(|hz| TSC_HZ.contains(hz))
    }
}

/// `struct pvclock_wall_clock`: Unix time at kvmclock's zero.
fn wall_nanos(word: impl Fn(usize) -> u32) -> Option<u64> {
    let (version, seconds, nanos) = (word(0), word(1), word(2));
    let told = version != 0 && version.is_multiple_of(2) && seconds != 0 && nanos < 1_000_000_000;
    told.then(|| u64::from(seconds) * 1_000_000_000 + u64::from(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;
    use proptest::prelude::*;

    fn page(tsc: u64, nanos: u64, multiplier: u32, shift: i8) -> [u32; WORDS] {
        let [tsc_low, tsc_high] = crate::mmio::halves(tsc);
        let [nanos_low, nanos_high] = crate::mmio::halves(nanos);
        let shift = u32::from_le_bytes([shift.to_le_bytes()[0], 1, 0, 0]);
        [2, 0, tsc_low, tsc_high, nanos_low, nanos_high, multiplier, shift]
    }

    #[test]
    fn time_is_scaled_from_the_last_update() {
        // 2.4 GHz: shift -1, multiplier 2^33 / 2.4.
        let words = page(1_000, 5_000_000_000, 3_579_139_413, -1);
        let info = TimeInfo::read(|index| words[index]).unwrap();
        assert_eq!(info.nanos(1_000), Some(5_000_000_000));
        let second_later = info.nanos(1_000 + 2_400_000_000).unwrap();
        assert!(second_later.abs_diff(6_000_000_000) <= 1);
        assert_eq!(info.nanos(0), Some(5_000_000_000), "a TSC behind the page");
        assert!(info.tsc_hz().unwrap().abs_diff(2_400_000_000) <= 2);
    }

    #[test]
    fn a_page_that_is_being_written_is_read_again() {
        let words = page(0, 0, 1 << 31, 0);
        let reads = Cell::new(0);
        let torn = |index: usize| {
            reads.set(reads.get() + 1);
            if index == 0 && reads.get() < 20 { 2 + reads.get() } else { words[index] }
        };
        assert!(TimeInfo::read(torn).is_some());
        assert!(TimeInfo::read(|index| if index == 0 { 3 } else { words[index] }).is_none());
    }

    #[test]
    fn the_time_of_day_needs_a_sane_page() {
        assert_eq!(
            wall_nanos(|index| [2, 1_700_000_000, 5][index]),
            Some(1_700_000_000_000_000_005)
        );
        assert_eq!(wall_nanos(|index| [0, 1_700_000_000, 5][index]), None);
        assert_eq!(wall_nanos(|index| [3, 1_700_000_000, 5][index]), None);
        assert_eq!(wall_nanos(|index| [2, 1, 1_000_000_000][index]), None);
    }

    proptest! {
        #[test]
        fn any_page_is_survived(words in prop::array::uniform8(any::<u32>()), tsc in any::<u64>()) {
            if let Some(info) = TimeInfo::read(|index| words[index]) {
                let _ = info.nanos(tsc);
                prop_assert!(info.tsc_hz().is_none_or(|hz| TSC_HZ.contains(&hz)));
            }
        }
    }
}
