//! Values in the form in which the reference prints them for its developers.

use alloc::string::String;
use core::fmt::{self, Write};

use air_core::value::Value;

use super::bounded_json::excerpt;
use crate::limits::MAX_EXCERPT_BYTES;

/// `value` as `String("a")`, `Array [Number(1)]` and so on, cut off where an error message had better
/// end.
pub(super) fn write_debug_excerpt(value: &Value) -> String {
    let mut text = Bounded { text: String::new() };
    // The only error is that the bound was passed, and then the excerpt shows so.
    let _ = write(value, &mut text);
    excerpt(&text.text)
}

/// Takes a little more than an excerpt shows, and fails then.
struct Bounded {
    text: String,
}

impl Write for Bounded {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.text.len() > MAX_EXCERPT_BYTES {
            return Err(fmt::Error);
        }
        self.text.push_str(part);
        Ok(())
    }
}

// The recursion is as deep as the value, which is at most `MAX_VALUE_DEPTH`.
fn write(value: &Value, out: &mut Bounded) -> fmt::Result {
    match value {
        Value::Null => out.write_str("Null"),
        Value::Bool(value) => write!(out, "Bool({value})"),
        Value::Number(number) => write!(out, "Number({number})"),
        // A text that was cut off passes the bound with what stands around it.
        Value::String(text) => write!(out, "String({:?})", excerpt(text)),
        Value::Array(items) => {
            out.write_str("Array [")?;
            for (index, item) in items.iter().enumerate() {
                separate(index, out)?;
                write(item, out)?;
            }
            out.write_str("]")
        }
        Value::Object(members) => {
            out.write_str("Object {")?;
            for (index, (key, member)) in members.iter().enumerate() {
                separate(index, out)?;
                write!(out, "{:?}: ", excerpt(key))?;
                write(member, out)?;
            }
            out.write_str("}")
        }
    }
}

fn separate(index: usize, out: &mut Bounded) -> fmt::Result {
    if index > 0 { out.write_str(", ") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use alloc::vec::Vec;

    /// The standard library's form of the same value in `serde_json`.
    #[test]
    fn it_is_the_form_of_serde_json() {
        for json in [
            "null",
            "true",
            "[false,-1,2.5,18446744073709551615]",
            "[]",
            "{}",
            r#"{"a":"quo\"te\n☃","b":[{}]}"#,
        ] {
            let ours = write_debug_excerpt(&Value::parse(json).unwrap());
            let theirs: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(ours, alloc::format!("{theirs:?}"));
        }
    }

    #[test]
    fn it_ends_at_the_bound_whatever_the_value_stands_for() {
        let doubled = (0..60).fold(Value::from("leaf"), |value, _| {
            Value::array(vec![value.clone(), value]).unwrap()
        });
        let long = Value::string("☃".repeat(MAX_EXCERPT_BYTES));
        let wide = Value::array((0..100_000_u32).map(Value::from).collect::<Vec<_>>()).unwrap();
        for value in [doubled, long, wide] {
            let text = write_debug_excerpt(&value);
            assert!(text.len() <= MAX_EXCERPT_BYTES + '…'.len_utf8(), "{}", text.len());
            assert!(text.ends_with('…'));
        }
    }
}
