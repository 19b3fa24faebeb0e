//! HTTP/1.1 (RFC 9110, RFC 9112) over any [`crate::Stream`]: a server engine, and a [`client`].
//!
//! [`serve`] runs one connection: it reads requests, gives each to a [`Handler`], writes the answers in
//! order, and ends the connection when the protocol, a limit or a timeout says so. [`serve_listener`]
//! does that for every connection of a port ([`crate::Listen`]).
//!
//! What two readers of one byte stream could understand differently is refused: both `Content-Length`
//! and `Transfer-Encoding`, repeated lengths, folded lines, bare line feeds, space before a colon, odd
//! chunk sizes. A refusal is a plain text answer with `Connection: close`.
//!
//! | status | when |
//! |---|---|
//! | 400 | malformed head, framing or chunk; `Host` missing or repeated |
//! | 408 | head or body too slow |
//! | 411 | POST, PUT or PATCH without a length |
//! | 413 | body over [`Limits::body_bytes`] |
//! | 414 | request line over [`Limits::request_line_bytes`] |
//! | 417 | an expectation other than `100-continue` |
//! | 431 | head over [`Limits::head_bytes`] or [`Limits::headers`] |
//! | 500 | the handler failed |
//! | 501 | a transfer coding other than `chunked`; `CONNECT`; a method that no standard has |
//! | 503 | as many connections as there may be ([`serve_listener`]) |
//! | 505 | a version other than 1.0 and 1.1 |
//!
//! # Not supported
//!
//! Upgrades, trailers to the handler (they are checked and thrown away), content codings.

mod body;
mod chunked;
pub mod client;
mod connection;
mod date;
mod head;
mod incoming;
mod response;
mod server;
mod settings;
mod status;
mod waiting;

use core::future::Future;

pub use body::{BodyError, RequestBody};
pub use connection::{End, Summary, serve};
pub use head::{Head, Headers, Version};
pub use response::{BodyStream, InvalidHeader, Response};
pub use server::serve_listener;
pub use settings::Limits;
pub use status::reason;

/// Answers requests.
pub trait Handler {
    /// Answers one request. The body may be read, in part or whole, or left: what is left is thrown
    /// away within [`Limits::drain_bytes`], beyond which the connection ends after the answer.
    ///
    /// # Errors
    /// A [`Failure`] becomes the answer that it stands for.
    fn handle(
        &self,
        head: &Head,
        body: &mut impl RequestBody,
    ) -> impl Future<Output = Result<Response, Failure>>;

    /// Told of every answer sent, those included that no handler was asked for.
    fn answered(&self, status: u16) {
        let _ = status;
    }

    /// Wall clock time in seconds since 1970 for the `Date` field, which is left out without a clock
    /// (RFC 9110 section 6.6.1).
    fn unix_seconds(&self) -> Option<u64> {
        None
    }
}

impl<H: Handler> Handler for &H {
    fn handle(
        &self,
        head: &Head,
        body: &mut impl RequestBody,
    ) -> impl Future<Output = Result<Response, Failure>> {
        H::handle(self, head, body)
    }

    fn answered(&self, status: u16) {
        H::answered(self, status);
    }

    fn unix_seconds(&self) -> Option<u64> {
        H::unix_seconds(self)
    }
}

/// Why a handler has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request's body could not be read: the answer says why.
    Body(BodyError),
    /// Something else: status 500.
    Internal,
}

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        Self::Body(error)
    }
}

/// A request that is refused: the status and a line of text for the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) text: &'static str,
}

impl Refusal {
    pub(crate) const fn new(status: u16, text: &'static str) -> Self {
        Self { status, text }
    }

    pub(crate) const fn bad(text: &'static str) -> Self {
        Self::new(400, text)
    }
}
