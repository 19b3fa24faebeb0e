//! A TCP connection of this machine as the node's byte stream.

use std::cell::Cell;
use std::future::poll_fn;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use embedded_io_async::{Error, ErrorKind, ErrorType, Read, Write};
use netstack::{Split, Stream, Writer};
use socket2::SockRef;

use super::sockets::{Registered, Sockets, Way};

/// Bytes that one connection may read between two polls, so that a fast peer does not hold the thread.
const TURN_BYTES: usize = 256 << 10;

/// A TCP connection. As with the unikernel's, dropping it without [`Stream::shutdown`] resets it.
///
/// Both halves of a split connection are the same value; the connection ends with the last of them.
#[derive(Clone, Debug)]
pub struct TcpStream(Rc<Connection>);

#[derive(Debug)]
struct Connection {
    socket: Registered<mio::net::TcpStream>,
    peer: SocketAddr,
    finished: Cell<bool>,
    /// The number of the last poll, and bytes read since.
    turn: Cell<(u64, usize)>,
}

/// An error of the operating system.
#[derive(Debug)]
pub struct SystemError(io::Error);

impl std::fmt::Display for SystemError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for SystemError {}

impl Error for SystemError {
    fn kind(&self) -> ErrorKind {
        match self.0.kind() {
            io::ErrorKind::ConnectionReset => ErrorKind::ConnectionReset,
            io::ErrorKind::BrokenPipe => ErrorKind::BrokenPipe,
            io::ErrorKind::TimedOut => ErrorKind::TimedOut,
            io::ErrorKind::NotConnected => ErrorKind::NotConnected,
            _ => ErrorKind::Other,
        }
    }
}

impl TcpStream {
    /// Connects. Dropping the future gives the attempt up.
    ///
    /// # Errors
    /// Those of the system.
    pub async fn connect(sockets: &Sockets, peer: SocketAddr) -> io::Result<Self> {
        let outcome = Self::try_connect(sockets, peer).await;
        sockets.count(|counters| match &outcome {
            Ok(_) => counters.connections_opened += 1,
            Err(_) => counters.connections_failed += 1,
        });
        outcome
    }

    async fn try_connect(sockets: &Sockets, peer: SocketAddr) -> io::Result<Self> {
        let socket = sockets.register(mio::net::TcpStream::connect(peer)?)?;
        poll_fn(|context| {
            socket.attempt(Way::Write, context, |socket| {
                if let Some(error) = socket.take_error()? {
                    return Err(error);
                }
                match socket.peer_addr() {
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                        Err(io::ErrorKind::WouldBlock.into())
                    }
                    other => other.map(drop),
                }
            })
        })
        .await?;
        Self::new(socket, peer)
    }

    pub(super) fn new(
        socket: Registered<mio::net::TcpStream>,
        peer: SocketAddr,
    ) -> io::Result<Self> {
        socket.source().set_nodelay(true)?;
        socket.sockets().count(|counters| counters.connections_open += 1);
        let connection =
            Connection { socket, peer, finished: Cell::new(false), turn: Cell::default() };
        Ok(Self(Rc::new(connection)))
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.0.peer
    }
}

impl Connection {
    fn read(&self, context: &Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let turn = self.socket.sockets().turn();
        let read_before = match self.turn.get() {
            (then, bytes) if then == turn => bytes,
            _ => 0,
        };
        if read_before >= TURN_BYTES {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let outcome = self.socket.attempt(Way::Read, context, |mut socket| socket.read(buf));
        if let Poll::Ready(Ok(read)) = &outcome {
            self.turn.set((turn, read_before + read));
            self.socket.sockets().count(|counters| counters.bytes_received += *read as u64);
        }
        outcome
    }

    fn write(&self, context: &Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = self.socket.attempt(Way::Write, context, |mut socket| socket.write(buf));
        if let Poll::Ready(Ok(written)) = &outcome {
            self.socket.sockets().count(|counters| counters.bytes_sent += *written as u64);
        }
        outcome
    }

    fn finish(&self) -> io::Result<()> {
        self.finished.set(true);
        self.socket.source().shutdown(Shutdown::Write)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let aborted = !self.finished.get();
        if aborted {
            // If it fails, the connection is gone and there is nobody to reset it for.
            let _ = SockRef::from(self.socket.source()).set_linger(Some(Duration::ZERO));
        }
        self.socket.sockets().count(|counters| {
            counters.connections_open = counters.connections_open.saturating_sub(1);
            counters.connections_aborted += u64::from(aborted);
        });
    }
}

impl ErrorType for TcpStream {
    type Error = SystemError;
}

impl Read for TcpStream {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, SystemError> {
        poll_fn(|context| self.0.read(context, buf)).await.map_err(SystemError)
    }
}

impl Write for TcpStream {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, SystemError> {
        poll_fn(|context| self.0.write(context, buf)).await.map_err(SystemError)
    }

    /// What was written is with the system already.
    async fn flush(&mut self) -> Result<(), SystemError> {
        Ok(())
    }
}

impl Writer for TcpStream {
    async fn shutdown(&mut self) -> Result<(), SystemError> {
        self.0.finish().map_err(SystemError)
    }
}

impl Stream for TcpStream {
    async fn shutdown(&mut self) -> Result<(), SystemError> {
        self.0.finish().map_err(SystemError)
    }
}

impl Split for TcpStream {
    type Reader = Self;
    type Writer = Self;

    fn split(self) -> (Self, Self) {
        (self.clone(), self)
    }
}
