//! Nodes and clients that hand particles to each other without a network between them.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::ops::ControlFlow;
use core::time::Duration;

use air_core::{CallResult, Parameters, Progress, Script, Session, StepOutcome, Value};
use netstack::libp2p::PeerId;
use netstack::libp2p::particle::Message;

use crate::config::{Config, IdentityConfig, Seed};
use crate::executor::{Executor, Slot, drive};
use crate::identity::Identity;
use crate::machine::{Instant, Machine, MainLoop, Simulated};
use crate::node::{Node, Problem, Received, Success};
use crate::peers::Hub;

/// Time that a client's particle has.
pub const TTL_MS: u32 = 7000;

/// Nodes on one machine, each of which reaches the others.
pub struct Village {
    pub machine: Simulated,
    pub executor: Executor,
    pub hub: Hub,
    pub nodes: Vec<Rc<Node>>,
}

/// A host without a network on which time passes at once, until a moment.
pub struct Until(pub Simulated, pub Instant);

impl MainLoop for Until {
    fn poll_network(&mut self, _now: Instant) -> Option<Instant> {
        None
    }

    fn idle(&mut self, until: Option<Instant>) -> ControlFlow<()> {
        match until.filter(|until| *until <= self.1) {
            Some(until) => {
                self.0.sleep_until(until);
                ControlFlow::Continue(())
            }
            None => {
                if self.1 != Instant::NEVER {
                    self.0.sleep_until(self.1);
                }
                ControlFlow::Break(())
            }
        }
    }
}

pub fn seed(number: u8) -> Seed {
    Seed::new([number; 32])
}

impl Village {
    pub fn new(count: u8) -> Self {
        Self::with(count, |_| {})
    }

    pub fn with(count: u8, change: impl Fn(&mut Config)) -> Self {
        Self::on(Simulated::new(11), count, change)
    }

    pub fn on(machine: Simulated, count: u8, change: impl Fn(&mut Config)) -> Self {
        let executor = Executor::new(Rc::new(machine.clone()));
        let hub = Hub::new();
        let node = |number: u8| {
            let identity = IdentityConfig { seed: Some(seed(number)) };
            let mut config = Config { identity, ..Config::default() };
            change(&mut config);
            let node = Node::new(Rc::new(machine.clone()), executor.clone(), config);
            let taker = Rc::downgrade(&node);
            let deliver = move |from, message: &Message| {
                if let Some(node) = taker.upgrade() {
                    node.receive(from, message.clone());
                }
            };
            let peers = hub.join(node.identity().id(), vec![], Rc::new(deliver));
            node.set_peers(Rc::new(peers));
            node
        };
        let nodes = (1..=count).map(node).collect();
        Self { machine, executor, hub, nodes }
    }

    pub fn id(&self, index: usize) -> Arc<str> {
        self.nodes[index].identity().peer_id().clone()
    }

    /// Lets everything run until nothing waits for a timer any more.
    pub fn run(&self) {
        drive(&self.executor, &mut Until(self.machine.clone(), Instant::NEVER));
        assert_eq!(self.executor.live_tasks(), 0, "nothing is left behind");
        assert!(self.nodes.iter().all(|node| node.live.len() == 0 && node.turns.waiting() == 0));
        assert!(self.nodes.iter().all(|node| Rc::strong_count(node) == 1), "nobody holds a node");
    }

    pub fn run_for(&self, millis: u64) {
        let end = self.machine.now().after(Duration::from_millis(millis));
        drive(&self.executor, &mut Until(self.machine.clone(), end));
    }

    pub fn machine_millis(&self) -> u64 {
        self.machine.now().as_micros() / 1000
    }

    /// Starts a script on a node as if it had come over HTTP.
    pub fn script(&self, index: usize, script: &str) -> Slot<(Result<Success, Problem>, Instant)> {
        let slot = Slot::new();
        let (node, text, ended) = (self.nodes[index].clone(), script.to_string(), slot.clone());
        let clock = self.executor.clone();
        self.executor.spawn(async move {
            let result = node.run_script(&text, BTreeMap::new()).await;
            drop(node);
            ended.put((result, clock.now()));
        });
        slot
    }

    pub fn metric(&self, index: usize, series: &str) -> f64 {
        let page = self.nodes[index].metrics_page();
        let samples = crate::metrics::check_exposition(&page);
        let found = samples.iter().find(|(name, _)| name == series);
        found.unwrap_or_else(|| panic!("no {series} in {page}")).1
    }

    /// How many particles the first node has dropped for each reason, those of zero left out.
    pub fn drops(&self) -> Vec<(String, f64)> {
        let samples = crate::metrics::check_exposition(&self.nodes[0].metrics_page());
        let reason = |name: &str| {
            let rest = name.strip_prefix("aerolith_particle_dropped_total{reason=\"")?;
            rest.strip_suffix("\"}").map(ToString::to_string)
        };
        let drops = samples.iter().filter(|(_, count)| *count > 0.0);
        drops.filter_map(|(name, count)| Some((reason(name)?, *count))).collect()
    }
}

/// A peer as a stock client is one: it interprets its own particles, sends them to a node, and takes
/// what comes back.
pub struct Client {
    pub identity: Identity,
    pub received: Rc<RefCell<Vec<Message>>>,
    sessions: RefCell<BTreeMap<String, Session>>,
    machine: Simulated,
}

impl Client {
    pub fn join(village: &Village, number: u8) -> Self {
        let received: Rc<RefCell<Vec<Message>>> = Rc::default();
        let identity = Identity::from_seed(&seed(number));
        let inbox = received.clone();
        let deliver = move |_: PeerId, message: &Message| inbox.borrow_mut().push(message.clone());
        village.hub.join(identity.id(), vec![], Rc::new(deliver));
        Self { identity, received, sessions: RefCell::default(), machine: village.machine.clone() }
    }

    pub fn id(&self) -> Arc<str> {
        self.identity.peer_id().clone()
    }

    /// What its clock shows, in milliseconds since 1970.
    pub fn now_ms(&self) -> u64 {
        self.machine.unix_time_ms()
    }

    /// A new particle of this client, as it leaves it.
    pub fn particle(&self, id: &str, script: &str) -> Message {
        self.particle_with(id, script, "null")
    }

    /// The same; `load` is what the client's own services answer.
    pub fn particle_with(&self, id: &str, script: &str, load: &str) -> Message {
        let now_ms = self.machine.unix_time_ms();
        let parsed = Arc::new(Script::parse(script).expect("the test's script parses"));
        let mut session = Session::new(parsed, self.parameters(id, now_ms, TTL_MS));
        let mut outcome = step(&mut session, &[], vec![]);
        while !outcome.requests.is_empty() {
            let answer = |id| (id, CallResult { ret_code: 0, result: load.into() });
            let results = outcome.requests.iter().map(|request| answer(request.id)).collect();
            outcome = step(&mut session, &[], results);
        }
        let data = session.data();
        self.sessions.borrow_mut().insert(id.to_string(), session);
        self.message(id, now_ms, TTL_MS, script, data)
    }

    /// A signed particle, whatever it says.
    pub fn message(&self, id: &str, at_ms: u64, ttl: u32, script: &str, data: Vec<u8>) -> Message {
        let key = self.identity.network_key();
        Message::new(key, id.to_string(), at_ms, ttl, script.to_string(), data)
    }

    /// The particle with `result` as the answer to what it asks this client.
    pub fn answer(&self, message: &Message, result: &str) -> Message {
        let mut sessions = self.sessions.borrow_mut();
        let session = sessions.get_mut(&message.id).expect("a particle of this client");
        let outcome = step(session, &message.data, vec![]);
        let answer = |id| (id, CallResult { ret_code: 0, result: result.into() });
        let results = outcome.requests.iter().map(|request| answer(request.id)).collect();
        step(session, &[], results);
        Message { data: session.data(), ..message.clone() }
    }

    fn parameters(&self, id: &str, timestamp: u64, ttl: u32) -> Parameters {
        let own = self.id();
        let secret = self.identity.secret().clone();
        let mut parameters = Parameters::new(own.clone(), own, id.into(), secret);
        (parameters.timestamp, parameters.ttl) = (timestamp, ttl);
        parameters
    }

    /// Gives the particle to a node.
    pub fn give(&self, node: &Rc<Node>, message: &Message) -> Received {
        node.receive(self.identity.id(), message.clone())
    }

    /// The arguments of the calls that the particles which came back ask this client to make.
    pub fn answers(&self) -> Vec<Value> {
        let mut answers = Vec::new();
        for message in self.received.take() {
            assert!(message.verify(), "what travels stays as the author signed it");
            let mut sessions = self.sessions.borrow_mut();
            let session = sessions.get_mut(&message.id).expect("a particle of this client");
            let outcome = step(session, &message.data, vec![]);
            assert!(matches!(outcome.code, 0 | 30000), "{}: {}", outcome.code, outcome.message);
            for request in outcome.requests {
                assert_eq!(&*request.service_id, "callbackSrv");
                answers.extend(request.arguments);
            }
        }
        answers
    }
}

fn step(session: &mut Session, current: &[u8], results: Vec<(u32, CallResult)>) -> StepOutcome {
    session.begin(current, results);
    loop {
        if let Progress::Done(outcome) = session.run(1_000_000) {
            return outcome;
        }
    }
}

/// The peer id that belongs to a seed.
pub fn seed_id(number: u8) -> PeerId {
    Identity::from_seed(&seed(number)).id()
}
