//! A listening port: always one socket in LISTEN, and a bounded queue of what came of earlier ones.
//!
//! smoltcp has no backlog: a socket in LISTEN becomes the connection, and the next request finds
//! nobody. So after *every* received frame a listener whose socket has left LISTEN gets a new one, and
//! a burst of requests finds a listening socket each. When the backlog or the pool is full there is
//! none, and the stack's gate drops requests until there is room; the peers repeat them.

use alloc::collections::VecDeque;
use core::future::poll_fn;
use core::net::SocketAddr;
use core::task::{Poll, Waker};

use smoltcp::socket::tcp::State;

use super::TcpStream;
use crate::Listen;
use crate::limits;
use crate::stack::{Inner, Stack, TcpHandle};

/// The stack's part of a listener.
pub(crate) struct Listener {
    pub(crate) port: u16,
    backlog: usize,
    /// The socket in LISTEN.
    pub(crate) spare: Option<TcpHandle>,
    /// Sockets that have left LISTEN and are not accepted yet, oldest first.
    pending: VecDeque<TcpHandle>,
    waker: Option<Waker>,
}

/// Why a port cannot be listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindError {
    /// Port zero names no port.
    NoPort,
    /// Somebody listens on it already.
    InUse,
    /// All listeners ([`limits::MAX_LISTENERS`]) or sockets of the pool are taken.
    Exhausted,
}

impl core::fmt::Display for BindError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::NoPort => "port 0 cannot be listened on",
            Self::InUse => "the port is in use",
            Self::Exhausted => "no socket is left to listen with",
        })
    }
}

impl core::error::Error for BindError {}

/// Listens on a TCP port of all the stack's addresses, IPv4 and IPv6.
///
/// Dropping it closes the port and resets the connections that nobody has accepted.
#[derive(Debug)]
pub struct TcpListener {
    stack: Stack,
    index: usize,
    port: u16,
}

impl TcpListener {
    /// Listens on `port`. Up to `backlog` connections (1 to [`limits::MAX_BACKLOG`]) wait to be
    /// accepted, handshakes under way included; further requests are dropped, so that peers repeat them.
    ///
    /// # Errors
    /// [`BindError`] when the port or the resources are not free.
    pub fn bind(stack: &Stack, port: u16, backlog: usize) -> Result<Self, BindError> {
        if port == 0 {
            return Err(BindError::NoPort);
        }
        let mut inner = stack.inner();
        if inner.listeners.iter().flatten().any(|listener| listener.port == port) {
            return Err(BindError::InUse);
        }
        let free = inner.listeners.iter().position(Option::is_none);
        let index = free.unwrap_or(inner.listeners.len());
        if index >= limits::MAX_LISTENERS {
            return Err(BindError::Exhausted);
        }
        let spare = inner.listen_on(port).ok_or(BindError::Exhausted)?;
        let listener = Listener {
            port,
            backlog: backlog.clamp(1, limits::MAX_BACKLOG),
            spare: Some(spare),
            pending: VecDeque::new(),
            waker: None,
        };
        match inner.listeners.get_mut(index) {
            Some(slot) => *slot = Some(listener),
            None => inner.listeners.push(Some(listener)),
        }
        drop(inner);
        Ok(Self { stack: stack.clone(), index, port })
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the next connection. Only one task at a time may wait; the latest one is woken.
    pub async fn accept(&self) -> TcpStream {
        poll_fn(|context| {
            let mut inner = self.stack.inner();
            match inner.take_accepted(self.index) {
                Some(handle) => {
                    inner.counters.connections_accepted += 1;
                    // The backlog has room again.
                    inner.rearm_listeners();
                    drop(inner);
                    Poll::Ready(TcpStream::accepted(&self.stack, handle))
                }
                None => {
                    if let Some(Some(listener)) = inner.listeners.get_mut(self.index) {
                        listener.waker = Some(context.waker().clone());
                    }
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Listen for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> (TcpStream, SocketAddr) {
        let stream = Self::accept(self).await;
        let peer = stream.peer();
        (stream, SocketAddr::new(peer.addr.into(), peer.port))
    }
}

impl Drop for TcpListener {
    fn drop(&mut self) {
        let mut inner = self.stack.inner();
        let Some(listener) = inner.listeners.get_mut(self.index).and_then(Option::take) else {
            return;
        };
        for handle in listener.spare.into_iter().chain(listener.pending) {
            inner.release(handle, false);
        }
        inner.publish_full_ports();
    }
}

impl Inner {
    fn listen_on(&mut self, port: u16) -> Option<TcpHandle> {
        let handle = self.add_tcp()?;
        let socket = self.tcp(handle);
        socket.set_timeout(Some(limits::HANDSHAKE_TIMEOUT));
        if socket.listen(port).is_err() {
            self.remove_tcp(handle);
            return None;
        }
        Some(handle)
    }

    /// Gives every listener whose socket has left LISTEN a new one, as far as backlog and pool allow.
    pub(crate) fn rearm_listeners(&mut self) {
        let mut changed = false;
        for index in 0..self.listeners.len() {
            changed |= self.rearm(index);
        }
        if changed {
            self.publish_full_ports();
        }
    }

    /// True when something about the listener changed.
    fn rearm(&mut self, index: usize) -> bool {
        let Some(Some(listener)) = self.listeners.get(index) else { return false };
        let port = listener.port;
        if let Some(spare) = listener.spare {
            if self.tcp_state(spare) == State::Listen {
                return false;
            }
            self.tcp.register(spare);
            if let Some(Some(listener)) = self.listeners.get_mut(index) {
                listener.spare = None;
                listener.pending.push_back(spare);
            }
        }
        let room = matches!(self.listeners.get(index),
            Some(Some(listener)) if listener.pending.len() < listener.backlog);
        let spare = if room { self.listen_on(port) } else { None };
        if let Some(Some(listener)) = self.listeners.get_mut(index) {
            listener.spare = spare;
        }
        true
    }

    /// Stops listening for good; connections that wait to be accepted are closed like all others.
    pub(crate) fn close_listeners(&mut self) {
        for index in 0..self.listeners.len() {
            let Some(Some(listener)) = self.listeners.get_mut(index) else { continue };
            if let Some(spare) = listener.spare.take() {
                self.release(spare, false);
            }
        }
        self.publish_full_ports();
    }

    /// Tells the gate which ports cannot take a request now.
    fn publish_full_ports(&self) {
        let full = self.listeners.iter().flatten().filter(|listener| listener.spare.is_none());
        let ports = &mut self.gate().watch().full_ports;
        ports.clear();
        ports.extend(full.map(|listener| listener.port));
    }

    /// Drops dead handshakes, makes room, wakes who waits for a connection.
    pub(crate) fn tend_listeners(&mut self) {
        for index in 0..self.listeners.len() {
            let Some(Some(listener)) = self.listeners.get_mut(index) else { continue };
            let mut pending = core::mem::take(&mut listener.pending);
            let mut acceptable = false;
            pending.retain(|handle| match self.tcp_state(*handle) {
                // A reset during the handshake puts the socket back to LISTEN; there is another.
                State::Closed | State::Listen | State::TimeWait => {
                    self.counters.handshakes_failed += 1;
                    self.release(*handle, false);
                    false
                }
                State::SynReceived => true,
                _ => {
                    acceptable = true;
                    true
                }
            });
            let Some(Some(listener)) = self.listeners.get_mut(index) else { continue };
            listener.pending = pending;
            if acceptable && let Some(waker) = listener.waker.take() {
                waker.wake();
            }
        }
        self.rearm_listeners();
    }

    fn take_accepted(&mut self, index: usize) -> Option<TcpHandle> {
        let Some(Some(listener)) = self.listeners.get(index) else { return None };
        let position = listener.pending.iter().position(|handle| {
            matches!(self.tcp_state(*handle), State::Established | State::CloseWait)
        })?;
        let Some(Some(listener)) = self.listeners.get_mut(index) else { return None };
        listener.pending.remove(position)
    }
}
