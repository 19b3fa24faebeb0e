//! The TSC's frequency, measured against a timer of known frequency.

use crate::cpu::{self, port};
use crate::limits::{CALIBRATION_MICROS, CALIBRATION_READS, CALIBRATION_STUCK_READS, TSC_HZ};

/// A timer that counts at a known frequency.
pub trait Counter {
    /// Its frequency, in hertz.
    fn hz(&self) -> u64;
    /// What it has counted since some moment.
    fn read(&mut self) -> u64;
}

/// Pairs of readings of which the closest is taken: a host that takes the CPU away between the two
/// readings of a pair makes that pair worthless.
const PAIRS: usize = 16;

/// The frequency of `tsc` in hertz; `None` if the counter does not count, or the result is
/// implausible.
///
/// Takes [`CALIBRATION_MICROS`], or, with a counter that stands, [`CALIBRATION_STUCK_READS`]
/// readings of it.
pub fn frequency(counter: &mut impl Counter, mut tsc: impl FnMut() -> u64) -> Option<u64> {
    let hz = counter.hz();
    let wanted = hz.saturating_mul(CALIBRATION_MICROS) / 1_000_000;
    let (start_ticks, start) = pair(counter, &mut tsc);
    let mut last = start;
    let mut stuck = 0;
    let passed = (0..CALIBRATION_READS).any(|_| {
        let now = counter.read();
        stuck = if now == last { stuck + 1 } else { 0 };
        last = now;
        stuck >= CALIBRATION_STUCK_READS || now.wrapping_sub(start) >= wanted
    });
    if !passed || stuck >= CALIBRATION_STUCK_READS {
        return None;
    }
    let (end_ticks, end) = pair(counter, &mut tsc);
    let counted = u128::from(end.checked_sub(start)?);
    let ticks = u128::from(end_ticks.checked_sub(start_ticks)?);
    let result = (ticks * u128::from(hz)).checked_div(counted)?;
    u64::try_from(result).ok().filter(|hz| TSC_HZ.contains(hz))
}

/// Both times at the same moment, as nearly as can be told.
fn pair(counter: &mut impl Counter, tsc: &mut impl FnMut() -> u64) -> (u64, u64) {
    let readings = core::array::from_fn::<_, PAIRS, _>(|_| {
        let before = tsc();
        let count = counter.read();
        (tsc().wrapping_sub(before), before, count)
    });
    let closest = readings.iter().min_by_key(|(width, ..)| *width);
    closest.map_or((0, 0), |(width, before, count)| (before.wrapping_add(width / 2), *count))
}

/// The TSC, once its frequency is known, to measure other timers with.
#[derive(Debug)]
pub struct Tsc {
    /// Its frequency, in hertz.
    pub hz: u64,
}

impl Counter for Tsc {
    fn hz(&self) -> u64 {
        self.hz
    }

    fn read(&mut self) -> u64 {
        cpu::tsc()
    }
}

/// Channel 2 of the PIT (Intel 8254), which no interrupt hangs on. It may be absent: then it never
/// counts.
#[derive(Debug)]
pub struct Pit(());

impl Pit {
    const CHANNEL_2: u16 = 0x42;
    const COMMAND: u16 = 0x43;
    /// Bit 0: channel 2 counts; bit 1: it drives the speaker.
    const GATE: u16 = 0x61;
    /// Channel 2, low byte then high byte, mode 0, binary.
    const MODE_0: u8 = 0b1011_0000;
    const LATCH: u8 = 0b1000_0000;
    const RELOAD: u16 = u16::MAX;

    /// Starts counting down from 65535: good for 54 ms.
    pub fn start() -> Pit {
        // SAFETY: these ports belong to the PIT and the speaker's gate, which nothing else uses.
        let gate = unsafe { port::read_u8(Self::GATE) };
        let [low, high] = Self::RELOAD.to_le_bytes();
        let writes = [
            (Self::GATE, gate & !0b10 | 0b01),
            (Self::COMMAND, Self::MODE_0),
            (Self::CHANNEL_2, low),
            (Self::CHANNEL_2, high),
        ];
        for (port, value) in writes {
            // SAFETY: as above.
            unsafe { port::write_u8(port, value) };
        }
        Pit(())
    }
}

impl Counter for Pit {
    fn hz(&self) -> u64 {
        1_193_182
    }

    fn read(&mut self) -> u64 {
        // SAFETY: the PIT's ports; latching keeps the two halves together.
        unsafe { port::write_u8(Self::COMMAND, Self::LATCH) };
        // SAFETY: as above.
        let low = unsafe { port::read_u8(Self::CHANNEL_2) };
        // SAFETY: as above.
        let high = unsafe { port::read_u8(Self::CHANNEL_2) };
        u64::from(Self::RELOAD.wrapping_sub(u16::from_le_bytes([low, high])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;
    use proptest::prelude::*;

    /// A machine in which each reading takes some time.
    struct Machine {
        nanos: Cell<u64>,
        counter_hz: u64,
        step: u64,
        running: bool,
    }

    struct FakeCounter<'a>(&'a Machine);

    impl Counter for FakeCounter<'_> {
        fn hz(&self) -> u64 {
            self.0.counter_hz
        }
        fn read(&mut self) -> u64 {
            self.0.nanos.set(self.0.nanos.get() + self.0.step);
            if self.0.running { self.0.nanos.get() * self.0.counter_hz / 1_000_000_000 } else { 7 }
        }
    }

    fn measure(machine: &Machine, tsc_hz: u64) -> Option<u64> {
        let tsc = || {
            u64::try_from(u128::from(machine.nanos.get()) * u128::from(tsc_hz) / 1_000_000_000)
                .unwrap()
        };
        frequency(&mut FakeCounter(machine), tsc)
    }

    proptest! {
        #[test]
        fn a_counter_that_counts_gives_the_frequency(
            tsc_mhz in 500_u64..6000,
            counter_hz in prop::sample::select(&[1_193_182_u64, 62_500_000, 1_000_000_000]),
            step in 50_u64..3_000,
        ) {
            let machine = Machine { nanos: Cell::new(5_000), counter_hz, step, running: true };
            let hz = measure(&machine, tsc_mhz * 1_000_000).unwrap();
            // One reading and one count of the slow counter in a millisecond.
            prop_assert!(hz.abs_diff(tsc_mhz * 1_000_000) < tsc_mhz * 1_000_000 / 100, "{hz}");
            prop_assert!(machine.nanos.get() < 2 * CALIBRATION_MICROS * 1_000, "short");
        }
    }

    #[test]
    fn a_counter_that_stands_ends_the_measurement() {
        let machine =
            Machine { nanos: Cell::new(0), counter_hz: 1_193_182, step: 1, running: false };
        assert_eq!(measure(&machine, 1_000_000_000), None);
        assert!(machine.nanos.get() <= u64::from(CALIBRATION_STUCK_READS) + 2 * PAIRS as u64);
    }

    #[test]
    fn a_counter_that_crawls_ends_the_measurement() {
        let machine =
            Machine { nanos: Cell::new(0), counter_hz: 1_000_000_000, step: 1, running: true };
        assert_eq!(
            measure(&machine, 1_000_000_000),
            None,
            "10^6 ns take more readings than allowed"
        );
    }

    #[test]
    fn an_implausible_frequency_is_none() {
        let machine =
            Machine { nanos: Cell::new(0), counter_hz: 1_193_182, step: 1000, running: true };
        assert_eq!(measure(&machine, TSC_HZ.start() / 2), None);
        assert_eq!(measure(&machine, TSC_HZ.end() * 2), None);
    }
}
