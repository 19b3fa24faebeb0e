//! `text`: what programs do with paths and lines.
//!
//! | function | arguments | gives |
//! |---|---|---|
//! | `split` | text, separator | the texts between the separators |
//! | `starts_with` | text, beginning | whether it begins so |

use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;

use super::Outcome;
use super::arguments::Arguments;
use super::bounded_json::Unwritable;
use super::failure::Failure;

pub(super) fn call(function: &str, arguments: &[Value], limit: usize) -> Option<Outcome> {
    Some(match function {
        "split" => split(arguments, limit),
        "starts_with" => starts_with(arguments),
        _ => return None,
    })
}

fn split(arguments: &[Value], limit: usize) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let text: &Arc<str> = arguments.next("text")?;
    let separator: &Arc<str> = arguments.next("separator")?;
    if separator.is_empty() {
        return Err(Failure::Message("the separator is empty".into()));
    }
    // Each part takes at least two quotes and a comma of the result: more of them cannot be told.
    let most = limit / 3;
    let mut parts: Vec<Value> = Vec::new();
    for part in text.split(&**separator) {
        if parts.len() >= most {
            return Err(Unwritable::TooLong { limit }.into());
        }
        parts.push(part.into());
    }
    Ok(Some(Value::array(parts)?))
}

fn starts_with(arguments: &[Value]) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let text: &Arc<str> = arguments.next("text")?;
    let beginning: &Arc<str> = arguments.next("beginning")?;
    Ok(Some(text.starts_with(&**beginning).into()))
}
