//! From a message to the value that a program gets.
//!
//! ```json
//! {"type":"aleph.message","body":"{\"chain\":…}"}
//! ```
//!
//! The body is the message as JSON text, its members in the order of the network's nodes and the missing ones
//! as null; `time` is ISO 8601 in UTC. The content is in canonical form: what is missing in it stays away.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;

use air_core::value::Value;

use crate::aleph::calendar::Date;
use crate::aleph::message::Message;

/// Members of a message, in the order of the network's nodes.
const MEMBERS: [&str; 15] = [
    "chain",
    "sender",
    "type",
    "channel",
    "confirmations",
    "confirmed",
    "signature",
    "size",
    "time",
    "item_type",
    "item_content",
    "hash_type",
    "item_hash",
    "content",
    "forgotten_by",
];

/// The value that the program gets for a message.
#[must_use]
pub fn scope(message: &Message) -> Value {
    scope_of(body(message).as_str().into())
}

/// The same for a [`body`] that is at hand, as a text.
#[must_use]
pub fn scope_of(body: Value) -> Value {
    let members =
        alloc::vec![(Arc::from("type"), "aleph.message".into()), (Arc::from("body"), body)];
    // One level is not too deep.
    Value::object(members).unwrap_or_default()
}

/// The message as JSON text.
#[must_use]
pub fn body(message: &Message) -> String {
    let mut out = String::new();
    for name in MEMBERS {
        out.push(if out.is_empty() { '{' } else { ',' });
        air_core::value::write_json_string(name, &mut out);
        out.push(':');
        match (name, message.content()) {
            ("time", _) => air_core::value::write_json_string(&iso_8601(message.time()), &mut out),
            ("content", Some(content)) => {
                Value::Object(Arc::new(content.clone())).write_json(&mut out);
            }
            _ => message.envelope().get(name).unwrap_or(&Value::Null).write_json(&mut out),
        }
    }
    out.push('}');
    out
}

/// A point in time of the years 1 to 9999, to the microsecond.
fn iso_8601(seconds: f64) -> String {
    const MICROS: i64 = 1_000_000;
    #[expect(clippy::cast_possible_truncation, reason = "the year is at most 9999")]
    let whole = seconds as i64;
    #[expect(clippy::cast_possible_truncation, reason = "a fraction of a second")]
    let micros =
        ((seconds - whole as f64) * MICROS as f64 + if seconds < 0.0 { -0.5 } else { 0.5 }) as i64;
    let all = whole * MICROS + micros;
    let (second, micros) = (all.div_euclid(MICROS), all.rem_euclid(MICROS));
    let (day, second) = (second.div_euclid(86_400), second.rem_euclid(86_400));
    let Some(Date { year, month, day }) = Date::from_days(day) else { return String::new() };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}
