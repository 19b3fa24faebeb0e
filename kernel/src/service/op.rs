//! `op`: values, texts and bytes.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;

use super::arguments::{Arguments, List};
use super::bounded_json::{Unwritable, with_room};
use super::failure::Failure;
use super::{Outcome, base58, multihash};

pub(super) fn call(function: &str, arguments: &[Value], limit: usize) -> Option<Outcome> {
    Some(match function {
        "noop" => Ok(None),
        "identity" => identity(arguments),
        "array" => Value::array(arguments.into()).map(Some).map_err(Failure::from),
        "array_length" => super::array::length(arguments),
        "concat" => concat(arguments, limit),
        "concat_strings" => concat_strings(arguments, limit),
        "string_to_b58" => string_to_b58(arguments),
        "string_from_b58" => string_from_b58(arguments),
        "bytes_to_b58" => bytes_to_b58(arguments),
        "bytes_from_b58" => bytes_from_b58(arguments),
        "sha256_string" => sha256_string(arguments),
        _ => return None,
    })
}

fn identity(arguments: &[Value]) -> Outcome {
    match arguments {
        [] => Ok(None),
        [value] => Ok(Some(value.clone())),
        _ => Err(Failure::Message(format!(
            "identity accepts up to 1 arguments, received {} arguments",
            arguments.len()
        ))),
    }
}

fn concat(arguments: &[Value], limit: usize) -> Outcome {
    let mut parts = Vec::with_capacity(arguments.len());
    let mut length: usize = 0;
    for (index, argument) in arguments.iter().enumerate() {
        let items = argument.as_array().ok_or_else(|| {
            Failure::Message(format!(
                "all arguments of 'concat' must be arrays: argument #{index} is not"
            ))
        })?;
        length = length.saturating_add(items.len());
        parts.push(items);
    }
    // Each item takes at least one byte and a comma of the result: more of them cannot be told.
    if length > limit / 2 {
        return Err(Unwritable::TooLong { limit }.into());
    }
    let mut all = Vec::new();
    all.try_reserve_exact(length).map_err(|_| Unwritable::NoMemory)?;
    parts.into_iter().for_each(|items| all.extend_from_slice(items));
    Ok(Some(Value::array(all)?))
}

fn concat_strings(arguments: &[Value], limit: usize) -> Outcome {
    let mut parts = Vec::with_capacity(arguments.len());
    let mut length: usize = 0;
    for (index, argument) in arguments.iter().enumerate() {
        let text = argument.as_str().ok_or_else(|| {
            Failure::Message(format!(
                "all arguments of 'concat_strings' must be strings: argument #{index} is not"
            ))
        })?;
        length = length.saturating_add(text.len());
        parts.push(text);
    }
    if length > limit {
        return Err(Unwritable::TooLong { limit }.into());
    }
    let mut all = with_room(length)?;
    parts.into_iter().for_each(|text| all.push_str(text));
    Ok(Some(Value::string(all)))
}

fn string_to_b58(arguments: &[Value]) -> Outcome {
    let text: &Arc<str> = Arguments::new(arguments).next("string")?;
    base58::encode(text.as_bytes())
}

fn string_from_b58(arguments: &[Value]) -> Outcome {
    let text: &Arc<str> = Arguments::new(arguments).next("b58_string")?;
    let text = String::from_utf8(base58::decode(text)?).map_err(|error| {
        Failure::error(
            &format!("decode from bytes to UTF8 failed: {error}"),
            &format!("DecodeUTF8({error:?})"),
        )
    })?;
    Ok(Some(Value::string(text)))
}

fn bytes_to_b58(arguments: &[Value]) -> Outcome {
    let List(bytes): List<u8> = Arguments::new(arguments).next("bytes")?;
    base58::encode(&bytes)
}

fn bytes_from_b58(arguments: &[Value]) -> Outcome {
    let text: &Arc<str> = Arguments::new(arguments).next("b58_string")?;
    byte_array(&base58::decode(text)?)
}

pub(super) fn byte_array(bytes: &[u8]) -> Outcome {
    let items = bytes.iter().map(|byte| Value::from(u32::from(*byte))).collect();
    Ok(Some(Value::array(items)?))
}

/// The hash that clients compute; the reference node wraps the text itself where the digest belongs.
fn sha256_string(arguments: &[Value]) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let text: &Arc<str> = arguments.next("string")?;
    let digest_only = arguments.next_option("digest_only")?.unwrap_or(false);
    let as_bytes = arguments.next_option("as_bytes")?.unwrap_or(false);
    let multihash = multihash::sha256(text.as_bytes());
    let bytes = if digest_only { multihash::digest(&multihash) } else { &multihash };
    if as_bytes { byte_array(bytes) } else { base58::encode(bytes) }
}
