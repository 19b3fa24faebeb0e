//! Tests of actors that hand a particle to each other, without a network between them.

use alloc::boxed::Box;
use alloc::rc::{Rc, Weak};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{OnceCell, RefCell};
use core::time::Duration;

use air_core::{Parameters, Script};
use futures_util::future::FutureExt;
use netstack::libp2p::PeerId;

use super::*;
use crate::config::Seed;
use crate::executor::{Executor, Slot, Turns, drive};
use crate::identity::Identity;
use crate::machine::{Instant, Simulated, SimulatedLoop};
use crate::service::{Caller, Services};

/// A peer of a world in which everybody reaches everybody.
struct Peer {
    identity: Identity,
    executor: Executor,
    turns: Turns<Sender>,
    services: Services,
    inbox: RefCell<Option<Inbox>>,
    others: RefCell<Vec<Weak<Peer>>>,
    calls: RefCell<Vec<Box<str>>>,
}

impl Environment for Peer {
    fn services(&self) -> &Services {
        &self.services
    }

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn turns(&self) -> &Turns<Sender> {
        &self.turns
    }

    fn peer_id(&self) -> &str {
        self.identity.peer_id()
    }

    fn parameters(&self, particle: &Particle) -> Parameters {
        let mut parameters = Parameters::new(
            particle.init_peer_id.clone(),
            self.identity.peer_id().clone(),
            particle.id.clone(),
            self.identity.secret().clone(),
        );
        (parameters.timestamp, parameters.ttl) = (particle.timestamp_ms, particle.ttl_ms);
        parameters
    }

    fn reachable(&self, text: &str, room: bool) -> Option<PeerId> {
        let peer = text.parse().ok()?;
        (room && self.other(peer).is_some()).then_some(peer)
    }

    fn send(self: Rc<Self>, _particle: &Particle, data: Vec<u8>, peers: Vec<(PeerId, Sending)>) {
        for (peer, sending) in peers {
            let inbox = self.other(peer).and_then(|other| other.inbox.borrow().clone());
            let from = Sender::Peer(self.identity.id());
            if inbox.is_some_and(|inbox| inbox.push(Mail { from, data: data.clone() }).is_ok()) {
                sending.done();
            }
        }
    }

    fn memory_is_short(&self) -> bool {
        false
    }

    fn keeps(&self, _particle: &Particle, _bytes: usize) {}

    fn called(&self, service: &str, ret_code: i32) {
        assert_eq!(ret_code, 0);
        self.calls.borrow_mut().push(service.into());
    }
}

impl Peer {
    fn other(&self, id: PeerId) -> Option<Rc<Peer>> {
        let others = self.others.borrow();
        others.iter().filter_map(Weak::upgrade).find(|other| other.identity.id() == id)
    }
}

struct World {
    machine: Simulated,
    executor: Executor,
    peers: Vec<Rc<Peer>>,
}

fn world(count: u8) -> World {
    let machine = Simulated::new(1);
    let executor = Executor::new(Rc::new(machine.clone()));
    let peers: Vec<Rc<Peer>> = (1..=count)
        .map(|number| {
            let identity = Identity::from_seed(&Seed::new([number; 32]));
            Rc::new(Peer {
                services: Services::new(
                    identity.clone(),
                    Rc::new(crate::peers::Nobody),
                    Rc::new(machine.clone()),
                    executor.clone(),
                    1 << 20,
                ),
                identity,
                executor: executor.clone(),
                inbox: RefCell::default(),
                others: RefCell::default(),
                calls: RefCell::default(),
                turns: Turns::new(),
            })
        })
        .collect();
    for peer in &peers {
        *peer.others.borrow_mut() = peers.iter().map(Rc::downgrade).collect();
    }
    World { machine, executor, peers }
}

impl World {
    fn id(&self, index: usize) -> Arc<str> {
        self.peers[index].identity.peer_id().clone()
    }

    /// Lets each peer have the particle, the first as its author, and gives their reports.
    fn run(&self, script: &str, lifetime: Lifetime) -> Vec<Report> {
        let script = Arc::new(Script::parse(script).expect("the test's script parses"));
        let slots: Vec<Slot<Report>> = self
            .peers
            .iter()
            .map(|peer| {
                let particle = Rc::new(Particle {
                    serial: 1,
                    id: "particle".into(),
                    author: self.peers[0].identity.id(),
                    init_peer_id: self.id(0),
                    timestamp_ms: 1,
                    ttl_ms: 1000,
                    script: script.clone(),
                    signature: OnceCell::new(),
                    deadline: self.executor.now().after(Duration::from_millis(1000)),
                });
                let caller = Caller { init_peer_id: self.id(0), author: None, run: None };
                let actor = Box::new(Actor::new(
                    peer.clone(),
                    particle,
                    Sender::Own,
                    caller,
                    lifetime,
                    Terms::default(),
                ));
                *peer.inbox.borrow_mut() = Some(actor.inbox());
                let slot = Slot::new();
                let ended = slot.clone();
                self.executor.spawn(async move {
                    ended.put(actor.run().await);
                });
                slot
            })
            .collect();
        drive(&self.executor, &mut SimulatedLoop::until(self.machine.clone(), Instant::NEVER));
        slots.iter().map(|slot| slot.take().now_or_never().expect("every actor ends")).collect()
    }
}

#[test]
fn a_particle_visits_its_peers_one_after_the_other() {
    let world = world(3);
    let script = alloc::format!(
        "(seq (call \"{}\" (\"op\" \"identity\") [\"x\"] a)
          (seq (call \"{}\" (\"peer\" \"timeout\") [10 a] b)
          (seq (call \"{}\" (\"op\" \"array\") [a b] c)
               (call \"{0}\" (\"op\" \"noop\") [c]))))",
        world.id(0),
        world.id(1),
        world.id(2),
    );
    let reports = world.run(&script, Lifetime::UntilDeadline);
    let calls: Vec<usize> = world.peers.iter().map(|peer| peer.calls.borrow().len()).collect();
    assert_eq!(calls, [2, 1, 1]);
    for report in reports {
        assert_eq!((report.end, &report.fault), (End::Expired, &None), "{report:?}");
        assert!(report.unreachable.is_empty(), "{report:?}");
    }
}

#[test]
fn branches_on_many_peers_join() {
    let world = world(5);
    let branches = (1..5).fold(alloc::string::String::from("(null)"), |all, index| {
        alloc::format!(
            "(par (call \"{}\" (\"peer\" \"timeout\") [{}] $s) {all})",
            world.id(index),
            index * 7
        )
    });
    let script = alloc::format!(
        "(new $s (seq {branches} (seq
           (fold $s i (seq (call \"{0}\" (\"op\" \"noop\") [i]) (next i)) (null))
           (call \"{0}\" (\"op\" \"identity\") [\"end\"]))))",
        world.id(0),
    );
    let reports = world.run(&script, Lifetime::UntilDeadline);
    assert!(reports.iter().all(|report| report.fault.is_none()), "{reports:?}");
    let author = world.peers[0].calls.borrow();
    assert!(author.len() >= 5, "four values and the end: {author:?}");
}

#[test]
fn an_actor_without_a_future_ends_before_its_deadline() {
    let world = world(1);
    let reports = world.run("(call \"elsewhere\" (\"op\" \"noop\") [])", Lifetime::UntilIdle);
    assert_eq!(reports[0].end, End::Done);
    assert_eq!(reports[0].unreachable, vec![Arc::from("elsewhere")]);
    assert_eq!(world.executor.now(), Instant::ZERO);
}

fn mail(data: Vec<u8>) -> Mail {
    Mail { from: Sender::Own, data }
}

#[test]
fn data_that_are_none_do_not_end_an_actor() {
    let world = world(1);
    let peer = world.peers[0].clone();
    let executor = world.executor.clone();
    executor.spawn({
        let executor = executor.clone();
        async move {
            executor.sleep(Duration::from_millis(1)).await;
            let inbox = peer.inbox.borrow().clone().unwrap();
            inbox.push(mail(vec![0xde, 0xad, 0xbe, 0xef])).unwrap();
            inbox.push(mail(Vec::new())).unwrap();
        }
    });
    let reports = world.run("(null)", Lifetime::UntilDeadline);
    assert_eq!((reports[0].end, reports[0].steps), (End::Expired, 3));
    assert_eq!(reports[0].fault, None, "the last step was right again");
}

#[test]
fn ids_are_version_4_uuids_and_differ() {
    let machine = Simulated::new(5);
    let id = new_particle_id(&machine);
    let groups: Vec<usize> = id.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12]);
    assert_eq!(&id[14..15], "4");
    assert!(matches!(&id[19..20], "8" | "9" | "a" | "b"), "{id}");
    assert_ne!(id, new_particle_id(&machine));
}
