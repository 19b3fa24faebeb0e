//! The time of day from the CMOS real-time clock (Motorola MC146818A).

use crate::cpu::{self, port};
use crate::limits::{RTC_POLLS, RTC_RETRIES, RTC_SECOND_READS, TSC_HZ};

const SECONDS: u8 = 0x00;
const MINUTES: u8 = 0x02;
const HOURS: u8 = 0x04;
const DAY: u8 = 0x07;
const MONTH: u8 = 0x08;
const YEAR: u8 = 0x09;
const STATUS_A: u8 = 0x0a;
const STATUS_B: u8 = 0x0b;
/// Where PCs keep the century; not part of the chip.
const CENTURY: u8 = 0x32;

const UPDATING: u8 = 1 << 7;
const HOURS_24: u8 = 1 << 1;
const BINARY: u8 = 1 << 2;
const AFTERNOON: u8 = 1 << 7;

/// Unix time in milliseconds by the machine's RTC, taken as UTC; `None` if there is none or it
/// makes no sense.
#[must_use]
pub fn unix_millis() -> Option<u64> {
    read(cmos)
}

/// The frequency of the TSC, in hertz, by a second of the RTC: takes up to two.
#[must_use]
pub fn tsc_hz() -> Option<u64> {
    ticks_of_a_second(cmos, cpu::tsc).filter(|hz| TSC_HZ.contains(hz))
}

fn cmos(register: u8) -> u8 {
    const INDEX: u16 = 0x70;
    const DATA: u16 = 0x71;
    // SAFETY: the CMOS ports; the index selects a register, and reading one has no effect on
    // memory.
    unsafe { port::write_u8(INDEX, register) };
    // SAFETY: as above.
    unsafe { port::read_u8(DATA) }
}

/// What `tsc` counts from one change of the seconds to the next.
fn ticks_of_a_second(register: impl Fn(u8) -> u8, tsc: impl Fn() -> u64) -> Option<u64> {
    const ABSENT: u8 = 0xff;
    let mut reads = 0..RTC_SECOND_READS;
    let mut change = || {
        let before = register(SECONDS);
        let changed = before != ABSENT && reads.any(|_| register(SECONDS) != before);
        changed.then(&tsc)
    };
    let start = change()?;
    change()?.checked_sub(start)
}

/// The registers as they were at one moment: second, minute, hour, day, month, year, century,
/// status B.
type Registers = [u8; 8];

fn read(mut register: impl FnMut(u8) -> u8) -> Option<u64> {
    let mut last = None;
    for _ in 0..RTC_RETRIES {
        let quiet = (0..RTC_POLLS).any(|_| register(STATUS_A) & UPDATING == 0);
        if !quiet {
            return None;
        }
        let now: Registers =
            [SECONDS, MINUTES, HOURS, DAY, MONTH, YEAR, CENTURY, STATUS_B].map(&mut register);
        // An update may have begun between the look at the status and the readings.
        if last == Some(now) {
            return unix_millis_of(now);
        }
        last = Some(now);
    }
    None
}

fn unix_millis_of(registers: Registers) -> Option<u64> {
    let [seconds, minutes, hours, day, month, year, century, status] = registers;
    let number = |value: u8| {
        if status & BINARY != 0 {
            return Some(u64::from(value));
        }
        let (tens, ones) = (value >> 4, value & 0xf);
        (tens < 10 && ones < 10).then(|| u64::from(tens) * 10 + u64::from(ones))
    };
    let hours = if status & HOURS_24 != 0 {
        number(hours)?
    } else {
        let noon = if hours & AFTERNOON != 0 { 12 } else { 0 };
        let hours = number(hours & !AFTERNOON).filter(|hours| (1..=12).contains(hours))?;
        hours % 12 + noon
    };
    let (seconds, minutes) = (number(seconds)?, number(minutes)?);
    let (day, month, year) = (number(day)?, number(month)?, number(year)?);
    // Many virtual machines leave the century empty; this code is not older than 2000.
    let century = number(century).filter(|century| (20..=21).contains(century)).unwrap_or(20);
    let year = century * 100 + year;
    let sound = seconds < 60
        && minutes < 60
        && hours < 24
        && year % 100 == number(registers[5])?
        && (1..=12).contains(&month)
        && day >= 1
        && day <= days_of(month, year);
    let days = days_since_1970(year, month, day)?;
    sound.then_some((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1_000)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of(month: u64, year: u64) -> u64 {
    match month {
        2 => 28 + is_leap(year) as u64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of 1970 or later in the Gregorian calendar.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    let before = year.checked_sub(1)?;
    // Days from 0001-01-01 to the first of January of `year`, less those up to 1970.
    let years = before * 365 + before / 4 - before / 100 + before / 400;
    let months: u64 = (1..month.min(12)).map(|month| days_of(month, year)).sum();
    (years + months + day.checked_sub(1)?).checked_sub(719_162)
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;
    use proptest::prelude::*;

    fn bcd(value: u64) -> u8 {
        u8::try_from(((value / 10) << 4) | (value % 10)).unwrap()
    }

    /// Civil date of a day, by counting.
    fn date(mut days: u64) -> (u64, u64, u64) {
        let (mut year, mut month) = (1970, 1);
        while days >= 365 + u64::from(is_leap(year)) {
            days -= 365 + u64::from(is_leap(year));
            year += 1;
        }
        while days >= days_of(month, year) {
            days -= days_of(month, year);
            month += 1;
        }
        (year, month, days + 1)
    }

    #[test]
    fn known_moments() {
        let at = [0x46, 0x14, 0x09, 0x22, 0x11, 0x26, 0x20, HOURS_24];
        assert_eq!(unix_millis_of(at), Some(1_795_338_886_000));
        let binary = [46, 14, 9, 22, 11, 26, 20, HOURS_24 | BINARY];
        assert_eq!(unix_millis_of(binary), Some(1_795_338_886_000));
        let no_century = [0x46, 0x14, 0x09, 0x22, 0x11, 0x26, 0, HOURS_24];
        assert_eq!(unix_millis_of(no_century), Some(1_795_338_886_000));
        let midnight = [0, 0, 0x12, 1, 1, 0, 0x20, 0];
        assert_eq!(unix_millis_of(midnight), Some(946_684_800_000));
        let evening = [0, 0, 0x81, 1, 1, 0, 0x20, 0];
        assert_eq!(unix_millis_of(evening), Some(946_684_800_000 + 13 * 3_600_000));
    }

    #[test]
    fn nonsense_is_no_time() {
        assert_eq!(unix_millis_of([0xff; 8]), None);
        assert_eq!(unix_millis_of([0; 8]), None, "no day 0");
        assert_eq!(unix_millis_of([0x60, 0, 0, 1, 1, 0, 0x20, HOURS_24]), None);
        assert_eq!(unix_millis_of([0, 0, 0, 0x30, 2, 0x24, 0x20, HOURS_24]), None);
        assert_eq!(unix_millis_of([0, 0, 0, 0x29, 2, 0x23, 0x20, HOURS_24]), None);
        assert!(unix_millis_of([0, 0, 0, 0x29, 2, 0x24, 0x20, HOURS_24]).is_some());
        assert_eq!(unix_millis_of([0, 0, 0x13, 1, 1, 0, 0x20, 0]), None, "no 13 o'clock of 12");
    }

    #[test]
    fn an_absent_or_restless_clock_ends_in_none() {
        let reads = Cell::new(0_u32);
        let absent = |_| {
            reads.set(reads.get() + 1);
            0xff
        };
        assert_eq!(read(absent), None);
        assert_eq!(reads.get(), RTC_POLLS);
        let restless = |register: u8| {
            reads.set(reads.get() + 1);
            if register == STATUS_A { 0 } else { reads.get().to_le_bytes()[0] }
        };
        assert_eq!(read(restless), None);
    }

    #[test]
    fn a_second_is_measured_from_change_to_change() {
        let micros = Cell::new(300_000_u64);
        let clock = |_| {
            micros.set(micros.get() + 1);
            bcd(micros.get() / 1_000_000 % 60)
        };
        let ticks = ticks_of_a_second(clock, || micros.get() * 2_000).unwrap();
        assert!(ticks.abs_diff(2_000_000_000) < 10_000, "{ticks}");
    }

    #[test]
    fn a_stopped_or_absent_clock_measures_nothing() {
        let reads = Cell::new(0_u32);
        let stopped = |value: u8| {
            reads.set(0);
            let clock = |_| {
                reads.set(reads.get() + 1);
                value
            };
            assert_eq!(ticks_of_a_second(clock, || 0), None);
            reads.get()
        };
        assert_eq!(stopped(0x30), RTC_SECOND_READS + 1);
        assert_eq!(stopped(0xff), 1);
    }

    proptest! {
        #[test]
        fn every_second_until_2199_survives_the_way_there(
            second in 946_684_800_u64..7_226_582_400,
            binary in any::<bool>(),
            hours_24 in any::<bool>(),
        ) {
            let (year, month, day) = date(second / 86_400);
            let clock = second % 86_400;
            let plain = |value: u64| u8::try_from(value).unwrap();
            let encode = |value: u64| if binary { plain(value) } else { bcd(value) };
            let hour = clock / 3_600;
            let hours = if hours_24 {
                encode(hour)
            } else {
                let half = if hour >= 12 { AFTERNOON } else { 0 };
                encode((hour + 11) % 12 + 1) | half
            };
            let status = if binary { BINARY } else { 0 } | if hours_24 { HOURS_24 } else { 0 };
            let registers = [
                encode(clock % 60), encode(clock / 60 % 60), hours,
                encode(day), encode(month), encode(year % 100), encode(year / 100), status,
            ];
            prop_assert_eq!(unix_millis_of(registers), Some(second * 1_000));
        }

        #[test]
        fn any_registers_are_survived(registers in prop::array::uniform8(any::<u8>())) {
            let _ = unix_millis_of(registers);
        }
    }
}
