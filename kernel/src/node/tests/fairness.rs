//! A peer that floods the node, and one that does not.

use alloc::format;
use alloc::rc::Rc;
use alloc::vec;
use core::cell::Cell;
use core::time::Duration;

use netstack::libp2p::PeerId;
use netstack::libp2p::particle::Message;

use super::bounds::endless;
use super::village::{Client, Village};
use crate::limits::{FUEL_PER_SLICE, MAX_SLICES_IN_A_ROW};
use crate::node::Node;

/// The most fuel that a particle burns in one turn.
const TURN_FUEL: u64 = FUEL_PER_SLICE * MAX_SLICES_IN_A_ROW as u64;

fn fuel_of_all(node: &Node) -> u64 {
    node.live.list(usize::MAX).iter().map(|entry| entry.vitals.fuel()).sum()
}

/// How much fuel others burn from the moment when a particle of two steps comes until it leaves, while
/// `floods` peers have `each` particles that compute without end.
fn fuel_in_between(floods: u8, each: usize) -> u64 {
    let village = Village::new(1);
    let node = &village.nodes[0];
    village.machine.set_tick(Duration::from_micros(1));
    let script = endless().replace("%init_peer_id%", &format!("\"{}\"", village.id(0)));
    for number in 0..floods {
        let flood = Client::join(&village, 100 + number);
        for index in 0..each {
            flood.give(node, &flood.particle(&format!("{number} {index}"), &script));
        }
    }
    while node.live.len() < usize::from(floods) * each || fuel_of_all(node) == 0 {
        village.executor.turn();
    }
    for _ in 0..10 {
        village.executor.turn();
    }
    let polite = Client::join(&village, 99);
    let answered: Rc<Cell<Option<u64>>> = Rc::default();
    let (seen, burner) = (answered.clone(), node.clone());
    let deliver = move |_: PeerId, _: &Message| seen.set(Some(fuel_of_all(&burner)));
    village.hub.join(polite.identity.id(), vec![], Rc::new(deliver));
    let script = format!(
        "(seq (call \"{}\" (\"op\" \"identity\") [1] x)
              (call \"{}\" (\"callbackSrv\" \"response\") [x]))",
        village.id(0),
        polite.id()
    );
    let particle = polite.particle("polite", &script);
    let before = fuel_of_all(node);
    polite.give(node, &particle);
    let mut turns = 0;
    while answered.get().is_none() {
        village.executor.turn();
        turns += 1;
        assert!(turns < 1000, "it starves");
    }
    village.hub.leave(&polite.identity.id());
    village.executor.shut_down();
    answered.get().unwrap() - before
}

#[test]
fn who_floods_the_interpreter_delays_others_by_a_few_turns_only() {
    let alone = fuel_in_between(1, 1);
    let flood = fuel_in_between(1, 100);
    assert!(alone <= 7 * TURN_FUEL, "{alone}");
    assert!(flood <= 10 * TURN_FUEL, "{flood}: a hundred particles delay hardly more than one");
}

#[test]
fn each_peer_that_computes_costs_the_others_a_turn() {
    let three = fuel_in_between(3, 20);
    assert!(three <= 17 * TURN_FUEL, "{three}");
}
