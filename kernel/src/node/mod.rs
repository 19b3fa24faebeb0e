//! The node: takes scripts and particles, runs them, answers and sends on.
//!
//! A [`Node`] is made of an executor, a machine and a configuration, and knows nothing of sockets: its
//! HTTP side ([`Web`]) answers requests from any byte stream, particles of other peers come in by
//! [`Node::receive`] and leave through a [`Peers`]. [`crate::run`] puts it on a network.

mod allowance;
mod arrivals;
mod bodies;
mod diagnostic;
mod ended;
mod environment;
mod health;
mod http;
pub(crate) mod json;
mod listing;
mod live;
mod memory;
mod problem;
mod query;
mod runs;
mod script_cache;
mod shares;

pub use allowance::{Allowance, is_short};
pub use arrivals::Received;
pub(crate) use bodies::BodyPermit;
pub use health::Health;
pub use http::Web;
pub(crate) use memory::{shared, zeroed};
pub use problem::Problem;
pub use query::{QueryError, parse_query};
pub(crate) use runs::{Finished, Launch};
pub use script_cache::ScriptCache;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use core::cell::{Cell, OnceCell, RefCell};
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use air_core::parser::{ParseError, ParseLimits};
use air_core::{Script, Value};
use log::debug;

use crate::config::Config;
use crate::executor::{Executor, Slot, Turns, yield_now};
use crate::identity::Identity;
use crate::limits::{HEAP_IN_USE_PART, MAX_EVICTIONS_AT_ONCE};
use crate::machine::Machine;
use crate::metrics::{Metrics, Outcome, Snapshot};
use crate::particle::{
    Actor, DropReason, End, Lifetime, Mail, Particle, Report, Sender, Terms, Vitals,
    new_particle_id,
};
use crate::peers::{Deferred, Peers};
use crate::service::{Answer, Author, Caller, Services};
use arrivals::Arrivals;
use ended::Ended;
use live::{Caps, Entry, Live, Place};
use memory::has_piece_of;

/// Reads the network's counters, where there is a network.
pub type ReadCounters = Rc<dyn Fn() -> netstack::Counters>;

/// A node. Everything that it holds belongs to one core.
pub struct Node {
    identity: Identity,
    config: Config,
    machine: Rc<dyn Machine>,
    executor: Executor,
    services: Services,
    peers: Rc<Deferred>,
    scripts: RefCell<ScriptCache>,
    metrics: Metrics,
    live: Live,
    ended: RefCell<Ended>,
    arrivals: Arrivals,
    turns: Turns<Sender>,
    allowance: Allowance,
    /// Bytes of bodies that are being read.
    bodies: Cell<usize>,
    network: RefCell<Option<ReadCounters>>,
}

/// What a script came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Success {
    /// What it gave to its response callback.
    Response(Value),
    /// It ended without a response.
    Silent,
}

impl Node {
    /// A node with the configured identity, or a new one. It knows no other peers until it is
    /// [told](Self::set_peers).
    #[must_use]
    pub fn new(machine: Rc<dyn Machine>, executor: Executor, mut config: Config) -> Rc<Self> {
        // The identity has the secret from now on, and nobody else.
        let identity = match config.identity.seed.take() {
            Some(seed) => Identity::from_seed(&seed),
            None => Identity::generate(&*machine),
        };
        let allowance = Allowance::new(machine.heap().total, &config);
        let peers = Rc::new(Deferred::new());
        let services = Services::new(
            identity.clone(),
            peers.clone(),
            machine.clone(),
            executor.clone(),
            allowance.call_result,
        );
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        let caps = Caps {
            total: count(config.particles.max_live),
            per_peer: count(config.peers.max_live_per_peer),
        };
        Rc::new(Self {
            identity,
            config,
            machine,
            executor,
            services,
            peers,
            scripts: RefCell::new(ScriptCache::new(allowance.cached_scripts)),
            metrics: Metrics::default(),
            live: Live::new(caps),
            ended: RefCell::new(Ended::new(allowance.remembered)),
            arrivals: Arrivals::new(allowance.arrivals),
            turns: Turns::new(),
            allowance,
            bodies: Cell::new(0),
            network: RefCell::new(None),
        })
    }

    /// Tells the node where to read the network's counters.
    pub fn set_network_counters(&self, read: ReadCounters) {
        *self.network.borrow_mut() = Some(read);
    }

    /// Tells the node which peers are around it.
    pub fn set_peers(&self, peers: Rc<dyn Peers>) {
        self.peers.set(peers);
    }

    /// The peers around it.
    #[must_use]
    pub fn peers(&self) -> &dyn Peers {
        &*self.peers
    }

    /// Who the node is.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How it is configured.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The executor that its tasks run on.
    #[must_use]
    pub fn executor(&self) -> &Executor {
        &self.executor
    }

    /// Wall clock: milliseconds since 1970, 0 without a clock.
    #[must_use]
    pub fn unix_time_ms(&self) -> u64 {
        self.machine.unix_time_ms()
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The metrics page.
    #[must_use]
    pub fn metrics_page(&self) -> String {
        let scripts = self.scripts.borrow();
        let snapshot = Snapshot {
            live_particles: self.live.len(),
            kept_bytes: self.live.kept_bytes(),
            arrivals: self.arrivals.len(),
            waiting_turns: self.turns.waiting(),
            remembered: self.ended.borrow_mut().len(self.machine.unix_time_ms()),
            live_tasks: self.executor.live_tasks(),
            cached_scripts: scripts.len(),
            cache_hits: scripts.hits(),
            cache_misses: scripts.misses(),
            network: self.network.borrow().as_ref().map(|read| read()),
            peers: self.peers.counters(),
        };
        crate::metrics::render(&self.metrics, &snapshot, &*self.machine)
    }

    /// What `GET /health` tells.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            peer_id: self.identity.peer_id().clone(),
            addresses: self.peers.listen_addresses(),
            uptime_ms: self.machine.now().as_micros() / 1000,
            live_particles: self.live.len(),
        }
    }

    /// What `GET /particles` tells: the live particles, oldest first, as JSON.
    #[must_use]
    pub fn particles_json(&self) -> String {
        listing::to_json(&self.live, self.machine.now())
    }

    /// Runs a script with the node as its author; `data` is what `getDataSrv` hands out. The particle
    /// goes on after its answer until it has nothing left to do or its deadline comes.
    ///
    /// # Errors
    /// A [`Problem`] that says what to answer instead.
    pub async fn run_script(
        self: &Rc<Self>,
        text: &str,
        data: BTreeMap<String, Value>,
    ) -> Result<Success, Problem> {
        let place = match self.live.place(Sender::Own) {
            Ok(place) if self.make_room().await => place,
            _ => {
                self.metrics.particle(Outcome::Refused);
                return Err(Problem::overloaded());
            }
        };
        let script = self.parse(text).map_err(|error| {
            self.metrics.particle(Outcome::Invalid);
            Problem::parse(&error)
        })?;
        let author = Rc::new(Author::new(data));
        let report = self.start_own(script.clone(), author.clone(), place);
        let result = match first(author.answer(), &report).await {
            First::Answer(Answer::Response(value)) => Ok(Success::Response(value)),
            First::Answer(Answer::Error(error)) => Err(Problem::reported(&error)),
            First::Report(report) => self.conclude(&script, &report),
        };
        self.metrics.particle(match &result {
            Ok(Success::Response(_)) => Outcome::Answered,
            Ok(Success::Silent) => Outcome::Silent,
            Err(problem) => problem.outcome(),
        });
        result
    }

    /// The script of this text, parsed once as long as it is kept.
    fn parse(&self, text: &str) -> Result<Arc<Script>, ParseError> {
        let limits = ParseLimits { memory: self.allowance.script_tree, ..ParseLimits::default() };
        let parse = |text: &str| Script::parse_within(text, limits);
        self.scripts.borrow_mut().get_or_parse(text, parse)
    }

    /// Starts a particle of which the node is the author.
    fn start_own(
        self: &Rc<Self>,
        script: Arc<Script>,
        author: Rc<Author>,
        place: Place,
    ) -> Slot<Report> {
        let peer_id = self.identity.peer_id();
        let ttl_ms = self.config.particles.ttl_ms;
        let particle = Particle {
            serial: place.serial(),
            id: new_particle_id(&*self.machine).into(),
            author: self.identity.id(),
            init_peer_id: peer_id.clone(),
            timestamp_ms: self.machine.unix_time_ms(),
            ttl_ms,
            script,
            signature: OnceCell::new(),
            deadline: self.executor.now().after(Duration::from_millis(ttl_ms.into())),
        };
        let caller = Caller { init_peer_id: peer_id.clone(), author: Some(author), run: None };
        self.start(particle, Sender::Own, caller, Lifetime::UntilIdle, None, place)
    }

    /// Starts a particle; the report appears where this says when the particle has ended.
    fn start(
        self: &Rc<Self>,
        particle: Particle,
        sender: Sender,
        caller: Caller,
        lifetime: Lifetime,
        mail: Option<Mail>,
        place: Place,
    ) -> Slot<Report> {
        let terms = Terms::default();
        let seated = self.seat(particle, sender, caller, lifetime, terms, mail, place);
        let slot = Slot::new();
        let ended = slot.clone();
        self.executor.spawn(async move {
            ended.put(seated.live().await);
        });
        slot
    }

    /// Gives a particle its place; it lives while [`Seated::live`] is polled.
    #[expect(clippy::too_many_arguments, reason = "they are what a particle's life is made of")]
    fn seat(
        self: &Rc<Self>,
        particle: Particle,
        sender: Sender,
        caller: Caller,
        lifetime: Lifetime,
        terms: Terms,
        mail: Option<Mail>,
        place: Place,
    ) -> Seated {
        let particle = Rc::new(particle);
        let actor = Actor::new(self.clone(), particle.clone(), sender, caller, lifetime, terms);
        let actor = Box::new(actor);
        if let Some(mail) = mail {
            // An empty inbox has room for whatever passed the checks.
            let _ = actor.inbox().push(mail);
        }
        let vitals = actor.vitals();
        place.seat(Entry {
            particle: particle.clone(),
            inbox: actor.inbox(),
            vitals: vitals.clone(),
            born: self.executor.now(),
        });
        let life = Life { node: self.clone(), particle, sender, vitals, _place: place };
        Seated { actor, life }
    }

    /// Keeps a particle that ended before its time from beginning anew.
    fn remember(&self, sender: Sender, particle: &Particle) {
        let Some(signature) = particle.signature.get() else { return };
        let now_ms = self.machine.unix_time_ms();
        let expires_ms = particle.timestamp_ms.saturating_add(particle.ttl_ms.into());
        // Without a clock nothing else tells a replay.
        if now_ms == 0 || expires_ms >= now_ms {
            self.ended.borrow_mut().insert(sender, signature, expires_ms);
        }
    }

    /// Whether there is memory for something new. Idle particles are ended for it.
    async fn make_room(&self) -> bool {
        for _ in 0..MAX_EVICTIONS_AT_ONCE {
            if !self.memory_is_short() {
                return true;
            }
            if !self.evict_for_memory() {
                return false;
            }
            yield_now().await;
        }
        !self.memory_is_short()
    }

    /// Ends an idle particle; false if none is idle.
    fn evict_for_memory(&self) -> bool {
        let evicted = self.live.evict_for_memory(self.executor.now());
        if evicted {
            self.metrics.evicted(DropReason::Memory);
        }
        evicted
    }

    /// Whether so little of the heap is free that nothing new should be begun.
    ///
    /// Free memory may be in pieces too small to be of use, so a heap that is in use has to show
    /// that it still has one piece as large as the vectors that a step may grow.
    #[must_use]
    pub fn memory_is_short(&self) -> bool {
        let heap = self.machine.heap();
        if is_short(heap) {
            return true;
        }
        heap.used > heap.total / HEAP_IN_USE_PART && !has_piece_of(self.allowance.step_memory)
    }

    /// All memory that the machine's heap manages.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        match usize::try_from(self.machine.heap().total) {
            Ok(0) | Err(_) => usize::MAX,
            Ok(total) => total,
        }
    }

    /// What is free of it now.
    #[must_use]
    pub fn free_heap_bytes(&self) -> usize {
        let heap = self.machine.heap();
        match heap.total {
            0 => usize::MAX,
            total => usize::try_from(total.saturating_sub(heap.used)).unwrap_or(usize::MAX),
        }
    }

    /// What fits this machine.
    #[must_use]
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// What to say about a script that ended without an answer.
    fn conclude(&self, script: &Script, report: &Report) -> Result<Success, Problem> {
        match report.end {
            End::Exhausted(budget) => Err(Problem::exhausted(budget)),
            End::Expired => Err(Problem::expired(self.config.particles.ttl_ms, report)),
            End::Evicted => Err(Problem::overloaded()),
            End::Done | End::Failed => match &report.fault {
                Some(fault) => Err(Problem::fault(fault, script, self.identity.peer_id())),
                None if report.unreachable.is_empty() => Ok(Success::Silent),
                None => Err(Problem::unreachable(&report.unreachable)),
            },
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// A particle that has its place and is about to live.
struct Seated {
    actor: Box<Actor<Node>>,
    life: Life,
}

impl Seated {
    /// What can be seen of it while it lives.
    fn vitals(&self) -> Rc<Vitals> {
        self.life.vitals.clone()
    }

    /// Lives to its end; dropping the future ends it too.
    async fn live(self) -> Report {
        let Self { actor, life } = self;
        let report = actor.run().await;
        let (id, Report { end, steps, micros, .. }) = (&life.particle.id, &report);
        debug!(target: "particle", "{id:.64} ended as {end:?} after {steps} steps, {micros} us");
        report
    }
}

/// Counts and remembers a particle, and gives its place back, however it ends.
struct Life {
    node: Rc<Node>,
    particle: Rc<Particle>,
    sender: Sender,
    vitals: Rc<Vitals>,
    _place: Place,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.node.metrics.work(&self.vitals);
        self.node.remember(self.sender, &self.particle);
    }
}

enum First {
    Answer(Answer),
    Report(Report),
}

/// The answer of the script or, when it ends without one, the report.
async fn first(answer: &Slot<Answer>, report: &Slot<Report>) -> First {
    let (mut answer, mut report) = (pin!(answer.take()), pin!(report.take()));
    poll_fn(|context| {
        // An answer that came in the last step wins over the end that followed it.
        if let Poll::Ready(answer) = answer.as_mut().poll(context) {
            return Poll::Ready(First::Answer(answer));
        }
        report.as_mut().poll(context).map(First::Report)
    })
    .await
}

#[cfg(test)]
mod tests;
