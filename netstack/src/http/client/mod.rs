//! HTTP/1.1 client over any [`Stream`] (RFC 9110, RFC 9112): one request at a time, bounded answers.
//!
//! ```text
//! let mut client = Client::new(stream, timer);
//! let answer = client.send(&Request::get("/api/v0/info", "node.example:4024"), &Bounds::default()).await?;
//! if client.is_reusable() { … the next request … }
//! ```
//!
//! An answer is taken whole: with `Content-Length`, chunked, or up to the end of the connection. As in the
//! server, what two readers could understand differently is refused, and so is whatever exceeds [`Bounds`];
//! after an error the connection is of no more use. Interim answers (1xx) are passed over.
//!
//! # Not supported
//!
//! Upgrades, pipelining, redirects, cookies, transfer codings other than `chunked`, content codings (none is
//! asked for), trailers (they are checked and thrown away), TLS.

mod answer;
mod request;

use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::{Read, Write};

use super::body::{Body, RequestBody};
use super::incoming::{Incoming, NoHead};
use super::{BodyError, Headers, Limits, Refusal};
use crate::limits;
use crate::time::{Duration, Timer, after, until};

pub use request::{BadRequest, Request};

/// Interim answers before the one that counts.
const MAX_INTERIM_ANSWERS: usize = limits::HTTP_INTERIM_ANSWERS;

/// What an answer may be, and how long it may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a head: status line, header fields and the empty line.
    pub head_bytes: usize,
    /// Header fields; at most [`limits::HTTP_HEADERS`] whatever this says.
    pub headers: usize,
    /// Bytes of a body.
    pub body_bytes: usize,
    /// Time between the request and the end of the answer's head; interim answers begin it anew.
    pub head_timeout: Duration,
    /// Time between two pieces of a body.
    pub piece_timeout: Duration,
    /// Time for everything, from the first byte of the request on.
    pub total_timeout: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head_bytes: limits::HTTP_HEAD_BYTES,
            headers: limits::HTTP_HEADERS,
            body_bytes: limits::HTTP_ANSWER_BODY_BYTES,
            head_timeout: limits::HTTP_ANSWER_TIMEOUT,
            piece_timeout: limits::HTTP_BODY_TIMEOUT,
            total_timeout: limits::HTTP_BODY_TOTAL_TIMEOUT,
        }
    }
}

/// An answer with its whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// 200 to 599.
    pub status: u16,
    /// Header fields in the order in which they came.
    pub headers: Headers,
    /// All of the body, without its framing.
    pub body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientError {
    /// The request cannot be sent: nothing of it was.
    Request(BadRequest),
    /// An earlier exchange ended the connection: nothing was sent.
    Spent,
    /// The server closed the connection instead of answering.
    NoAnswer,
    /// The answer is malformed, or ended early.
    Malformed(&'static str),
    /// The head exceeds [`Bounds::head_bytes`] or [`Bounds::headers`].
    HeadTooLarge,
    /// The body exceeds [`Bounds::body_bytes`].
    BodyTooLarge,
    /// The answer came too slowly, or not at all.
    Late,
    /// The connection broke.
    Broken,
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request(bad) => return bad.fmt(f),
            Self::Spent => "the connection is used up",
            Self::NoAnswer => "the server gave no answer",
            Self::Malformed(what) => return write!(f, "the answer is not one of HTTP: {what}"),
            Self::HeadTooLarge => "the head of the answer is too large",
            Self::BodyTooLarge => "the body of the answer is too large",
            Self::Late => "the answer came too slowly",
            Self::Broken => "the connection broke",
        })
    }
}

impl core::error::Error for ClientError {}

impl From<Refusal> for ClientError {
    fn from(refusal: Refusal) -> Self {
        match refusal.status {
            408 => Self::Late,
            413 => Self::BodyTooLarge,
            414 | 431 => Self::HeadTooLarge,
            _ => Self::Malformed(refusal.text),
        }
    }
}

impl From<NoHead> for ClientError {
    fn from(no_head: NoHead) -> Self {
        match no_head {
            NoHead::Refused(refusal) => refusal.into(),
            NoHead::Ended => Self::NoAnswer,
            NoHead::Gone => Self::Broken,
        }
    }
}

impl From<BodyError> for ClientError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::TooLarge => Self::BodyTooLarge,
            BodyError::Malformed(what) => Self::Malformed(what),
            BodyError::Late => Self::Late,
            BodyError::Broken => Self::Broken,
        }
    }
}

/// The client's end of one connection.
pub struct Client<S, T> {
    incoming: Incoming<S, T>,
    timer: T,
    is_reusable: bool,
}

impl<S, T> fmt::Debug for Client<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("is_reusable", &self.is_reusable).finish_non_exhaustive()
    }
}

impl<S: Read + Write, T: Timer + Clone> Client<S, T> {
    /// A client on a connection over which nothing was said.
    #[must_use]
    pub fn new(stream: S, timer: T) -> Self {
        Self { incoming: Incoming::new(stream, timer.clone()), timer, is_reusable: true }
    }

    /// Whether another request may be sent over the connection.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.is_reusable
    }

    /// Sends a request and takes the whole answer.
    ///
    /// # Errors
    /// [`ClientError`]. After all but [`ClientError::Request`] the connection is used up.
    pub async fn send(
        &mut self,
        request: &Request<'_>,
        bounds: &Bounds,
    ) -> Result<Answer, ClientError> {
        if !self.is_reusable {
            return Err(ClientError::Spent);
        }
        let bytes = request.to_bytes().map_err(ClientError::Request)?;
        // Also whoever gives this future up leaves a connection that nobody may use.
        self.is_reusable = false;
        let deadline = after(self.timer.now(), bounds.total_timeout);
        let exchange = exchange(&mut self.incoming, &bytes, request.method == "HEAD", bounds);
        let exchange = until(&self.timer, deadline, exchange).await;
        let (answer, keep_alive) = exchange.map_err(|_| ClientError::Late)??;
        self.is_reusable = keep_alive;
        Ok(answer)
    }
}

/// Sends the bytes of a request and takes the answer; and whether the connection may be used again.
async fn exchange<S: Read + Write, T: Timer>(
    incoming: &mut Incoming<S, T>,
    request: &[u8],
    head_only: bool,
    bounds: &Bounds,
) -> Result<(Answer, bool), ClientError> {
    let limits = bounds.as_limits();
    let sent = async {
        incoming.stream.write_all(request).await?;
        incoming.stream.flush().await
    };
    // A server may refuse a request before it has read all of it: then its answer counts.
    let is_sent = sent.await.is_ok();
    for _ in 0..=MAX_INTERIM_ANSWERS {
        let length = incoming.head(&limits).await?;
        let head = incoming.buffered().get(..length).unwrap_or_default();
        let parsed = answer::parse(head, head_only, &limits);
        incoming.consume(length);
        let answer::Parsed { status, headers, framing, keep_alive } = parsed?;
        if status == 101 {
            return Err(ClientError::Malformed("an upgrade that nobody asked for"));
        }
        if status < 200 {
            continue;
        }
        let mut body = Body::new(incoming, &limits, framing, false);
        let bytes = body.read_to_end(bounds.body_bytes).await?;
        let keep_alive = keep_alive && is_sent && body.is_finished();
        // Bytes behind the answer are that of no request.
        let keep_alive = keep_alive && incoming.buffered().is_empty();
        return Ok((Answer { status, headers, body: bytes }, keep_alive));
    }
    Err(ClientError::Malformed("too many interim answers"))
}

impl Bounds {
    /// The same in the words of the engine that both sides share.
    fn as_limits(&self) -> Limits {
        Limits {
            request_line_bytes: self.head_bytes,
            head_bytes: self.head_bytes,
            headers: self.headers,
            body_bytes: self.body_bytes as u64,
            head_timeout: self.head_timeout,
            body_timeout: self.piece_timeout,
            body_total_timeout: self.total_timeout,
            ..Limits::default()
        }
    }
}
