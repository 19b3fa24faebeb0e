//! Twenty whole nodes in one process, over links that delay, reorder and break.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::{Rc, Weak};
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::time::Duration;

use air_core::Value;
use embedded_io_async::Read;
use futures_util::future::{FutureExt, select};
use netstack::libp2p::swarm::{Dial, DialError, Swarm};
use netstack::libp2p::{Multiaddr, PeerId};
use netstack::pipe::{self, Pipe};
use netstack::{Split, Writer};

use super::village::{Until, seed};
use crate::config::{Address, Config, IdentityConfig};
use crate::executor::{Executor, Slot, drive};
use crate::identity::Identity;
use crate::machine::{Machine, MachineRng, Simulated};
use crate::node::{Node, Success};
use crate::peers::{Connected, Inbound};
use crate::run::swarm_config;

const NODES: u8 = 20;
/// The longest time that a piece of a stream is on its way.
const MAX_DELAY_MICROS: u64 = 15_000;
/// Bytes that a link holds.
const LINK_BYTES: usize = 64 << 10;

/// All links between the nodes, and who answers at which port.
struct Links {
    executor: Executor,
    random: Simulated,
    swarms: RefCell<BTreeMap<u16, Swarm>>,
    /// What breaks a link, for each that was made.
    breakers: RefCell<Vec<Weak<Breaker>>>,
}

#[derive(Default)]
struct Breaker {
    forth: Slot<()>,
    back: Slot<()>,
}

impl Breaker {
    fn pull(&self) {
        self.forth.put(());
        self.back.put(());
    }
}

impl Links {
    fn random(&self, below: u64) -> u64 {
        let mut bytes = [0; 8];
        self.random.fill_random(&mut bytes);
        u64::from_le_bytes(bytes) % below.max(1)
    }

    /// Carries one way until the stream ends or the link breaks. Each piece is on its way for a while,
    /// so pieces of different links overtake each other.
    async fn carry(self: Rc<Self>, from: impl Read, to: impl Writer, broken: Slot<()>) {
        let (mut from, mut to) = (from, to);
        let way = async {
            let mut piece = vec![0; 4096];
            while let Ok(bytes @ 1..) = from.read(&mut piece).await {
                let delay = Duration::from_micros(self.random(MAX_DELAY_MICROS));
                self.executor.sleep(delay).await;
                if to.write_all(&piece[..bytes]).await.is_err() || to.flush().await.is_err() {
                    return;
                }
            }
            let _ = to.shutdown().await;
        };
        select(core::pin::pin!(way), core::pin::pin!(broken.take())).await;
    }

    /// Breaks one of the links that there are.
    fn break_one(&self) {
        let mut breakers = self.breakers.borrow_mut();
        breakers.retain(|breaker| breaker.strong_count() > 0);
        if breakers.is_empty() {
            return;
        }
        let index = usize::try_from(self.random(breakers.len() as u64)).unwrap();
        let breaker = breakers.swap_remove(index).upgrade();
        drop(breakers);
        if let Some(breaker) = breaker {
            breaker.pull();
        }
    }
}

#[derive(Clone)]
struct Link {
    links: Rc<Links>,
    port: u16,
}

impl Dial for Link {
    type Stream = Pipe;

    async fn dial(&self, address: &Multiaddr) -> Result<Pipe, DialError> {
        let links = &self.links;
        let delay = Duration::from_micros(links.random(MAX_DELAY_MICROS));
        links.executor.sleep(delay).await;
        let swarm = links.swarms.borrow().get(&address.port()).cloned();
        let swarm = swarm.ok_or(DialError::Refused)?;
        let (here, near) = pipe::pair(LINK_BYTES);
        let (far, there) = pipe::pair(LINK_BYTES);
        let breaker = Rc::<Breaker>::default();
        links.breakers.borrow_mut().push(Rc::downgrade(&breaker));
        let ((near_in, near_out), (far_in, far_out)) = (near.split(), far.split());
        let forth = links.clone().carry(near_in, far_out, breaker.forth.clone());
        let back = links.clone().carry(far_in, near_out, breaker.back.clone());
        links.executor.spawn(async move {
            // The link is whole as long as the breaker lives.
            let _breaker = breaker;
            select(core::pin::pin!(forth), core::pin::pin!(back)).await;
        });
        swarm.accept(there, address_of(self.port));
        Ok(here)
    }
}

fn address_of(port: u16) -> Multiaddr {
    format!("/ip4/10.0.0.1/tcp/{port}").parse().unwrap()
}

fn id(number: u8) -> PeerId {
    Identity::from_seed(&seed(number)).id()
}

struct Crowd {
    machine: Simulated,
    executor: Executor,
    links: Rc<Links>,
    nodes: Vec<Rc<Node>>,
    swarms: Vec<Swarm>,
}

impl Crowd {
    fn new(links_seed: u64) -> Self {
        let machine = Simulated::new(3);
        let executor = Executor::new(Rc::new(machine.clone()));
        let links = Rc::new(Links {
            executor: executor.clone(),
            random: Simulated::new(links_seed),
            swarms: RefCell::default(),
            breakers: RefCell::default(),
        });
        let (mut nodes, mut swarms) = (Vec::new(), Vec::new());
        for number in 1..=NODES {
            let mut config = Config {
                identity: IdentityConfig { seed: Some(seed(number)) },
                ..Config::default()
            };
            let earlier = (1..number)
                .map(|other| Address::from(address_of(other.into()).with_peer_id(id(other))));
            config.peers.bootstrap = earlier.collect();
            let node = Node::new(Rc::new(machine.clone()), executor.clone(), config);
            let mut config = swarm_config(&node, 64);
            config.listen_addresses = vec![address_of(number.into())];
            let swarm = Swarm::new(
                config,
                Link { links: links.clone(), port: number.into() },
                executor.clone(),
                executor.clone(),
                MachineRng::new(Rc::new(machine.clone())),
                Inbound::new(&node),
            );
            links.swarms.borrow_mut().insert(number.into(), swarm.clone());
            node.set_peers(Rc::new(Connected::new(swarm.clone())));
            nodes.push(node);
            swarms.push(swarm);
        }
        Self { machine, executor, links, nodes, swarms }
    }

    fn run_for(&self, millis: u64) {
        let end = self.machine.now().after(Duration::from_millis(millis));
        drive(&self.executor, &mut Until(self.machine.clone(), end));
    }

    /// Runs a script on a node until it is answered, again after each time that no answer came; gives
    /// the answer and how often it took.
    fn insist(&self, index: usize, script: String) -> Slot<(Value, u32)> {
        let slot = Slot::new();
        let (node, ended) = (self.nodes[index].clone(), slot.clone());
        self.executor.spawn(async move {
            for attempt in 1..=20 {
                match node.run_script(&script, BTreeMap::new()).await {
                    Ok(Success::Response(value)) => {
                        ended.put((value, attempt));
                        return;
                    }
                    Ok(Success::Silent) => panic!("the script answers or fails"),
                    Err(problem) => assert_eq!(problem.status(), 504, "{}", problem.to_json()),
                }
            }
        });
        slot
    }

    /// Checks that nothing is left of any particle, and that nothing is on its way.
    fn assert_at_rest(&self) {
        for (node, swarm) in self.nodes.iter().zip(&self.swarms) {
            let counters = swarm.counters();
            assert_eq!((node.live.len(), node.arrivals.len(), node.turns.waiting()), (0, 0, 0));
            assert_eq!((counters.queued, counters.queued_bytes), (0, 0), "{counters:?}");
            assert_eq!((counters.inbound_bytes, counters.streams_served), (0, 0), "{counters:?}");
            for reason in ["signature", "malformed", "overflow", "future", "script", "memory"] {
                let line = format!("aerolith_particle_dropped_total{{reason=\"{reason}\"}} 0\n");
                assert!(node.metrics_page().contains(&line), "{reason}");
            }
        }
    }

    fn shut_down(self) {
        for swarm in &self.swarms {
            let swarm = swarm.clone();
            self.executor.spawn(async move { swarm.shutdown().await });
        }
        self.links.swarms.borrow_mut().clear();
        self.run_for(20_000);
        let Self { executor, nodes, swarms, links, .. } = self;
        assert_eq!(executor.live_tasks(), 0, "no task outlives the swarms");
        let nodes: Vec<Weak<Node>> = nodes.into_iter().map(|node| Rc::downgrade(&node)).collect();
        drop((swarms, links));
        assert!(nodes.iter().all(|node| node.upgrade().is_none()), "every node is gone");
    }
}

/// A script that adds up along a way over all nodes in an order of its own.
fn tour(crowd: &Crowd) -> (String, Value) {
    let mut order: Vec<u8> = (1..=NODES).collect();
    for index in (1..order.len()).rev() {
        let other = usize::try_from(crowd.links.random(index as u64 + 1)).unwrap();
        order.swap(index, other);
    }
    let mut script =
        format!("(call %init_peer_id% (\"callbackSrv\" \"response\") [x{}])", order.len());
    let mut sum = 0;
    for (index, number) in order.iter().enumerate().rev() {
        let before = if index == 0 { String::from("0") } else { format!("x{index}") };
        let peer = id(*number);
        script = format!(
            "(seq (call \"{peer}\" (\"math\" \"add\") [{before} {number}] x{}) {script})",
            index + 1
        );
        sum += i64::from(*number);
    }
    (script, Value::from(sum))
}

/// A script that asks all nodes at once and waits for all answers.
fn survey(scale: u32) -> (String, Value) {
    let mut branches = String::from("(null)");
    let mut names = String::new();
    for number in 1..=NODES {
        let peer = id(number);
        let call = format!("(call \"{peer}\" (\"math\" \"mul\") [{number} {scale}] x{number})");
        let back = "(call %init_peer_id% (\"op\" \"noop\") [])";
        branches = format!("(par (seq {call} {back}) {branches})");
        names = format!("{names} x{number}");
    }
    let script = format!(
        "(seq {branches} (seq (call %init_peer_id% (\"op\" \"array\") [{names}] all)
           (call %init_peer_id% (\"callbackSrv\" \"response\") [all])))"
    );
    let expected = (1..=NODES).map(|number| i64::from(number) * i64::from(scale));
    let texts: Vec<String> = expected.map(|value| format!("{value}")).collect();
    (script, Value::parse(&format!("[{}]", texts.join(","))).unwrap())
}

/// Lets every node start both kinds of particles while `breaks` links break, and checks all answers.
/// How many attempts that took, and for how many particles.
fn exercise(links_seed: u64, breaks: u32) -> (u32, u32) {
    let crowd = Crowd::new(links_seed);
    crowd.run_for(20_000);
    for swarm in &crowd.swarms {
        assert_eq!(swarm.peers().len(), usize::from(NODES) - 1, "everybody found everybody");
    }
    let breaking = Rc::new(Cell::new(breaks));
    let (links, left) = (crowd.links.clone(), breaking.clone());
    crowd.executor.spawn(async move {
        while left.get() > 0 {
            left.set(left.get() - 1);
            links.executor.sleep(Duration::from_micros(links.random(200_000))).await;
            links.break_one();
        }
    });
    let mut answers = Vec::new();
    for index in 0..usize::from(NODES) {
        for (script, expected) in [tour(&crowd), survey(u32::try_from(index).unwrap())] {
            answers.push((crowd.insist(index, script), expected));
        }
    }
    crowd.run_for(160_000);
    assert_eq!(breaking.get(), 0);
    let particles = u32::try_from(answers.len()).unwrap();
    let mut attempts = 0;
    for (answer, expected) in answers {
        let (value, took) = answer.take().now_or_never().expect("every particle is answered");
        assert_eq!(value, expected);
        attempts += took;
    }
    crowd.assert_at_rest();
    crowd.shut_down();
    (attempts, particles)
}

#[test]
fn particles_visit_all_nodes_fan_out_and_join() {
    let (attempts, particles) = exercise(1, 0);
    assert_eq!(attempts, particles, "nothing is lost where no link breaks");
}

#[test]
fn answers_are_right_and_nothing_leaks_while_links_break() {
    let (attempts, particles) = exercise(2, 100);
    assert!(attempts < 4 * particles, "{attempts} attempts for {particles} particles");
}
