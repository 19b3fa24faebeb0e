//! Sockets whose owner has left: they deliver what is buffered, end in order, and free their place.
//!
//! smoltcp keeps a socket and its buffers for ten seconds in TIME-WAIT. Only a few
//! ([`limits::MAX_TIME_WAIT`]) may stay there, and they go at once when a new connection needs a place:
//! in TIME-WAIT the peer has acknowledged all our data and its own FIN has come, so all that is lost
//! is the answer to a repeated FIN.

use smoltcp::socket::tcp::State;
use smoltcp::time::Instant;

use crate::limits;
use crate::stack::{Ends, Inner, TcpHandle};
use crate::time::after;

/// A socket that finishes on its own.
#[derive(Debug)]
pub(crate) struct Closing {
    handle: TcpHandle,
    /// When patience ends.
    pub(crate) deadline: Instant,
    aborted: bool,
}

impl Inner {
    /// Takes a socket over from its owner. With `finished` (its owner has closed the sending side) it
    /// gets [`limits::LINGER`] to deliver what is buffered; otherwise it is reset.
    pub(crate) fn release(&mut self, handle: TcpHandle, finished: bool) {
        let now = self.now;
        let socket = self.tcp(handle);
        let silent = matches!(socket.state(), State::Closed | State::Listen | State::TimeWait);
        let aborted = !finished && socket.state() != State::TimeWait;
        if aborted {
            socket.abort();
        }
        let over = socket.local_endpoint().is_none();
        // There may be something to send, or room again for a listener that had none.
        self.mark_dirty();
        if over {
            self.remove_tcp(handle);
            return;
        }
        if aborted && !silent {
            self.counters.connections_aborted += 1;
        }
        let patience = if aborted { limits::ABORT_LINGER } else { limits::LINGER };
        self.closing.push_back(Closing { handle, deadline: after(now, patience), aborted });
    }

    /// Frees the sockets that have finished, ends those that took too long.
    pub(crate) fn tend_closing(&mut self) {
        let mut closing = core::mem::take(&mut self.closing);
        let mut in_time_wait = 0;
        closing.retain_mut(|entry| {
            let keep = self.tend(entry);
            in_time_wait += usize::from(keep && self.tcp_state(entry.handle) == State::TimeWait);
            keep
        });
        self.closing = closing;
        for _ in limits::MAX_TIME_WAIT..in_time_wait {
            self.recycle_time_wait();
        }
        self.publish_time_wait();
    }

    /// Tells the gate which connections are in TIME-WAIT.
    fn publish_time_wait(&self) {
        let ends = self.closing.iter().filter_map(|entry| self.time_wait_ends(entry));
        let watched = &mut self.gate().watch().time_wait;
        watched.clear();
        watched.extend(ends);
    }

    /// The ends of a connection in TIME-WAIT.
    fn time_wait_ends(&self, entry: &Closing) -> Option<Ends> {
        let socket = self.tcp.get(entry.handle);
        let (local, peer) = (socket.local_endpoint()?, socket.remote_endpoint()?);
        (socket.state() == State::TimeWait).then_some(Ends { local, peer })
    }

    /// Frees the socket of a connection in TIME-WAIT whose peer opens a new one.
    pub(crate) fn forget_time_wait(&mut self, ends: Ends) {
        let entry = self.closing.iter().position(|e| self.time_wait_ends(e) == Some(ends));
        if let Some(entry) = entry.and_then(|index| self.closing.remove(index)) {
            self.remove_tcp(entry.handle);
            self.counters.time_wait_recycled += 1;
        }
        self.publish_time_wait();
    }

    /// False when the socket is freed.
    fn tend(&mut self, entry: &mut Closing) -> bool {
        let now = self.now;
        if self.tcp.get(entry.handle).can_recv() {
            // Nobody reads any more; an open window lets the peer come to its end.
            let socket = self.tcp(entry.handle);
            while socket.can_recv() && socket.recv(|bytes| (bytes.len(), ())).is_ok() {}
            self.mark_dirty();
        }
        let socket = self.tcp.get(entry.handle);
        let state = socket.state();
        if state == State::Closed && socket.local_endpoint().is_none() {
            self.remove_tcp(entry.handle);
            return false;
        }
        if now < entry.deadline || state == State::TimeWait {
            // TIME-WAIT has its own end; until then there is nothing to watch.
            if state == State::TimeWait {
                entry.deadline = after(now, limits::LINGER);
            }
            return true;
        }
        if entry.aborted {
            // The reset could not leave in time: the link or the route is gone.
            self.remove_tcp(entry.handle);
            return false;
        }
        self.tcp(entry.handle).abort();
        self.mark_dirty();
        self.counters.connections_aborted += 1;
        entry.aborted = true;
        entry.deadline = after(now, limits::ABORT_LINGER);
        true
    }

    /// Frees the socket that has been in TIME-WAIT for longest; false when there is none.
    pub(crate) fn recycle_time_wait(&mut self) -> bool {
        let position = (0..self.closing.len()).find(|index| {
            let handle = self.closing.get(*index).map(|entry| entry.handle);
            handle.is_some_and(|handle| self.tcp_state(handle) == State::TimeWait)
        });
        let Some(entry) = position.and_then(|index| self.closing.remove(index)) else {
            return false;
        };
        self.remove_tcp(entry.handle);
        self.counters.time_wait_recycled += 1;
        true
    }
}
