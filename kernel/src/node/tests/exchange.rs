//! Particles between nodes and clients.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;

use air_core::Value;
use futures_util::future::FutureExt;
use netstack::libp2p::PeerId;

use super::village::{Client, TTL_MS, Village};
use crate::limits::{MAX_EVICTIONS_AT_ONCE, MAX_LISTED_PARTICLES, MAX_SENDS_WAITING};
use crate::machine::{HeapUse, Instant, SIMULATED_EPOCH_MS, Simulated};
use crate::node::Success;

fn call(peer: &str, service: &str, function: &str, arguments: &str, output: &str) -> String {
    format!("(call \"{peer}\" (\"{service}\" \"{function}\") [{arguments}] {output})")
}

fn seq(parts: &[String]) -> String {
    let (last, first) = parts.split_last().unwrap();
    first.iter().rev().fold(last.clone(), |rest, part| format!("(seq {part} {rest})"))
}

fn respond(peer: &str, arguments: &str) -> String {
    call(peer, "callbackSrv", "response", arguments, "")
}

#[test]
fn a_particle_goes_from_node_to_node_and_back_to_its_author() {
    let village = Village::new(2);
    let client = Client::join(&village, 100);
    let (a, b) = (village.id(0), village.id(1));
    let particle = client.particle(
        "there and back",
        &seq(&[
            call(&a, "op", "identity", "1", "x"),
            call(&b, "math", "add", "x 1", "y"),
            call(&a, "math", "add", "y 1", "z"),
            call(&b, "math", "add", "z 1", "w"),
            respond(&client.id(), "w"),
        ]),
    );
    client.give(&village.nodes[0], &particle);
    village.run_for(100);
    assert_eq!(client.answers(), [Value::from(4_i64)]);
    assert_eq!(village.metric(0, "aerolith_particles"), 1.0, "they stay until their time is up");
    assert_eq!(village.metric(1, "aerolith_particle_sends_total{result=\"ok\"}"), 2.0);
    village.run();
    assert_eq!(village.machine_millis(), u64::from(TTL_MS));
    assert_eq!(village.drops(), []);
}

#[test]
fn branches_on_many_nodes_join() {
    let village = Village::new(6);
    let client = Client::join(&village, 100);
    let branch = |index: usize| {
        let wait = format!("{} {index}", index * 30);
        call(&village.id(index), "peer", "timeout", &wait, &format!("x{index}"))
    };
    let branches = (1..6).fold(String::from("(null)"), |all, index| {
        let back = call(&village.id(0), "op", "noop", "", "");
        format!("(par (seq {} {back}) {all})", branch(index))
    });
    let join = call(&village.id(0), "op", "array", "x1 x2 x3 x4 x5", "all");
    let script = seq(&[
        call(&village.id(0), "op", "noop", "", ""),
        branches,
        join,
        respond(&client.id(), "all"),
    ]);
    client.give(&village.nodes[0], &client.particle("fan", &script));
    village.run();
    assert_eq!(client.answers(), [Value::parse("[1,2,3,4,5]").unwrap()]);
}

#[test]
fn a_particle_that_only_passes_is_forwarded() {
    let village = Village::new(1);
    let (from, to) = (Client::join(&village, 100), Client::join(&village, 101));
    let script = call(&to.id(), "op", "noop", "", "");
    let fresh = from.message("passing", SIMULATED_EPOCH_MS, TTL_MS, &script, vec![]);
    from.give(&village.nodes[0], &fresh);
    village.run();
    let passed = to.received.take();
    assert_eq!(passed.len(), 1);
    assert!(passed[0].verify() && *passed[0].init_peer_id.to_string() == *from.id());
    assert_eq!(village.metric(0, "aerolith_interpreter_steps_total"), 1.0);
}

#[test]
fn a_script_over_http_leaves_the_node_and_answers_when_it_is_back() {
    let village = Village::new(2);
    let wait = |millis: u32| {
        let there = call(&village.id(1), "peer", "timeout", &format!("{millis} \"late\""), "x");
        seq(&[there, "(call %init_peer_id% (\"callbackSrv\" \"response\") [x])".into()])
    };
    let quick = village.script(0, &wait(10));
    let slow = village.script(0, &wait(2000));
    let never = village.script(0, &wait(8000));
    village.run_for(1000);
    assert!(quick.is_filled() && !slow.is_filled());
    assert!(village.metric(0, "aerolith_particle_kept_bytes") > 0.0, "the idle ones are frozen");
    village.run();
    let late = Ok(Success::Response(Value::from("late")));
    for (slot, millis) in [(&quick, 10), (&slow, 2000)] {
        let (result, at) = slot.take().now_or_never().unwrap();
        assert_eq!((result, at), (late.clone(), Instant::from_micros(millis * 1000)));
    }
    let (result, at) = never.take().now_or_never().unwrap();
    assert_eq!(result.unwrap_err().status(), 504);
    assert_eq!(at, Instant::from_micros(7_000_000));
}

#[test]
fn a_script_over_http_that_needs_a_peer_out_of_reach_is_told_so_at_once() {
    let village = Village::new(1);
    let gone = Client::join(&village, 101);
    village.hub.leave(&gone.identity.id());
    let reply = village.script(0, &call(&gone.id(), "op", "noop", "", ""));
    village.run();
    let (result, at) = reply.take().now_or_never().unwrap();
    let problem = result.unwrap_err();
    assert_eq!((problem.status(), at), (504, Instant::ZERO));
    assert!(problem.to_json().contains(&*gone.id()), "{}", problem.to_json());
    assert_eq!(village.metric(0, "aerolith_unreachable_peers_total"), 1.0);
}

#[test]
fn duplicates_cost_no_step_and_replays_do_not_begin_anew() {
    let village = Village::with(1, |config| config.peers.max_ttl_ms = 1000);
    let client = Client::join(&village, 100);
    let node = &village.nodes[0];
    let script =
        seq(&[call(&village.id(0), "op", "identity", "1", "x"), respond(&client.id(), "x")]);
    let particle = client.particle("twice", &script);
    for _ in 0..5 {
        client.give(node, &particle);
    }
    village.run_for(10);
    assert_eq!(client.answers().len(), 1);
    assert_eq!(village.drops(), [("duplicate".into(), 4.0)]);
    assert_eq!(node.live.list(1)[0].vitals.steps(), 2);
    village.run_for(2000);
    assert_eq!(village.metric(0, "aerolith_particles"), 0.0, "kept no longer than the bound");
    assert_eq!(village.metric(0, "aerolith_particle_remembered"), 1.0);
    client.give(node, &particle);
    village.run();
    assert_eq!(village.drops(), [("duplicate".into(), 4.0), ("ended".into(), 1.0)]);
    village.machine.advance(core::time::Duration::from_millis(TTL_MS.into()));
    client.give(node, &particle);
    village.run();
    assert_eq!(village.drops().first(), Some(&("expired".into(), 1.0)));
    assert_eq!(client.answers(), [], "nothing came of it");
}

#[test]
fn late_data_reach_a_particle_that_was_frozen() {
    let village = Village::new(1);
    let client = Client::join(&village, 100);
    let node = &village.nodes[0];
    let script = seq(&[
        call(&village.id(0), "op", "identity", "\"kept\"", "x"),
        call(&client.id(), "getDataSrv", "y", "", "y"),
        call(&village.id(0), "op", "array", "x y", "z"),
        respond(&client.id(), "z"),
    ]);
    client.give(node, &client.particle("late", &script));
    village.run_for(1000);
    assert!(node.live.kept_bytes() > 0);
    // The client answers the node's question and sends the particle again.
    let question = client.received.take().remove(0);
    let answered = client.answer(&question, "\"new\"");
    client.give(node, &answered);
    village.run_for(10);
    assert_eq!(node.live.kept_bytes(), 0, "it is decoded again");
    village.run();
    assert_eq!(client.answers(), [Value::parse(r#"["kept","new"]"#).unwrap()]);
}

#[test]
fn particles_are_listed_with_what_they_wait_for() {
    let village = Village::new(2);
    let client = Client::join(&village, 100);
    let (a, b) = (village.id(0), village.id(1));
    for (id, script) in [
        ("service", call(&a, "peer", "timeout", "5000 1", "x")),
        ("peer", seq(&[call(&a, "op", "noop", "", ""), call(&b, "peer", "timeout", "5000 1", "")])),
        ("idle", call(&a, "op", "noop", "", "")),
    ] {
        client.give(&village.nodes[0], &client.particle(id, &script));
    }
    village.run_for(1000);
    let list = Value::parse(&village.nodes[0].particles_json()).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 3);
    for (entry, expected) in list.iter().zip(["service", "peer", "idle"]) {
        let field = |name| entry.as_object().unwrap().get(name).cloned().unwrap_or_default();
        assert_eq!(field("id"), Value::from(expected));
        assert_eq!(field("waits_for"), Value::from(expected));
        assert_eq!(field("init_peer_id"), Value::from(&*client.id()));
        assert_eq!(field("age_ms"), Value::from(1000_i64));
        assert_eq!(field("ttl_left_ms"), Value::from(6000_i64));
    }
    village.run();
    assert_eq!(village.nodes[0].particles_json(), "[]");
}

#[test]
fn idle_particles_end_when_their_memory_is_needed() {
    let village = Village::new(1);
    let client = Client::join(&village, 100);
    let node = &village.nodes[0];
    let script = call(&village.id(0), "op", "noop", "", "");
    let first = client.particle("first", &script);
    client.give(node, &first);
    client.give(node, &client.particle("second", &script));
    village.run_for(100);
    assert_eq!(node.live.len(), 2);
    village.machine.set_heap(HeapUse { total: 256 << 20, used: 255 << 20, peak: 0 });
    client.give(node, &client.particle("third", &script));
    village.run_for(100);
    assert_eq!(node.live.len(), 0, "the idle ones made room, and it was not enough");
    assert_eq!(village.metric(0, "aerolith_particle_evicted_total{reason=\"memory\"}"), 2.0);
    assert_eq!(village.drops(), [("memory".into(), 1.0)]);
    village.machine.set_heap(HeapUse { total: 256 << 20, used: 1 << 20, peak: 0 });
    client.give(node, &first);
    village.run();
    assert_eq!(village.drops(), [("ended".into(), 1.0), ("memory".into(), 1.0)]);
}

#[test]
fn one_new_particle_ends_a_few_idle_ones_at_most() {
    let village = Village::new(1);
    let client = Client::join(&village, 100);
    let node = &village.nodes[0];
    let script = call(&village.id(0), "op", "noop", "", "");
    let idle = MAX_EVICTIONS_AT_ONCE + 2;
    for number in 0..idle {
        client.give(node, &client.particle(&format!("{number}"), &script));
    }
    village.run_for(100);
    assert_eq!(node.live.len(), idle);
    village.machine.set_heap(HeapUse { total: 256 << 20, used: 255 << 20, peak: 0 });
    client.give(node, &client.particle("new", &script));
    village.run_for(100);
    assert_eq!(node.live.len(), 2);
    village.run();
}

#[test]
fn a_particle_is_on_its_way_to_so_many_peers_at_most() {
    let village = Village::new(1);
    let client = Client::join(&village, 100);
    let mut branches = String::from("(null)");
    for number in 0..=MAX_SENDS_WAITING {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        let peer = PeerId::from_public_key(key);
        village.hub.join(peer, vec![], Rc::new(|_, _| {}));
        branches = format!("(par {} {branches})", call(&peer.to_string(), "op", "noop", "", ""));
    }
    let particle = client.message("wide", SIMULATED_EPOCH_MS, TTL_MS, &branches, vec![]);
    client.give(&village.nodes[0], &particle);
    village.run();
    let sends = |result| {
        village.metric(0, &format!("aerolith_particle_sends_total{{result=\"{result}\"}}"))
    };
    assert_eq!((sends("ok"), sends("too_many")), (MAX_SENDS_WAITING as f64, 1.0));
}

#[test]
fn the_list_of_particles_is_bounded() {
    let village = Village::new(1);
    let client = Client::join(&village, 100);
    for number in 0..=MAX_LISTED_PARTICLES {
        let id = format!("{number}");
        let message = client.message(&id, SIMULATED_EPOCH_MS, TTL_MS, "(null)", vec![]);
        client.give(&village.nodes[0], &message);
        if number % 100 == 0 {
            village.run_for(1);
        }
    }
    village.run_for(1);
    assert_eq!(village.nodes[0].live.len(), MAX_LISTED_PARTICLES + 1);
    let list = Value::parse(&village.nodes[0].particles_json()).unwrap();
    assert_eq!(list.as_array().unwrap().len(), MAX_LISTED_PARTICLES);
    village.run();
}

#[test]
fn idle_particles_keep_no_more_than_their_part_of_the_heap() {
    let machine = Simulated::new(1);
    machine.set_heap(HeapUse { total: 4 << 20, used: 1 << 10, peak: 0 });
    let village = Village::on(machine, 1, |_| {});
    let client = Client::join(&village, 100);
    let node = &village.nodes[0];
    let script = seq(&[
        call(&client.id(), "getDataSrv", "load", "", "load"),
        call(&village.id(0), "op", "noop", "", ""),
    ]);
    let load = format!("\"{}\"", "x".repeat(100_000));
    for number in 0..15 {
        client.give(node, &client.particle_with(&format!("{number}"), &script, &load));
        village.run_for(300);
    }
    let kept = node.live.kept_bytes();
    assert!(kept <= node.allowance().kept, "{kept}");
    assert_eq!(village.metric(0, "aerolith_particle_evicted_total{reason=\"memory\"}"), 5.0);
    let oldest = node.live.list(1).remove(0);
    assert_eq!(&*oldest.particle.id, "5", "those that were idle for the longest time are gone");
    drop(oldest);
    assert_eq!(village.drops(), []);
    village.run();
}

#[test]
fn everything_of_a_particle_is_gone_at_its_deadline() {
    let village = Village::new(2);
    let client = Client::join(&village, 100);
    let wait = |index| call(&village.id(index), "peer", "timeout", "100000 1", "");
    let both = format!("(par {} {})", wait(0), wait(1));
    let script = seq(&[call(&village.id(0), "op", "noop", "", ""), both]);
    client.give(&village.nodes[0], &client.particle("long", &script));
    village.run_for(u64::from(TTL_MS) - 1);
    assert_eq!((village.nodes[0].live.len(), village.nodes[1].live.len()), (1, 1));
    village.run();
    assert_eq!(village.machine_millis(), u64::from(TTL_MS), "no timer outlives it");
    assert_eq!(client.received.take(), vec![]);
}
