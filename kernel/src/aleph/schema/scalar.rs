//! Scalars, with the conversions of the network's reference parser.
//!
//! | wanted | also taken |
//! |---|---|
//! | truth value | 0, 1, 0.0, 1.0, and the words `true`, `t`, `yes`, `y`, `on`, `1` and their opposites, in any case |
//! | integer | a float without a fraction, a truth value, a text in decimal (with `_` between digits, with `.0` behind) |
//! | number | a truth value, a text in decimal |
//! | point in time | seconds since 1970 (milliseconds from 20 thousand million on), ISO 8601, each as number or text |

use alloc::string::String;

use air_core::value::{Number, Value};

use super::Reason;
use crate::aleph::calendar::Date;
use crate::aleph::limits::MAX_CONTENT_SECONDS;

const NOT_A_FLAG: Reason = Reason::Not("a truth value");
const NOT_AN_INTEGER: Reason = Reason::Not("an integer");
const NOT_A_NUMBER: Reason = Reason::Not("a number");
const NOT_A_TIME: Reason = Reason::Not("a point in time");

/// The longest text that is taken for a number.
const MAX_DIGITS: usize = 128;
/// Where numbers stop being seconds and are milliseconds.
const FIRST_MILLISECONDS: f64 = 2e10;
/// The years 1 to 9999, in seconds since 1970.
const INSTANTS: core::ops::Range<f64> = -62_135_596_800.0..253_402_300_800.0;

pub(super) fn flag(value: &Value) -> Result<bool, Reason> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        Value::Number(number) => match exact_integer(*number) {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            _ => Err(NOT_A_FLAG),
        },
        Value::String(text) => {
            let is_one_of = |words: [&str; 6]| words.iter().any(|w| w.eq_ignore_ascii_case(text));
            if is_one_of(["true", "t", "yes", "y", "on", "1"]) {
                Ok(true)
            } else if is_one_of(["false", "f", "no", "n", "off", "0"]) {
                Ok(false)
            } else {
                Err(NOT_A_FLAG)
            }
        }
        _ => Err(NOT_A_FLAG),
    }
}

pub(super) fn integer(value: &Value, least: i128, most: i128) -> Result<Value, Reason> {
    let integer = match value {
        Value::Bool(flag) => i128::from(*flag),
        Value::Number(number) => exact_integer(*number).ok_or(NOT_AN_INTEGER)?,
        Value::String(text) => integer_text(text).ok_or(NOT_AN_INTEGER)?,
        _ => return Err(NOT_AN_INTEGER),
    };
    bounded(integer, least, most)
}

pub(super) fn strict_integer(value: &Value, least: i128, most: i128) -> Result<Value, Reason> {
    match value.as_number() {
        Some(number) if !number.is_float() => {
            bounded(exact_integer(number).ok_or(NOT_AN_INTEGER)?, least, most)
        }
        _ => Err(NOT_AN_INTEGER),
    }
}

pub(super) fn number(value: &Value) -> Result<Value, Reason> {
    Number::from_f64(float(value)?).map(Value::Number).ok_or(NOT_A_NUMBER)
}

pub(super) fn seconds(value: &Value) -> Result<Value, Reason> {
    let seconds = float(value)?;
    if seconds > MAX_CONTENT_SECONDS {
        return Err(Reason::Above(9_223_372_036));
    }
    if seconds.is_nan() || seconds < 0.0 {
        return Err(Reason::Below(0));
    }
    Number::from_f64(seconds).map(Value::Number).ok_or(NOT_A_NUMBER)
}

pub(super) fn strict_seconds(value: &Value) -> Result<Value, Reason> {
    value.as_number().ok_or(NOT_A_NUMBER)?;
    seconds(value)
}

/// Seconds since 1970 as a float.
pub(super) fn instant(value: &Value) -> Result<Value, Reason> {
    let number = match value {
        Value::Number(number) => Some(to_float(*number)),
        Value::String(text)
            if text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first)) =>
        {
            text.parse::<f64>().ok()
        }
        Value::String(_) => None,
        _ => return Err(NOT_A_TIME),
    };
    let seconds = match (number, value.as_str()) {
        (Some(number), _) if number.abs() > FIRST_MILLISECONDS => number / 1000.0,
        (Some(number), _) => number,
        (None, text) => text.and_then(iso_8601).ok_or(NOT_A_TIME)?,
    };
    if !INSTANTS.contains(&seconds) {
        return Err(NOT_A_TIME);
    }
    Number::from_f64(seconds).map(Value::Number).ok_or(NOT_A_TIME)
}

fn bounded(integer: i128, least: i128, most: i128) -> Result<Value, Reason> {
    if integer < least {
        return Err(Reason::Below(least));
    }
    if integer > most {
        return Err(Reason::Above(most));
    }
    match (u64::try_from(integer), i64::try_from(integer)) {
        (Ok(natural), _) => Ok(natural.into()),
        (_, Ok(negative)) => Ok(negative.into()),
        _ => Err(NOT_AN_INTEGER),
    }
}

/// The number, if it is a whole one; of floats those below 2¹²⁶.
#[must_use]
pub fn exact_integer(number: Number) -> Option<i128> {
    if let Some(natural) = number.as_u64() {
        return Some(natural.into());
    }
    if let Some(negative) = number.as_i64() {
        return Some(negative.into());
    }
    const BOUND: f64 = (1_i128 << 126) as f64;
    let float = number.as_float().filter(|float| float.abs() < BOUND)?;
    #[expect(clippy::cast_possible_truncation, reason = "the bound is below 2^127")]
    let whole = float as i128;
    (whole as f64 == float).then_some(whole)
}

fn to_float(number: Number) -> f64 {
    number.as_float().or(number.as_u64().map(|natural| natural as f64)).unwrap_or_else(|| {
        // What is neither float nor natural is a negative integer.
        number.as_i64().unwrap_or(0) as f64
    })
}

fn float(value: &Value) -> Result<f64, Reason> {
    match value {
        Value::Bool(flag) => Ok(f64::from(u8::from(*flag))),
        Value::Number(number) => Ok(to_float(*number)),
        Value::String(text) => without_separators(text.trim())
            .and_then(|digits| digits.parse().ok())
            .ok_or(NOT_A_NUMBER),
        _ => Err(NOT_A_NUMBER),
    }
}

fn integer_text(text: &str) -> Option<i128> {
    let digits = without_separators(text.trim())?;
    let whole = match digits.split_once('.') {
        Some((whole, fraction)) if !fraction.is_empty() => {
            fraction.bytes().all(|byte| byte == b'0').then_some(whole)?
        }
        Some(_) => return None,
        None => &digits,
    };
    whole.parse().ok()
}

/// The text without the single underscores between its digits.
fn without_separators(text: &str) -> Option<String> {
    if text.len() > MAX_DIGITS {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let next = rest.peek().copied().unwrap_or(' ');
        if character != '_' {
            out.push(character);
        } else if !before.is_ascii_digit() || !next.is_ascii_digit() {
            return None;
        }
        before = character;
    }
    Some(out)
}

/// `YYYY-MM-DD`, or that and `HH:MM[:SS[.f…]]` behind one of `T`, `t`, ` `, `_`, and an offset behind that:
/// `Z`, `±HH:MM` or `±HHMM`. Without an offset it is UTC.
fn iso_8601(text: &str) -> Option<f64> {
    let mut rest = Digits(text.as_bytes());
    let year = rest.number(4)?;
    rest.skip(b"-")?;
    let month = rest.number(2)?;
    rest.skip(b"-")?;
    let date =
        Date::new(year.try_into().ok()?, month.try_into().ok()?, rest.number(2)?.try_into().ok()?)?;
    let day = date.days_since_epoch() as f64 * 86_400.0;
    if rest.0.is_empty() {
        return Some(day);
    }
    rest.skip(b"Tt _")?;
    let mut seconds = f64::from(rest.at_most(2, 23)?) * 3600.0;
    rest.skip(b":")?;
    seconds += f64::from(rest.at_most(2, 59)?) * 60.0;
    if rest.skip(b":").is_some() {
        seconds += f64::from(rest.at_most(2, 59)?);
        if rest.skip(b".,").is_some() {
            seconds += rest.fraction()?;
        }
    }
    Some(day + seconds - rest.offset()?)
}

struct Digits<'a>(&'a [u8]);

impl Digits<'_> {
    fn skip(&mut self, any: &[u8]) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        any.contains(first).then(|| {
            self.0 = rest;
            *first
        })
    }

    fn number(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    }

    fn at_most(&mut self, count: usize, most: u32) -> Option<u32> {
        self.number(count).filter(|number| *number <= most)
    }

    /// The digits behind a decimal point, at least one; the first six count.
    fn fraction(&mut self) -> Option<f64> {
        let length = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        let micros = (0..6).fold(0_u32, |micros, index| {
            micros * 10 + digits.get(index).map_or(0, |digit| u32::from(digit - b'0'))
        });
        (length > 0).then_some(f64::from(micros) / 1e6)
    }

    /// Seconds east of Greenwich; the end of the text must be behind it.
    fn offset(&mut self) -> Option<f64> {
        if self.0.is_empty() || (self.skip(b"Zz").is_some() && self.0.is_empty()) {
            return Some(0.0);
        }
        let sign = if self.skip(b"+-")? == b'+' { 1.0 } else { -1.0 };
        let hours = self.at_most(2, 23)?;
        let _ = self.skip(b":");
        let minutes = self.at_most(2, 59)?;
        self.0.is_empty().then_some(sign * f64::from(hours * 3600 + minutes * 60))
    }
}
