//! This machine's sockets as the network under a node.

use std::future::pending;
use std::io;
use std::net::{IpAddr, SocketAddr};

use kernel::executor::Executor;
use kernel::network::Network;
use netstack::Counters;
use netstack::libp2p::Multiaddr;
use netstack::libp2p::multiaddr::{Host, Transport};
use netstack::libp2p::swarm::{Dial, DialError};

use super::listener::TcpListener;
use super::sockets::Sockets;
use super::stream::TcpStream;

/// Connections that a node on this machine holds at once; the system's bound on files is above it.
const MAX_CONNECTIONS: usize = 4096;

/// The network of a node that listens on one address of this machine.
#[derive(Clone, Debug)]
pub struct HostNetwork {
    sockets: Sockets,
    executor: Executor,
    address: IpAddr,
}

impl HostNetwork {
    /// A network whose listeners listen on `address` only.
    #[must_use]
    pub fn new(sockets: Sockets, executor: Executor, address: IpAddr) -> Self {
        Self { sockets, executor, address }
    }
}

impl Network for HostNetwork {
    type Listener = TcpListener<Executor>;
    type BindError = io::Error;

    fn listen(&self, port: u16) -> io::Result<Self::Listener> {
        let address = SocketAddr::new(self.address, port);
        TcpListener::bind(&self.sockets, address, self.executor.clone())
    }

    async fn wait_configured(&self) {}

    fn addresses(&self) -> Vec<IpAddr> {
        vec![self.address]
    }

    async fn addresses_other_than(&self, known: &[IpAddr]) -> Vec<IpAddr> {
        let addresses = self.addresses();
        if addresses == known {
            pending::<()>().await;
        }
        addresses
    }

    fn counters(&self) -> Counters {
        let counters = self.sockets.counters();
        Counters {
            tcp_sockets: counters.connections_open,
            tcp_sockets_max: MAX_CONNECTIONS,
            ..counters
        }
    }
}

/// Addresses only: the system's look-up of names would hold up the whole node.
impl Dial for HostNetwork {
    type Stream = TcpStream;

    async fn dial(&self, address: &Multiaddr) -> Result<TcpStream, DialError> {
        let Host::Ip(host) = address.host() else { return Err(DialError::Unsupported) };
        if address.transport() == Transport::SecureWebSocket {
            return Err(DialError::Unsupported);
        }
        let peer = SocketAddr::new((*host).into(), address.port());
        TcpStream::connect(&self.sockets, peer).await.map_err(|_| DialError::Refused)
    }
}
