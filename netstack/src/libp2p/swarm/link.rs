//! One established connection, as the rest of the swarm sees it.

use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use super::activity::Activity;
use super::ending::Ending;
use super::limits::{MAX_NEGOTIATIONS, MAX_SENDING, SIMULTANEOUS_WINDOW};
use super::signal::{Signal, Turns};
use crate::libp2p::yamux::Control;
use crate::libp2p::{Multiaddr, PeerId};
use crate::time::{Instant, after};

/// An established connection.
#[derive(Debug)]
pub(super) struct Link {
    /// Later connections have larger ones.
    pub(super) id: u64,
    pub(super) peer: PeerId,
    pub(super) remote: Multiaddr,
    /// Whether we opened it.
    pub(super) dialed: bool,
    pub(super) since: Instant,
    pub(super) control: Control,
    pub(super) activity: Rc<Activity>,
    pub(super) ending: Rc<Ending>,
    /// Whose turn it is to choose the protocol of an outgoing stream.
    pub(super) negotiations: Turns,
    /// Whose turn it is to send a particle.
    pub(super) sending: Turns,
    /// Raised when it was superseded or when our addresses changed.
    pub(super) news: Signal,
    superseded: Cell<bool>,
    addresses_changed: Cell<bool>,
    /// What the peer said of itself.
    pub(super) portrait: RefCell<Portrait>,
}

/// What a peer said of itself, as far as it is kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Portrait {
    pub(super) agent: Option<alloc::boxed::Box<str>>,
    /// Whether it takes particles; `None` until it said so.
    pub(super) takes_particles: Option<bool>,
    /// Whether it takes news of our identity.
    pub(super) takes_push: bool,
}

/// What a link is made of.
pub(super) struct Parts {
    pub(super) id: u64,
    pub(super) peer: PeerId,
    pub(super) remote: Multiaddr,
    pub(super) dialed: bool,
    pub(super) since: Instant,
    pub(super) control: Control,
    pub(super) activity: Rc<Activity>,
    pub(super) ending: Rc<Ending>,
}

impl Link {
    pub(super) fn new(parts: Parts) -> Rc<Self> {
        let Parts { id, peer, remote, dialed, since, control, activity, ending } = parts;
        Rc::new(Self {
            id,
            peer,
            remote,
            dialed,
            since,
            control,
            activity,
            ending,
            negotiations: Turns::new(MAX_NEGOTIATIONS),
            sending: Turns::new(MAX_SENDING),
            news: Signal::default(),
            superseded: Cell::new(false),
            addresses_changed: Cell::new(false),
            portrait: RefCell::default(),
        })
    }

    /// Whether the peer has a connection that is preferred to this one.
    pub(super) fn is_superseded(&self) -> bool {
        self.superseded.get()
    }

    pub(super) fn set_superseded(&self, superseded: bool) {
        if self.superseded.replace(superseded) != superseded {
            self.news.raise();
        }
    }

    /// Our addresses have changed: the peer is to hear of it.
    pub(super) fn announce(&self) {
        self.addresses_changed.set(true);
        self.news.raise();
    }

    /// Whether the peer is to hear of our addresses; asked once.
    pub(super) fn take_announcement(&self) -> bool {
        self.addresses_changed.take()
    }

    /// Whether this connection is preferred to `other` of the same peer.
    ///
    /// The newer one is: a client that comes back may have left a dead connection behind. But when both
    /// sides opened one at the same time, each may take the other's for the newer; then the one that the
    /// lesser peer id opened counts, so that both sides keep the same one.
    pub(super) fn is_preferred_to(&self, other: &Self, local: PeerId) -> bool {
        let (older, newer) = if self.id < other.id { (self, other) } else { (other, self) };
        let simultaneous =
            older.dialed != newer.dialed && newer.since <= after(older.since, SIMULTANEOUS_WINDOW);
        if simultaneous {
            return self.dialed == (local < self.peer);
        }
        self.id > other.id
    }
}
