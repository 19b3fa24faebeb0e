//! What a server allows its clients.

use crate::limits;
use crate::time::Duration;

/// Bounds of one connection; the defaults are those of [`crate::limits`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request line.
    pub request_line_bytes: usize,
    /// Bytes of a head: request line, header fields and the empty line.
    pub head_bytes: usize,
    /// Header fields; at most [`limits::HTTP_HEADERS`] whatever this says.
    pub headers: usize,
    /// Bytes of a body.
    pub body_bytes: u64,
    /// Bytes of an unread body that are thrown away to keep the connection.
    pub drain_bytes: u64,
    /// Requests on one connection.
    pub requests: u32,
    /// Time to wait for a request to begin.
    pub idle_timeout: Duration,
    /// Time for a head to arrive.
    pub head_timeout: Duration,
    /// Time between two pieces of a body.
    pub body_timeout: Duration,
    /// Time for a whole body.
    pub body_total_timeout: Duration,
    /// Time between two pieces of an answer that the peer takes.
    pub write_timeout: Duration,
    /// Time for the peer to take a whole answer, unless it is streamed.
    pub write_total_timeout: Duration,
    /// Time that the peer has to stop sending after the last answer.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line_bytes: limits::HTTP_REQUEST_LINE_BYTES,
            head_bytes: limits::HTTP_HEAD_BYTES,
            headers: limits::HTTP_HEADERS,
            body_bytes: limits::HTTP_BODY_BYTES,
            drain_bytes: limits::HTTP_DRAIN_BYTES,
            requests: limits::HTTP_REQUESTS_PER_CONNECTION,
            idle_timeout: limits::HTTP_IDLE_TIMEOUT,
            head_timeout: limits::HTTP_HEAD_TIMEOUT,
            body_timeout: limits::HTTP_BODY_TIMEOUT,
            body_total_timeout: limits::HTTP_BODY_TOTAL_TIMEOUT,
            write_timeout: limits::HTTP_WRITE_TIMEOUT,
            write_total_timeout: limits::HTTP_WRITE_TOTAL_TIMEOUT,
            linger: limits::HTTP_LINGER,
        }
    }
}
