//! A listening TCP port of this machine.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use log::warn;
use netstack::{Listen, Timer};

use super::sockets::{Registered, Sockets, Way};
use super::stream::TcpStream;

/// How long nothing is accepted after the system refused: it is out of file descriptors or memory.
const REFUSAL_PAUSE: Duration = Duration::from_millis(100);

/// Listens on one address and port.
#[derive(Debug)]
pub struct TcpListener<T> {
    socket: Registered<mio::net::TcpListener>,
    timer: T,
}

impl<T: Timer> TcpListener<T> {
    /// Listens on `address`; port 0 takes a free one.
    ///
    /// # Errors
    /// Those of the system.
    pub fn bind(sockets: &Sockets, address: SocketAddr, timer: T) -> io::Result<Self> {
        let socket = sockets.register(mio::net::TcpListener::bind(address)?)?;
        Ok(Self { socket, timer })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Those of the system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.source().local_addr()
    }

    async fn next(&self) -> io::Result<TcpStream> {
        let (stream, peer) = poll_fn(|context| {
            self.socket.attempt(Way::Read, context, mio::net::TcpListener::accept)
        })
        .await?;
        let sockets = self.socket.sockets();
        TcpStream::new(sockets.register(stream)?, peer)
    }
}

impl<T: Timer> Listen for TcpListener<T> {
    type Stream = TcpStream;

    async fn accept(&self) -> (TcpStream, SocketAddr) {
        loop {
            match self.next().await {
                Ok(stream) => {
                    self.socket.sockets().count(|counters| counters.connections_accepted += 1);
                    let peer = stream.peer();
                    return (stream, peer);
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    warn!(target: "node", "cannot accept a connection: {error}");
                    let pause = i64::try_from(REFUSAL_PAUSE.as_micros()).unwrap_or(i64::MAX);
                    let until = self.timer.now().total_micros().saturating_add(pause);
                    self.timer.sleep_until(netstack::time::Instant::from_micros(until)).await;
                }
            }
        }
    }
}
