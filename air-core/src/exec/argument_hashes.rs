//! Hashes of calls' arguments, remembered between the steps of a session.
//!
//! Each step meets the calls of the trace again and compares the hash of their arguments with that of
//! the stored result. The arguments are nearly always what they were in the step before, and comparing
//! them is far cheaper than hashing them. A hash is only ever given for values that have the very same
//! text as those that it was made of, so what is remembered changes no outcome.

use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashMap;

use crate::data::Cid;
use crate::value::{Number, Value};

use super::limits::{REMEMBERED_ARGUMENT_BYTES, REMEMBERED_CALLS};

/// Argument hashes by the service result that they belong to; by default nothing is remembered.
#[derive(Debug, Default)]
pub(crate) struct ArgumentHashes {
    known: HashMap<Cid, Known>,
    /// What all arguments in `known` take.
    bytes: usize,
    is_kept: bool,
}

#[derive(Debug)]
struct Known {
    arguments: Vec<Value>,
    hash: Cid,
}

impl ArgumentHashes {
    /// For an execution that others follow.
    pub(crate) fn kept() -> Self {
        Self { is_kept: true, ..Self::default() }
    }

    /// The hash of the arguments of a call whose stored result is `result`.
    pub(super) fn of(&mut self, result: &Cid, arguments: &[Value]) -> Cid {
        if let Some(known) = self.known.get(result)
            && have_same_texts(&known.arguments, arguments)
        {
            return known.hash.clone();
        }
        let hash = Cid::of_arguments(arguments);
        self.remember(result, arguments, &hash);
        hash
    }

    /// Remembers a hash, if there is room for it.
    pub(super) fn remember(&mut self, result: &Cid, arguments: &[Value], hash: &Cid) {
        if !self.is_kept || self.known.len() >= REMEMBERED_CALLS {
            return;
        }
        let bytes = arguments.iter().map(memory_used).fold(self.bytes, usize::saturating_add);
        if bytes > REMEMBERED_ARGUMENT_BYTES || self.known.contains_key(result) {
            return;
        }
        self.bytes = bytes;
        let known = Known { arguments: arguments.to_vec(), hash: hash.clone() };
        self.known.insert(result.clone(), known);
    }
}

/// About how much memory a value takes at most. It may be shared with the stores or be nobody else's.
fn memory_used(value: &Value) -> usize {
    /// The smallest part of a container, `[],`, makes a value and an allocation of three bytes.
    const PER_TEXT_BYTE: usize = 32;
    let outside = match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => text.len(),
        Value::Array(_) | Value::Object(_) => value.size().saturating_mul(PER_TEXT_BYTE),
    };
    size_of::<Value>().saturating_add(outside)
}

fn have_same_texts(one: &[Value], two: &[Value]) -> bool {
    one.len() == two.len() && one.iter().zip(two).all(|(one, two)| have_same_text(one, two))
}

/// Whether two values surely have the same JSON text. Containers are not looked into: those of stored
/// values are shared.
fn have_same_text(one: &Value, two: &Value) -> bool {
    match (one, two) {
        (Value::Null, Value::Null) => true,
        (Value::Bool(one), Value::Bool(two)) => one == two,
        (Value::Number(one), Value::Number(two)) => are_same_numbers(*one, *two),
        (Value::String(one), Value::String(two)) => one == two,
        (Value::Array(one), Value::Array(two)) => Arc::ptr_eq(one, two),
        (Value::Object(one), Value::Object(two)) => Arc::ptr_eq(one, two),
        _ => false,
    }
}

/// Equality of numbers, but for the two zeros of floats, which have two texts.
fn are_same_numbers(one: Number, two: Number) -> bool {
    one == two && one.as_float().map(f64::to_bits) == two.as_float().map(f64::to_bits)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn value(text: &str) -> Value {
        Value::parse(text).unwrap()
    }

    fn result(number: usize) -> Cid {
        Cid::of_json(&number.to_string())
    }

    #[test]
    fn whatever_is_remembered_a_hash_is_that_of_the_arguments() {
        let texts = ["0", "0.0", "-0.0", "1", "1.0", "-1", "null", "true", "false", "\"0\""];
        let texts = texts.iter().chain(&["[]", "[0.0]", "[-0.0]", "{}", "{\"a\":0}"]);
        let values: Vec<Value> = texts.map(|text| value(text)).collect();
        for first in &values {
            let mut hashes = ArgumentHashes::kept();
            hashes.of(&result(0), core::slice::from_ref(first));
            for second in &values {
                for arguments in [&[second.clone()][..], &[second.clone(), first.clone()], &[]] {
                    let hash = hashes.of(&result(0), arguments);
                    assert_eq!(hash, Cid::of_arguments(arguments), "{first} then {arguments:?}");
                }
            }
        }
    }

    #[test]
    fn equal_arguments_are_known_again() {
        let mut hashes = ArgumentHashes::kept();
        let shared = value("[1]");
        let arguments = [value("\"peer\""), value("-0.0"), shared.clone()];
        // A hash that is none shows that it is not made again.
        hashes.remember(&result(0), &arguments, &result(9));
        assert_eq!(hashes.of(&result(0), &[value("\"peer\""), value("-0.0"), shared]), result(9));
        let other_place = [value("\"peer\""), value("-0.0"), value("[1]")];
        assert_eq!(hashes.of(&result(0), &other_place), Cid::of_arguments(&arguments));
    }

    #[test]
    fn calls_and_bytes_are_bounded() {
        let mut hashes = ArgumentHashes::kept();
        for number in 0..=REMEMBERED_CALLS {
            hashes.of(&result(number), &[]);
        }
        assert_eq!(hashes.known.len(), REMEMBERED_CALLS);
        assert!(!hashes.known.contains_key(&result(REMEMBERED_CALLS)));

        let mut hashes = ArgumentHashes::kept();
        let room = REMEMBERED_ARGUMENT_BYTES - size_of::<Value>();
        let fitting = Value::from(&*"x".repeat(room));
        let longer = Value::from(&*"x".repeat(room + 1));
        hashes.of(&result(0), &[longer]);
        assert!(hashes.known.is_empty());
        hashes.of(&result(1), &[fitting]);
        hashes.of(&result(2), &[value("1")]);
        assert_eq!(hashes.known.len(), 1);
        assert_eq!(hashes.bytes, REMEMBERED_ARGUMENT_BYTES);
    }

    #[test]
    fn nothing_is_kept_for_a_step_that_none_follows() {
        let mut hashes = ArgumentHashes::default();
        hashes.of(&result(0), &[value("1")]);
        assert!(hashes.known.is_empty());
    }
}
