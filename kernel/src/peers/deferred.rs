//! Peers that are there later: the network needs the node, and the node its peers.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use futures_util::future::LocalBoxFuture;
use netstack::libp2p::particle::Message;
use netstack::libp2p::{Multiaddr, PeerId};

use super::{ConnectError, Contact, Counters, Nobody, Peers, SendError};

/// Nobody, until [`set`](Self::set) says who.
pub struct Deferred {
    peers: RefCell<Rc<dyn Peers>>,
}

impl Deferred {
    /// No peers yet.
    #[must_use]
    pub fn new() -> Self {
        Self { peers: RefCell::new(Rc::new(Nobody)) }
    }

    /// From now on these are the peers.
    pub fn set(&self, peers: Rc<dyn Peers>) {
        // The old ones are dropped after the borrow has ended: they may hold anything.
        let _old = self.peers.replace(peers);
    }

    fn get(&self) -> Rc<dyn Peers> {
        self.peers.borrow().clone()
    }
}

impl Default for Deferred {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Deferred")
    }
}

impl Peers for Deferred {
    fn send(
        &self,
        peer: PeerId,
        message: Rc<Message>,
    ) -> LocalBoxFuture<'static, Result<(), SendError>> {
        self.get().send(peer, message)
    }

    fn connect(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> LocalBoxFuture<'static, Result<(), ConnectError>> {
        self.get().connect(peer, addresses)
    }

    fn is_connected(&self, peer: &PeerId) -> bool {
        self.get().is_connected(peer)
    }

    fn contact(&self, peer: &PeerId) -> Option<Vec<Multiaddr>> {
        self.get().contact(peer)
    }

    fn known(&self) -> Vec<Contact> {
        self.get().known()
    }

    fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.get().listen_addresses()
    }

    fn counters(&self) -> Option<Counters> {
        self.get().counters()
    }

    fn is_reachable(&self, peer: &PeerId) -> bool {
        self.get().is_reachable(peer)
    }
}
