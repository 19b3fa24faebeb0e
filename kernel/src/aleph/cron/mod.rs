//! Schedules of five fields, in UTC.
//!
//! ```text
//! minute (0-59)  hour (0-23)  day of the month (1-31)  month (1-12, JAN-DEC)  weekday (0-7, SUN-SAT; 0 and 7: Sunday)
//! ```
//!
//! A field is a list, with commas, of `*`, a value, a range `a-b`, each perhaps with a step `/n`; `a/n` goes
//! on to the end. Names stand for numbers wherever these may, in any case. `@yearly`, `@annually`,
//! `@monthly`, `@weekly`, `@daily`, `@midnight` and `@hourly` stand for a whole line.
//!
//! Where the day of the month and the weekday both begin with something else than `*`, a day has to match
//! one of them; otherwise it has to match both. (That is the rule of cron since its beginnings.)
//!
//! Not supported: `@reboot`, seconds, years, time zones, `L`, `W`, `#` and `?`.
//!
//! What happens around missed ticks and changes of the clock is said at [`Alarm`].

mod alarm;
mod fields;
mod search;
#[cfg(test)]
mod tests;

use core::fmt;
use core::str::FromStr;

pub use alarm::{Alarm, Tick};

use super::limits::MAX_CRON_BYTES;
use fields::{DAY, HOUR, MINUTE, MONTH, WEEKDAY};

/// When something is to happen, to the minute: bit n of a set is the value n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    /// Sunday is 0.
    weekdays: u64,
    /// A day has to match one of its two fields, not both.
    is_either_day: bool,
}

/// One of the five fields of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldName {
    /// The first.
    Minute,
    /// The second.
    Hour,
    /// The third.
    Day,
    /// The fourth.
    Month,
    /// The fifth.
    Weekday,
}

/// Why a line is no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CronError {
    /// It has more than [`MAX_CRON_BYTES`].
    TooLong,
    /// It has not five fields.
    NotFiveFields,
    /// `@` and a word that stands for no schedule.
    UnknownWord,
    /// A field has an item that is none of the forms.
    Malformed(FieldName),
    /// A value is outside of its field's, or a range ends before it begins.
    OutOfRange(FieldName),
    /// A step is 0.
    ZeroStep(FieldName),
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day of the month",
            Self::Month => "month",
            Self::Weekday => "weekday",
        })
    }
}

impl fmt::Display for CronError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "the schedule has more than {MAX_CRON_BYTES} bytes"),
            Self::NotFiveFields => f.write_str("a schedule has five fields"),
            Self::UnknownWord => f.write_str("the word stands for no schedule"),
            Self::Malformed(field) => {
                write!(f, "the {field} is not made of `*`, values, ranges and steps")
            }
            Self::OutOfRange(field) => {
                write!(
                    f,
                    "the {field} has a value that it cannot have, or a range that ends too early"
                )
            }
            Self::ZeroStep(field) => write!(f, "the {field} has a step of 0"),
        }
    }
}

impl core::error::Error for CronError {}

impl FromStr for Schedule {
    type Err = CronError;

    fn from_str(line: &str) -> Result<Self, CronError> {
        if line.len() > MAX_CRON_BYTES {
            return Err(CronError::TooLong);
        }
        let line = line.trim_ascii();
        let line = if line.starts_with('@') { line_of(line)? } else { line };
        let mut fields = line.split_ascii_whitespace();
        let mut next = || fields.next().ok_or(CronError::NotFiveFields);
        let [minute, hour, day, month, weekday] = [next()?, next()?, next()?, next()?, next()?];
        if fields.next().is_some() {
            return Err(CronError::NotFiveFields);
        }
        let weekdays = WEEKDAY.parse(weekday)?;
        Ok(Self {
            minutes: MINUTE.parse(minute)?,
            hours: HOUR.parse(hour)?,
            days: DAY.parse(day)?,
            months: MONTH.parse(month)?,
            // Both ends of the week are Sunday.
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            is_either_day: !day.starts_with('*') && !weekday.starts_with('*'),
        })
    }
}

/// The line that a word stands for.
fn line_of(word: &str) -> Result<&'static str, CronError> {
    const WORDS: [(&str, &str); 7] = [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ];
    let known = WORDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(word));
    known.map(|(_, line)| *line).ok_or(CronError::UnknownWord)
}
