//! What the tasks of a swarm share.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::Future;

use super::admission::Places;
use super::book::Book;
use super::budget::Budget;
use super::clock::{Clock, Randomness};
use super::config::SwarmConfig;
use super::connection::Security;
use super::counters::Counters;
use super::dialing::{Attempt, Outbound};
use super::ending::Why;
use super::handler::Handler;
use super::limits::{MAX_DIALS, MAX_LISTEN_ADDRESSES};
use super::link::Link;
use super::outbox::Outbox;
use super::peers::Peers;
use super::signal::{Signal, Turns};
use crate::Spawn;
use crate::libp2p::{Multiaddr, PeerId};
use crate::time::{Duration, Timer};

/// What the tasks of a swarm share.
pub(super) struct Inner {
    pub(super) config: SwarmConfig,
    pub(super) local: PeerId,
    pub(super) clock: Clock,
    pub(super) random: Randomness,
    pub(super) security: Security,
    pub(super) handler: Box<dyn Handler>,
    pub(super) outbound: Box<dyn Outbound>,
    pub(super) places: Places,
    pub(super) peers: RefCell<Peers>,
    pub(super) book: RefCell<Book>,
    pub(super) budget: Budget,
    pub(super) outbox: Outbox,
    /// Dials under way or waiting for their turn.
    pub(super) dials: RefCell<BTreeMap<PeerId, Rc<Attempt>>>,
    pub(super) dial_turns: Turns,
    /// Raised whenever a peer is connected or disconnected, and when the swarm stops.
    pub(super) changed: Signal,
    pub(super) stopped: Cell<bool>,
    pub(super) counters: RefCell<Counters>,
    listen_addresses: RefCell<Vec<Multiaddr>>,
    spawn: Box<dyn Spawn>,
    tasks: Cell<usize>,
    task_ended: Signal,
}

/// What a swarm runs on.
pub(super) struct Ground {
    pub(super) security: Security,
    pub(super) spawn: Box<dyn Spawn>,
    pub(super) handler: Box<dyn Handler>,
    pub(super) outbound: Box<dyn Outbound>,
}

impl Inner {
    pub(super) fn new(mut config: SwarmConfig, ground: Ground) -> Rc<Self> {
        config.limits = config.limits.bounded();
        let Ground { security, spawn, handler, outbound } = ground;
        let (clock, random) = (security.clock.clone(), security.random.clone());
        let local = config.keypair.peer_id();
        let listen_addresses = core::mem::take(&mut config.listen_addresses);
        let inner = Rc::new(Self {
            local,
            places: Places::new(config.limits),
            peers: RefCell::new(Peers::new(local)),
            book: RefCell::default(),
            budget: Budget::new(clock.clone(), config.limits.max_inbound_bytes),
            outbox: Outbox::new(config.limits.max_queued_bytes),
            dials: RefCell::default(),
            dial_turns: Turns::new(MAX_DIALS),
            changed: Signal::default(),
            stopped: Cell::new(false),
            counters: RefCell::default(),
            listen_addresses: RefCell::default(),
            tasks: Cell::new(0),
            task_ended: Signal::default(),
            clock,
            random,
            security,
            spawn,
            handler,
            outbound,
            config,
        });
        inner.set_listen_addresses(listen_addresses);
        inner
    }

    /// Starts a task of the swarm.
    pub(super) fn spawn(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        self.tasks.set(self.tasks.get() + 1);
        let running = Running(Rc::clone(self));
        self.spawn.spawn(Box::pin(async move {
            task.await;
            drop(running);
        }));
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Counters)) {
        change(&mut self.counters.borrow_mut());
    }

    /// The connection to use with a peer.
    pub(super) fn link(&self, peer: PeerId) -> Option<Rc<Link>> {
        self.peers.borrow().link(peer).cloned()
    }

    /// A connection is ready.
    pub(super) fn enter(&self, link: &Rc<Link>) {
        let first = self.peers.borrow_mut().enter(link);
        // Whoever waits for a dial of this peer need not wait for its end.
        if let Some(attempt) = self.dials.borrow().get(&link.peer) {
            attempt.finish(Ok(()));
        }
        if first {
            self.handler.connected(link.peer);
        }
        self.changed.raise();
    }

    /// A connection has ended.
    pub(super) fn leave(&self, link: &Link) {
        let last = self.peers.borrow_mut().leave(link);
        if link.dialed {
            let now = self.clock.now();
            let micros = now.total_micros().saturating_sub(link.since.total_micros());
            let lasted = Duration::from_micros(micros.unsigned_abs());
            self.book.borrow_mut().ended(link.peer, now, lasted, &self.random);
        }
        if last {
            self.handler.disconnected(link.peer);
        }
        self.changed.raise();
    }

    pub(super) fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.listen_addresses.borrow().clone()
    }

    /// Announces other addresses from now on, and tells the connected peers.
    pub(super) fn set_listen_addresses(&self, mut addresses: Vec<Multiaddr>) {
        addresses.truncate(MAX_LISTEN_ADDRESSES);
        if *self.listen_addresses.borrow() == addresses {
            return;
        }
        *self.listen_addresses.borrow_mut() = addresses;
        self.peers.borrow().all().for_each(|link| link.announce());
    }

    /// Completes when the swarm is told to stop.
    pub(super) async fn stop_said(&self) {
        self.change_to(|inner| inner.stopped.get()).await;
    }

    /// Completes when the peer is connected, or the swarm stops.
    pub(super) async fn connected_or_stopped(&self, peer: PeerId) {
        self.change_to(|inner| inner.stopped.get() || inner.link(peer).is_some()).await;
    }

    /// Completes when the peer is not connected, or the swarm stops.
    pub(super) async fn disconnected_or_stopped(&self, peer: PeerId) {
        self.change_to(|inner| inner.stopped.get() || inner.link(peer).is_none()).await;
    }

    async fn change_to(&self, state: impl Fn(&Self) -> bool) {
        while !state(self) {
            let seen = self.changed.count();
            self.changed.beyond(seen).await;
        }
    }

    /// Completes when no task is left.
    pub(super) async fn all_tasks_ended(&self) {
        while self.tasks.get() > 0 {
            let seen = self.task_ended.count();
            self.task_ended.beyond(seen).await;
        }
    }

    /// What has been counted, with the gauges of now.
    pub(super) fn counters(&self) -> Counters {
        let mut counters = *self.counters.borrow();
        let (established, handshakes, evicted) = self.places.count();
        (counters.connections, counters.handshakes) = (established, handshakes);
        counters.connections_evicted = evicted;
        counters.peers = self.peers.borrow().len();
        counters.known_peers = self.book.borrow().len();
        counters.dials = self.dials.borrow().len();
        counters.inbound_bytes = self.budget.used();
        (counters.queued, counters.queued_bytes) = self.outbox.load();
        counters.tasks = self.tasks.get();
        counters
    }

    /// Counts that we end a connection.
    pub(super) fn count_ending(&self, why: Why) {
        self.count(|counters| match why {
            // Counted where it is decided; part of a shutdown.
            Why::Evicted | Why::Stopped => {}
            Why::Idle => counters.connections_idle += 1,
            Why::Superseded => counters.connections_superseded += 1,
            Why::Unwanted => counters.connections_unwanted += 1,
            Why::Dead => counters.connections_dead += 1,
        });
    }

    /// Ends everything.
    pub(super) fn stop(&self) {
        self.stopped.set(true);
        self.places.end_all(Why::Stopped);
        self.changed.raise();
    }
}

struct Running(Rc<Inner>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.tasks.set(self.0.tasks.get() - 1);
        self.0.task_ended.raise();
    }
}
