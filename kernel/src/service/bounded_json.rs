//! JSON text of values that may be far larger than they look.
//!
//! Values share their parts, so a few kilobytes of them can stand for gigabytes of text. Whoever
//! writes or weighs one here stops at a limit, after work in proportion to it.

use alloc::string::String;
use core::fmt::Write;

use air_core::value::Value;
use air_core::value::write_json_string;

use crate::limits::MAX_EXCERPT_BYTES;

/// The text would be longer than the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// The compact JSON of `value`.
///
/// # Errors
/// [`TooLong`] if it has more than `limit` bytes.
pub fn write_json(value: &Value, limit: usize) -> Result<String, TooLong> {
    let mut text = String::new();
    write(value, limit, &mut text)?;
    Ok(text)
}

/// The compact JSON of `value`, cut off where an error message had better end.
pub(super) fn write_json_excerpt(value: &Value) -> String {
    let mut text = String::new();
    if write(value, MAX_EXCERPT_BYTES, &mut text) == Err(TooLong) {
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

// The recursion is as deep as the value, which is at most `MAX_VALUE_DEPTH`.
fn write(value: &Value, limit: usize, text: &mut String) -> Result<(), TooLong> {
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
    if text.len() > limit { Err(TooLong) } else { Ok(()) }
}

fn write_string(string: &str, limit: usize, text: &mut String) -> Result<(), TooLong> {
    // Before the copy: escaping makes at most six bytes of one, and one string is held already.
    if text.len().saturating_add(string.len()) > limit {
        return Err(TooLong);
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
        assert_eq!(write_json(&doubled(100), 1 << 16), Err(TooLong));
        assert!(weigh(&[doubled(100)], 1000) >= 1000);
    }

    #[test]
    fn the_limit_is_the_last_length_that_passes() {
        let value = Value::parse(r#"{"a":[1,"x",null,true,1.5]}"#).unwrap();
        let text = value.to_json();
        assert_eq!(write_json(&value, text.len()).as_ref(), Ok(&text));
        assert_eq!(write_json(&value, text.len() - 1), Err(TooLong));
    }

    #[test]
    fn excerpts_end_at_a_character() {
        let long = "é".repeat(MAX_EXCERPT_BYTES);
        let short = excerpt(&long);
        assert!(short.ends_with("é…") && short.len() <= MAX_EXCERPT_BYTES + 3);
        assert_eq!(excerpt("short"), "short");
    }
}
