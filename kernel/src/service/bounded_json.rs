//! JSON text of values that may be far larger than they look.
//!
//! Values share their parts, so a few kilobytes of them can stand for gigabytes of text. Whoever
//! writes or weighs one here stops at a limit, after work in proportion to it.

use alloc::string::String;
use core::fmt::{self, Write};

use air_core::value::Value;
use air_core::value::write_json_string;

use crate::limits::MAX_EXCERPT_BYTES;

/// Why there is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritable {
    /// It would be longer than the limit.
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// The machine has no memory for it.
    NoMemory,
}

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { limit } => {
                write!(f, "the result is longer than the limit of {limit} bytes")
            }
            Self::NoMemory => f.write_str("the machine has no memory for the result"),
        }
    }
}

impl core::error::Error for Unwritable {}

/// The compact JSON of `value`, in a string of exactly its length.
///
/// # Errors
/// [`Unwritable`] if it has more than `limit` bytes, or no memory is left for it.
pub fn write_json(value: &Value, limit: usize) -> Result<String, Unwritable> {
    let mut length = 0;
    measure(value, limit, &mut length)?;
    let mut text = with_room(length)?;
    value.write_json(&mut text);
    Ok(text)
}

/// An empty string that takes `length` bytes without asking for memory again.
pub(super) fn with_room(length: usize) -> Result<String, Unwritable> {
    let mut text = String::new();
    text.try_reserve_exact(length).map_err(|_| Unwritable::NoMemory)?;
    Ok(text)
}

/// Adds the length of the compact JSON of `value`; as deep as the value, see [`write`].
fn measure(value: &Value, limit: usize, length: &mut usize) -> Result<(), Unwritable> {
    let own = match value {
        Value::Null | Value::Bool(true) => 4,
        Value::Bool(false) => 5,
        Value::Number(number) => {
            let mut text = Length(0);
            // Counting cannot fail.
            let _ = write!(text, "{number}");
            text.0
        }
        Value::String(string) => string_length(string),
        Value::Array(items) => {
            for item in items.iter() {
                measure(item, limit, length)?;
            }
            // The brackets, and a comma between each two.
            2 + items.len().saturating_sub(1)
        }
        Value::Object(members) => {
            for (key, member) in members.iter() {
                *length = length.saturating_add(string_length(key)).saturating_add(1);
                measure(member, limit, length)?;
            }
            2 + members.len().saturating_sub(1)
        }
    };
    *length = length.saturating_add(own);
    if *length > limit { Err(Unwritable::TooLong { limit }) } else { Ok(()) }
}

/// Length of a JSON string with its quotes and escapes (air-data.md §5.3).
fn string_length(string: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | 0x08 | 0x0c | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    string.bytes().map(escaped).fold(2, usize::saturating_add)
}

/// Counts what is written.
struct Length(usize);

impl fmt::Write for Length {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.saturating_add(text.len());
        Ok(())
    }
}

/// The compact JSON of `value`, cut off where an error message had better end.
pub(crate) fn write_json_excerpt(value: &Value) -> String {
    let mut text = String::new();
    if write(value, MAX_EXCERPT_BYTES, &mut text).is_err() {
        text = excerpt(&text);
    }
    text
}

/// `text`, cut off where an error message had better end.
pub(super) fn excerpt(text: &str) -> String {
    if text.len() <= MAX_EXCERPT_BYTES {
        return text.into();
    }
    let mut cut = MAX_EXCERPT_BYTES;
    while !text.is_char_boundary(cut) {
        cut = cut.saturating_sub(1);
    }
    let mut short: String = text.get(..cut).unwrap_or_default().into();
    short.push('…');
    short
}

/// The text was cut off at the limit.
struct Cut;

/// Writes until the limit is passed.
// The recursion is as deep as the value, which is at most `MAX_VALUE_DEPTH`.
fn write(value: &Value, limit: usize, text: &mut String) -> Result<(), Cut> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) => {
            // Writing to a string cannot fail.
            let _ = write!(text, "{number}");
        }
        Value::String(string) => write_string(string, limit, text)?,
        Value::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write(item, limit, text)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            text.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_string(key, limit, text)?;
                text.push(':');
                write(member, limit, text)?;
            }
            text.push('}');
        }
    }
    if text.len() > limit { Err(Cut) } else { Ok(()) }
}

fn write_string(string: &str, limit: usize, text: &mut String) -> Result<(), Cut> {
    if text.len().saturating_add(string.len()) > limit {
        // So much as an excerpt can show.
        write_json_string(&excerpt(string), text);
        return Err(Cut);
    }
    write_json_string(string, text);
    Ok(())
}

/// Roughly how many bytes there are in `values`, but at most about `limit`.
#[must_use]
pub fn weigh(values: &[Value], limit: usize) -> usize {
    let mut weight = 0;
    for value in values {
        add_weight(value, limit, &mut weight);
        if weight >= limit {
            break;
        }
    }
    weight
}

fn add_weight(value: &Value, limit: usize, weight: &mut usize) {
    *weight = weight.saturating_add(8);
    if *weight >= limit {
        return;
    }
    match value {
        Value::String(string) => *weight = weight.saturating_add(string.len()),
        Value::Array(items) => {
            for item in items.iter() {
                add_weight(item, limit, weight);
                if *weight >= limit {
                    return;
                }
            }
        }
        Value::Object(members) => {
            for (key, member) in members.iter() {
                *weight = weight.saturating_add(key.len());
                add_weight(member, limit, weight);
                if *weight >= limit {
                    return;
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    /// A value of `levels` nested arrays of two, all of them shared: 2^levels leaves.
    fn doubled(levels: usize) -> Value {
        (0..levels)
            .fold(Value::from("leaf"), |value, _| Value::array(vec![value.clone(), value]).unwrap())
    }

    #[test]
    fn a_value_that_stands_for_more_than_memory_is_refused_quickly() {
        assert_eq!(write_json(&doubled(100), 1 << 16), Err(Unwritable::TooLong { limit: 1 << 16 }));
        assert!(weigh(&[doubled(100)], 1000) >= 1000);
    }

    #[test]
    fn the_limit_is_the_last_length_that_passes() {
        let value =
            Value::parse(r#"{"a\n\u0001":[1,"x\"",null,true,false,-1.5,{}],"b":[]}"#).unwrap();
        let text = value.to_json();
        assert_eq!(write_json(&value, text.len()).as_ref(), Ok(&text));
        let limit = text.len() - 1;
        assert_eq!(write_json(&value, limit), Err(Unwritable::TooLong { limit }));
        assert_eq!(write_json(&value, usize::MAX).unwrap().capacity(), text.len());
    }

    #[test]
    fn excerpts_end_at_a_character() {
        let long = "é".repeat(MAX_EXCERPT_BYTES);
        let short = excerpt(&long);
        assert!(short.ends_with("é…") && short.len() <= MAX_EXCERPT_BYTES + 3);
        assert_eq!(excerpt("short"), "short");
    }
}
