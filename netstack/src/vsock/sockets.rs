//! All connections and listening ports of a machine.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{RefCell, RefMut};
use core::future::poll_fn;
use core::task::{Poll, Waker};

use smoltcp::time::Instant;

use super::connection::{Connection, Phase};
use super::packet::{Address, HEADER_BYTES, Header, Operation, STREAM};
use super::{Device, VsockError};
use crate::limits::{
    VSOCK_BACKLOG, VSOCK_CONNECTIONS, VSOCK_EPHEMERAL_PORT_FIRST, VSOCK_LINGER, VSOCK_LISTENERS,
    VSOCK_PACKETS_PER_POLL, VSOCK_RESETS,
};

/// A handle on the machine's sockets; clones are the same sockets.
#[derive(Clone, Debug)]
pub struct Vsock(Rc<RefCell<Sockets>>);

#[derive(Debug)]
pub(super) struct Sockets {
    cid: u64,
    now: Instant,
    /// By the number that streams know them by.
    connections: Vec<Option<Box<Connection>>>,
    listeners: Vec<Listener>,
    /// Resets for what belongs to no connection.
    resets: VecDeque<Header>,
    /// Whose turn it is to send.
    turn: usize,
    next_port: u32,
    settling: Option<Waker>,
}

#[derive(Debug)]
struct Listener {
    port: u32,
    /// Accepted, and not handed out yet.
    backlog: VecDeque<usize>,
    waker: Option<Waker>,
}

impl Vsock {
    /// The sockets of the machine that has the number `cid`.
    #[must_use]
    pub fn new(cid: u64) -> Self {
        Self(Rc::new(RefCell::new(Sockets {
            cid,
            now: Instant::ZERO,
            connections: Vec::new(),
            listeners: Vec::new(),
            resets: VecDeque::new(),
            turn: 0,
            next_port: VSOCK_EPHEMERAL_PORT_FIRST,
            settling: None,
        })))
    }

    /// Moves packets between `device` and the sockets, wakes tasks, and says when to be called again at
    /// the latest: a time that is past for at once, nothing for when the device or a task has something.
    pub fn poll(&self, now: Instant, device: &mut impl Device) -> Option<Instant> {
        let mut sockets = self.inner();
        sockets.now = now;
        if let Some(cid) = device.transport_reset() {
            sockets.lose_all(cid);
        }
        sockets.expire();
        let budget = 0..VSOCK_PACKETS_PER_POLL;
        let received_all = budget.clone().any(|_| {
            // What cannot be answered is left with the device.
            sockets.resets.len() >= VSOCK_RESETS
                || !device.receive(&mut |packet| sockets.receive(packet))
        });
        let sent_all = budget
            .into_iter()
            .any(|_| !sockets.has_packet() || !device.send(&mut |room| sockets.next_packet(room)));
        sockets.sweep();
        if received_all && sent_all { sockets.next_deadline() } else { Some(now) }
    }

    /// The number of this machine.
    #[must_use]
    pub fn cid(&self) -> u64 {
        self.inner().cid
    }

    /// Connections that are there, those included that end.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.inner().connections.iter().flatten().count()
    }

    /// Waits until the peers have acknowledged the end of every connection whose stream is dropped. Only
    /// one task at a time may wait.
    pub async fn wait_settled(&self) {
        poll_fn(|context| {
            let mut sockets = self.inner();
            if sockets.connections.iter().flatten().all(|connection| connection.held) {
                return Poll::Ready(());
            }
            sockets.settling = Some(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(super) fn inner(&self) -> RefMut<'_, Sockets> {
        self.0.borrow_mut()
    }
}

impl Sockets {
    pub(super) fn listen(&mut self, port: u32) -> Result<(), VsockError> {
        let taken = self.listeners.iter().any(|listener| listener.port == port);
        if taken || self.listeners.len() >= VSOCK_LISTENERS {
            return Err(VsockError::PortTaken);
        }
        self.listeners.push(Listener { port, backlog: VecDeque::new(), waker: None });
        Ok(())
    }

    pub(super) fn stop_listening(&mut self, port: u32) {
        let Some(at) = self.listeners.iter().position(|listener| listener.port == port) else {
            return;
        };
        for number in self.listeners.swap_remove(at).backlog {
            self.let_go(number);
        }
    }

    /// The next accepted connection; the waker is kept while there is none.
    pub(super) fn accept(&mut self, port: u32, waker: &Waker) -> Option<(usize, Address)> {
        loop {
            let listener = self.listeners.iter_mut().find(|listener| listener.port == port)?;
            let Some(number) = listener.backlog.pop_front() else {
                listener.waker = Some(waker.clone());
                return None;
            };
            if let Some(connection) = self.connection(number) {
                return Some((number, connection.peer));
            }
        }
    }

    pub(super) fn connect(&mut self, peer: Address) -> Result<usize, VsockError> {
        let port = self.free_port(peer).ok_or(VsockError::Exhausted)?;
        self.keep(Connection::requested(peer, port)).ok_or(VsockError::Exhausted)
    }

    /// A port from which there is no connection to `peer`: among one more than there are connections.
    fn free_port(&mut self, peer: Address) -> Option<u32> {
        for _ in 0..=VSOCK_CONNECTIONS {
            let port = self.next_port;
            self.next_port = port.checked_add(1).unwrap_or(VSOCK_EPHEMERAL_PORT_FIRST);
            let used = self.connections.iter().flatten();
            let free = used.into_iter().all(|connection| !connection.is_between(peer, port));
            if free && self.listeners.iter().all(|listener| listener.port != port) {
                return Some(port);
            }
        }
        None
    }

    fn keep(&mut self, connection: Connection) -> Option<usize> {
        let connection = Some(Box::new(connection));
        match self.connections.iter().position(Option::is_none) {
            Some(number) => {
                *self.connections.get_mut(number)? = connection;
                Some(number)
            }
            None if self.connections.len() < VSOCK_CONNECTIONS => {
                self.connections.push(connection);
                Some(self.connections.len() - 1)
            }
            None => None,
        }
    }

    pub(super) fn connection(&mut self, number: usize) -> Option<&mut Connection> {
        self.connections.get_mut(number)?.as_deref_mut()
    }

    /// The stream of this number is dropped.
    pub(super) fn let_go(&mut self, number: usize) {
        let deadline = self.now + VSOCK_LINGER;
        if let Some(connection) = self.connection(number) {
            connection.let_go(deadline);
        }
        self.sweep();
    }

    fn receive(&mut self, packet: &[u8]) {
        let Some((header, data)) = Header::decode(packet) else { return };
        if header.to.cid != self.cid {
            return;
        }
        if header.kind != STREAM {
            return self.refuse(&header);
        }
        let mut connections = self.connections.iter_mut().flatten();
        let own = connections.find(|known| known.is_between(header.from, header.to.port));
        match (own, Operation::of(header.operation)) {
            (Some(connection), Some(operation)) => connection.receive(&header, operation, data),
            // A reset would end the connection for the peer and not for us. Devices send a 0 where
            // they find that they have nothing to say.
            (Some(_), None) => {}
            (None, Some(Operation::Request)) => self.take_request(&header),
            (None, _) => self.refuse(&header),
        }
    }

    fn take_request(&mut self, header: &Header) {
        let port = header.to.port;
        let at = self.listeners.iter().position(|listener| listener.port == port);
        let room = |at: &usize| {
            self.listeners.get(*at).is_some_and(|listener| listener.backlog.len() < VSOCK_BACKLOG)
        };
        let Some(at) = at.filter(room) else { return self.refuse(header) };
        let Some(number) = self.keep(Connection::accepted(header)) else {
            return self.refuse(header);
        };
        if let Some(listener) = self.listeners.get_mut(at) {
            listener.backlog.push_back(number);
            if let Some(waker) = listener.waker.take() {
                waker.wake();
            }
        }
    }

    /// Answers a packet that belongs nowhere, unless it is a reset itself: nobody would ever stop.
    fn refuse(&mut self, header: &Header) {
        if header.operation == Operation::Reset as u16 {
            return;
        }
        self.resets.push_back(Header {
            from: header.to,
            to: header.from,
            length: 0,
            kind: header.kind,
            operation: Operation::Reset as u16,
            flags: 0,
            buffer: 0,
            forwarded: 0,
        });
    }

    fn has_packet(&self) -> bool {
        !self.resets.is_empty() || self.connections.iter().flatten().any(|c| c.has_packet())
    }

    /// Writes the next packet, of one connection after the other; its length.
    fn next_packet(&mut self, packet: &mut [u8]) -> usize {
        let Some((head, room)) = packet.split_first_chunk_mut::<HEADER_BYTES>() else { return 0 };
        let header = self.resets.pop_front().or_else(|| self.next_of_connections(room));
        let Some(header) = header else { return 0 };
        *head = header.encode();
        HEADER_BYTES + usize::try_from(header.length).unwrap_or(0)
    }

    fn next_of_connections(&mut self, room: &mut [u8]) -> Option<Header> {
        let count = self.connections.len();
        for step in 0..count {
            let number = (self.turn + step) % count;
            let cid = self.cid;
            let connection = self.connection(number);
            if let Some(header) = connection.and_then(|found| found.next_packet(cid, room)) {
                self.turn = number + 1;
                return Some(header);
            }
        }
        None
    }

    fn lose_all(&mut self, cid: u64) {
        self.cid = cid;
        self.resets.clear();
        for connection in self.connections.iter_mut().flatten() {
            connection.end(Some(VsockError::TransportReset), false);
        }
    }

    /// Ends what has waited for long enough for its end to be acknowledged.
    fn expire(&mut self) {
        let now = self.now;
        for connection in self.connections.iter_mut().flatten() {
            if connection.deadline.is_some_and(|deadline| deadline <= now) {
                connection.deadline = None;
                connection.end(None, true);
            }
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        let open = self.connections.iter().flatten();
        open.filter(|connection| !matches!(connection.phase, Phase::Over(_)))
            .filter_map(|connection| connection.deadline)
            .min()
    }

    /// Frees the places of connections that are over.
    fn sweep(&mut self) {
        for place in &mut self.connections {
            if place.as_ref().is_some_and(|connection| connection.is_done()) {
                *place = None;
            }
        }
        if let Some(waker) = self.settling.take() {
            if self.connections.iter().flatten().all(|connection| connection.held) {
                waker.wake();
            } else {
                self.settling = Some(waker);
            }
        }
    }
}
