//! The next time of a schedule after a given one, and the last one before.
//!
//! The search goes month by month, with all days of a month in one set, so that even a 29th of February
//! that has to be a Sunday takes a few hundred steps, and what never comes takes one look at the schedule.

use super::Schedule;
use crate::aleph::calendar::{Date, days_in_month};

const SECONDS_PER_MINUTE: u64 = 60;
const MINUTES_PER_DAY: u64 = 24 * 60;
/// After so many months the calendar repeats, weekdays and all.
const MONTHS_PER_ERA: u32 = 400 * 12;

impl Schedule {
    /// The first time after `time`, in seconds since 1970; always the beginning of a minute. Nothing if the
    /// schedule names days that never come, such as the 30th of February.
    #[must_use]
    pub fn next_after(&self, time: u64) -> Option<u64> {
        if !self.has_days() {
            return None;
        }
        let minute = (time / SECONDS_PER_MINUTE).checked_add(1)?;
        let today = Date::from_days((minute / MINUTES_PER_DAY).try_into().ok()?)?;
        let (day, minute) = if self.days_of(today.year, today.month) & 1 << today.day != 0 {
            match self.minute_from(minute % MINUTES_PER_DAY) {
                Some(minute) => (Some(today), minute),
                None => (self.day_after(today), self.minute_from(0)?),
            }
        } else {
            (self.day_after(today), self.minute_from(0)?)
        };
        seconds(day?, minute)
    }

    /// The last time up to and including `time`, in seconds since 1970, and not before that.
    #[must_use]
    pub fn last_until(&self, time: u64) -> Option<u64> {
        if !self.has_days() {
            return None;
        }
        let minute = time / SECONDS_PER_MINUTE;
        let today = Date::from_days((minute / MINUTES_PER_DAY).try_into().ok()?)?;
        let (day, minute) = if self.days_of(today.year, today.month) & 1 << today.day != 0 {
            match self.minute_until(minute % MINUTES_PER_DAY) {
                Some(minute) => (Some(today), minute),
                None => (self.day_before(today), self.minute_until(MINUTES_PER_DAY - 1)?),
            }
        } else {
            (self.day_before(today), self.minute_until(MINUTES_PER_DAY - 1)?)
        };
        seconds(day?, minute)
    }

    /// Whether any day at all is meant: a month has the days, in a leap year if need be.
    fn has_days(&self) -> bool {
        const LEAP_YEAR: i32 = 2000;
        let has_days = |month: u8| {
            self.months & 1 << month != 0 && {
                let all = days_set(LEAP_YEAR, month);
                self.days & all != 0 || (self.is_either_day && self.weekdays != 0)
            }
        };
        (1..=12).any(has_days)
    }

    /// The days of a month that are meant.
    fn days_of(&self, year: i32, month: u8) -> u64 {
        let first = Date { year, month, day: 1 };
        if self.months & 1 << month == 0 {
            return 0;
        }
        // The week, over and over, from the weekday that comes before the first day.
        let weeks = (0..6).fold(0, |weeks, week| weeks | self.weekdays << (7 * week));
        let weekdays = weeks >> first.weekday() << 1;
        let either = if self.is_either_day { self.days | weekdays } else { self.days & weekdays };
        either & days_set(year, month)
    }

    fn day_after(&self, date: Date) -> Option<Date> {
        let Date { mut year, mut month, day } = date;
        let mut days = self.days_of(year, month) & !below(day + 1);
        for _ in 0..=MONTHS_PER_ERA {
            if days != 0 {
                return Date::new(year, month, u8::try_from(days.trailing_zeros()).ok()?);
            }
            (year, month) = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
            days = self.days_of(year, month);
        }
        None
    }

    fn day_before(&self, date: Date) -> Option<Date> {
        let Date { mut year, mut month, day } = date;
        let mut days = self.days_of(year, month) & below(day);
        while year >= 1970 {
            if days != 0 {
                return Date::new(year, month, u8::try_from(days.ilog2()).ok()?);
            }
            (year, month) = if month == 1 { (year - 1, 12) } else { (year, month - 1) };
            days = self.days_of(year, month);
        }
        None
    }

    /// The first minute of a day that is meant, from `minute` on.
    fn minute_from(&self, minute: u64) -> Option<u64> {
        let (hour, minute) = (minute / 60, minute % 60);
        if self.hours & 1 << hour != 0 {
            let minutes = self.minutes & !below(u8::try_from(minute).ok()?);
            if minutes != 0 {
                return Some(hour * 60 + u64::from(minutes.trailing_zeros()));
            }
        }
        let hours = self.hours & !below(u8::try_from(hour + 1).ok()?);
        let first = u64::from(self.minutes.trailing_zeros());
        (hours != 0).then(|| u64::from(hours.trailing_zeros()) * 60 + first)
    }

    /// The last minute of a day that is meant, up to `minute`.
    fn minute_until(&self, minute: u64) -> Option<u64> {
        let (hour, minute) = (minute / 60, minute % 60);
        if self.hours & 1 << hour != 0 {
            let minutes = self.minutes & below(u8::try_from(minute + 1).ok()?);
            if minutes != 0 {
                return Some(hour * 60 + u64::from(minutes.ilog2()));
            }
        }
        let hours = self.hours & below(u8::try_from(hour).ok()?);
        (hours != 0).then(|| u64::from(hours.ilog2()) * 60 + u64::from(self.minutes.ilog2()))
    }
}

/// The values below `value`, which is at most 63.
fn below(value: u8) -> u64 {
    (1 << value) - 1
}

/// All days of a month.
fn days_set(year: i32, month: u8) -> u64 {
    below(days_in_month(year, month) + 1) & !1
}

fn seconds(day: Date, minute: u64) -> Option<u64> {
    let days = u64::try_from(day.days_since_epoch()).ok()?;
    Some((days * MINUTES_PER_DAY + minute) * SECONDS_PER_MINUTE)
}
