//! What tasks have of the sockets: listening ports and connections.

use core::future::poll_fn;
use core::task::{Context, Poll};

use embedded_io_async::{ErrorType, Read, Write};

use super::connection::Connection;
use super::packet::Address;
use super::{Vsock, VsockError};
use crate::stream::{ReadHalf, Split, Stream, WriteHalf, halves};

/// A listening port. Dropping it ends the connections that were not handed out.
#[derive(Debug)]
pub struct VsockListener {
    vsock: Vsock,
    port: u32,
}

impl VsockListener {
    /// Listens on a port.
    ///
    /// # Errors
    /// [`VsockError::PortTaken`].
    pub fn bind(vsock: &Vsock, port: u32) -> Result<Self, VsockError> {
        vsock.inner().listen(port)?;
        Ok(Self { vsock: vsock.clone(), port })
    }

    /// Waits for the next connection; with where it comes from. Dropping the future loses none. Only one
    /// task at a time may wait.
    pub async fn accept(&self) -> (VsockStream, Address) {
        poll_fn(|context| {
            let accepted = self.vsock.inner().accept(self.port, context.waker());
            accepted.map_or(Poll::Pending, |(number, peer)| {
                Poll::Ready((VsockStream { vsock: self.vsock.clone(), number, peer }, peer))
            })
        })
        .await
    }
}

impl Drop for VsockListener {
    fn drop(&mut self) {
        self.vsock.inner().stop_listening(self.port);
    }
}

/// A connection.
///
/// Reading and writing also work on `&VsockStream`, so that one task may read while another writes; of
/// each kind one task at a time may wait. What is written in one go leaves in one packet if it has at most
/// 64 KiB less a header and the peer has room for it.
///
/// # Ends
/// - [`Stream::shutdown`] ends the sending side after what was written. A host that hands the connection on
///   to a Unix socket does not tell the other end of that: protocols here end by dropping the stream.
/// - Dropping the stream ends both sides after what was written; [`Vsock::wait_settled`] waits until the peer
///   has acknowledged it. One that does not is reset after [`limits::VSOCK_LINGER`](crate::limits::VSOCK_LINGER).
#[derive(Debug)]
pub struct VsockStream {
    vsock: Vsock,
    number: usize,
    peer: Address,
}

impl VsockStream {
    /// Connects to `peer`, which has as long to answer as the caller waits.
    ///
    /// # Errors
    /// [`VsockError::Refused`], [`VsockError::Exhausted`], [`VsockError::TransportReset`]. Dropping the
    /// future gives the attempt up.
    pub async fn connect(vsock: &Vsock, peer: Address) -> Result<Self, VsockError> {
        let number = vsock.inner().connect(peer)?;
        let stream = Self { vsock: vsock.clone(), number, peer };
        stream.wait(|connection, context| connection.opened(context.waker())).await?;
        Ok(stream)
    }

    /// Where the connection leads.
    #[must_use]
    pub const fn peer(&self) -> Address {
        self.peer
    }

    async fn wait<T>(
        &self,
        mut look: impl FnMut(&mut Connection, &mut Context<'_>) -> Option<Result<T, VsockError>>,
    ) -> Result<T, VsockError> {
        poll_fn(|context| {
            let mut sockets = self.vsock.inner();
            match sockets.connection(self.number) {
                Some(connection) => look(connection, context).map_or(Poll::Pending, Poll::Ready),
                None => Poll::Ready(Err(VsockError::Reset)),
            }
        })
        .await
    }
}

impl Drop for VsockStream {
    fn drop(&mut self) {
        self.vsock.inner().let_go(self.number);
    }
}

impl ErrorType for VsockStream {
    type Error = VsockError;
}

impl ErrorType for &VsockStream {
    type Error = VsockError;
}

impl Read for &VsockStream {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, VsockError> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.wait(|connection, context| connection.read(buf, context.waker())).await
    }
}

impl Write for &VsockStream {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, VsockError> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.wait(|connection, context| connection.write(buf, context.waker())).await
    }

    async fn flush(&mut self) -> Result<(), VsockError> {
        self.wait(|connection, context| connection.flushed(context.waker())).await
    }
}

impl Stream for &VsockStream {
    async fn shutdown(&mut self) -> Result<(), VsockError> {
        self.wait(|connection, _| Some(connection.finish())).await
    }
}

impl Read for VsockStream {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, VsockError> {
        (&*self).read(buf).await
    }
}

impl Write for VsockStream {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, VsockError> {
        (&*self).write(buf).await
    }

    async fn flush(&mut self) -> Result<(), VsockError> {
        (&*self).flush().await
    }
}

impl Stream for VsockStream {
    async fn shutdown(&mut self) -> Result<(), VsockError> {
        (&*self).shutdown().await
    }
}

impl Split for VsockStream {
    type Reader = ReadHalf<Self>;
    type Writer = WriteHalf<Self>;

    fn split(self) -> (Self::Reader, Self::Writer) {
        halves(self)
    }
}
