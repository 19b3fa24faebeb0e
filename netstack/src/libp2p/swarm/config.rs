//! What a swarm is told when it is made.

use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;

use super::limits;
use crate::libp2p::{Keypair, Multiaddr};
use crate::time::Duration;

/// How a swarm is configured.
#[derive(Clone, Debug)]
pub struct SwarmConfig {
    /// Who this node is.
    pub keypair: Rc<Keypair>,
    /// What this node calls itself in its identity (`agentVersion`).
    pub agent: String,
    /// Addresses at which others reach this node, announced to every peer; the first
    /// [`limits::MAX_LISTEN_ADDRESSES`] count.
    pub listen_addresses: Vec<Multiaddr>,
    /// Peers to be connected with always; each address ends in `/p2p/` and the peer's id, others are
    /// left out. Several addresses of one peer are tried in turn. The first
    /// [`limits::MAX_BOOTSTRAP`] peers count.
    pub bootstrap: Vec<Multiaddr>,
    /// The bounds.
    pub limits: Limits,
}

impl SwarmConfig {
    /// No addresses, no bootstrap peers, the default bounds.
    #[must_use]
    pub fn new(keypair: Rc<Keypair>, agent: &str) -> Self {
        Self {
            keypair,
            agent: String::from(agent),
            listen_addresses: Vec::new(),
            bootstrap: Vec::new(),
            limits: Limits::default(),
        }
    }
}

/// The bounds that an operator may choose; the defaults are in [`super::limits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections of all peers at once, handshakes and dials included.
    pub max_connections: usize,
    /// Connections from one remote address (IPv6: from one /64 network).
    pub max_connections_per_address: usize,
    /// Incoming connections in their handshake at once.
    pub max_handshakes: usize,
    /// Incoming connections in their handshake at once from one remote address.
    pub max_handshakes_per_address: usize,
    /// Bytes of one particle message, either way.
    pub max_particle_bytes: usize,
    /// Bytes of all particles being received or waiting for the handler.
    pub max_inbound_bytes: usize,
    /// Bytes of all particles waiting to be sent or being sent.
    pub max_queued_bytes: usize,
    /// A connection without streams is closed after this time; pings and identify do not count.
    pub idle_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: limits::MAX_CONNECTIONS,
            max_connections_per_address: limits::MAX_CONNECTIONS_PER_ADDRESS,
            max_handshakes: limits::MAX_HANDSHAKES,
            max_handshakes_per_address: limits::MAX_HANDSHAKES_PER_ADDRESS,
            max_particle_bytes: limits::MAX_PARTICLE_BYTES,
            max_inbound_bytes: limits::MAX_INBOUND_BYTES,
            max_queued_bytes: limits::MAX_QUEUED_BYTES,
            idle_timeout: limits::IDLE_TIMEOUT,
        }
    }
}

impl Limits {
    /// The same with every bound at least so large that something works.
    pub(super) fn bounded(mut self) -> Self {
        let particle = self.max_particle_bytes.max(1);
        self.max_connections = self.max_connections.max(1);
        self.max_connections_per_address = self.max_connections_per_address.max(1);
        self.max_handshakes = self.max_handshakes.max(1);
        self.max_handshakes_per_address = self.max_handshakes_per_address.max(1);
        self.max_particle_bytes = particle;
        let whole = particle.saturating_add(limits::PARTICLE_OVERHEAD_BYTES);
        // A quarter is for short particles; the rest has room for one of any length.
        self.max_inbound_bytes = self.max_inbound_bytes.max(whole.saturating_mul(2));
        self.max_queued_bytes = self.max_queued_bytes.max(whole);
        self
    }
}
