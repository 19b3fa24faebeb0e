//! WebSocket (RFC 6455): a byte stream over binary frames, both roles.
//!
//! [`accept`] answers a client, [`connect`] asks a server; both give a [`WebSocket`] over the stream.
//! [`subscribe`] asks a server for [`Messages`], texts among them, whose borders do mean something.
//! What is written leaves in binary frames, one for each flush; what is read are the payloads of binary
//! messages, one after the other, whose borders mean nothing. Pings are answered while somebody reads,
//! also when nobody writes.
//!
//! # Ends
//!
//! [`Stream::shutdown`] sends a close frame. Unlike TCP there is no half that stays open: a peer that
//! gets one answers with its own and stops sending. A close frame received is the end of file.
//!
//! # Memory
//!
//! An idle connection holds no buffer. The sending half gathers up to
//! [`limits::FRAME_PAYLOAD_BYTES`]; the reading half unmasks in the caller's buffer.
//!
//! # Not supported
//!
//! Text messages as a byte stream or to send, extensions (they are not accepted, so nothing is compressed), subprotocols, TLS.

mod accept;
mod connect;
mod frame;
mod head;
pub mod limits;
mod lock;
mod messages;
mod outbox;
mod reader;
mod writer;

use core::fmt;

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};

use crate::{Split, Stream, stream};

pub use accept::accept;
pub(crate) use accept::accept_after;
pub use connect::{Secrets, connect, subscribe};
pub use messages::{Message, Messages};
pub use reader::Reader;
pub use writer::Writer;

/// Which side of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Frames that come are masked.
    Server,
    /// Frames that leave are masked.
    Client,
}

/// What ends a WebSocket connection; `E` is the error of the stream below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The stream below failed.
    Stream(E),
    /// The stream ended within a frame, or before the handshake was over.
    Truncated,
    /// The request was answered with this HTTP status.
    BadRequest(u16),
    /// The server's answer to the request does not open a WebSocket.
    BadAnswer,
    /// The peer has sent what RFC 6455 or this side does not allow.
    Violation,
    /// The sending side is closed.
    Closed,
}

impl<E> Error<E> {
    /// The same with another error of the stream.
    pub fn map<F>(self, map: impl FnOnce(E) -> F) -> Error<F> {
        match self {
            Self::Stream(error) => Error::Stream(map(error)),
            Self::Truncated => Error::Truncated,
            Self::BadRequest(status) => Error::BadRequest(status),
            Self::BadAnswer => Error::BadAnswer,
            Self::Violation => Error::Violation,
            Self::Closed => Error::Closed,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream(error) => return write!(f, "the stream failed: {error}"),
            Self::Truncated => "the stream ended within a WebSocket frame or handshake",
            Self::BadRequest(status) => return write!(f, "the request was answered with {status}"),
            Self::BadAnswer => "the server does not open a WebSocket",
            Self::Violation => "the peer has violated the WebSocket protocol",
            Self::Closed => "the sending side is closed",
        })
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for Error<E> {}

impl<E: embedded_io_async::Error> embedded_io_async::Error for Error<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Stream(error) => error.kind(),
            Self::Truncated => ErrorKind::ConnectionAborted,
            Self::BadRequest(_) | Self::BadAnswer | Self::Violation => ErrorKind::InvalidData,
            Self::Closed => ErrorKind::BrokenPipe,
        }
    }
}

/// A WebSocket over the stream `S`.
pub struct WebSocket<S: Split> {
    reader: Reader<S::Reader, S::Writer>,
    writer: Writer<S::Writer>,
}

impl<S: Split> WebSocket<S> {
    /// `early`: what was read beyond the handshake. `mask_seed`: for masks, which a client must have.
    fn new(stream: S, early: alloc::vec::Vec<u8>, mask_seed: Option<[u8; 32]>) -> Self {
        let (reader, writer) = stream.split();
        let role = if mask_seed.is_some() { Role::Client } else { Role::Server };
        let shared = outbox::Shared::new(writer, mask_seed);
        let reader = Reader::new(reader, early, role, alloc::rc::Rc::clone(&shared));
        Self { reader, writer: Writer::new(shared) }
    }
}

impl<S: Split> fmt::Debug for WebSocket<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocket").finish_non_exhaustive()
    }
}

impl<S: Split> ErrorType for WebSocket<S> {
    type Error = Error<S::Error>;
}

impl<S: Split> Read for WebSocket<S> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        self.reader.read(buf).await
    }
}

impl<S: Split> Write for WebSocket<S> {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        self.writer.write(buf).await
    }

    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.writer.flush().await
    }
}

impl<S: Split> Stream for WebSocket<S> {
    async fn shutdown(&mut self) -> Result<(), Self::Error> {
        stream::Writer::shutdown(&mut self.writer).await
    }
}

impl<S: Split> Split for WebSocket<S> {
    type Reader = Reader<S::Reader, S::Writer>;
    type Writer = Writer<S::Writer>;

    fn split(self) -> (Self::Reader, Self::Writer) {
        (self.reader, self.writer)
    }
}
