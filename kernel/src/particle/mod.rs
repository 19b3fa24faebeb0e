//! Particles: a script on its way, and the actor that runs it here.
//!
//! One [`Actor`] lives for each live particle. It holds the parsed script and the decoded data in a
//! `Session`, takes mail (data from other peers) and results (answers of services), runs at most one
//! step at a time, starts all calls of a step at once, sends to the next peers, and forgets everything
//! at the deadline (fluence-network.md §3.1). Interpretation goes in slices of fuel, and who gets the
//! interpreter next goes round the senders, so a busy particle stalls neither the network nor others.
//!
//! What comes from another peer is [checked](check) first. A particle is known by its signature: one that
//! is live already only brings mail.

mod actor;
mod calls;
mod check;
mod fair_queue;
mod inbox;
mod kept;
mod outbox;
mod reason;
mod report;
mod terms;
mod vitals;

pub use actor::{Actor, Environment, Lifetime};
pub use check::{Bounds as ParticleBounds, check};
pub use fair_queue::{Bounds as QueueBounds, FairQueue};
pub use inbox::{Inbox, Mail, Refused};
pub use outbox::{Outbox, Sending};
pub use reason::DropReason;
pub use report::{Budget, End, Fault, Report};
pub use terms::{Meter, Terms};
pub use vitals::{Vitals, Waits};

use alloc::string::String;
use alloc::sync::Arc;
use core::cell::OnceCell;

use air_core::Script;
use netstack::libp2p::PeerId;

use crate::machine::{Instant, Machine};

/// An ed25519 signature, by which a particle is known.
pub type Signature = [u8; 64];

/// What identifies a particle and never changes on its way.
#[derive(Clone, Debug)]
pub struct Particle {
    /// The number that this node gives it.
    pub serial: u64,
    /// Its id: free text, chosen by the author.
    pub id: Arc<str>,
    /// The author.
    pub author: PeerId,
    /// The author's id as text.
    pub init_peer_id: Arc<str>,
    /// When the author made it, in milliseconds since 1970.
    pub timestamp_ms: u64,
    /// How long it may live from then on, in milliseconds.
    pub ttl_ms: u32,
    /// The script, parsed.
    pub script: Arc<Script>,
    /// The author's signature. A particle that the node made gets one when it first leaves.
    pub signature: OnceCell<Signature>,
    /// The end of its life on this machine's clock.
    pub deadline: Instant,
}

/// Who gave the node something to do: its turn it is while that is worked on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    /// The node itself, for whoever asked over HTTP.
    Own,
    /// A program that the node hosts, by its number.
    Program(u32),
    /// The peer at the other end of a connection.
    Peer(PeerId),
}

/// A new random particle id: a version 4 UUID.
#[must_use]
pub fn new_particle_id(machine: &dyn Machine) -> String {
    let mut bytes = [0; 16];
    machine.fill_random(&mut bytes);
    particle_id_of(u128::from_be_bytes(bytes))
}

/// The version 4 UUID of these random bits, of which it has 122.
#[must_use]
pub fn particle_id_of(number: u128) -> String {
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
