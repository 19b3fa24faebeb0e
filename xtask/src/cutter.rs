//! A relay of TCP connections that can reset them: for tests of what a lost connection does.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use socket2::SockRef;

/// Relays every connection to one address. Dropping it resets the connections and takes no new ones.
#[derive(Debug)]
pub struct Cutter {
    port: u16,
    control_port: u16,
    connections: Arc<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    /// Both ends of each.
    open: Mutex<Vec<[TcpStream; 2]>>,
    closed: AtomicBool,
}

impl Cutter {
    /// Listens on a free port of 127.0.0.1 for connections to `target`. Whoever connects to a second
    /// port has all of them reset, and is hung up on when that is done.
    ///
    /// # Errors
    /// When the system gives no port.
    pub fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let control = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let (port, control_port) = (listener.local_addr()?.port(), control.local_addr()?.port());
        let connections = Arc::new(Connections::default());
        let relayed = Arc::clone(&connections);
        thread::spawn(move || {
            for client in listener.incoming() {
                if relayed.closed.load(Ordering::Acquire) {
                    return;
                }
                // A target that does not accept is a client that is hung up on.
                let _ = client.and_then(|client| relay(client, target, &relayed));
            }
        });
        let cut = Arc::clone(&connections);
        thread::spawn(move || {
            for asked in control.incoming() {
                if cut.closed.load(Ordering::Acquire) {
                    return;
                }
                cut.reset();
                drop(asked);
            }
        });
        Ok(Self { port, control_port, connections })
    }

    /// The port that stands for the target.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port that has the connections reset.
    #[must_use]
    pub fn control_port(&self) -> u16 {
        self.control_port
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.connections.closed.store(true, Ordering::Release);
        self.connections.reset();
        for port in [self.port, self.control_port] {
            // Wakes the listener, which then ends. If nobody listens, it has ended already.
            let local = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let _ = TcpStream::connect_timeout(&local, Duration::from_secs(1));
        }
    }
}

impl Connections {
    fn open(&self) -> MutexGuard<'_, Vec<[TcpStream; 2]>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resets every connection, both ends.
    fn reset(&self) {
        for end in self.open().drain(..).flatten() {
            // The threads that copy hold duplicates: this makes them drop theirs, and the last one
            // to be dropped sends the reset. Both fail only if the end is gone.
            let _ = SockRef::from(&end).set_linger(Some(Duration::ZERO));
            let _ = end.shutdown(Shutdown::Read);
        }
    }
}

fn relay(client: TcpStream, target: SocketAddr, connections: &Connections) -> io::Result<()> {
    let server = TcpStream::connect(target)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    connections.open().push([client.try_clone()?, server.try_clone()?]);
    copy(client.try_clone()?, server.try_clone()?);
    copy(server, client);
    Ok(())
}

/// Passes bytes on in a thread until there are no more.
fn copy(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let mut chunk = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut chunk) {
            if to.write_all(&chunk[..count]).is_err() {
                break;
            }
        }
        // With a reset ordered this is no end of file but part of the reset.
        if SockRef::from(&to).linger().is_ok_and(|linger| linger.is_none()) {
            let _ = to.shutdown(Shutdown::Write);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends back what it gets.
    fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                copy(stream.try_clone().unwrap(), stream);
            }
        });
        address
    }

    fn connect(port: u16) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream
    }

    fn round_trip(stream: &mut TcpStream) {
        stream.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
    }

    #[test]
    fn a_cut_resets_what_was_open_and_nothing_that_comes_later() {
        let cutter = Cutter::start(echo()).unwrap();
        let mut first = connect(cutter.port());
        round_trip(&mut first);
        assert_eq!(connect(cutter.control_port()).read(&mut [0; 1]).unwrap(), 0);
        let error = first.read(&mut [0; 1]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        round_trip(&mut connect(cutter.port()));
    }

    #[test]
    fn an_end_of_file_is_passed_on() {
        let cutter = Cutter::start(echo()).unwrap();
        let mut stream = connect(cutter.port());
        round_trip(&mut stream);
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
    }
}
