//! Twenty nodes, links that are cut all the time, and the account at the end.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::future::join_all;
use netstack::libp2p::swarm::SendError;
use netstack::time::Duration;
use netstack::{Spawn, Timer};

use crate::world::{Node, World, run};

const NODES: u8 = 20;
const PARTICLES_PER_NODE: usize = 60;

/// What became of every particle, by id.
type Account = Rc<RefCell<BTreeMap<String, (usize, Result<(), SendError>)>>>;

/// Sends particles to random peers, at random times, of random sizes.
async fn live(world: World, nodes: Rc<Vec<Node>>, own: usize, account: Account) {
    let send = async |number: usize| {
        world.sleep(Duration::from_millis(world.random(20_000))).await;
        let step = 1 + world.random(u64::from(NODES) - 1) as usize;
        let to = (own + step) % nodes.len();
        let bytes = match world.random(20) {
            0 => 1_000_000,
            1..4 => 60_000,
            _ => 2_000,
        };
        let id = format!("{own}-{number}");
        let node = &nodes[own];
        if node.swarm.contact(nodes[to].peer).is_none() {
            let addresses = vec![nodes[to].address.clone()];
            let _connected_or_not = node.swarm.connect(nodes[to].peer, addresses).await;
        }
        let result = node.send(&nodes[to], &id, bytes).await;
        account.borrow_mut().insert(id, (to, result));
    };
    join_all((0..PARTICLES_PER_NODE).map(send)).await;
}

async fn cut_links(world: World, until: Rc<Cell<bool>>, every: u64) {
    while !until.get() {
        world.sleep(Duration::from_millis(world.random(every))).await;
        world.cut_any();
    }
}

fn every_particle_is_accounted_for(seed: u64, cut_every_millis: Option<u64>) -> usize {
    run(seed, async move |world| {
        world.set_max_delay(Duration::from_millis(30));
        let nodes: Rc<Vec<Node>> = Rc::new((1..=NODES).map(|number| world.start(number)).collect());
        let account = Account::default();
        let done = Rc::<Cell<bool>>::default();
        if let Some(every) = cut_every_millis {
            world.spawner.spawn(Box::pin(cut_links(world.clone(), Rc::clone(&done), every)));
        }
        let lives = (0..nodes.len())
            .map(|own| live(world.clone(), Rc::clone(&nodes), own, Rc::clone(&account)));
        join_all(lives).await;
        done.set(true);
        world.sleep(Duration::from_secs(30)).await;

        let account = account.take();
        assert_eq!(account.len(), nodes.len() * PARTICLES_PER_NODE);
        let mut failed = 0;
        for (id, (to, result)) in account.iter() {
            let copies = nodes[*to].inbox.ids().iter().filter(|came| *came == id).count();
            match result {
                Ok(()) => assert_eq!(copies, 1, "{id} was said to have arrived"),
                Err(SendError::Lost | SendError::TimedOut) => {
                    failed += 1;
                    assert!(copies <= 1, "{id} came {copies} times");
                }
                Err(error) => {
                    failed += 1;
                    assert_eq!(copies, 0, "{id} was not sent: {error}");
                }
            }
        }
        let delivered: usize = nodes.iter().map(|node| node.inbox.len()).sum();
        assert!(delivered >= account.len() - failed);

        // Nothing is left under way, and after the end nothing is left at all.
        for node in nodes.iter() {
            node.quiet(&world).await;
        }
        join_all(nodes.iter().map(|node| node.swarm.shutdown())).await;
        world.sleep(Duration::from_secs(1)).await;
        for node in nodes.iter() {
            let counters = node.counters();
            assert_eq!((counters.connections, counters.peers, counters.tasks), (0, 0, 0));
            assert_eq!(node.inbox.connected.get(), node.inbox.disconnected.get());
        }
        assert_eq!(world.links(), 0);
        assert_eq!(world.clock.sleepers(), 0, "timers are left at {}", world.clock.now());
        failed
    })
}

#[test]
fn twenty_nodes_on_good_links_lose_nothing() {
    assert_eq!(every_particle_is_accounted_for(1, None), 0);
}

#[test]
fn twenty_nodes_whose_links_are_cut_account_for_every_particle() {
    let all = usize::from(NODES) * PARTICLES_PER_NODE;
    for seed in 2..=5 {
        let failed = every_particle_is_accounted_for(seed, Some(200));
        assert!(failed < all / 4, "seed {seed}: {failed} of {all} were not sent");
    }
}
