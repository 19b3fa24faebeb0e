//! Heads of answers: what is accepted, and how the body that follows is framed.

use super::ClientError;
use crate::http::Limits;
use crate::http::head::{Framing, Headers, Version};
use crate::limits;

/// A head, and what it says about the body and the connection.
#[derive(Debug)]
pub(super) struct Parsed {
    /// 100 to 599.
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) framing: Framing,
    pub(super) keep_alive: bool,
}

/// Reads a whole head, the empty line included, whose only line ends are CRLF and whose bounds on bytes
/// are kept. `head_only`: it answers a request of method `HEAD`.
pub(super) fn parse(bytes: &[u8], head_only: bool, limits: &Limits) -> Result<Parsed, ClientError> {
    let (version, status) = status_line(bytes)?;
    let mut slots = [httparse::EMPTY_HEADER; limits::HTTP_HEADERS];
    let allowed = limits.headers.min(slots.len());
    let mut answer = httparse::Response::new(slots.get_mut(..allowed).unwrap_or_default());
    match answer.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(ClientError::HeadTooLarge),
        Ok(_) | Err(_) => return Err(ClientError::Malformed("malformed head")),
    }
    let headers = Headers::of(answer.headers);
    let bodiless = head_only || matches!(status, 100..=199 | 204 | 304);
    let framing = match headers.framing(version, limits) {
        // What the fields say of a body that does not come is of no account.
        _ if bodiless => Framing::Length(0),
        framing => framing?.unwrap_or(Framing::UntilEnd),
    };
    let keep_alive = headers.keeps_alive(version) && framing != Framing::UntilEnd;
    Ok(Parsed { status, headers, framing, keep_alive })
}

/// Version and status (RFC 9112 section 4); the words behind them mean nothing.
fn status_line(bytes: &[u8]) -> Result<(Version, u16), ClientError> {
    const MALFORMED: ClientError = ClientError::Malformed("malformed status line");
    let end = bytes.iter().position(|byte| *byte == b'\r').ok_or(MALFORMED)?;
    let line = bytes.get(..end).ok_or(MALFORMED)?;
    let (version, rest) = line.split_at_checked(9).ok_or(MALFORMED)?;
    let version = match version {
        b"HTTP/1.1 " => Version::Http11,
        b"HTTP/1.0 " => Version::Http10,
        _ => return Err(MALFORMED),
    };
    let (digits, words) = rest.split_at_checked(3).ok_or(MALFORMED)?;
    if !words.is_empty() && words.first() != Some(&b' ') {
        return Err(MALFORMED);
    }
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(MALFORMED);
    }
    let status = core::str::from_utf8(digits).ok().and_then(|text| text.parse().ok());
    let status = status.ok_or(MALFORMED)?;
    if (100..=599).contains(&status) { Ok((version, status)) } else { Err(MALFORMED) }
}
