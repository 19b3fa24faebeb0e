//! The network under a node: where it listens, and which addresses it has.
//!
//! The unikernel gives the node the [`Stack`]; a development host gives it its own sockets.

use alloc::vec::Vec;
use core::fmt::Display;
use core::future::Future;
use core::net::IpAddr;

use netstack::libp2p::swarm::Dial;
use netstack::{BindError, Counters, IpCidr, Listen, Split, Stack, TcpListener};

use crate::limits::LISTEN_BACKLOG;

/// What a node needs of a network. Clones are handles of the same network.
pub trait Network: Dial + Clone + 'static {
    /// A listening port.
    type Listener: Listen<Stream: Split> + 'static;
    /// Why a port cannot be listened on.
    type BindError: Display;

    /// Listens on a TCP port of all the addresses that the node has.
    ///
    /// # Errors
    /// When the port or the resources are not free.
    fn listen(&self, port: u16) -> Result<Self::Listener, Self::BindError>;

    /// Waits until the node has an address.
    fn wait_configured(&self) -> impl Future<Output = ()>;

    /// The addresses of the node now, those included that only its own link knows.
    fn addresses(&self) -> Vec<IpAddr>;

    /// Waits until the addresses are others than `known`, and gives them.
    fn addresses_other_than(&self, known: &[IpAddr]) -> impl Future<Output = Vec<IpAddr>>;

    /// What was counted.
    fn counters(&self) -> Counters;
}

impl Network for Stack {
    type Listener = TcpListener;
    type BindError = BindError;

    fn listen(&self, port: u16) -> Result<TcpListener, BindError> {
        TcpListener::bind(self, port, LISTEN_BACKLOG)
    }

    async fn wait_configured(&self) {
        Self::wait_configured(self).await;
    }

    fn addresses(&self) -> Vec<IpAddr> {
        let address = |cidr: IpCidr| IpAddr::from(cidr.address());
        Self::addresses(self).into_iter().map(address).collect()
    }

    async fn addresses_other_than(&self, known: &[IpAddr]) -> Vec<IpAddr> {
        let now = || Network::addresses(self);
        self.wait_for_addresses(|| now() != known).await;
        now()
    }

    fn counters(&self) -> Counters {
        Self::counters(self)
    }
}
