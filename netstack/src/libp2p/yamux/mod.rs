//! yamux: many streams over one connection (hashicorp yamux specification).
//!
//! [`Connection::new`] makes a pair: the [`Connection`], which a task has to [run](Connection::run), and a
//! [`Control`], which opens and accepts [`Stream`]s.
//!
//! # Flow control
//!
//! The peer may send [`limits::WINDOW_BYTES`] on a stream; each time half of that has been *read* here, as
//! much is granted anew, in the middle of a message too. A stream therefore never buffers more than a
//! window. What all streams of a connection buffer together has a bound of its own
//! ([`Limits::receive_bytes`]), and connections may share one more ([`ReceiveMemory`], in which the
//! streams that peers open count too): at it nothing more is taken from the connection until somebody
//! reads; if nobody does for [`Limits::stall_timeout`] the connection ends.
//!
//! Window updates come in line with data. Who reads a stream only as fast as the peer takes what is sent back
//! on it can therefore wait for an update that is behind more data than there is room for, which the stall
//! timeout ends. A stream that carries at most a window and a frame each way cannot come to that, nor one
//! whose reader waits for no writer: the protocols here read a message before they answer it.
//!
//! Sending, a stream holds one frame's worth of bytes until the window and its turn let them go. Streams
//! take turns, a frame each, and all that is ready leaves in one write.
//!
//! # Memory
//!
//! Buffers exist while bytes are in them. An idle connection keeps its state and
//! [`limits::IDLE_READ_BYTES`] to wait with, an idle stream its state only: under 2 KiB and 256 bytes,
//! which `tests/yamux_memory.rs` measures.
//!
//! # Not supported
//!
//! Receive windows that grow, half-closed connections, more than 2^31 streams in a connection's life.

mod buffer;
mod channel;
mod connection;
mod control;
mod frame;
pub mod limits;
mod memory;
mod owner;
mod receive;
mod session;
mod stream;
#[cfg(test)]
mod tests;
mod transmit;

use core::fmt;

use embedded_io_async::ErrorKind;

pub use connection::Connection;
pub use control::{Control, Counters};
pub use limits::Limits;
pub use memory::ReceiveMemory;
pub use stream::{Reader, Stream, Writer};

/// Which end of the connection this is: each opens streams of its own parity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Made the connection; its streams have odd numbers.
    Dialer,
    /// Accepted it; its streams have even numbers.
    Listener,
}

impl Role {
    /// Number of the first stream that this end opens.
    const fn first_stream(self) -> u32 {
        match self {
            Self::Dialer => 1,
            Self::Listener => 2,
        }
    }

    /// Whether this end opens streams with this number.
    const fn owns(self, stream: u32) -> bool {
        stream % 2 == self.first_stream() % 2
    }
}

/// What a peer is told when a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoAway {
    /// Nothing is wrong.
    Normal,
    /// The other side broke the protocol.
    ProtocolError,
    /// This side failed.
    InternalError,
}

impl GoAway {
    const fn code(self) -> u32 {
        match self {
            Self::Normal => 0,
            Self::ProtocolError => 1,
            Self::InternalError => 2,
        }
    }
}

/// Why a stream cannot go on, or cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// One of the two sides reset the stream.
    Reset,
    /// Written to after [`shutdown`](crate::Stream::shutdown).
    Shut,
    /// The connection has ended, or takes no more streams.
    Gone,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "stream reset",
            Self::Shut => "stream written to after its end",
            Self::Gone => "connection gone",
        })
    }
}

impl core::error::Error for Error {}

impl embedded_io_async::Error for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Reset => ErrorKind::ConnectionReset,
            Self::Shut => ErrorKind::BrokenPipe,
            Self::Gone => ErrorKind::NotConnected,
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Closed here, in order.
    Closed,
    /// The peer closed the bytes below, with or without saying so first.
    ClosedByPeer,
    /// The peer said that it leaves, with this code (1: it takes us for broken, 2: it is broken).
    GoneAway(u32),
    /// The peer broke the protocol.
    Violation(Violation),
    /// The peer asks for more answers than it takes.
    Flood,
    /// Nobody read what arrived, or the peer took nothing of what was sent.
    Stalled,
    /// A ping was not answered.
    Silent,
    /// Reading or writing failed.
    Io(ErrorKind),
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::ClosedByPeer => f.write_str("closed by the peer"),
            Self::GoneAway(code) => write!(f, "the peer left with code {code}"),
            Self::Violation(violation) => write!(f, "the peer broke the protocol: {violation}"),
            Self::Flood => f.write_str("flooded by the peer"),
            Self::Stalled => f.write_str("stalled"),
            Self::Silent => f.write_str("the peer does not answer"),
            Self::Io(kind) => write!(f, "{kind}"),
        }
    }
}

/// What a peer did that the protocol forbids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A version other than 0.
    Version,
    /// A frame of a type that there is not.
    Type,
    /// A stream's frame for stream 0.
    StreamZero,
    /// Opened a stream with a number that is not its own to give.
    Parity,
    /// Opened a stream that there is.
    Duplicate,
    /// Sent more than its window.
    Window,
    /// Granted a window of more than 2^32 - 1 bytes.
    WindowOverflow,
    /// A frame longer than [`limits::MAX_FRAME_BYTES`].
    FrameTooLong,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "unknown version",
            Self::Type => "unknown frame type",
            Self::StreamZero => "stream 0",
            Self::Parity => "stream number of the wrong parity",
            Self::Duplicate => "stream opened twice",
            Self::Window => "more bytes than the window",
            Self::WindowOverflow => "window overflow",
            Self::FrameTooLong => "frame too long",
        })
    }
}
