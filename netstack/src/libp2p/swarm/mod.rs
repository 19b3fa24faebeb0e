//! The swarm: which peers are connected, how they are reached, what is sent to them.
//!
//! A [`Swarm`] takes the connections of its listeners ([`Swarm::accept`]), makes its own
//! ([`Swarm::connect`], bootstrap peers, or because something is to be sent), and runs each in a task:
//! yamux, the streams that the peer opens, identify and ping. Particles that arrive go to a
//! [`Handler`]; [`Swarm::send`] sends one.
//!
//! # Who is connected
//!
//! - One connection a peer is used: the newest. Others of the same peer end when they have been without
//!   streams for a minute. When two nodes open one at the same time, both keep the same one.
//! - A peer that is not connected is dialed when something is to be sent and an address is known; whoever
//!   wants it at the same time shares the dial. A failure is followed by a pause that doubles.
//! - Addresses come from the configuration, from [`Swarm::connect`] and from what peers say of
//!   themselves; of the latter only those count that can be meant, and few of them.
//! - When there is no room, those leave first that have not finished their handshake, then those on which
//!   nothing happens. See [`limits`] for all bounds.
//! - A peer whose connection has been silent is pinged, and left when nothing at all comes back. That it
//!   refuses pings has no consequence.
//!
//! # What is sent
//!
//! Each particle goes out on a stream of its own, as soon as few enough are under way, and within
//! [`limits::SEND_TIMEOUT`] or not at all. [`Swarm::send`] says that it has arrived only when the peer has
//! closed the stream in return, or has had time for it on a connection that lives on.
//!
//! # Memory
//!
//! An idle connection keeps some 9 KiB: its tasks, noise, yamux and tables; below it, a socket of the
//! network stack keeps its buffers ([`crate::limits::DEFAULT_TCP_RECEIVE_BYTES`] and
//! [`crate::limits::DEFAULT_TCP_SEND_BYTES`] unless configured otherwise). `tests/swarm_memory.rs` holds
//! 500 of them to a bound. Particles take memory only as [`Limits`] allows.
//!
//! # Not supported
//!
//! Relayed connections: a peer without a known address is reached only while it is connected. A client
//! of another node is such a peer: whoever sends it something sends it to that node, which has the
//! connection. Addresses with `/p2p-circuit` are passed over.

mod activity;
mod admission;
mod book;
mod bootstrap;
mod budget;
mod clock;
mod conductor;
mod config;
mod connection;
mod counters;
mod deliver;
mod dial;
mod dialing;
mod ending;
mod error;
mod handler;
mod hearsay;
mod identity;
mod inner;
pub mod limits;
mod link;
mod liveness;
mod metered;
mod origin;
mod outbox;
mod peers;
mod serve;
mod signal;
mod stack;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use rand_core::CryptoRng;

pub use config::{Limits, SwarmConfig};
pub use counters::Counters;
pub use dial::{Dial, DialError};
pub use error::{ConnectError, SendError};
pub use handler::Handler;

use crate::libp2p::multiaddr::Transport;
use crate::libp2p::noise::Identity;
use crate::libp2p::particle::Message;
use crate::libp2p::yamux::ReceiveMemory;
use crate::libp2p::{Multiaddr, PeerId};
use crate::time::{Timer, until};
use crate::{Spawn, Split};
use book::Rest;
use clock::{Clock, Randomness};
use connection::Security;
use dialing::Dialer;
use inner::{Ground, Inner};
use origin::Origin;

/// The connections of a node with its peers. Clones are the same; they are cheap.
///
/// The tasks keep the swarm alive: who wants its memory back calls [`Self::shutdown`].
#[derive(Clone)]
pub struct Swarm {
    inner: Rc<Inner>,
}

impl fmt::Debug for Swarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Swarm").field("local", &self.inner.local).finish_non_exhaustive()
    }
}

impl Swarm {
    /// A swarm that reaches others through `dial`, runs its tasks on `spawn` and hands what arrives to
    /// `handler`. It starts at once to dial its bootstrap peers.
    pub fn new<D, T, S, R, H>(
        config: SwarmConfig,
        dial: D,
        timer: T,
        spawn: S,
        rng: R,
        handler: H,
    ) -> Self
    where
        D: Dial + 'static,
        T: Timer + 'static,
        S: Spawn + 'static,
        R: CryptoRng + 'static,
        H: Handler + 'static,
    {
        let (clock, mut random) = (Clock::new(timer), Randomness::new(rng));
        let identity = Rc::new(Identity::new(&config.keypair, &mut random));
        let memory = ReceiveMemory::new(limits::MAX_UNREAD_BYTES);
        let security = Security { identity, clock, random, memory };
        let outbound = Dialer { dial: Rc::new(dial), security: security.clone() };
        let ground = Ground {
            security,
            spawn: Box::new(spawn),
            handler: Box::new(handler),
            outbound: Box::new(outbound),
        };
        let inner = Inner::new(config, ground);
        bootstrap::start(&inner);
        Self { inner }
    }

    /// Takes a connection that a listener accepted from `remote`, and runs it in a task of its own. When
    /// there is no room for it, it is dropped.
    pub fn accept<S: Split + 'static>(&self, stream: S, remote: Multiaddr) {
        let inner = &self.inner;
        let place = inner.places.admit(inner.clock.now(), &Origin::of(&remote));
        let Some(place) = place.ok().filter(|_| !inner.stopped.get()) else {
            inner.count(|counters| counters.connections_refused += 1);
            return;
        };
        let opening = inner.security.inbound(stream);
        inner.spawn(connection::arrive(Rc::clone(inner), place, opening, remote));
    }

    /// Sends a particle to a peer, which is dialed if it is not connected and an address is known.
    ///
    /// Done means that the peer has taken it: it closed the stream in return, or it left it open for
    /// [`limits::RECEIPT_PATIENCE`] on a connection that lives on. Dropping the future gives up.
    ///
    /// # Errors
    /// [`SendError`]; the particle may have arrived nevertheless when it is [`SendError::Lost`] or
    /// [`SendError::TimedOut`].
    pub async fn send(&self, peer: PeerId, message: Rc<Message>) -> Result<(), SendError> {
        deliver::send(&self.inner, peer, &message).await
    }

    /// Connects to a peer, unless it is connected, at `addresses` and those known already. A `/p2p/`
    /// part that names another peer makes an address void. A peer that was not reached lately is left
    /// alone; where an address is new, for [`limits::BACKOFF_FIRST`] only.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> Result<(), ConnectError> {
        let inner = &self.inner;
        if inner.link(peer).is_some() {
            return Ok(());
        }
        let own = |address: &Multiaddr| address.peer_id().is_none_or(|id| id == peer);
        let given = addresses.into_iter().filter(own).map(Multiaddr::without_peer_id);
        let usable = given.filter(|address| address.transport() != Transport::SecureWebSocket);
        let fresh = inner.book.borrow_mut().add(peer, usable);
        let rest = if fresh { Rest::Short } else { Rest::Whole };
        dialing::reach(inner, peer, rest).await.map(drop)
    }

    /// Whether there is a connection with the peer.
    #[must_use]
    pub fn is_connected(&self, peer: PeerId) -> bool {
        self.inner.link(peer).is_some()
    }

    /// Where the peer can be reached: the addresses known of it; for one that is connected and has told
    /// none, the address that it is connected from. `None` for a peer that is neither known nor
    /// connected.
    #[must_use]
    pub fn contact(&self, peer: PeerId) -> Option<Vec<Multiaddr>> {
        let addresses = self.inner.book.borrow().addresses(peer);
        if !addresses.is_empty() {
            return Some(addresses);
        }
        self.inner.link(peer).map(|link| Vec::from([link.remote.clone()]))
    }

    /// The connected peers.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerId> {
        self.inner.peers.borrow().ids()
    }

    /// The peers of which an address is known, connected or not.
    #[must_use]
    pub fn known_peers(&self) -> Vec<PeerId> {
        self.inner.book.borrow().peers()
    }

    /// What a connected peer calls itself (`agentVersion` of its identity), shortened to
    /// [`limits::MAX_AGENT_BYTES`].
    #[must_use]
    pub fn agent(&self, peer: PeerId) -> Option<String> {
        let link = self.inner.link(peer)?;
        let portrait = link.portrait.borrow();
        portrait.agent.as_deref().map(String::from)
    }

    /// Who this node is.
    #[must_use]
    pub fn local_peer(&self) -> PeerId {
        self.inner.local
    }

    /// The addresses that are announced.
    #[must_use]
    pub fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.inner.listen_addresses()
    }

    /// Announces these addresses from now on, the first [`limits::MAX_LISTEN_ADDRESSES`] of them, and
    /// tells the connected peers when they have changed.
    pub fn set_listen_addresses(&self, addresses: Vec<Multiaddr>) {
        self.inner.set_listen_addresses(addresses);
    }

    /// What has been counted so far, and how much there is of everything now.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.inner.counters()
    }

    /// Ends all connections and tasks and takes no new ones. Completes when all have ended, or after
    /// [`limits::SHUTDOWN_PATIENCE`].
    pub async fn shutdown(&self) {
        let inner = &self.inner;
        inner.stop();
        let patience = inner.clock.later(limits::SHUTDOWN_PATIENCE);
        let _ended_or_not = until(&inner.clock, patience, inner.all_tasks_ended()).await;
    }
}
