//! This machine's sockets as the network under a node.

use std::io;
use std::net::{IpAddr, SocketAddr};

use kernel::executor::Executor;
use kernel::network::Network;
use netstack::Counters;

use super::listener::TcpListener;
use super::sockets::Sockets;

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

    fn counters(&self) -> Counters {
        let counters = self.sockets.counters();
        Counters {
            tcp_sockets: counters.connections_open,
            tcp_sockets_max: MAX_CONNECTIONS,
            ..counters
        }
    }
}
