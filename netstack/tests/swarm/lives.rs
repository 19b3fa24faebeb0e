//! How connections begin and end: dials, pauses, newer ones, silence, news.

use std::rc::Rc;

use futures_util::future::{join, join_all};
use netstack::Timer;
use netstack::libp2p::swarm::{ConnectError, SendError, limits};
use netstack::time::Duration;

use crate::world::{Node, World, particle, run};

const SECOND: Duration = Duration::from_secs(1);

/// Lets `node` know where `other` is without connecting them for good.
async fn know(world: &World, node: &Node, other: &Node) {
    node.meet(other).await;
    world.cut(&other.address);
    world.eventually(SECOND, "cut", || !node.swarm.is_connected(other.peer)).await;
    world.sleep(SECOND * 2).await;
}

#[test]
fn all_who_want_a_peer_share_one_dial() {
    run(1, async |world| {
        let (a, b) = (world.start(1), world.start(2));
        know(&world, &a, &b).await;
        let dials = a.counters().dials_succeeded;
        let ids: Vec<String> = (0..50).map(|number| number.to_string()).collect();
        let results = join_all(ids.iter().map(|id| a.send(&b, id, 1_000))).await;
        assert_eq!(results, vec![Ok(()); 50]);
        assert_eq!(a.counters().dials_succeeded - dials, 1);
        assert_eq!(b.inbox.len(), 50);
    });
}

#[test]
fn a_peer_that_cannot_be_reached_is_dialed_after_ever_longer_pauses() {
    run(2, async |world| {
        let (a, b) = (world.start(1), world.start(2));
        know(&world, &a, &b).await;
        world.close(&b.address);
        world.sleep(SECOND * 10).await;
        let start = a.counters().dials_failed;
        for _ in 0..600 {
            let failed = a.send(&b, "in vain", 10).await;
            assert!(matches!(failed, Err(SendError::NotConnected(_))), "{failed:?}");
            world.sleep(Duration::from_millis(100)).await;
        }
        let dials = a.counters().dials_failed - start;
        assert!((5..=10).contains(&dials), "{dials} dials in more than a minute");
        assert_eq!(a.send(&b, "in vain", 10).await, Err(ConnectError::BackedOff.into()));
        // Once it is back, the longest pause later it is reached.
        let swarm = b.swarm.clone();
        world.listen(&b.address, move |stream, from| swarm.accept(stream, from));
        world.sleep(limits::BACKOFF_MAX + limits::BACKOFF_MAX / 4).await;
        assert_eq!(a.send(&b, "at last", 10).await, Ok(()));
    });
}

#[test]
fn new_addresses_of_a_peer_that_cannot_be_reached_are_tried_once_a_second() {
    run(3, async |world| {
        let a = world.start(1);
        let (keypair, _) = World::place(2);
        let peer = keypair.peer_id();
        let start = world.clock.now();
        let mut tries = 0_u16;
        while world.clock.now() < start + SECOND * 10 {
            tries += 1;
            let address = format!("/ip4/10.9.9.9/tcp/{tries}").parse().expect("an address");
            let failed = a.swarm.connect(peer, vec![address]).await;
            assert!(failed.is_err(), "{failed:?}");
        }
        let dials = a.counters().dials_failed;
        // The first pauses are a second with a quarter less or more.
        assert!((8..=13).contains(&dials), "{dials} dials in ten seconds");
        // Without anything new the whole pause counts.
        assert_eq!(a.swarm.connect(peer, vec![]).await, Err(ConnectError::BackedOff));
    });
}

#[test]
fn a_bootstrap_peer_is_dialed_until_it_is_there_and_again_when_it_was_lost() {
    run(3, async |world| {
        let (keypair, address) = World::place(2);
        let a = world.start_with(1, |config| {
            config.bootstrap = vec![address.clone().with_peer_id(keypair.peer_id())];
        });
        world.sleep(SECOND * 100).await;
        // 0, 5, 15, 30, 50, 75 s, each some more or less.
        let dials = a.counters().dials_failed;
        assert!((5..=7).contains(&dials), "{dials}");
        let b = world.start(2);
        let patience = limits::BOOTSTRAP_MAX * 2;
        world.eventually(patience, "connected", || a.swarm.is_connected(b.peer)).await;
        world.sleep(limits::STABLE_AFTER * 2).await;
        world.cut(&b.address);
        world.eventually(SECOND, "cut", || !a.swarm.is_connected(b.peer)).await;
        world.eventually(SECOND * 3, "again", || a.swarm.is_connected(b.peer)).await;
        join(a.swarm.shutdown(), b.swarm.shutdown()).await;
        world.sleep(SECOND).await;
        assert_eq!((a.counters().tasks, world.links()), (0, 0));
    });
}

#[test]
fn two_that_dial_each_other_at_once_keep_the_same_connection() {
    for seed in 1..30 {
        run(seed, async |world| {
            let (a, b) = (world.start(1), world.start(2));
            join(a.meet(&b), b.meet(&a)).await;
            world.sleep(SECOND).await;
            assert_eq!(join(a.send(&b, "one", 9), b.send(&a, "two", 9)).await, (Ok(()), Ok(())));
            world.sleep(limits::SUPERSEDED_TIMEOUT + limits::PING_INTERVAL * 2).await;
            assert_eq!((a.counters().connections, b.counters().connections), (1, 1));
            assert_eq!((a.inbox.disconnected.get(), b.inbox.disconnected.get()), (0, 0));
            assert_eq!(a.send(&b, "three", 9).await, Ok(()));
        });
    }
}

#[test]
fn the_newest_connection_of_a_peer_gets_what_is_sent_and_the_older_one_ends_in_time() {
    run(4, async |world| {
        let node = world.start(1);
        // Twice the same keys: a client that came back, its old connection still open.
        let old = world.start_with(2, |config| config.limits.idle_timeout = SECOND * 1000);
        old.meet(&node).await;
        world.sleep(SECOND).await;
        let new = world.start_with(2, |_| {});
        new.meet(&node).await;
        assert_eq!(node.send(&new, "reply", 10).await, Ok(()));
        assert_eq!((old.inbox.len(), new.inbox.len()), (0, 1));
        assert_eq!(old.send(&node, "from the old one", 10).await, Ok(()), "it is good until then");
        assert_eq!(node.counters().connections, 2);
        world.sleep(limits::SUPERSEDED_TIMEOUT + limits::PING_INTERVAL).await;
        assert_eq!((node.counters().connections, node.counters().connections_superseded), (1, 1));
        assert!(!old.swarm.is_connected(node.peer) && new.swarm.is_connected(node.peer));
    });
}

#[test]
fn a_peer_has_no_more_connections_than_the_bound() {
    run(5, async |world| {
        let node = world.start(1);
        let mut clients = Vec::new();
        for number in 0..=limits::MAX_CONNECTIONS_PER_PEER {
            let client = world.start_with(2, |_| {});
            client.meet(&node).await;
            clients.push(client);
            world.sleep(SECOND).await;
            let bound = limits::MAX_CONNECTIONS_PER_PEER.min(number + 1);
            assert_eq!(node.counters().connections, bound);
        }
        assert!(!clients[0].swarm.is_connected(node.peer), "the oldest leaves");
        assert!(clients[1].swarm.is_connected(node.peer));
        assert_eq!((node.inbox.connected.get(), node.inbox.disconnected.get()), (1, 0));
    });
}

#[test]
fn a_peer_whose_cable_is_pulled_is_noticed() {
    run(6, async |world| {
        let (a, b) = (world.start(1), world.start(2));
        a.meet(&b).await;
        world.sleep(SECOND).await;
        world.freeze(&b.address);
        let lost = a.send(&b, "lost", 10).await;
        assert!(matches!(lost, Err(SendError::TimedOut | SendError::Lost)), "{lost:?}");
        let patience = limits::PING_INTERVAL * 2 + limits::PING_TIMEOUT + SECOND;
        world.eventually(patience, "noticed", || !a.swarm.is_connected(b.peer)).await;
        world.eventually(patience, "noticed", || !b.swarm.is_connected(a.peer)).await;
        assert_eq!(a.counters().connections_dead, 1);
        assert_eq!(b.inbox.len(), 0);
    });
}

#[test]
fn a_connection_ends_when_nothing_happens_on_it_and_pings_are_nothing() {
    run(7, async |world| {
        let a = world.start_with(1, |config| config.limits.idle_timeout = SECOND * 180);
        let b = world.start(2);
        a.meet(&b).await;
        world.sleep(SECOND * 100).await;
        assert_eq!(b.send(&a, "still here", 10).await, Ok(()));
        world.sleep(SECOND * 179).await;
        assert!(a.swarm.is_connected(b.peer), "180 s from the particle on");
        world.sleep(limits::PING_INTERVAL + SECOND).await;
        assert!(!a.swarm.is_connected(b.peer));
        assert_eq!(a.counters().connections_idle, 1);
        assert_eq!(b.counters().connections_dead, 0);
    });
}

#[test]
fn peers_learn_addresses_and_hear_of_new_ones() {
    run(8, async |world| {
        let (a, b) = (world.start(1), world.start(2));
        a.meet(&b).await;
        world.sleep(SECOND).await;
        assert_eq!(b.swarm.contact(a.peer), Some(vec![a.address.clone()]));
        assert_eq!(b.swarm.agent(a.peer).as_deref(), Some("test"));
        let moved: netstack::libp2p::Multiaddr =
            "/ip4/10.0.0.77/tcp/7777/ws".parse().expect("an address");
        a.swarm.set_listen_addresses(vec![moved.clone()]);
        world.sleep(SECOND).await;
        assert_eq!(b.swarm.contact(a.peer), Some(vec![moved]));
        assert_eq!(b.swarm.known_peers(), [a.peer]);
        // b, which did not dial, finds a again where a said it would be.
        a.swarm.set_listen_addresses(vec![a.address.clone()]);
        world.sleep(SECOND * 6).await;
        world.cut(&a.address);
        world.eventually(SECOND, "cut", || !b.swarm.is_connected(a.peer)).await;
        assert_eq!(b.send(&a, "found", 10).await, Ok(()));
    });
}

#[test]
fn what_is_too_long_or_too_much_is_refused_at_once() {
    run(9, async |world| {
        let a = world.start_with(1, |config| config.limits.max_queued_bytes = 5_000_000);
        let b = world.start(2);
        a.meet(&b).await;
        let fits = limits::MAX_PARTICLE_BYTES - particle("", 100_000).script.len();
        let short_of = (0..2_000).rev().map(|less| fits - less).find(|bytes| {
            netstack::libp2p::particle::encoded_bytes(&particle("x", *bytes))
                == limits::MAX_PARTICLE_BYTES + 1
        });
        let one_more = short_of.expect("some length is one too many");
        assert_eq!(a.send(&b, "x", one_more).await, Err(SendError::TooLarge));
        assert_eq!(
            a.swarm.send(a.peer, Rc::new(particle("x", 1))).await,
            Err(ConnectError::Itself.into())
        );
        let ids: Vec<String> = (0..=limits::MAX_QUEUED_PER_PEER).map(|n| n.to_string()).collect();
        let results = join_all(ids.iter().map(|id| a.send(&b, id, 10))).await;
        assert_eq!(
            results.iter().filter(|result| result.is_ok()).count(),
            limits::MAX_QUEUED_PER_PEER
        );
        assert_eq!(results.last(), Some(&Err(SendError::QueueFull)));
        let eight: Vec<String> = (0..8).map(|n| format!("large {n}")).collect();
        let results = join_all(eight.iter().map(|id| a.send(&b, id, 700_000))).await;
        assert_eq!(results[..7], vec![Ok(()); 7]);
        assert_eq!(results[7], Err(SendError::QueueFull));
        // As much as that is received, too, where more is allowed.
        let c = world.start(3);
        c.meet(&b).await;
        assert_eq!(c.send(&b, "x", one_more - 1).await, Ok(()));
        assert_eq!(a.counters().particles_unsent, [1, 1, 2, 0, 0, 0]);
        a.quiet(&world).await;
    });
}

#[test]
fn a_handler_that_takes_its_time_holds_up_the_sender_and_loses_nothing() {
    run(10, async |world| {
        let (a, b) = (world.start(1), world.start(2));
        b.inbox.takes.set(SECOND);
        a.meet(&b).await;
        let start = world.clock.now();
        let ids: Vec<String> = (0..60).map(|number| number.to_string()).collect();
        let results = join_all(ids.iter().map(|id| a.send(&b, id, 100))).await;
        assert_eq!(results, vec![Ok(()); 60]);
        let took = world.clock.now() - start;
        // Sixteen at once, a second each.
        assert!(took >= SECOND * 3 && took < SECOND * 5, "{took}");
        assert!(b.inbox.taking.get() <= limits::MAX_SERVED_STREAMS);
        // Particles that are whole are handed over even when the connection ends.
        world.cut(&b.address);
        b.quiet(&world).await;
        assert_eq!(b.inbox.len(), 60);
    });
}
