//! The connected peers and their connections.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;

use super::ending::Why;
use super::limits::MAX_CONNECTIONS_PER_PEER;
use super::link::Link;
use crate::libp2p::PeerId;

/// The connected peers.
#[derive(Debug)]
pub(super) struct Peers {
    local: PeerId,
    /// Of each peer its connections, none preferred to the one before it.
    links: BTreeMap<PeerId, Vec<Rc<Link>>>,
}

impl Peers {
    pub(super) fn new(local: PeerId) -> Self {
        Self { local, links: BTreeMap::new() }
    }

    /// Adds a connection; true when it is the first one of its peer.
    pub(super) fn enter(&mut self, link: &Rc<Link>) -> bool {
        let links = self.links.entry(link.peer).or_default();
        let rank = links.iter().position(|other| link.is_preferred_to(other, self.local));
        links.insert(rank.unwrap_or(links.len()), Rc::clone(link));
        while links.len() > MAX_CONNECTIONS_PER_PEER {
            if let Some(excess) = links.pop() {
                excess.ending.say(Why::Superseded);
            }
        }
        rank_all(links);
        links.len() == 1
    }

    /// Removes a connection; true when it was the last one of its peer.
    pub(super) fn leave(&mut self, link: &Link) -> bool {
        let Some(links) = self.links.get_mut(&link.peer) else { return false };
        let before = links.len();
        links.retain(|other| other.id != link.id);
        rank_all(links);
        let last = links.is_empty() && before > 0;
        if last {
            self.links.remove(&link.peer);
        }
        last
    }

    /// The connection to use with a peer.
    pub(super) fn link(&self, peer: PeerId) -> Option<&Rc<Link>> {
        let links = self.links.get(&peer)?;
        links.iter().find(|link| !link.ending.is_said()).or_else(|| links.first())
    }

    /// The connected peers.
    pub(super) fn ids(&self) -> Vec<PeerId> {
        self.links.keys().copied().collect()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// All connections.
    pub(super) fn all(&self) -> impl Iterator<Item = &Rc<Link>> {
        self.links.values().flatten()
    }
}

/// Tells every connection whether it is the preferred one.
fn rank_all(links: &[Rc<Link>]) {
    for (rank, link) in links.iter().enumerate() {
        link.set_superseded(rank > 0);
    }
}
