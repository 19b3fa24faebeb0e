//! Time: microseconds since the kernel's entry, and the time of day.
//!
//! Under KVM time is kvmclock's, which stays right when the guest moves to another host. Elsewhere
//! it is the TSC's, with its frequency from CPUID, else measured against the local APIC timer
//! (whose frequency QEMU and KVM fix), else against the PIT, else against the RTC, else assumed, and
//! the log says so. The time of day comes from kvmclock or the RTC once, at start.
//!
//! Not supported: correcting the time of day later, leap seconds, machines whose TSC stops.

mod calibrate;
mod cpuid;
mod pvclock;
mod rtc;

use crate::apic;
use crate::cpu;
use crate::limits::TSC_HZ_ASSUMED;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use spin::Once;

pub use calibrate::Counter;
pub use cpuid::Hypervisor;

/// Where the frequency of [`ticks`] comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// kvmclock, which is also what time is read from.
    KvmClock,
    /// CPUID.
    Cpuid,
    /// Measured against the local APIC timer.
    LocalApic,
    /// Measured against the PIT.
    Pit,
    /// Measured against the RTC, which took up to two seconds.
    Rtc,
    /// Nothing told it: time runs at a wrong speed.
    Assumed,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::KvmClock => "kvmclock",
            Source::Cpuid => "the TSC, frequency from CPUID",
            Source::LocalApic => "the TSC, frequency measured against the local APIC timer",
            Source::Pit => "the TSC, frequency measured against the PIT",
            Source::Rtc => "the TSC, frequency measured against the RTC",
            Source::Assumed => "the TSC, frequency unknown and assumed",
        })
    }
}

#[derive(Debug)]
struct Clock {
    source: Source,
    hz: u64,
    entry_ticks: u64,
    scale: Scale,
    /// kvmclock's time at entry, in nanoseconds.
    entry_nanos: Option<u64>,
    /// Unix time at entry, in milliseconds.
    entry_unix_millis: Option<u64>,
}

static CLOCK: Once<Clock> = Once::new();
/// The latest time given out: time never goes back, whatever the host does.
static LATEST_MICROS: AtomicU64 = AtomicU64::new(0);

/// Starts the clock. `entry_ticks` is the TSC at the kernel's first instruction. Call once, after
/// the heap and [`apic::init`]; until then time stands at 0.
pub fn init(entry_ticks: u64) {
    let clock = CLOCK.call_once(|| Clock::start(entry_ticks));
    match clock.source {
        Source::Assumed => {
            log::warn!("{} to be {} MHz; all times are off", clock.source, clock.hz / 1_000_000);
        }
        source => log::info!("{source}, {} MHz", clock.hz / 1_000_000),
    }
    if clock.entry_unix_millis.is_none() {
        log::warn!("neither kvmclock nor an RTC: the time of day is unknown");
    }
}

impl Clock {
    fn start(entry_ticks: u64) -> Clock {
        let hypervisor = Hypervisor::detect();
        if let Some(kvm) = pvclock::start(&hypervisor) {
            let hz = kvm.tsc_hz;
            let now = pvclock::nanos().unwrap_or(0);
            let scale = Scale::new(hz);
            let since_entry = scale.micros(cpu::tsc().saturating_sub(entry_ticks));
            let entry_nanos = now.saturating_sub(since_entry.saturating_mul(1_000));
            let entry_unix_millis =
                kvm.unix_nanos_at_zero.map(|zero| zero.saturating_add(entry_nanos) / 1_000_000);
            return Clock {
                source: Source::KvmClock,
                hz,
                entry_ticks,
                scale,
                entry_nanos: Some(entry_nanos),
                entry_unix_millis: entry_unix_millis.or_else(rtc::unix_millis),
            };
        }
        let (source, hz) = tsc_frequency(&hypervisor);
        let scale = Scale::new(hz);
        let entry_unix_millis = rtc::unix_millis().map(|now| {
            now.saturating_sub(scale.micros(cpu::tsc().saturating_sub(entry_ticks)) / 1_000)
        });
        Clock { source, hz, entry_ticks, scale, entry_nanos: None, entry_unix_millis }
    }

    fn micros(&self) -> u64 {
        let kvm = self
            .entry_nanos
            .and_then(|entry| Some(pvclock::nanos()?.saturating_sub(entry) / 1_000));
        kvm.unwrap_or_else(|| self.scale.micros(cpu::tsc().saturating_sub(self.entry_ticks)))
    }
}

fn tsc_frequency(hypervisor: &Hypervisor) -> (Source, u64) {
    if let Some(hz) = cpuid::tsc_hz(hypervisor) {
        return (Source::Cpuid, hz);
    }
    let by_apic = || {
        let mut timer = apic::counter(hypervisor.apic_timer_hz()?)?;
        calibrate::frequency(&mut timer, cpu::tsc)
    };
    if let Some(hz) = by_apic() {
        return (Source::LocalApic, hz);
    }
    if let Some(hz) = calibrate::frequency(&mut calibrate::Pit::start(), cpu::tsc) {
        return (Source::Pit, hz);
    }
    match rtc::tsc_hz() {
        Some(hz) => (Source::Rtc, hz),
        None => (Source::Assumed, TSC_HZ_ASSUMED),
    }
}

/// Microseconds since the kernel's entry; never goes back.
#[must_use]
pub fn monotonic_micros() -> u64 {
    let now = CLOCK.get().map_or(0, Clock::micros);
    LATEST_MICROS.fetch_max(now, Ordering::Relaxed).max(now)
}

/// Unix time in milliseconds; `None` if the machine does not tell the time of day. As exact as its
/// source: within a second for an RTC.
#[must_use]
pub fn unix_millis() -> Option<u64> {
    let entry = CLOCK.get()?.entry_unix_millis?;
    Some(entry.saturating_add(monotonic_micros() / 1_000))
}

/// The time-stamp counter.
#[must_use]
pub fn ticks() -> u64 {
    cpu::tsc()
}

/// Frequency of [`ticks`], in hertz; 0 before [`init`].
#[must_use]
pub fn ticks_hz() -> u64 {
    CLOCK.get().map_or(0, |clock| clock.hz)
}

/// The frequency of what `count` counts, in hertz, by the TSC: takes a millisecond. `None` before
/// [`init`], or if it does not count at a plausible frequency.
pub fn measure(count: impl FnMut() -> u64) -> Option<u64> {
    let hz = CLOCK.get()?.hz;
    calibrate::frequency(&mut calibrate::Tsc { hz }, count)
}

/// Where time comes from; `None` before [`init`].
#[must_use]
pub fn source() -> Option<Source> {
    CLOCK.get().map(|clock| clock.source)
}

/// Turns ticks into microseconds by one multiplication.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Microseconds per tick, times 2^[`Scale::SHIFT`].
    factor: u64,
}

impl Scale {
    /// At 10 MHz, the slowest that is believed, the factor takes 41 bits; at 20 GHz it still has
    /// 30.
    const SHIFT: u32 = 44;

    fn new(hz: u64) -> Scale {
        let factor = (1_000_000_u128 << Self::SHIFT) / u128::from(hz.max(1));
        Scale { factor: u64::try_from(factor).unwrap_or(u64::MAX) }
    }

    fn micros(self, ticks: u64) -> u64 {
        let product = u128::from(ticks) * u128::from(self.factor);
        u64::try_from(product >> Self::SHIFT).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::TSC_HZ;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn scaling_is_exact_to_a_millionth(hz in TSC_HZ, micros in 0_u64..100_000_000_000_000) {
            let ticks = u128::from(micros) * u128::from(hz) / 1_000_000;
            if let Ok(ticks) = u64::try_from(ticks) {
                let scaled = Scale::new(hz).micros(ticks);
                let allowed = 1 + micros / 1_000_000;
                prop_assert!(scaled.abs_diff(micros) <= allowed, "{scaled} {micros}");
            }
        }

        #[test]
        fn scaling_is_total_and_monotonic(
            hz in any::<u64>(),
            a in any::<u64>(),
            b in any::<u64>(),
        ) {
            let scale = Scale::new(hz);
            prop_assert!(scale.micros(a.min(b)) <= scale.micros(a.max(b)));
        }
    }
}
