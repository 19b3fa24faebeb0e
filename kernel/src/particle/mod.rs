//! Particles: a script on its way, and the actor that runs it here.
//!
//! One [`Actor`] lives for each live particle. It holds the parsed script and the decoded data in a
//! `Session`, takes mail (data from other peers) and results (answers of services), runs at most one
//! step at a time, starts all calls of a step at once, and forgets everything at the deadline
//! (fluence-network.md §3.1). Interpretation goes in slices of fuel with a yield between them, so a
//! busy particle never stalls the network.

mod actor;
mod inbox;
mod report;

pub use actor::{Actor, Environment, Lifetime};
pub use inbox::{Inbox, InboxFull};
pub use report::{Budget, End, Fault, Report};

use alloc::string::String;
use alloc::sync::Arc;

use air_core::Script;

use crate::machine::{Instant, Machine};

/// What identifies a particle and never changes on its way.
#[derive(Clone, Debug)]
pub struct Particle {
    /// Its id: free text, chosen by the author.
    pub id: Arc<str>,
    /// The author.
    pub init_peer_id: Arc<str>,
    /// When the author made it, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// How long it may live from then on, in milliseconds.
    pub ttl_ms: u32,
    /// The script, parsed.
    pub script: Arc<Script>,
    /// The end of its life on this machine's clock.
    pub deadline: Instant,
}

/// A new random particle id: a version 4 UUID.
#[must_use]
pub fn new_particle_id(machine: &dyn Machine) -> String {
    let mut bytes = [0; 16];
    machine.fill_random(&mut bytes);
    let number = u128::from_be_bytes(bytes);
    // The version in the high half of octet 6, the variant in the two high bits of octet 8 (RFC 9562).
    let number = number & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = alloc::format!("{number:032x}");
    let mut id = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            id.push('-');
        }
        id.push(digit);
    }
    id
}

#[cfg(test)]
mod tests;
