//! A TCP connection.

use core::future::poll_fn;
use core::task::Poll;

use embedded_io_async::{Error, ErrorKind, ErrorType, Read, Write};
use smoltcp::socket::tcp::{RecvError, State};
use smoltcp::time::Duration;
use smoltcp::wire::IpEndpoint;

use crate::limits;
use crate::stack::{Inner, Stack, TcpHandle};
use crate::stream::{ReadHalf, Split, Stream, WriteHalf, halves};

/// A TCP connection.
///
/// Reading and writing also work on `&TcpStream`, so that one task may read while another writes; of
/// each kind one task at a time may wait.
///
/// # Ends
/// - [`Stream::shutdown`] ends the sending side after what was written; reading goes on.
/// - [`TcpStream::close`] does that and waits until the peer has it all.
/// - Dropping the stream after either lets the rest be delivered in the background
///   ([`limits::LINGER`]); what the peer still sends is thrown away.
/// - Dropping it without resets the connection: what was written and not yet delivered is lost.
///
/// A peer that falls silent while it owes an answer, keep-alive probes included, is given up after
/// [`limits::TCP_TIMEOUT`]; idle times are for the protocol above to bound.
#[derive(Debug)]
pub struct TcpStream {
    stack: Stack,
    handle: TcpHandle,
    local: IpEndpoint,
    peer: IpEndpoint,
}

/// Why reading from or writing to a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpError {
    /// The peer has reset the connection, or has not answered for too long.
    Reset,
    /// Our sending side is closed.
    Finished,
}

impl core::fmt::Display for TcpError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Reset => "the connection was reset or timed out",
            Self::Finished => "the sending side is closed",
        })
    }
}

impl core::error::Error for TcpError {}

impl Error for TcpError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Reset => ErrorKind::ConnectionReset,
            Self::Finished => ErrorKind::BrokenPipe,
        }
    }
}

/// Why a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The endpoint is no address and port to connect to, or there is no address to connect from.
    Unaddressable,
    /// No socket of the pool, or no local port, is free.
    Exhausted,
    /// The peer refused, or did not answer in time.
    Refused,
}

impl core::fmt::Display for ConnectError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Unaddressable => "no way to reach that address",
            Self::Exhausted => "no socket is left to connect with",
            Self::Refused => "the peer refused or did not answer",
        })
    }
}

impl core::error::Error for ConnectError {}

impl TcpStream {
    /// Connects to `peer`; gives up when it has not answered within `timeout`.
    ///
    /// # Errors
    /// [`ConnectError`]. Dropping the future gives the attempt up.
    pub async fn connect(
        stack: &Stack,
        peer: IpEndpoint,
        timeout: Duration,
    ) -> Result<Self, ConnectError> {
        let stream = Self::start(stack, peer, timeout)?;
        poll_fn(|context| {
            let mut inner = stack.inner();
            let socket = inner.tcp(stream.handle);
            match socket.state() {
                State::SynSent | State::SynReceived => {
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
                State::Closed => {
                    inner.counters.connections_failed += 1;
                    Poll::Ready(Err(ConnectError::Refused))
                }
                _ => {
                    inner.counters.connections_opened += 1;
                    Poll::Ready(Ok(()))
                }
            }
        })
        .await?;
        stack.inner().settle(stream.handle);
        Ok(stream)
    }

    fn start(stack: &Stack, peer: IpEndpoint, timeout: Duration) -> Result<Self, ConnectError> {
        let mut guard = stack.inner();
        let inner = &mut *guard;
        let port = inner.free_port(peer).ok_or(ConnectError::Exhausted)?;
        let handle = inner.add_tcp().ok_or(ConnectError::Exhausted)?;
        let socket = inner.tcp.get_mut(handle);
        socket.set_timeout(Some(timeout));
        let started = socket.connect(inner.interface.context(), peer, port);
        let local = socket.local_endpoint();
        let (Ok(()), Some(local)) = (started, local) else {
            inner.remove_tcp(handle);
            return Err(ConnectError::Unaddressable);
        };
        inner.tcp.register(handle);
        inner.mark_dirty();
        drop(guard);
        Ok(Self { stack: stack.clone(), handle, local, peer })
    }

    pub(super) fn accepted(stack: &Stack, handle: TcpHandle) -> Self {
        let mut inner = stack.inner();
        inner.settle(handle);
        let socket = inner.tcp(handle);
        let nowhere = IpEndpoint::new(smoltcp::wire::Ipv4Address::UNSPECIFIED.into(), 0);
        let local = socket.local_endpoint().unwrap_or(nowhere);
        let peer = socket.remote_endpoint().unwrap_or(nowhere);
        drop(inner);
        Self { stack: stack.clone(), handle, local, peer }
    }

    /// Address and port of the peer.
    #[must_use]
    pub fn peer(&self) -> IpEndpoint {
        self.peer
    }

    /// Our address and port.
    #[must_use]
    pub fn local(&self) -> IpEndpoint {
        self.local
    }

    /// Sets how often an idle connection is probed and after what silence it is given up.
    pub fn set_keep_alive(&self, interval: Option<Duration>, timeout: Option<Duration>) {
        let mut inner = self.stack.inner();
        let socket = inner.tcp(self.handle);
        socket.set_keep_alive(interval);
        socket.set_timeout(timeout);
        inner.mark_dirty();
    }

    /// Ends the sending side and waits until the peer has acknowledged everything.
    ///
    /// # Errors
    /// [`TcpError::Reset`] when the connection ended before that.
    pub async fn close(self) -> Result<(), TcpError> {
        self.finish();
        poll_fn(|context| {
            let mut inner = self.stack.inner();
            let socket = inner.tcp(self.handle);
            match socket.state() {
                State::FinWait2 | State::TimeWait => Poll::Ready(Ok(())),
                State::Closed if socket.send_queue() == 0 => Poll::Ready(Ok(())),
                State::Closed => Poll::Ready(Err(TcpError::Reset)),
                _ => {
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Resets the connection now.
    pub fn abort(self) {
        let mut inner = self.stack.inner();
        inner.tcp(self.handle).abort();
        inner.mark_dirty();
    }

    fn finish(&self) {
        let mut inner = self.stack.inner();
        inner.tcp(self.handle).close();
        inner.mark_dirty();
    }
}

impl ErrorType for TcpStream {
    type Error = TcpError;
}

impl ErrorType for &TcpStream {
    type Error = TcpError;
}

impl Read for &TcpStream {
    /// Cancel-safe.
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, TcpError> {
        if buf.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| {
            let mut inner = self.stack.inner();
            let socket = inner.tcp(self.handle);
            match socket.recv_slice(buf) {
                Ok(0) => {
                    socket.register_recv_waker(context.waker());
                    Poll::Pending
                }
                Ok(read) => {
                    // The window has opened; the peer may be waiting to hear it.
                    inner.mark_dirty();
                    Poll::Ready(Ok(read))
                }
                Err(RecvError::Finished) => Poll::Ready(Ok(0)),
                Err(RecvError::InvalidState) => Poll::Ready(Err(TcpError::Reset)),
            }
        })
        .await
    }
}

impl Write for &TcpStream {
    /// Cancel-safe.
    async fn write(&mut self, buf: &[u8]) -> Result<usize, TcpError> {
        if buf.is_empty() {
            return Ok(0);
        }
        poll_fn(|context| {
            let mut inner = self.stack.inner();
            let socket = inner.tcp(self.handle);
            match socket.send_slice(buf) {
                Ok(0) => {
                    socket.register_send_waker(context.waker());
                    Poll::Pending
                }
                Ok(written) => {
                    inner.mark_dirty();
                    Poll::Ready(Ok(written))
                }
                Err(_) if socket.state() == State::Closed => Poll::Ready(Err(TcpError::Reset)),
                Err(_) => Poll::Ready(Err(TcpError::Finished)),
            }
        })
        .await
    }

    /// Does nothing: what is written leaves without being asked to. To know that it arrived, use
    /// [`TcpStream::close`] or an answer of the protocol.
    async fn flush(&mut self) -> Result<(), TcpError> {
        Ok(())
    }
}

impl Read for TcpStream {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, TcpError> {
        (&*self).read(buf).await
    }
}

impl Write for TcpStream {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, TcpError> {
        (&*self).write(buf).await
    }

    async fn flush(&mut self) -> Result<(), TcpError> {
        Ok(())
    }
}

impl Stream for &TcpStream {
    async fn shutdown(&mut self) -> Result<(), TcpError> {
        self.finish();
        Ok(())
    }
}

impl Stream for TcpStream {
    async fn shutdown(&mut self) -> Result<(), TcpError> {
        self.finish();
        Ok(())
    }
}

impl Split for TcpStream {
    type Reader = ReadHalf<Self>;
    type Writer = WriteHalf<Self>;

    fn split(self) -> (Self::Reader, Self::Writer) {
        halves(self)
    }
}

impl Drop for TcpStream {
    fn drop(&mut self) {
        let mut inner = self.stack.inner();
        let finished = matches!(
            inner.tcp(self.handle).state(),
            State::FinWait1 | State::FinWait2 | State::Closing | State::LastAck | State::TimeWait
        );
        inner.release(self.handle, finished);
    }
}

impl Inner {
    /// Gives a connection whose handshake is done the timeouts of an established one.
    fn settle(&mut self, handle: TcpHandle) {
        let socket = self.tcp(handle);
        socket.set_timeout(Some(limits::TCP_TIMEOUT));
        socket.set_keep_alive(Some(limits::TCP_KEEP_ALIVE));
        self.mark_dirty();
    }

    /// A local port from which no connection to `peer` exists.
    fn free_port(&mut self, peer: IpEndpoint) -> Option<u16> {
        let first = limits::EPHEMERAL_PORT_FIRST;
        let count = u32::from(u16::MAX - first) + 1;
        let start = self.random() % count;
        (0..count).find_map(|offset| {
            let port = u16::try_from(u32::from(first) + (start + offset) % count).ok()?;
            (!self.tcp.is_taken(port, peer)).then_some(port)
        })
    }
}
