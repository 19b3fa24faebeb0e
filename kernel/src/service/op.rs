//! `op`: values, texts and bytes.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;
use sha2::{Digest, Sha256};

use super::Outcome;
use super::arguments::{Arguments, List, unary};
use super::bounded_json::{Unwritable, with_room};
use super::debug::too_deep;
use super::failure::Failure;
use crate::limits::MAX_BASE58_BYTES;

/// What stands before a SHA-256 digest in a multihash: the function's code and the digest's length.
const SHA256_MULTIHASH_PREFIX: [u8; 2] = [0x12, 0x20];

pub(super) fn call(function: &str, arguments: &[Value], limit: usize) -> Option<Outcome> {
    Some(match function {
        "noop" => Ok(None),
        "identity" => identity(arguments),
        "array" => Value::array(arguments.into()).map(Some).map_err(too_deep),
        "array_length" => super::array::length(arguments),
        "concat" => concat(arguments, limit),
        "concat_strings" => concat_strings(arguments, limit),
        "string_to_b58" => unary(arguments).and_then(|text: &Arc<str>| to_base58(text.as_bytes())),
        "bytes_to_b58" => unary(arguments).and_then(|List(bytes): List<u8>| to_base58(&bytes)),
        "string_from_b58" => unary(arguments).and_then(|text: &Arc<str>| {
            let text = String::from_utf8(from_base58(text)?).map_err(|error| {
                Failure::Message(format!("decode from bytes to UTF8 failed: {error}"))
            })?;
            Ok(Some(Value::string(text)))
        }),
        "bytes_from_b58" => {
            unary(arguments).and_then(|text: &Arc<str>| byte_array(&from_base58(text)?))
        }
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
    Value::array(all).map(Some).map_err(too_deep)
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

/// Base58 takes time in proportion to the square of the length, hence the limit.
fn check_base58_length(bytes: usize) -> Result<(), Failure> {
    if bytes > MAX_BASE58_BYTES {
        return Err(Failure::Message(format!(
            "base58 of {bytes} bytes is over the limit of {MAX_BASE58_BYTES}"
        )));
    }
    Ok(())
}

fn to_base58(bytes: &[u8]) -> Outcome {
    check_base58_length(bytes.len())?;
    Ok(Some(Value::string(bs58::encode(bytes).into_string())))
}

fn from_base58(text: &str) -> Result<Vec<u8>, Failure> {
    check_base58_length(text.len())?;
    bs58::decode(text)
        .into_vec()
        .map_err(|error| Failure::Message(format!("decode base58 failed: {error}")))
}

fn byte_array(bytes: &[u8]) -> Outcome {
    let items = bytes.iter().map(|byte| Value::from(u32::from(*byte))).collect();
    Value::array(items).map(Some).map_err(too_deep)
}

/// The hash that clients compute; the reference node wraps the text itself where the digest belongs.
fn sha256_string(arguments: &[Value]) -> Outcome {
    let mut arguments = Arguments::new(arguments);
    let text: &Arc<str> = arguments.next("string")?;
    let digest_only = arguments.next_option("digest_only")?.unwrap_or(false);
    let as_bytes = arguments.next_option("as_bytes")?.unwrap_or(false);
    let mut bytes: Vec<u8> = Vec::with_capacity(34);
    if !digest_only {
        bytes.extend_from_slice(&SHA256_MULTIHASH_PREFIX);
    }
    bytes.extend_from_slice(&Sha256::digest(text.as_bytes()));
    if as_bytes { byte_array(&bytes) } else { to_base58(&bytes) }
}
