//! Reading JSON text into values and writing the compact text.
//!
//! Reading is `serde_json`'s, for two of its properties are visible to other peers: the text of its
//! errors (in messages about service results) and its quick, not exact, conversion of decimals
//! (in CIDs; air-data §5.3). It refuses nesting beyond 127 levels by itself.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::{Number, Value};

/// The longest text that memory is taken for before it is there.
const MAX_EXPECTED_BYTES: usize = 1 << 20;

/// What JSON text is written to. Writing cannot fail.
pub(crate) trait JsonSink {
    /// Takes a piece of the text.
    fn put(&mut self, text: &str);
    /// Makes room for so many bytes.
    fn expect(&mut self, _len: usize) {}
}

impl JsonSink for String {
    #[inline]
    fn put(&mut self, text: &str) {
        self.push_str(text);
    }

    fn expect(&mut self, len: usize) {
        self.reserve(len);
    }
}

/// Why a text is not JSON, in the words of the JSON reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(Arc<str>);

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Value {
    /// Reads one JSON value that takes up the whole text, but for white space around it.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        serde_json::from_str(text).map_err(|error| {
            let mut message = String::new();
            // Writing to a string cannot fail.
            let _ = write!(message, "{error}");
            JsonError(message.into())
        })
    }

    /// The compact JSON text: no white space, keys sorted.
    #[must_use]
    pub fn to_json(&self) -> String {
        // One piece of memory, not a row of growing ones; what stands for more than any memory is left
        // to grow.
        let mut out = String::with_capacity(self.size().min(MAX_EXPECTED_BYTES));
        self.write_json(&mut out);
        out
    }

    /// Appends the compact JSON text.
    pub fn write_json(&self, out: &mut String) {
        self.write_json_to(out);
    }

    /// Writes the compact JSON text. Recurses as deep as the value nests.
    pub(crate) fn write_json_to(&self, out: &mut impl JsonSink) {
        match self {
            Self::Null => out.put("null"),
            Self::Bool(true) => out.put("true"),
            Self::Bool(false) => out.put("false"),
            Self::Number(number) => {
                let mut text = String::new();
                let _ = write!(text, "{number}");
                out.put(&text);
            }
            Self::String(text) => write_json_string_to(text, out),
            Self::Array(items) => {
                let mut before = "[";
                for item in items.iter() {
                    out.put(before);
                    before = ",";
                    item.write_json_to(out);
                }
                out.put(if items.is_empty() { "[]" } else { "]" });
            }
            Self::Object(members) => {
                let mut before = "{";
                for (key, value) in members.iter() {
                    out.put(before);
                    before = ",";
                    write_json_string_to(key, out);
                    out.put(":");
                    value.write_json_to(out);
                }
                out.put(if members.is_empty() { "{}" } else { "}" });
            }
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

/// Appends `text` as a JSON string: quotes, and the escapes of air-data §5.3 where they must be.
pub fn write_json_string(text: &str, out: &mut String) {
    write_json_string_to(text, out);
}

fn write_json_string_to(text: &str, out: &mut impl JsonSink) {
    out.expect(text.len() + 2);
    out.put("\"");
    let mut rest = text;
    while let Some(index) = first_escaped(rest.as_bytes()) {
        // Every byte that is escaped is ASCII, so the cuts are at character boundaries.
        let (plain, after) = rest.split_at_checked(index).unwrap_or((rest, ""));
        out.put(plain);
        match after.as_bytes().first() {
            Some(b'"') => out.put("\\\""),
            Some(b'\\') => out.put("\\\\"),
            Some(0x08) => out.put("\\b"),
            Some(0x0c) => out.put("\\f"),
            Some(b'\n') => out.put("\\n"),
            Some(b'\r') => out.put("\\r"),
            Some(b'\t') => out.put("\\t"),
            Some(byte) => {
                let mut escape = String::new();
                let _ = write!(escape, "\\u{byte:04x}");
                out.put(&escape);
            }
            None => {}
        }
        rest = after.get(1..).unwrap_or_default();
    }
    out.put(rest);
    out.put("\"");
}

/// Where the first byte is that must be escaped: below 0x20, a quote or a backslash.
fn first_escaped(bytes: &[u8]) -> Option<usize> {
    let skipped = unescaped_blocks(bytes) * BLOCK;
    first_escaped_by_words(bytes.get(skipped..)?).map(|index| skipped + index)
}

/// Bytes that are looked at without a branch between them, which compiles to vector instructions.
const BLOCK: usize = 64;

/// How many blocks at the beginning have no byte that must be escaped.
fn unescaped_blocks(bytes: &[u8]) -> usize {
    let is_plain = |block: &&[u8; BLOCK]| {
        !block
            .iter()
            .fold(false, |any, &byte| any | (byte < 0x20) | (byte == b'"') | (byte == b'\\'))
    };
    bytes.as_chunks::<BLOCK>().0.iter().take_while(is_plain).count()
}

/// Looks at eight bytes at a time.
fn first_escaped_by_words(bytes: &[u8]) -> Option<usize> {
    const fn everywhere(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    const HIGH: u64 = everywhere(0x80);
    let is_escaped = |byte: u8| byte < 0x20 || byte == b'"' || byte == b'\\';
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, bytes) in words.iter().enumerate() {
        let word = u64::from_ne_bytes(*bytes);
        // Sets the high bit of a byte below `limit`, and perhaps of others when there is such a byte.
        let below = |word: u64, limit: u8| word.wrapping_sub(everywhere(limit)) & !word;
        let suspects = below(word, 0x20)
            | below(word ^ everywhere(b'"'), 1)
            | below(word ^ everywhere(b'\\'), 1);
        if suspects & HIGH != 0 {
            let inside = bytes.iter().position(|byte| is_escaped(*byte));
            if let Some(inside) = inside {
                return Some(8 * index + inside);
            }
        }
    }
    let inside = tail.iter().position(|byte| is_escaped(*byte))?;
    Some(bytes.len() - tail.len() + inside)
}

/// The JSON text of a finite float: the fewest digits that identify it (of two equally near texts the
/// one with the even last digit), in plain notation from 1e-5 up to 1e16 and with an exponent beyond
/// (air-data §5.3).
///
/// `serde_json` writes that but for a plus sign in exponents, which its earlier versions did not write;
/// the text is part of CIDs.
pub(super) fn float_text(value: f64) -> String {
    // A float always has a text.
    let mut text = serde_json::to_string(&value).unwrap_or_default();
    if let Some(plus) = text.find('+') {
        text.remove(plus);
    }
    text
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any valid JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Value::array(items).map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, value)) = access.next_entry::<Key, Value>()? {
            members.push((key.0, value));
        }
        Value::object(members).map_err(A::Error::custom)
    }
}

/// An object's key.
struct Key(Arc<str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, value: &str) -> Result<Key, E> {
        Ok(Key(value.into()))
    }
}
