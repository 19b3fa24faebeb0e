//! What `GET /particles` tells: which particles live here, and what they wait for.

use alloc::string::String;

use super::json::{ObjectWriter, array};
use super::live::{Entry, Live};
use crate::limits::MAX_LISTED_PARTICLES;
use crate::machine::Instant;
use crate::particle::Waits;

/// A JSON array of the oldest live particles.
pub(super) fn to_json(live: &Live, now: Instant) -> String {
    array(live.list(MAX_LISTED_PARTICLES).iter().map(|entry| particle(entry, now)))
}

fn particle(entry: &Entry, now: Instant) -> String {
    let Entry { particle, vitals, born, .. } = entry;
    let waits = vitals.waits();
    let calls = match waits {
        Waits::Services(calls) => Some(calls),
        _ => None,
    };
    ObjectWriter::new()
        .text("id", &particle.id)
        .text("init_peer_id", &particle.init_peer_id)
        .json("age_ms", now.since(*born).as_millis())
        .json("ttl_left_ms", particle.deadline.since(now).as_millis())
        .json("steps", vitals.steps())
        .text("waits_for", waits.label())
        .optional_json("calls", calls)
        .finish()
}
