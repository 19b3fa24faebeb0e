//! The fields of a schedule: text to sets of values.

use super::{CronError, FieldName};

/// What values a field can have.
pub(super) struct Field {
    name: FieldName,
    least: u8,
    most: u8,
    /// Names of the values from `least` on.
    names: &'static [&'static str],
}

const fn field(name: FieldName, least: u8, most: u8, names: &'static [&'static str]) -> Field {
    Field { name, least, most, names }
}

pub(super) const MINUTE: Field = field(FieldName::Minute, 0, 59, &[]);
pub(super) const HOUR: Field = field(FieldName::Hour, 0, 23, &[]);
pub(super) const DAY: Field = field(FieldName::Day, 1, 31, &[]);
pub(super) const MONTH: Field = field(
    FieldName::Month,
    1,
    12,
    &["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
);
pub(super) const WEEKDAY: Field =
    field(FieldName::Weekday, 0, 7, &["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]);

impl Field {
    /// The values of a list; at least one.
    pub(super) fn parse(&self, text: &str) -> Result<u64, CronError> {
        text.split(',').try_fold(0, |set, item| Ok(set | self.item(item)?))
    }

    fn item(&self, item: &str) -> Result<u64, CronError> {
        let (range, step) = match item.split_once('/') {
            Some((range, step)) => (range, Some(self.number(step)?)),
            None => (item, None),
        };
        if step == Some(0) {
            return Err(CronError::ZeroStep(self.name));
        }
        let (first, last) = if range == "*" {
            // Seven is another name of Sunday, not a day of its own.
            (self.least, if matches!(self.name, FieldName::Weekday) { 6 } else { self.most })
        } else if let Some((first, last)) = range.split_once('-') {
            let (first, last) = (self.value(first)?, self.value(last)?);
            // A week that ends on Sunday by its name ends on its last day.
            let is_whole = matches!(self.name, FieldName::Weekday) && last == 0 && first > 0;
            (first, if is_whole { 7 } else { last })
        } else {
            let value = self.value(range)?;
            (value, if step.is_some() { self.most.max(value) } else { value })
        };
        if first > last {
            return Err(CronError::OutOfRange(self.name));
        }
        let values = (first..=last).step_by(step.map_or(1, usize::from));
        Ok(values.fold(0, |set, value| set | 1 << value))
    }

    fn value(&self, text: &str) -> Result<u8, CronError> {
        let named = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named.and_then(|index| u8::try_from(index).ok()) {
            Some(index) => self.least + index,
            None => self.number(text)?,
        };
        if (self.least..=self.most).contains(&value) {
            Ok(value)
        } else {
            Err(CronError::OutOfRange(self.name))
        }
    }

    fn number(&self, text: &str) -> Result<u8, CronError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CronError::Malformed(self.name));
        }
        text.parse().map_err(|_| CronError::OutOfRange(self.name))
    }
}
