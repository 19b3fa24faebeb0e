//! More particles than may live: which are refused, which have to make room, and what is remembered.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use futures_util::future::FutureExt;
use netstack::libp2p::particle::Message;

use super::village::{Client, TTL_MS, Village};
use crate::limits::{MAX_LOOKED_AT_FOR_ROOM, MIN_REMEMBERED};
use crate::machine::{HeapUse, Simulated};

fn village(max_live: u32, max_live_per_peer: u32) -> Village {
    Village::with(1, |config| {
        config.particles.max_live = max_live;
        config.peers.max_live_per_peer = max_live_per_peer;
    })
}

/// A particle that is idle at once.
fn idle(client: &Client, id: &str) -> Message {
    client.message(id, client.now_ms(), TTL_MS, "(null)", Vec::new())
}

/// A particle that waits for a service until its end.
fn busy(village: &Village, client: &Client, id: &str) -> Message {
    let script = format!("(call \"{}\" (\"peer\" \"timeout\") [100000 1])", village.id(0));
    client.message(id, client.now_ms(), TTL_MS, &script, Vec::new())
}

fn give(village: &Village, client: &Client, message: &Message) {
    client.give(&village.nodes[0], message);
    village.run_for(1);
}

/// The ids of the live particles, oldest first.
fn live(village: &Village) -> Vec<String> {
    let list = village.nodes[0].live.list(usize::MAX);
    list.iter().map(|entry| entry.particle.id.to_string()).collect()
}

fn evicted(village: &Village, reason: &str) -> f64 {
    let series = format!("aerolith_particle_evicted_total{{reason=\"{reason}\"}}");
    village.metric(0, &series)
}

#[test]
fn only_so_many_busy_particles_live() {
    let village = village(5, 3);
    let clients = [100, 101].map(|number| Client::join(&village, number));
    for id in ["a", "b", "c"] {
        give(&village, &clients[0], &busy(&village, &clients[0], id));
    }
    assert_eq!(village.drops(), []);
    give(&village, &clients[0], &busy(&village, &clients[0], "d"));
    assert_eq!(village.drops(), [("too_many_of_peer".to_string(), 1.0)]);
    for id in ["e", "f"] {
        give(&village, &clients[1], &busy(&village, &clients[1], id));
    }
    give(&village, &clients[1], &busy(&village, &clients[1], "g"));
    assert_eq!(live(&village), ["a", "b", "c", "e", "f"]);
    let drops = ["too_many_of_peer", "too_many"].map(|reason| (reason.to_string(), 1.0));
    assert_eq!(village.drops(), drops);
    // The node's own users are not locked out by its peers.
    let own = village.script(0, "(call %init_peer_id% (\"callbackSrv\" \"response\") [1])");
    village.run();
    assert!(own.take().now_or_never().unwrap().0.is_ok());
}

#[test]
fn an_idle_particle_makes_room_for_the_next_of_its_sender() {
    let village = village(100, 3);
    let client = Client::join(&village, 100);
    let first = idle(&client, "a");
    give(&village, &client, &first);
    give(&village, &client, &busy(&village, &client, "b"));
    give(&village, &client, &idle(&client, "c"));
    assert_eq!((live(&village).len(), evicted(&village, "too_many_of_peer")), (3, 0.0));
    give(&village, &client, &idle(&client, "d"));
    assert_eq!(live(&village), ["b", "c", "d"], "the one that was idle for longest is gone");
    give(&village, &client, &idle(&client, "e"));
    assert_eq!(live(&village), ["b", "d", "e"], "the busy one stays");
    assert_eq!(evicted(&village, "too_many_of_peer"), 2.0);
    assert_eq!(village.drops(), []);
    give(&village, &client, &first);
    assert_eq!(village.drops(), [("ended".to_string(), 1.0)], "it does not begin anew");
    village.run();
}

#[test]
fn mail_makes_an_idle_particle_stay() {
    let village = village(100, 2);
    let client = Client::join(&village, 100);
    let first = idle(&client, "a");
    give(&village, &client, &first);
    give(&village, &client, &idle(&client, "b"));
    let mail = Message { data: [1].into(), ..first };
    client.give(&village.nodes[0], &mail);
    client.give(&village.nodes[0], &idle(&client, "c"));
    village.run_for(1);
    assert_eq!(live(&village), ["a", "c"]);
    village.run();
}

#[test]
fn who_floods_the_node_displaces_its_own_particles() {
    let village = village(6, 6);
    let (flood, other) = (Client::join(&village, 100), Client::join(&village, 101));
    for id in ["a", "b"] {
        give(&village, &other, &idle(&other, id));
    }
    for number in 0..10 {
        give(&village, &flood, &idle(&flood, &number.to_string()));
    }
    assert_eq!(live(&village), ["a", "b", "6", "7", "8", "9"]);
    assert_eq!(evicted(&village, "too_many"), 6.0);
    give(&village, &other, &idle(&other, "c"));
    assert_eq!(live(&village), ["a", "b", "7", "8", "9", "c"], "up to an equal part");
    give(&village, &other, &idle(&other, "d"));
    assert_eq!(live(&village), ["b", "7", "8", "9", "c", "d"], "and no further");
    assert_eq!(village.drops(), []);
    village.run();
}

#[test]
fn a_particle_of_the_node_itself_makes_no_room_for_peers() {
    let village = village(1, 1);
    let (client, elsewhere) = (Client::join(&village, 100), Client::join(&village, 101));
    let own = village.script(0, &format!("(call \"{}\" (\"s\" \"f\") [])", elsewhere.id()));
    village.run_for(1);
    for id in ["a", "b"] {
        give(&village, &client, &idle(&client, id));
    }
    assert_eq!(village.nodes[0].live.len(), 2);
    assert_eq!(live(&village)[1], "b");
    assert!(!own.is_filled(), "it waits for the other peer");
    village.run();
}

#[test]
fn the_search_for_an_idle_particle_is_bounded_and_goes_on_where_it_stopped() {
    let most = u32::try_from(MAX_LOOKED_AT_FOR_ROOM).unwrap();
    let village = village(most + 1, most + 1);
    let client = Client::join(&village, 100);
    for number in 0..most {
        client.give(&village.nodes[0], &busy(&village, &client, &number.to_string()));
        if number % 100 == 0 {
            village.run_for(1);
        }
    }
    give(&village, &client, &idle(&client, "idle"));
    assert_eq!(village.nodes[0].live.len(), MAX_LOOKED_AT_FOR_ROOM + 1);
    let next = idle(&client, "next");
    give(&village, &client, &next);
    assert_eq!(village.drops(), [("too_many_of_peer".to_string(), 1.0)], "all looked at were busy");
    give(&village, &client, &next);
    assert_eq!(live(&village).last().map(String::as_str), Some("next"));
    assert_eq!(evicted(&village, "too_many_of_peer"), 1.0);
    village.run();
}

#[test]
fn who_keeps_most_bytes_gives_them_up_when_memory_is_needed() {
    let machine = Simulated::new(1);
    machine.set_heap(HeapUse { total: 4 << 20, used: 1 << 10, peak: 0 });
    let village = Village::on(machine, 1, |_| {});
    let (flood, other) = (Client::join(&village, 100), Client::join(&village, 101));
    give(&village, &other, &idle(&other, "small"));
    let script = format!(
        "(seq (call \"{}\" (\"getDataSrv\" \"load\") [] load) (call \"{}\" (\"op\" \"noop\") []))",
        flood.id(),
        village.id(0),
    );
    let load = format!("\"{}\"", "x".repeat(100_000));
    for number in 0..15 {
        flood.give(&village.nodes[0], &flood.particle_with(&number.to_string(), &script, &load));
        village.run_for(300);
    }
    assert!(evicted(&village, "memory") > 0.0);
    assert_eq!(live(&village)[..2], ["small", "5"]);
    village.run();
}

#[test]
fn many_more_particles_than_may_live_pass_within_their_time() {
    const COUNT: usize = 2000;
    let village = village(50, 50);
    let client = Client::join(&village, 100);
    for number in 0..COUNT {
        give(&village, &client, &idle(&client, &number.to_string()));
    }
    assert!(village.machine_millis() < u64::from(TTL_MS));
    assert_eq!(village.drops(), []);
    assert_eq!(evicted(&village, "too_many_of_peer"), (COUNT - 50) as f64);
    assert_eq!(village.metric(0, "aerolith_particle_remembered"), (COUNT - 50) as f64);
    village.run();
    village.machine.advance(Duration::from_millis(u64::from(TTL_MS) + 1));
    assert_eq!(village.metric(0, "aerolith_particle_remembered"), 0.0);
}

#[test]
fn on_a_small_machine_the_first_to_expire_may_begin_anew_when_too_many_are_remembered() {
    let machine = Simulated::new(1);
    machine.set_heap(HeapUse { total: 4 << 20, used: 1 << 10, peak: 0 });
    let village = Village::on(machine, 1, |config| config.peers.max_live_per_peer = 1);
    let client = Client::join(&village, 100);
    let first = idle(&client, "first");
    give(&village, &client, &first);
    for number in 0..MIN_REMEMBERED {
        give(&village, &client, &idle(&client, &number.to_string()));
    }
    assert_eq!(village.metric(0, "aerolith_particle_remembered"), MIN_REMEMBERED as f64);
    give(&village, &client, &first);
    assert_eq!(village.drops(), [("ended".to_string(), 1.0)], "at the bound it is remembered");
    give(&village, &client, &idle(&client, "one more"));
    assert_eq!(village.metric(0, "aerolith_particle_remembered"), MIN_REMEMBERED as f64);
    give(&village, &client, &first);
    assert_eq!(live(&village), ["first"]);
    assert_eq!(village.drops(), [("ended".to_string(), 1.0)]);
    village.run();
}
