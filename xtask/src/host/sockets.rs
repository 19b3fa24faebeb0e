//! This machine's sockets and who waits for them.
//!
//! Every socket is registered once, edge-triggered, for reading and writing. The system is asked only
//! where nothing is known to stand in the way: once it has said "not now", the next edge must come first.
//! So a task that is polled for other reasons costs no system call. A token is never given out twice: an
//! event that is late finds nobody.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mio::event::Source;
use mio::{Events, Interest, Registry, Token};
use netstack::Counters;

/// Events taken from the system at once.
const EVENTS_AT_ONCE: usize = 256;
/// The token of what ends the main loop.
pub(super) const STOP: Token = Token(0);

/// The sockets of one thread. Clones are the same.
#[derive(Clone)]
pub struct Sockets(Rc<Inner>);

struct Inner {
    poll: RefCell<mio::Poll>,
    events: RefCell<Events>,
    registry: Registry,
    waiting: RefCell<BTreeMap<Token, Waiting>>,
    next_token: Cell<usize>,
    turn: Cell<u64>,
    counters: RefCell<Counters>,
}

#[derive(Default)]
struct Waiting {
    read: Side,
    write: Side,
}

/// One way of a socket.
#[derive(Default)]
struct Side {
    /// The system has said "not now", and no event has come since.
    blocked: bool,
    waker: Option<Waker>,
}

impl Side {
    fn unblock(&mut self) -> Option<Waker> {
        self.blocked = false;
        self.waker.take()
    }
}

impl Waiting {
    fn side(&mut self, way: Way) -> &mut Side {
        match way {
            Way::Read => &mut self.read,
            Way::Write => &mut self.write,
        }
    }
}

/// Which way a task waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Read,
    Write,
}

impl Sockets {
    /// None yet.
    ///
    /// # Errors
    /// When the system has no event queue to give.
    pub fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let registry = poll.registry().try_clone()?;
        Ok(Self(Rc::new(Inner {
            poll: RefCell::new(poll),
            events: RefCell::new(Events::with_capacity(EVENTS_AT_ONCE)),
            registry,
            waiting: RefCell::default(),
            next_token: Cell::new(STOP.0 + 1),
            turn: Cell::new(0),
            counters: RefCell::default(),
        })))
    }

    /// Waits for events for so long (`None`: without end) and wakes who waits for them.
    ///
    /// # Errors
    /// When the system's event queue fails.
    pub fn poll(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.0.turn.set(self.0.turn.get().wrapping_add(1));
        let mut events = self.0.events.borrow_mut();
        match self.0.poll.borrow_mut().poll(&mut events, timeout) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        let mut wakers = Vec::new();
        let mut waiting = self.0.waiting.borrow_mut();
        for event in &*events {
            let Some(waiting) = waiting.get_mut(&event.token()) else { continue };
            let ended = event.is_error();
            if event.is_readable() || event.is_read_closed() || ended {
                wakers.extend(waiting.read.unblock());
            }
            if event.is_writable() || event.is_write_closed() || ended {
                wakers.extend(waiting.write.unblock());
            }
        }
        drop(waiting);
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }

    /// The number of the poll that was last: what may be done between two polls can be bounded by it.
    pub(super) fn turn(&self) -> u64 {
        self.0.turn.get()
    }

    /// Where sockets, and what ends the main loop, are registered.
    pub(super) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(super) fn register<S: Source>(&self, source: S) -> io::Result<Registered<S>> {
        let token = Token(self.0.next_token.get());
        self.0.next_token.set(token.0 + 1);
        let mut registered = Registered { sockets: self.clone(), token, source };
        let both = Interest::READABLE | Interest::WRITABLE;
        self.0.waiting.borrow_mut().insert(token, Waiting::default());
        self.0.registry.register(&mut registered.source, token, both)?;
        Ok(registered)
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        *self.0.counters.borrow()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.0.counters.borrow_mut());
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registered = self.0.waiting.borrow().len();
        f.debug_struct("Sockets").field("registered", &registered).finish_non_exhaustive()
    }
}

/// A socket that is known to the event queue until it is dropped.
#[derive(Debug)]
pub(super) struct Registered<S: Source> {
    sockets: Sockets,
    token: Token,
    source: S,
}

impl<S: Source> Registered<S> {
    pub(super) fn source(&self) -> &S {
        &self.source
    }

    pub(super) fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// Tries `operation`, unless it is known that the system would have it wait; then this waits too.
    pub(super) fn attempt<T>(
        &self,
        way: Way,
        context: &Context<'_>,
        mut operation: impl FnMut(&S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        if self.with_side(way, |side| side.blocked) {
            self.wait(way, context);
            return Poll::Pending;
        }
        loop {
            match operation(&self.source) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.with_side(way, |side| side.blocked = true);
                    self.wait(way, context);
                    return Poll::Pending;
                }
                result => return Poll::Ready(result),
            }
        }
    }

    /// Has the task woken when there is news.
    pub(super) fn wait(&self, way: Way, context: &Context<'_>) {
        self.with_side(way, |side| side.waker = Some(context.waker().clone()));
    }

    fn with_side<T: Default>(&self, way: Way, look: impl FnOnce(&mut Side) -> T) -> T {
        let mut waiting = self.sockets.0.waiting.borrow_mut();
        waiting.get_mut(&self.token).map(|waiting| look(waiting.side(way))).unwrap_or_default()
    }
}

impl<S: Source> Drop for Registered<S> {
    fn drop(&mut self) {
        // It fails only for a source that is not registered; then there is nothing to undo.
        let _ = self.sockets.0.registry.deregister(&mut self.source);
        self.sockets.0.waiting.borrow_mut().remove(&self.token);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mio::net::TcpListener;

    #[test]
    fn the_system_is_asked_again_only_after_an_event() {
        let sockets = Sockets::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = sockets.register(listener).unwrap();
        let asked = Cell::new(0);
        let accept = || {
            let context = Context::from_waker(Waker::noop());
            let accepted = listener.attempt(Way::Read, &context, |listener| {
                asked.set(asked.get() + 1);
                listener.accept()
            });
            accepted.is_ready()
        };
        assert!(!accept() && !accept() && !accept());
        assert_eq!(asked.get(), 1);
        let clients = [(); 2].map(|()| std::net::TcpStream::connect(address).unwrap());
        while !accept() {
            sockets.poll(Some(Duration::from_secs(1))).unwrap();
        }
        assert!(accept(), "no event comes for the second one");
        assert!(!accept() && !accept());
        assert_eq!(asked.get(), 4);
        drop(clients);
    }
}
