//! Hundreds of peers of one node over simulated stacks: all are served, and what a connection keeps in
//! memory is bounded.
//!
//! One test, since the allocator counts for the whole process.

#![allow(
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a test may fail by panicking, and its numbers are small"
)]

mod support;

use std::alloc::System;
use std::cell::Cell;
use std::rc::Rc;

use cap::Cap;
use futures_util::future::{LocalBoxFuture, join_all, ready};
use netstack::libp2p::particle::Message;
use netstack::libp2p::swarm::{Handler, Swarm, SwarmConfig};
use netstack::libp2p::{Keypair, Multiaddr, PeerId};
use netstack::time::Duration;
use netstack::{Spawn, Stack, StackConfig, TcpListener, limits};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use support::{Faults, Network, address, static_config};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const PORT: u16 = 7777;
const PEERS: u16 = 500;
const PEERS_PER_STACK: u16 = 100;
/// What both ends of an idle connection keep beside the buffers of their sockets, a swarm of its own at
/// the far end included.
const BOTH_ENDS_BYTES: usize = 28 * 1024;

#[derive(Default)]
struct Count(Cell<usize>);

impl Handler for Count {
    fn particle(&self, _: PeerId, _: Message) -> LocalBoxFuture<'static, ()> {
        self.0.set(self.0.get() + 1);
        Box::pin(ready(()))
    }

    fn connected(&self, _: PeerId) {}

    fn disconnected(&self, _: PeerId) {}
}

struct Peer {
    swarm: Swarm,
    id: PeerId,
    received: Rc<Count>,
}

fn peer(network: &Network, stack: &Stack, number: u16) -> Peer {
    let [high, low] = number.to_be_bytes();
    let mut seed = [7; 32];
    (seed[0], seed[1]) = (high, low);
    let keypair = Rc::new(Keypair::from_seed(&seed));
    let id = keypair.peer_id();
    let received = Rc::<Count>::default();
    let swarm = Swarm::new(
        SwarmConfig::new(keypair, "test"),
        stack.clone(),
        network.clock.clone(),
        network.spawner.clone(),
        ChaCha20Rng::from_seed(seed),
        Rc::clone(&received),
    );
    Peer { swarm, id, received }
}

fn config(host: u8, sockets: u16) -> StackConfig {
    let mut config = static_config(host);
    config.max_tcp_sockets = usize::from(sockets);
    config
}

fn message(id: &str) -> Rc<Message> {
    let author = Keypair::from_seed(&[1; 32]);
    let (script, data) = ("(null)".to_string(), vec![3; 2_000]);
    Rc::new(Message::new(&author, id.to_string(), 1, 1, script, data))
}

#[test]
fn five_hundred_peers_are_served_and_cost_little_while_they_are_idle() {
    let mut network = Network::new(1, Faults::NONE);
    let server = network.add(config(1, PEERS + 50));
    let stacks: Vec<Stack> = (0..PEERS / PEERS_PER_STACK)
        .map(|host| network.add(config(host as u8 + 2, PEERS_PER_STACK + 10)))
        .collect();
    let node = peer(&network, &server, u16::MAX);
    let (clock, spawner) = (network.clock.clone(), network.spawner.clone());
    let at_first = ALLOCATOR.allocated();
    let peers: Vec<Peer> = (0..PEERS)
        .map(|number| peer(&network, &stacks[usize::from(number / PEERS_PER_STACK)], number))
        .collect();
    network.run(async move {
        let listener = TcpListener::bind(&server, PORT, 64).expect("free port");
        let swarm = node.swarm.clone();
        spawner.spawn(Box::pin(async move {
            loop {
                let stream = listener.accept().await;
                let from = stream.peer();
                swarm.accept(stream, Multiaddr::new(from.addr, from.port));
            }
        }));
        let before = ALLOCATOR.allocated();
        let all = |peers: &[Peer]| {
            let swarms: Vec<Swarm> = peers.iter().map(|peer| peer.swarm.clone()).collect();
            join_all(swarms.into_iter().map(|swarm| async move {
                let at = vec![Multiaddr::new(address(1), PORT)];
                swarm.connect(node.id, at).await.expect("connected");
                swarm.send(node.id, message("there")).await.expect("sent");
            }))
        };
        // As many at once as a listener's backlog lets in without repetition.
        for some in peers.chunks(50) {
            all(some).await;
        }
        let back = peers.iter().map(|peer| node.swarm.send(peer.id, message("back")));
        assert!(join_all(back).await.into_iter().all(|result| result.is_ok()));
        assert_eq!(node.received.0.get(), usize::from(PEERS));
        assert!(peers.iter().all(|peer| peer.received.0.get() == 1));

        clock.sleep(Duration::from_secs(60)).await;
        let counters = node.swarm.counters();
        assert_eq!(counters.connections, usize::from(PEERS), "{counters:?}");
        let sockets = 2 * (limits::DEFAULT_TCP_RECEIVE_BYTES + limits::DEFAULT_TCP_SEND_BYTES);
        let each = (ALLOCATOR.allocated() - before) / usize::from(PEERS);

        assert!(each - sockets < BOTH_ENDS_BYTES, "{each} bytes");

        // And it all comes back.
        join_all(peers.iter().map(|peer| peer.swarm.shutdown())).await;
        node.swarm.shutdown().await;
        clock.sleep(Duration::from_secs(30)).await;
        assert_eq!(node.swarm.counters().tasks, 0);
        assert!(server.counters().tcp_sockets <= 1 + limits::MAX_TIME_WAIT);
        drop(peers);
        let left = ALLOCATOR.allocated().saturating_sub(at_first);

        assert!(left / usize::from(PEERS) < 1024, "{left} bytes are left");
    });
}
