//! What `GET /health` tells.

use alloc::string::String;
use alloc::sync::Arc;

use super::json::ObjectWriter;

/// The node's state in a few figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Who the node is.
    pub peer_id: Arc<str>,
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
            .text("version", env!("CARGO_PKG_VERSION"))
            .json("uptime_ms", self.uptime_ms)
            .json("particles", self.live_particles)
            .finish()
    }
}
