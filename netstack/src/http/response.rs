//! Responses: made by handlers, written with the framing that the request's version understands.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::pin::Pin;

use embedded_io_async::Write;
use futures_util::StreamExt;

use super::head::is_token_byte;
use super::{Failure, Limits, Version, date, reason};
use crate::limits;
use crate::time::{Instant, Timer, after, until};

/// Bodies up to this length are written together with their head.
const JOIN_BYTES: usize = 4096;

/// Pieces of a body; an error ends the connection, so that the client sees that the body is not whole.
pub type BodyStream = Pin<Box<dyn futures_util::Stream<Item = Result<Vec<u8>, Failure>>>>;

/// An answer to a request.
pub struct Response {
    status: u16,
    fields: Vec<(Cow<'static, str>, String)>,
    body: Body,
    close: bool,
}

enum Body {
    Bytes(Vec<u8>),
    /// A stream, with its length when it is known.
    Stream(BodyStream, Option<u64>),
}

/// A header field that cannot be sent: a name that is no token, one that the engine sets itself, a value
/// with a control character, or one field too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHeader;

impl core::fmt::Display for InvalidHeader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("invalid header field")
    }
}

impl core::error::Error for InvalidHeader {}

impl core::fmt::Debug for Response {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Response").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Response {
    /// An answer without a body. A status outside of 200 to 599 becomes 500.
    #[must_use]
    pub fn new(status: u16) -> Self {
        let status = if (200..=599).contains(&status) { status } else { 500 };
        Self { status, fields: Vec::new(), body: Body::Bytes(Vec::new()), close: false }
    }

    /// An answer with a body of a media type, such as `application/json`.
    #[must_use]
    pub fn with_body(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        let mut response = Self::new(status);
        response.body = Body::Bytes(body.into());
        // A constant media type is a valid value.
        let _ = response.add_header("Content-Type", content_type);
        response
    }

    /// A plain text answer.
    #[must_use]
    pub fn text(status: u16, body: impl Into<String>) -> Self {
        Self::with_body(status, "text/plain; charset=utf-8", body.into().into_bytes())
    }

    /// A JSON answer; `body` is the document.
    #[must_use]
    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::with_body(status, "application/json", body)
    }

    /// Status 405, naming the methods that the resource has (RFC 9110 section 15.5.6).
    #[must_use]
    pub fn method_not_allowed(allowed: &[&str]) -> Self {
        let mut response = Self::text(405, "the resource does not have this method\n");
        // A list of method names is a valid value; were it not, the status alone would do.
        let _ = response.add_header("Allow", &allowed.join(", "));
        response
    }

    /// An answer whose body comes piece by piece: with `length`, exactly so many bytes; without, chunked
    /// (to an HTTP/1.0 client: until the connection ends).
    #[must_use]
    pub fn stream(
        status: u16,
        content_type: &'static str,
        body: BodyStream,
        length: Option<u64>,
    ) -> Self {
        let mut response = Self::with_body(status, content_type, Vec::new());
        response.body = Body::Stream(body, length);
        response
    }

    /// The same with this body, and no field that says of what type it is.
    #[must_use]
    pub fn with_bytes(mut self, body: Vec<u8>) -> Self {
        self.body = Body::Bytes(body);
        self
    }

    /// The same with a body that comes piece by piece, as [`Self::stream`] has it.
    #[must_use]
    pub fn with_stream(mut self, body: BodyStream, length: Option<u64>) -> Self {
        self.body = Body::Stream(body, length);
        self
    }

    /// Adds a header field.
    ///
    /// # Errors
    /// [`InvalidHeader`]: nothing that could begin another field or another answer gets in.
    pub fn add_header(
        &mut self,
        name: impl Into<Cow<'static, str>>,
        value: &str,
    ) -> Result<(), InvalidHeader> {
        let name = name.into();
        const RESERVED: [&str; 5] =
            ["Content-Length", "Transfer-Encoding", "Connection", "Date", "Trailer"];
        let name_ok = !name.is_empty()
            && name.bytes().all(is_token_byte)
            && !RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(&name));
        let value_ok = value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
        if !name_ok || !value_ok || self.fields.len() >= limits::HTTP_RESPONSE_HEADERS {
            return Err(InvalidHeader);
        }
        self.fields.push((name, value.trim_ascii().to_string()));
        Ok(())
    }

    /// The same with a header field.
    ///
    /// # Errors
    /// [`InvalidHeader`], as [`Self::add_header`].
    pub fn with_header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: &str,
    ) -> Result<Self, InvalidHeader> {
        self.add_header(name, value)?;
        Ok(self)
    }

    /// The same, ending the connection after it.
    #[must_use]
    pub fn and_close(mut self) -> Self {
        self.close = true;
        self
    }

    /// The status code.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// True when the answer ends the connection by its own wish.
    pub(super) fn wants_close(&self, version: Version) -> bool {
        let unframed = version == Version::Http10
            && matches!(self.body, Body::Stream(_, None))
            && self.may_have_body();
        self.close || unframed
    }

    /// These never have a body (RFC 9110 section 6.4.1).
    fn may_have_body(&self) -> bool {
        !matches!(self.status, 204 | 304)
    }

    fn head(&self, how: &How, chunked: bool) -> String {
        let mut head = format!("HTTP/1.1 {} {}\r\n", self.status, reason(self.status));
        for (name, value) in &self.fields {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        let length = match &self.body {
            Body::Bytes(bytes) => Some(bytes.len() as u64),
            Body::Stream(_, length) => *length,
        };
        match length {
            _ if !self.may_have_body() => {}
            Some(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
            None if chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
            None => {}
        }
        if let Some(seconds) = how.unix_seconds {
            head.push_str(&format!("Date: {}\r\n", date::imf_fixdate(seconds)));
        }
        if how.close {
            head.push_str("Connection: close\r\n");
        } else if how.version == Version::Http10 {
            head.push_str("Connection: keep-alive\r\n");
        }
        head.push_str("\r\n");
        head
    }

    /// Writes the answer; false when the connection cannot be used further.
    pub(super) async fn write<S: Write, T: Timer>(
        self,
        stream: &mut S,
        timer: &T,
        limits: &Limits,
        how: &How,
    ) -> bool {
        let chunked = how.version == Version::Http11;
        let mut out = self.head(how, chunked).into_bytes();
        let bodiless = how.head_only || !self.may_have_body();
        // A stream may go on for as long as its source does; what is at hand has to be taken in time.
        let end = match self.body {
            Body::Bytes(_) => Some(after(timer.now(), limits.write_total_timeout)),
            Body::Stream(..) => None,
        };
        let mut sink = Sink { stream, timer, limits, end };
        match self.body {
            Body::Bytes(bytes) if bodiless || bytes.is_empty() => {
                sink.put(&out).await && sink.flush().await
            }
            // A short body leaves in the segment of the head; a long one is not copied for that.
            Body::Bytes(bytes) if bytes.len() <= JOIN_BYTES => {
                out.extend_from_slice(&bytes);
                sink.put(&out).await && sink.flush().await
            }
            Body::Bytes(bytes) => {
                sink.put(&out).await && sink.put(&bytes).await && sink.flush().await
            }
            Body::Stream(..) if bodiless => sink.put(&out).await && sink.flush().await,
            Body::Stream(pieces, length) => {
                sink.put(&out).await && sink.put_pieces(pieces, length, chunked).await
            }
        }
    }
}

/// The circumstances of an answer.
pub(super) struct How {
    pub(super) version: Version,
    pub(super) head_only: bool,
    pub(super) close: bool,
    pub(super) unix_seconds: Option<u64>,
}

/// A stream that must take each piece in time.
struct Sink<'a, S, T> {
    stream: &'a mut S,
    timer: &'a T,
    limits: &'a Limits,
    /// When the whole must be taken.
    end: Option<Instant>,
}

impl<S: Write, T: Timer> Sink<'_, S, T> {
    fn deadline(&self) -> Instant {
        let piece = after(self.timer.now(), self.limits.write_timeout);
        self.end.map_or(piece, |end| end.min(piece))
    }

    async fn put(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let deadline = self.deadline();
            match until(self.timer, deadline, self.stream.write(bytes)).await {
                Ok(Ok(written)) if written > 0 => bytes = bytes.get(written..).unwrap_or_default(),
                _ => return false,
            }
        }
        true
    }

    async fn flush(&mut self) -> bool {
        let deadline = self.deadline();
        matches!(until(self.timer, deadline, self.stream.flush()).await, Ok(Ok(())))
    }

    async fn put_pieces(
        &mut self,
        mut pieces: BodyStream,
        length: Option<u64>,
        chunked: bool,
    ) -> bool {
        let mut left = length;
        while let Some(piece) = pieces.next().await {
            let Ok(piece) = piece else { return false };
            // An empty chunk would end the body.
            if piece.is_empty() {
                continue;
            }
            let put = match &mut left {
                Some(left) => match left.checked_sub(piece.len() as u64) {
                    // More than was announced would be read as the next answer.
                    None => false,
                    Some(rest) => {
                        *left = rest;
                        self.put(&piece).await
                    }
                },
                None if chunked => self.put_chunk(&piece).await,
                None => self.put(&piece).await,
            };
            if !put || !self.flush().await {
                return false;
            }
        }
        match left {
            Some(left) => left == 0,
            None if chunked => self.put(b"0\r\n\r\n").await && self.flush().await,
            None => true,
        }
    }

    async fn put_chunk(&mut self, piece: &[u8]) -> bool {
        let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
        chunk.extend_from_slice(piece);
        chunk.extend_from_slice(b"\r\n");
        self.put(&chunk).await
    }
}
