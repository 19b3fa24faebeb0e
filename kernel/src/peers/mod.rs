//! Other peers: what the node and its services may ask of the network of peers.
//!
//! [`Peers`] is object safe, so whoever uses it holds an `Rc<dyn Peers>` and is tested without a
//! network: [`Connected`] is a swarm, [`Hub`] connects nodes of one program, [`Nobody`] is a node alone.

mod connected;
mod deferred;
mod hub;

pub use connected::{Connected, Inbound};
pub use deferred::Deferred;
pub use hub::{Deliver, Hub, HubPeers};

use alloc::rc::Rc;
use alloc::vec::Vec;

use futures_util::future::{FutureExt, LocalBoxFuture, ready};
use netstack::libp2p::particle::Message;
pub use netstack::libp2p::swarm::{ConnectError, Counters, SendError};
use netstack::libp2p::{Multiaddr, PeerId};

/// The peers around this node.
pub trait Peers {
    /// Sends a particle to a peer: over a connection that there is, or else over a new one if an address
    /// of the peer is known. Completes when the particle is on its way.
    fn send(
        &self,
        peer: PeerId,
        message: Rc<Message>,
    ) -> LocalBoxFuture<'static, Result<(), SendError>>;

    /// Connects to a peer at one of `addresses`, or at one that is known if there are none. A connection
    /// that is there already is a success.
    fn connect(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
    ) -> LocalBoxFuture<'static, Result<(), ConnectError>>;

    /// Whether there is a connection to the peer now.
    fn is_connected(&self, peer: &PeerId) -> bool;

    /// The addresses at which the peer may be reached; `None` if the node knows nothing of it. A
    /// connected peer may well have none, as a client that cannot be dialled.
    fn contact(&self, peer: &PeerId) -> Option<Vec<Multiaddr>>;

    /// The peers that the node is connected to or has addresses of, in the order of their ids.
    fn known(&self) -> Vec<Contact>;

    /// Where this node can be reached, each address with its peer id.
    fn listen_addresses(&self) -> Vec<Multiaddr>;

    /// What the network of peers counts, if it counts.
    fn counters(&self) -> Option<Counters> {
        None
    }

    /// Whether sending to the peer is worth a try: it is connected, or has an address.
    fn is_reachable(&self, peer: &PeerId) -> bool {
        self.is_connected(peer) || self.contact(peer).is_some_and(|known| !known.is_empty())
    }
}

/// A peer and where it may be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contact {
    /// Who.
    pub peer: PeerId,
    /// Where; may be empty.
    pub addresses: Vec<Multiaddr>,
    /// Whether there is a connection now.
    pub connected: bool,
}

/// No peers at all: a node without a network.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Peers for Nobody {
    fn send(&self, _: PeerId, _: Rc<Message>) -> LocalBoxFuture<'static, Result<(), SendError>> {
        ready(Err(ConnectError::NoAddress.into())).boxed_local()
    }

    fn connect(
        &self,
        _: PeerId,
        _: Vec<Multiaddr>,
    ) -> LocalBoxFuture<'static, Result<(), ConnectError>> {
        ready(Err(ConnectError::Unreachable)).boxed_local()
    }

    fn is_connected(&self, _: &PeerId) -> bool {
        false
    }

    fn contact(&self, _: &PeerId) -> Option<Vec<Multiaddr>> {
        None
    }

    fn known(&self) -> Vec<Contact> {
        Vec::new()
    }

    fn listen_addresses(&self) -> Vec<Multiaddr> {
        Vec::new()
    }
}
