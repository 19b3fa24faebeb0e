//! A port that connections come to.

use core::future::Future;
use core::net::SocketAddr;

use crate::Stream;

/// A listening port: [`crate::TcpListener`] on the stack; a host's own sockets elsewhere.
pub trait Listen {
    /// A connection.
    type Stream: Stream + 'static;

    /// Waits for the next connection; with the address that it comes from. Dropping the future loses
    /// none. Only one task at a time may wait.
    fn accept(&self) -> impl Future<Output = (Self::Stream, SocketAddr)>;
}

impl<L: Listen> Listen for &L {
    type Stream = L::Stream;

    fn accept(&self) -> impl Future<Output = (Self::Stream, SocketAddr)> {
        L::accept(self)
    }
}
