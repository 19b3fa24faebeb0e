//! Peers of one program, which hand particles to each other without a network between them.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

use futures_util::future::{FutureExt, LocalBoxFuture, ready};
use netstack::libp2p::particle::Message;
use netstack::libp2p::{Multiaddr, PeerId};

use super::{ConnectError, Contact, Peers, SendError};

/// Takes a particle from the peer that sent it.
pub type Deliver = Rc<dyn Fn(PeerId, &Message)>;

/// Where peers find each other; clones are the same hub. Who joined is connected to everybody else.
#[derive(Clone, Default)]
pub struct Hub {
    members: Rc<RefCell<BTreeMap<PeerId, Member>>>,
}

struct Member {
    deliver: Deliver,
    addresses: Vec<Multiaddr>,
}

impl Hub {
    /// Nobody is there yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a peer that can be reached at `addresses`; what is sent to it goes to `deliver`.
    pub fn join(&self, peer: PeerId, addresses: Vec<Multiaddr>, deliver: Deliver) -> HubPeers {
        self.members.borrow_mut().insert(peer, Member { deliver, addresses });
        HubPeers { hub: self.clone(), own: peer }
    }

    /// Takes a peer away: nobody reaches it from now on.
    pub fn leave(&self, peer: &PeerId) {
        let _gone = self.members.borrow_mut().remove(peer);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("members", &self.members.borrow().len()).finish()
    }
}

/// The hub as one of its members sees it.
#[derive(Clone, Debug)]
pub struct HubPeers {
    hub: Hub,
    own: PeerId,
}

impl Peers for HubPeers {
    fn send(
        &self,
        peer: PeerId,
        message: Rc<Message>,
    ) -> LocalBoxFuture<'static, Result<(), SendError>> {
        let deliver = self.hub.members.borrow().get(&peer).map(|member| member.deliver.clone());
        let Some(deliver) = deliver else {
            return ready(Err(ConnectError::NoAddress.into())).boxed_local();
        };
        let from = self.own;
        async move {
            deliver(from, &message);
            Ok(())
        }
        .boxed_local()
    }

    fn connect(
        &self,
        peer: PeerId,
        _: Vec<Multiaddr>,
    ) -> LocalBoxFuture<'static, Result<(), ConnectError>> {
        let result = if self.is_connected(&peer) { Ok(()) } else { Err(ConnectError::Unreachable) };
        ready(result).boxed_local()
    }

    fn is_connected(&self, peer: &PeerId) -> bool {
        self.hub.members.borrow().contains_key(peer)
    }

    fn contact(&self, peer: &PeerId) -> Option<Vec<Multiaddr>> {
        self.hub.members.borrow().get(peer).map(|member| member.addresses.clone())
    }

    fn known(&self) -> Vec<Contact> {
        let members = self.hub.members.borrow();
        let others = members.iter().filter(|(peer, _)| **peer != self.own);
        let contact = |(peer, member): (&PeerId, &Member)| Contact {
            peer: *peer,
            addresses: member.addresses.clone(),
            connected: true,
        };
        others.map(contact).collect()
    }

    fn listen_addresses(&self) -> Vec<Multiaddr> {
        self.contact(&self.own).unwrap_or_default()
    }
}
