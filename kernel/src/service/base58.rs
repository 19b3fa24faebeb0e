//! Base58, in time that is bounded.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use air_core::value::Value;

use super::Outcome;
use super::failure::Failure;
use crate::limits::MAX_BASE58_BYTES;

/// The base58 text of `bytes`, as a result.
pub(super) fn encode(bytes: &[u8]) -> Outcome {
    check_length(bytes.len())?;
    Ok(Some(Value::string(bs58::encode(bytes).into_string())))
}

/// The bytes that `text` stands for.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, Failure> {
    check_length(text.len())?;
    decode_as(text, "decode base58 failed", "DecodeBase58")
}

/// The same for a caller that keeps to the bound itself; `name` and `variant` are how the reference
/// calls the error.
pub(super) fn decode_as(text: &str, name: &str, variant: &str) -> Result<Vec<u8>, Failure> {
    bs58::decode(text).into_vec().map_err(|error| {
        Failure::error(&format!("{name}: {error}"), &format!("{variant}({error:?})"))
    })
}

/// A conversion takes time in proportion to the square of the length, hence the bound.
fn check_length(bytes: usize) -> Result<(), Failure> {
    if bytes > MAX_BASE58_BYTES { Err(too_long(bytes)) } else { Ok(()) }
}

/// What to say about one text, or the like of many, that is too much work.
pub(super) fn too_long(bytes: usize) -> Failure {
    let message: String =
        format!("base58 of {bytes} bytes is over the limit of {MAX_BASE58_BYTES}");
    Failure::Message(message)
}
