//! The peers that a swarm connects to.

use alloc::rc::{Rc, Weak};
use alloc::vec::Vec;
use core::fmt;

use futures_util::future::{FutureExt, LocalBoxFuture, ready};
use netstack::libp2p::particle::Message;
use netstack::libp2p::swarm::{Handler, Swarm};
use netstack::libp2p::{Multiaddr, PeerId};

use super::{ConnectError, Contact, Counters, Peers, SendError};
use crate::node::Node;

/// A swarm as the node sees it.
#[derive(Clone, Debug)]
pub struct Connected {
    swarm: Swarm,
}

impl Connected {
    /// The peers of `swarm`.
    #[must_use]
    pub const fn new(swarm: Swarm) -> Self {
        Self { swarm }
    }
}

impl Peers for Connected {
    fn send(
        &self,
        peer: PeerId,
        message: Rc<Message>,
    ) -> LocalBoxFuture<'static, Result<(), SendError>> {
        let swarm = self.swarm.clone();
        async move { swarm.send(peer, message).await }.boxed_local()
    }

    fn connect(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> LocalBoxFuture<'static, Result<(), ConnectError>> {
        let swarm = self.swarm.clone();
        async move { swarm.connect(peer, addresses).await }.boxed_local()
    }

    fn is_connected(&self, peer: &PeerId) -> bool {
        self.swarm.is_connected(*peer)
    }

    fn contact(&self, peer: &PeerId) -> Option<Vec<Multiaddr>> {
        self.swarm.contact(*peer)
    }

    fn known(&self) -> Vec<Contact> {
        let mut peers = self.swarm.peers();
        peers.extend(self.swarm.known_peers());
        peers.sort_unstable();
        peers.dedup();
        let contact = |peer| Contact {
            peer,
            addresses: self.swarm.contact(peer).unwrap_or_default(),
            connected: self.swarm.is_connected(peer),
        };
        peers.into_iter().map(contact).collect()
    }

    fn listen_addresses(&self) -> Vec<Multiaddr> {
        let own = self.swarm.local_peer();
        let addresses = self.swarm.listen_addresses().into_iter();
        addresses.map(|address| address.with_peer_id(own)).collect()
    }

    fn counters(&self) -> Option<Counters> {
        Some(self.swarm.counters())
    }
}

/// Gives the node what its swarm receives, as long as there is the node.
pub struct Inbound {
    node: Weak<Node>,
}

impl Inbound {
    /// For this node.
    #[must_use]
    pub fn new(node: &Rc<Node>) -> Self {
        Self { node: Rc::downgrade(node) }
    }
}

impl Handler for Inbound {
    fn particle(&self, from: PeerId, message: Message) -> LocalBoxFuture<'static, ()> {
        match self.node.upgrade() {
            Some(node) => node.receive(from, message).settled().boxed_local(),
            None => ready(()).boxed_local(),
        }
    }

    fn connected(&self, peer: PeerId) {
        log::debug!(target: "peer", "connected with {peer}");
    }

    fn disconnected(&self, peer: PeerId) {
        log::debug!(target: "peer", "no longer connected with {peer}");
    }
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inbound")
    }
}
