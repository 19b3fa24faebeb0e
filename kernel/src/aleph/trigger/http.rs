//! From an HTTP request to the value that a program gets.
//!
//! ```json
//! {"type":"http","path":"/a b","method":"POST","query_string":"x=1","headers":[["host","example"]],"body":"…"}
//! ```
//!
//! Path and query are percent-decoded, which cannot be undone; names of header fields are in small letters,
//! their values raw, repeated fields stay. Values and bodies that are not UTF-8 are `{"base64": "…"}`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use air_core::value::Value;

use super::body::value_of;
use crate::aleph::limits::{MAX_TRIGGER_BODY_BYTES, MAX_TRIGGER_HEADERS};

/// A request, apart from what makes it one of HTTP.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, as sent.
    pub method: &'a str,
    /// The path for the program, as it is written in the request.
    pub path: &'a str,
    /// What stands behind the question mark.
    pub query: &'a str,
    /// All of it.
    pub body: &'a [u8],
}

/// Why a request does not reach the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// The path, once decoded, is no text or does not begin with `/`.
    Path,
    /// The query, once decoded, is no text.
    Query,
    /// The body has more than [`MAX_TRIGGER_BODY_BYTES`].
    BodyTooLarge,
    /// There are more header fields than [`MAX_TRIGGER_HEADERS`].
    TooManyHeaders,
}

impl BadRequest {
    /// The status of the answer.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Path | Self::Query => 400,
            Self::BodyTooLarge => 413,
            Self::TooManyHeaders => 431,
        }
    }
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Path => "the path is not a text that begins with `/`",
            Self::Query => "the query is not a text",
            Self::BodyTooLarge => "the body is too large",
            Self::TooManyHeaders => "there are too many header fields",
        })
    }
}

impl core::error::Error for BadRequest {}

/// The value that the program gets for a request with these header fields.
///
/// # Errors
/// [`BadRequest`].
pub fn scope<'h>(
    request: &Request<'_>,
    headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
) -> Result<Value, BadRequest> {
    if request.body.len() > MAX_TRIGGER_BODY_BYTES {
        return Err(BadRequest::BodyTooLarge);
    }
    let path = decoded(request.path).ok_or(BadRequest::Path)?;
    if !path.starts_with('/') {
        return Err(BadRequest::Path);
    }
    let query = decoded(request.query).ok_or(BadRequest::Query)?;
    let mut fields = Vec::new();
    for (name, value) in headers {
        if fields.len() == MAX_TRIGGER_HEADERS {
            return Err(BadRequest::TooManyHeaders);
        }
        fields.push(list(alloc::vec![name.to_ascii_lowercase().as_str().into(), value_of(value)]));
    }
    let member = |name: &str, value| (Arc::from(name), value);
    let members = alloc::vec![
        member("type", "http".into()),
        member("path", path.as_str().into()),
        member("method", request.method.into()),
        member("query_string", query.as_str().into()),
        member("headers", list(fields)),
        member("body", value_of(request.body)),
    ];
    // Three levels are not too deep.
    Ok(Value::object(members).unwrap_or_default())
}

fn list(items: Vec<Value>) -> Value {
    Value::array(items).unwrap_or_default()
}

/// Percent-decoded text; an escape that is none stays as it is.
fn decoded(text: &str) -> Option<alloc::string::String> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = match (first, behind) {
            (b'%', [high, low, ..]) => digit(high).zip(digit(low)),
            _ => None,
        };
        match escaped.and_then(|(high, low)| u8::try_from(high << 4 | low).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    alloc::string::String::from_utf8(bytes).ok()
}
