//! What a client asks, as bytes.

use alloc::format;
use alloc::vec::Vec;
use core::fmt;

use crate::http::head::{is_authority, is_token_byte};
use crate::limits;

/// Fields that the client writes itself.
const OWN_FIELDS: [&str; 8] = [
    "connection",
    "content-length",
    "expect",
    "host",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The method, in capital letters.
    pub method: &'a str,
    /// Path and query, percent-encoded: `/path?name=value`.
    pub target: &'a str,
    /// What the `Host` field says: a name or an address (IPv6 in brackets), with its port.
    pub host: &'a str,
    /// Further fields: names and values.
    pub headers: &'a [(&'a str, &'a str)],
    /// The body; a request that has none says no length.
    pub body: Option<&'a [u8]>,
}

/// Why a request cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadRequest {
    /// The method is no token, or is `CONNECT`.
    Method,
    /// The target does not begin with `/`, or has a character that it cannot have.
    Target,
    /// The host is no name or address.
    Host,
    /// A field's name is no token or not the caller's to say, or its value has a character that it
    /// cannot have.
    Field,
    /// The head would have more than [`limits::HTTP_HEAD_BYTES`].
    TooLong,
}

impl fmt::Display for BadRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "the method of the request is none",
            Self::Target => "the target of the request is not a path",
            Self::Host => "the host of the request is no name or address",
            Self::Field => "a header field of the request cannot be sent",
            Self::TooLong => "the head of the request is too long",
        })
    }
}

impl core::error::Error for BadRequest {}

impl<'a> Request<'a> {
    /// A request for what is at `target`.
    #[must_use]
    pub fn get(target: &'a str, host: &'a str) -> Self {
        Self { method: "GET", target, host, headers: &[], body: None }
    }

    /// Head and body as they are sent.
    pub(super) fn to_bytes(self) -> Result<Vec<u8>, BadRequest> {
        let Self { method, target, host, headers, body } = self;
        if method.is_empty() || !method.bytes().all(is_token_byte) || method == "CONNECT" {
            return Err(BadRequest::Method);
        }
        let is_in_target = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !target.starts_with('/') || !target.bytes().all(is_in_target) {
            return Err(BadRequest::Target);
        }
        if host.is_empty() || !is_authority(host.as_bytes()) {
            return Err(BadRequest::Host);
        }
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n");
        for (name, value) in headers {
            if !is_field(name, value) {
                return Err(BadRequest::Field);
            }
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if let Some(body) = body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        if head.len() > limits::HTTP_HEAD_BYTES {
            return Err(BadRequest::TooLong);
        }
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        Ok(bytes)
    }
}

/// True for a field that the caller may send (RFC 9110 section 5.5).
fn is_field(name: &str, value: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(is_token_byte)
        && !OWN_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(name))
        && value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..))
}
