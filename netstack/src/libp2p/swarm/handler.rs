//! Who gets what arrives.

use alloc::rc::Rc;

use futures_util::future::LocalBoxFuture;

use crate::libp2p::PeerId;
use crate::libp2p::particle::Message;

/// The node behind a swarm.
pub trait Handler {
    /// A particle came from `from`, decoded and not yet verified.
    ///
    /// The call hands it over; the future completes when there is room for more. Until then the
    /// particle counts against what its connection, and all connections together, may have under way,
    /// and a peer that sends on is held up.
    fn particle(&self, from: PeerId, message: Message) -> LocalBoxFuture<'static, ()>;

    /// There is a connection with `peer` where there was none.
    fn connected(&self, peer: PeerId);

    /// The last connection with `peer` has ended.
    fn disconnected(&self, peer: PeerId);
}

impl<H: Handler + ?Sized> Handler for Rc<H> {
    fn particle(&self, from: PeerId, message: Message) -> LocalBoxFuture<'static, ()> {
        H::particle(self, from, message)
    }

    fn connected(&self, peer: PeerId) {
        H::connected(self, peer);
    }

    fn disconnected(&self, peer: PeerId) {
        H::disconnected(self, peer);
    }
}
