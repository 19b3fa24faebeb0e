//! The node: takes scripts, runs them as particles, answers.
//!
//! A [`Node`] is made of an executor, a machine and a configuration, and knows nothing of sockets: its
//! HTTP side ([`Web`]) answers requests from any byte stream. [`crate::run`] puts it on a network.

mod allowance;
mod diagnostic;
mod health;
mod http;
mod json;
mod problem;
mod query;
mod script_cache;

pub use allowance::{Allowance, is_short};
pub use health::Health;
pub use http::Web;
pub use problem::Problem;
pub use query::{QueryError, parse_query};
pub use script_cache::ScriptCache;

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use air_core::parser::ParseLimits;
use air_core::{Parameters, Script, Value};
use log::debug;

use crate::config::Config;
use crate::executor::{Executor, Slot};
use crate::identity::Identity;
use crate::limits::{HEAP_IN_USE_PART, MAX_TRACE_STATES};
use crate::machine::Machine;
use crate::metrics::{Metrics, Outcome, Snapshot};
use crate::particle::{Actor, Environment, Lifetime, Particle, Report, new_particle_id};
use crate::service::{Answer, Author, Caller, Services};

/// Reads the network's counters, where there is a network.
pub type ReadCounters = Rc<dyn Fn() -> netstack::Counters>;

/// A node. Everything that it holds belongs to one core.
pub struct Node {
    identity: Identity,
    config: Config,
    machine: Rc<dyn Machine>,
    executor: Executor,
    services: Services,
    scripts: RefCell<ScriptCache>,
    metrics: Metrics,
    live_particles: Cell<usize>,
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
    /// A node with the configured identity, or a new one.
    #[must_use]
    pub fn new(machine: Rc<dyn Machine>, executor: Executor, config: Config) -> Rc<Self> {
        let identity = match &config.identity.seed {
            Some(seed) => Identity::from_seed(seed),
            None => Identity::generate(&*machine),
        };
        let allowance = Allowance::new(machine.heap().total, &config.particles);
        let services = Services::new(
            identity.peer_id().clone(),
            machine.clone(),
            executor.clone(),
            allowance.call_result,
        );
        Rc::new(Self {
            identity,
            config,
            machine,
            executor,
            services,
            scripts: RefCell::new(ScriptCache::new(allowance.cached_scripts)),
            metrics: Metrics::default(),
            live_particles: Cell::new(0),
            allowance,
            bodies: Cell::new(0),
            network: RefCell::new(None),
        })
    }

    /// Tells the node where to read the network's counters.
    pub fn set_network_counters(&self, read: ReadCounters) {
        *self.network.borrow_mut() = Some(read);
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
            live_particles: self.live_particles.get(),
            live_tasks: self.executor.live_tasks(),
            cached_scripts: scripts.len(),
            cache_hits: scripts.hits(),
            cache_misses: scripts.misses(),
            network: self.network.borrow().as_ref().map(|read| read()),
        };
        crate::metrics::render(&self.metrics, &snapshot, &*self.machine)
    }

    /// What `GET /health` tells.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            peer_id: self.identity.peer_id().clone(),
            uptime_ms: self.machine.now().as_micros() / 1000,
            live_particles: self.live_particles.get(),
        }
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
        let permit = Permit::take(self).ok_or_else(|| {
            self.metrics.particle(Outcome::Refused);
            Problem::overloaded()
        })?;

        let limits = ParseLimits { memory: self.allowance.script_tree, ..ParseLimits::default() };
        let parse = |text: &str| Script::parse_within(text, limits);
        let script = self.scripts.borrow_mut().get_or_parse(text, parse);
        let script = script.map_err(|error| {
            self.metrics.particle(Outcome::Invalid);
            Problem::parse(&error)
        })?;
        let author = Rc::new(Author::new(data));
        let report = self.start(script.clone(), author.clone(), permit);
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

    /// Starts a particle of which the node is the author.
    fn start(
        self: &Rc<Self>,
        script: Arc<Script>,
        author: Rc<Author>,
        permit: Permit,
    ) -> Slot<Report> {
        let peer_id = self.identity.peer_id();
        let ttl_ms = self.config.particles.ttl_ms;
        let particle = Particle {
            id: new_particle_id(&*self.machine).into(),
            init_peer_id: peer_id.clone(),
            timestamp_ms: self.machine.unix_time_ms(),
            ttl_ms,
            script,
            deadline: self.executor.now().after(Duration::from_millis(ttl_ms.into())),
        };
        let id = particle.id.clone();
        let caller = Caller { init_peer_id: peer_id.clone(), author: Some(author) };
        let parameters = self.parameters(&particle);
        let actor = Actor::new(self.clone(), particle, caller, parameters, Lifetime::UntilIdle);
        let slot = Slot::new();
        let (ended, node) = (slot.clone(), self.clone());
        self.executor.spawn(async move {
            let report = actor.run().await;
            let Report { end, steps, micros, .. } = &report;
            debug!(target: "particle", "{id} ended as {end:?} after {steps} steps, {micros} us");
            node.metrics.work(&report);
            drop(permit);
            ended.put(report);
        });
        slot
    }

    fn parameters(&self, particle: &Particle) -> Parameters {
        let mut parameters = Parameters::new(
            particle.init_peer_id.clone(),
            self.identity.peer_id().clone(),
            particle.id.clone(),
            *self.identity.seed().expose(),
        );
        parameters.key_pair = Some(self.identity.key_pair().clone());
        parameters.timestamp = particle.timestamp_ms;
        parameters.ttl = particle.ttl_ms;
        parameters.air_size_limit = self.config.particles.max_script_bytes.into();
        parameters.call_result_size_limit = self.allowance.call_result as u64;
        parameters.limits.memory = self.allowance.step_memory;
        parameters.limits.max_frames = self.allowance.frames;
        parameters.limits.max_trace_len = MAX_TRACE_STATES;
        parameters
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

    /// What fits this machine.
    #[must_use]
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    /// The right to read a body of so many bytes; none while too much is being read.
    fn body_permit(self: &Rc<Self>, bytes: usize) -> Option<BodyPermit> {
        let reading = self.bodies.get().saturating_add(bytes);
        if reading > self.allowance.bodies || self.memory_is_short() {
            self.metrics.particle(Outcome::Refused);
            return None;
        }
        self.bodies.set(reading);
        Some(BodyPermit { node: self.clone(), bytes })
    }

    /// What to say about a script that ended without an answer.
    fn conclude(&self, script: &Script, report: &Report) -> Result<Success, Problem> {
        use crate::particle::End;
        match report.end {
            End::Exhausted(budget) => Err(Problem::exhausted(budget)),
            End::Expired => Err(Problem::expired(self.config.particles.ttl_ms, report)),
            End::Done | End::Failed => match &report.fault {
                Some(fault) => Err(Problem::fault(fault, script, self.identity.peer_id())),
                None if report.unreachable.is_empty() => Ok(Success::Silent),
                None => Err(Problem::unreachable(&report.unreachable)),
            },
        }
    }
}

impl Environment for Node {
    fn services(&self) -> &Services {
        &self.services
    }

    fn executor(&self) -> &Executor {
        &self.executor
    }

    /// The node knows no other peer.
    fn forward(&self, particle: &Particle, peer: &str, _data: &mut dyn FnMut() -> Vec<u8>) -> bool {
        self.metrics.unreachable.add(1);
        debug!(target: "particle", "{}: cannot reach peer {peer:.64}", particle.id);
        false
    }

    fn memory_is_short(&self) -> bool {
        Self::memory_is_short(self)
    }

    fn called(&self, service: &str, ret_code: i32) {
        self.metrics.call(service, ret_code);
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// Whether one free piece of memory has so many bytes.
fn has_piece_of(bytes: usize) -> bool {
    let mut probe: Vec<u8> = Vec::new();
    let found = probe.try_reserve_exact(bytes).is_ok();
    // Without this the compiler may leave out an allocation that nothing uses.
    core::hint::black_box(&probe);
    found
}

/// The right of one particle to live; given back when it is dropped.
struct Permit(Rc<Node>);

impl Permit {
    fn take(node: &Rc<Node>) -> Option<Self> {
        let live = node.live_particles.get();
        let most = usize::try_from(node.config.particles.max_live).unwrap_or(usize::MAX);
        if live >= most || node.memory_is_short() {
            return None;
        }
        node.live_particles.set(live + 1);
        Some(Self(node.clone()))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.live_particles.set(self.0.live_particles.get().saturating_sub(1));
    }
}

/// Part of what may be read at once; given back when it is dropped.
struct BodyPermit {
    node: Rc<Node>,
    bytes: usize,
}

impl Drop for BodyPermit {
    fn drop(&mut self) {
        self.node.bodies.set(self.node.bodies.get().saturating_sub(self.bytes));
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
