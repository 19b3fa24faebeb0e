//! virtio sockets: streams between this machine and its host (virtio 1.2, section 5.10), without a network.
//!
//! [`Vsock`] is a state machine: packets in, packets out, wakers. A [`Device`] moves the packets, and
//! [`Vsock::poll`] is called by the main loop as [`crate::Stack::poll`] is. [`VsockListener`] and
//! [`VsockStream`] are what tasks have of it.
//!
//! | what comes | what happens |
//! |---|---|
//! | a request for a port that is listened on | it is accepted at once, however busy the listener's task is |
//! | a request for another port, or beyond a bound | reset |
//! | a packet of no connection | reset, unless it is one itself |
//! | an operation that is none, on a connection that is there | ignored |
//! | a packet for another machine, or cut off | dropped |
//! | more data than there was room for, or what the protocol has no place for | reset, and the connection is over |
//! | a shutdown of both directions | reset, which says that it has arrived; what came before can still be read |
//!
//! Nothing is trusted: whatever a device gives, the memory held is bounded by
//! [`limits`](crate::limits), and numbers that cannot be leave no credit.

mod connection;
mod packet;
mod sockets;
mod stream;
#[cfg(test)]
mod tests;

pub use packet::{Address, HEADER_BYTES, Header, NO_RECEIVE, NO_SEND, Operation, STREAM};
pub use sockets::Vsock;
pub use stream::{VsockListener, VsockStream};

use crate::limits::VSOCK_RECEIVE_BYTES;
use core::fmt;

/// The number of the host.
pub const HOST: u64 = 2;

/// What each connection keeps for what it receives, as packets say it.
#[expect(clippy::cast_possible_truncation, reason = "64 KiB")]
const CONNECTION_BYTES: u32 = VSOCK_RECEIVE_BYTES as u32;

/// What moves packets between a [`Vsock`] and the machine's device.
pub trait Device {
    /// Hands the next received packet to `take`; false if there is none.
    fn receive(&mut self, take: &mut dyn FnMut(&[u8])) -> bool;

    /// Has `fill` write a packet into a free buffer, at least as large as a header, and sends as many bytes
    /// as it says, none if it says 0; false if no buffer is free.
    fn send(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> usize) -> bool;

    /// The number of this machine if the device says that all connections are lost (the machine was
    /// moved, or its state restored).
    fn transport_reset(&mut self) -> Option<u64>;
}

/// Why a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VsockError {
    /// Nobody listens there.
    Refused,
    /// The peer has ended the connection, or broken the protocol.
    Reset,
    /// The device has lost all connections.
    TransportReset,
    /// The peer takes nothing more, or our sending side is closed.
    Closed,
    /// As many connections as there may be are there.
    Exhausted,
    /// The port is listened on already, or as many are as may be.
    PortTaken,
}

impl fmt::Display for VsockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "nobody listens there",
            Self::Reset => "the connection was reset",
            Self::TransportReset => "the device lost all connections",
            Self::Closed => "the sending side is closed",
            Self::Exhausted => "there are as many connections as there may be",
            Self::PortTaken => "the port cannot be listened on",
        })
    }
}

impl core::error::Error for VsockError {}

impl embedded_io_async::Error for VsockError {
    fn kind(&self) -> embedded_io_async::ErrorKind {
        use embedded_io_async::ErrorKind;
        match self {
            Self::Refused => ErrorKind::ConnectionRefused,
            Self::Reset | Self::TransportReset => ErrorKind::ConnectionReset,
            Self::Closed => ErrorKind::BrokenPipe,
            Self::Exhausted => ErrorKind::OutOfMemory,
            Self::PortTaken => ErrorKind::AddrInUse,
        }
    }
}
