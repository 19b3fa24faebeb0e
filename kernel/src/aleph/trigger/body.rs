//! Bytes as a value that scripts can have.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// The member that bytes are in which are no text.
const BASE64: &str = "base64";

/// A text where the bytes are UTF-8, else `{"base64": "…"}`.
pub(crate) fn value_of(bytes: &[u8]) -> Value {
    match core::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => {
            let text: Value = BASE64_STANDARD.encode(bytes).as_str().into();
            // One level is not too deep.
            Value::object(alloc::vec![(Arc::from(BASE64), text)]).unwrap_or_default()
        }
    }
}

/// What a body is made of: a text, `{"base64": "…"}`, or any JSON.
pub(crate) enum Body {
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    Json(String),
}

/// The bytes that a value stands for; nothing if it says that it is base64 and is not.
pub(crate) fn bytes_of(value: &Value) -> Option<Body> {
    match value {
        Value::Null => Some(Body::Bytes(Vec::new())),
        Value::String(text) => Some(Body::Text(text.as_bytes().to_vec())),
        Value::Object(members) if members.len() == 1 && members.get(BASE64).is_some() => {
            let text = members.get(BASE64)?.as_str()?;
            BASE64_STANDARD.decode(text).ok().map(Body::Bytes)
        }
        other => Some(Body::Json(other.to_json())),
    }
}
