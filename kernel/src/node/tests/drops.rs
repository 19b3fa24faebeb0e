//! Particles that are not run: every reason, every bound at its value and one past it.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use futures_util::future::FutureExt;
use netstack::libp2p::particle::Message;

use super::bounds::endless;
use super::village::{Client, TTL_MS, Village};
use crate::limits::{MAX_ARRIVALS_PER_PEER, MAX_MAIL, MAX_PARTICLE_ID_BYTES};
use crate::machine::{HeapUse, SIMULATED_EPOCH_MS};

const NOW: u64 = SIMULATED_EPOCH_MS;

/// A node with small bounds.
fn village() -> Village {
    Village::with(1, |config| {
        config.particles.max_script_bytes = 1000;
        config.peers.max_particle_bytes = 5000;
        config.peers.max_clock_skew_ms = 400;
    })
}

/// What becomes of one particle.
fn fate(message: impl Fn(&Client) -> Message) -> Vec<(String, f64)> {
    let village = village();
    let client = Client::join(&village, 100);
    client.give(&village.nodes[0], &message(&client));
    village.run();
    assert_eq!(village.metric(0, "aerolith_particle_arrived_total"), 1.0);
    village.drops()
}

fn dropped(reason: &str) -> Vec<(String, f64)> {
    vec![(reason.into(), 1.0)]
}

#[test]
fn times_are_checked() {
    let at = |timestamp: u64, ttl: u32| {
        fate(move |client| client.message("a", timestamp, ttl, "(null)", vec![]))
    };
    assert_eq!(at(NOW, TTL_MS), []);
    assert_eq!(at(u64::MAX, 1), dropped("overflow"));
    assert_eq!(at(NOW - 1001, 1000), dropped("expired"));
    assert_eq!(at(NOW - 999, 1000), []);
    assert_eq!(at(NOW + 400, 1000), []);
    assert_eq!(at(NOW + 401, 1000), dropped("future"));
    assert_eq!(at(NOW, u32::MAX), [], "kept for the bound only");
}

#[test]
fn sizes_are_checked() {
    let id = |bytes: usize| {
        fate(move |client| client.message(&"i".repeat(bytes), NOW, 1000, "(null)", vec![]))
    };
    assert_eq!(id(MAX_PARTICLE_ID_BYTES), []);
    assert_eq!(id(MAX_PARTICLE_ID_BYTES + 1), dropped("long_id"));
    let script = |bytes: usize| {
        let text = format!("(null){}", " ".repeat(bytes - 6));
        fate(move |client| client.message("a", NOW, 1000, &text, vec![]))
    };
    assert_eq!(script(1000), []);
    assert_eq!(script(1001), dropped("long_script"));
    let data =
        |bytes: usize| fate(move |client| client.message("a", NOW, 1000, "(null)", vec![1; bytes]));
    assert_eq!(data(5000), []);
    assert_eq!(data(5001), dropped("long_data"));
}

#[test]
fn the_signature_must_be_the_authors() {
    let good = |client: &Client| client.message("a", NOW, 1000, "(null)", vec![]);
    type Spoil = fn(&mut Message);
    let spoils: [Spoil; 6] = [
        |message| message.script.push(' '),
        |message| message.id.push('b'),
        |message| message.ttl += 1,
        |message| message.timestamp += 1,
        |message| message.signature[63] ^= 1,
        |message| message.init_peer_id = super::village::seed_id(77),
    ];
    for spoil in spoils {
        let spoilt = |client: &Client| {
            let mut message = good(client);
            spoil(&mut message);
            message
        };
        assert_eq!(fate(spoilt), dropped("signature"));
    }
}

#[test]
fn the_signature_of_a_live_particle_is_no_key_to_it_for_another() {
    let village = village();
    let client = Client::join(&village, 100);
    let message = client.message("a", NOW, TTL_MS, "(null)", vec![]);
    client.give(&village.nodes[0], &message);
    village.run_for(10);
    for other in [
        Message { id: "b".into(), ..message.clone() },
        Message { ttl: TTL_MS + 1, ..message.clone() },
        Message { script: "(null) ".into(), ..message.clone() },
        Message { init_peer_id: super::village::seed_id(77), ..message.clone() },
    ] {
        client.give(&village.nodes[0], &other);
    }
    village.run_for(10);
    assert_eq!(village.drops(), [("signature".into(), 4.0)]);
    assert_eq!(village.nodes[0].live.list(1)[0].vitals.steps(), 1);
    village.run();
}

#[test]
fn a_script_that_does_not_parse_is_looked_at_once() {
    let village = village();
    let client = Client::join(&village, 100);
    let broken = client.message("a", NOW, TTL_MS, "(seq", vec![]);
    client.give(&village.nodes[0], &broken);
    client.give(&village.nodes[0], &broken);
    village.run();
    assert_eq!(village.drops(), [("ended".into(), 1.0), ("script".into(), 1.0)]);
    assert_eq!(village.metric(0, "aerolith_script_cache_total{result=\"miss\"}"), 1.0);
}

#[test]
fn a_particle_whose_time_is_up_before_its_turn_is_dropped() {
    let village = village();
    let client = Client::join(&village, 100);
    let received = client.give(&village.nodes[0], &client.message("a", NOW, 5, "(null)", vec![]));
    village.machine.advance(Duration::from_millis(6));
    let mut settled = core::pin::pin!(received.settled());
    assert!(settled.as_mut().now_or_never().is_none(), "nobody has looked at it yet");
    village.run();
    assert!(settled.now_or_never().is_some());
    assert_eq!(village.drops(), dropped("expired"));
}

#[test]
fn a_peer_may_have_only_so_many_waiting() {
    let village = village();
    let (flood, other) = (Client::join(&village, 100), Client::join(&village, 101));
    let give = |client: &Client, number: usize| {
        let message = client.message(&format!("{number}"), NOW, 100, "(null)", vec![]);
        client.give(&village.nodes[0], &message)
    };
    for number in 0..MAX_ARRIVALS_PER_PEER {
        give(&flood, number);
    }
    assert_eq!(village.drops(), []);
    let refused = give(&flood, MAX_ARRIVALS_PER_PEER);
    assert!(refused.settled().now_or_never().is_some());
    assert_eq!(village.drops(), dropped("queue_full"));
    give(&other, 0);
    village.run();
    assert_eq!(village.drops(), dropped("queue_full"), "another peer has a queue of its own");
}

#[test]
fn mail_for_a_busy_particle_is_bounded() {
    let village = Village::new(1);
    let client = Client::join(&village, 100);
    let script = endless().replace("%init_peer_id%", &format!("\"{}\"", village.id(0)));
    let particle = client.particle("busy", &script);
    client.give(&village.nodes[0], &particle);
    village.executor.turn();
    for number in 0..=MAX_MAIL {
        let data = vec![u8::try_from(number).unwrap(); 3];
        client.give(&village.nodes[0], &Message { data, ..particle.clone() });
    }
    // One is looked at in each round, and the particle has no time to read it.
    while village.nodes[0].arrivals.len() > 0 {
        village.executor.turn();
    }
    assert_eq!(village.drops(), dropped("mail_full"));
    village.machine.advance(Duration::from_millis(TTL_MS.into()));
    village.run();
}

#[test]
fn no_particle_begins_when_memory_is_short() {
    let village = village();
    village.machine.set_heap(HeapUse { total: 256 << 20, used: 250 << 20, peak: 0 });
    let client = Client::join(&village, 100);
    client.give(&village.nodes[0], &client.message("a", NOW, 1000, "(null)", vec![]));
    village.run();
    assert_eq!(village.drops(), dropped("memory"));
}

#[test]
fn a_particle_that_used_up_a_budget_does_not_begin_anew() {
    let village = Village::new(1);
    let client = Client::join(&village, 100);
    let script = endless().replace("%init_peer_id%", &format!("\"{}\"", village.id(0)));
    let particle = client.particle("endless", &script);
    client.give(&village.nodes[0], &particle);
    village.run();
    assert_eq!(village.machine_millis(), 0, "it ended by its fuel");
    client.give(&village.nodes[0], &particle);
    village.run();
    assert_eq!(village.drops(), dropped("ended"));
}
