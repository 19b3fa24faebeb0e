//! What `GET /health` tells.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use netstack::libp2p::Multiaddr;

use super::json::{ObjectWriter, texts};

/// The node's state in a few figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Who the node is.
    pub peer_id: Arc<str>,
    /// Where peers reach it; empty while it has no address.
    pub addresses: Vec<Multiaddr>,
    /// Time since the machine was entered, in milliseconds.
    pub uptime_ms: u64,
    /// Particles that live now.
    pub live_particles: usize,
}

impl Health {
    /// As a JSON object.
    #[must_use]
    pub fn to_json(&self) -> String {
        ObjectWriter::new()
            .text("status", "ok")
            .text("peer_id", &self.peer_id)
            .json("addresses", texts(&self.addresses))
            .text("version", env!("CARGO_PKG_VERSION"))
            .json("uptime_ms", self.uptime_ms)
            .json("particles", self.live_particles)
            .finish()
    }
}
