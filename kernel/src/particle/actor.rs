//! The actor: runs the steps of one particle and makes its calls.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use air_core::{CallRequest, CallResult, Parameters, Progress, Session, StepOutcome};
use futures_util::future::LocalBoxFuture;
use futures_util::stream::{FuturesUnordered, Stream};

use super::Particle;
use super::inbox::Inbox;
use super::report::{Budget, End, Fault, Report};
use crate::executor::{Executor, yield_now};
use crate::limits::{
    FUEL_PER_SLICE, LIGHT_CALL_BYTES, MAX_CALLS_IN_A_ROW, MAX_CALLS_WAITING, MAX_FUEL_PER_PARTICLE,
    MAX_INTERPRETER_MICROS_PER_PARTICLE, MAX_MICROS_IN_A_ROW, MAX_RESULT_BYTES_IN_A_ROW,
    MAX_RESULT_BYTES_PER_PARTICLE, MAX_SLICES_IN_A_ROW, MAX_STEPS_PER_PARTICLE,
    MAX_UNREACHABLE_NAMED,
};
use crate::service::{Caller, Services, Started, weigh};

/// What an actor needs of its node.
pub trait Environment: 'static {
    /// The services that scripts can call.
    fn services(&self) -> &Services;

    /// The executor, for yields and the deadline.
    fn executor(&self) -> &Executor;

    /// Sends the particle with `data` to a peer, if it can be reached; false if it cannot. The data
    /// are asked for only then, because making them costs something.
    fn forward(&self, particle: &Particle, peer: &str, data: &mut dyn FnMut() -> Vec<u8>) -> bool;

    /// Whether so little memory is left that this particle had better end.
    fn memory_is_short(&self) -> bool;

    /// Told of every answer of a service.
    fn called(&self, service: &str, ret_code: i32);
}

/// How long an actor stays when it has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// It ends: nobody else has the particle, so nothing can come.
    UntilIdle,
    /// It waits for mail until the deadline.
    UntilDeadline,
}

type Call = LocalBoxFuture<'static, (u32, CallResult)>;

/// One live particle.
pub struct Actor<E> {
    environment: Rc<E>,
    particle: Particle,
    caller: Caller,
    lifetime: Lifetime,
    inbox: Inbox,
    session: Session,
    waiting: FuturesUnordered<Call>,
    results: Vec<(u32, CallResult)>,
    result_bytes: usize,
    /// Shared with the report, because the deadline drops the run where it stands.
    tally: Rc<Tally>,
}

#[derive(Default)]
struct Tally {
    steps: Cell<u32>,
    fuel: Cell<u64>,
    micros: Cell<u64>,
    fault: Cell<Option<Fault>>,
    unreachable: Cell<Vec<alloc::sync::Arc<str>>>,
}

impl<E: Environment> Actor<E> {
    /// The actor of a particle that this node has not seen before.
    #[must_use]
    pub fn new(
        environment: Rc<E>,
        particle: Particle,
        caller: Caller,
        parameters: Parameters,
        lifetime: Lifetime,
    ) -> Self {
        Self {
            session: Session::new(particle.script.clone(), parameters),
            environment,
            particle,
            caller,
            lifetime,
            inbox: Inbox::default(),
            waiting: FuturesUnordered::new(),
            results: Vec::new(),
            result_bytes: 0,
            tally: Rc::default(),
        }
    }

    /// Where data that arrive for the particle are put.
    #[must_use]
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// Runs the particle to its end, which is its deadline at the latest. Calls that are still running
    /// then are dropped with it.
    pub async fn run(self) -> Report {
        let (tally, deadline) = (self.tally.clone(), self.particle.deadline);
        let executor = self.environment.executor().clone();
        let end = executor.timeout_at(deadline, self.live()).await.unwrap_or(End::Expired);
        Report {
            end,
            fault: tally.fault.take(),
            steps: tally.steps.get(),
            fuel: tally.fuel.get(),
            micros: tally.micros.get(),
            unreachable: tally.unreachable.take(),
        }
    }

    async fn live(mut self) -> End {
        loop {
            let mut outcome = match self.step().await {
                Ok(outcome) => outcome,
                Err(budget) => return End::Exhausted(budget),
            };
            let mendable = outcome.has_new_data();
            self.tally.fault.set(Fault::of(&mut outcome));
            if !mendable && self.lifetime == Lifetime::UntilIdle {
                // The step is undone and its results are gone: what waits for them waits in vain.
                return End::Failed;
            }
            self.forward(&outcome);
            if let Err(budget) = self.start_calls(outcome.requests).await {
                return End::Exhausted(budget);
            }
            match self.news().await {
                News::Some => {}
                News::Never => return End::Done,
                News::TooMuch => return End::Exhausted(Budget::Results),
                News::NoMemory => return End::Exhausted(Budget::Memory),
            }
        }
    }

    /// Runs one step over the oldest mail and all results so far.
    async fn step(&mut self) -> Result<StepOutcome, Budget> {
        let tally = self.tally.clone();
        if tally.steps.get() >= MAX_STEPS_PER_PARTICLE {
            return Err(Budget::Steps);
        }
        if self.environment.memory_is_short() {
            return Err(Budget::Memory);
        }
        tally.steps.set(tally.steps.get().saturating_add(1));
        let current = self.inbox.pop().unwrap_or_default();
        self.session.begin(&current, core::mem::take(&mut self.results));
        loop {
            if let Some(outcome) = self.run_slices() {
                return Ok(outcome);
            }
            if tally.fuel.get() >= MAX_FUEL_PER_PARTICLE {
                return Err(Budget::Fuel);
            }
            if tally.micros.get() >= MAX_INTERPRETER_MICROS_PER_PARTICLE {
                return Err(Budget::Time);
            }
            if self.environment.memory_is_short() {
                return Err(Budget::Memory);
            }
            yield_now().await;
        }
    }

    /// Interprets until the step is over or others should have a turn: what one unit of fuel costs
    /// differs much, so the clock decides, and the number of slices where the clock stands still.
    fn run_slices(&mut self) -> Option<StepOutcome> {
        let executor = self.environment.executor();
        let started = executor.now();
        let mut outcome = None;
        let mut micros = 0;
        for _ in 0..MAX_SLICES_IN_A_ROW {
            let progress = self.session.run(FUEL_PER_SLICE);
            self.tally.fuel.set(self.tally.fuel.get().saturating_add(FUEL_PER_SLICE));
            micros = executor.now().as_micros().saturating_sub(started.as_micros());
            if let Progress::Done(done) = progress {
                outcome = Some(done);
                break;
            }
            if micros >= MAX_MICROS_IN_A_ROW || self.environment.memory_is_short() {
                break;
            }
        }
        self.tally.micros.set(self.tally.micros.get().saturating_add(micros));
        outcome
    }

    fn forward(&mut self, outcome: &StepOutcome) {
        let mut data = None;
        let session = &mut self.session;
        let mut bytes = || data.get_or_insert_with(|| session.data()).clone();
        for peer in &outcome.next_peers {
            if !self.environment.forward(&self.particle, peer, &mut bytes) {
                let mut unreachable = self.tally.unreachable.take();
                if unreachable.len() < MAX_UNREACHABLE_NAMED && !unreachable.contains(peer) {
                    unreachable.push(peer.clone());
                }
                self.tally.unreachable.set(unreachable);
            }
        }
    }

    /// Starts every call. Those that can be answered at once are; the others wait side by side.
    async fn start_calls(&mut self, requests: Vec<CallRequest>) -> Result<(), Budget> {
        for (index, request) in requests.into_iter().enumerate() {
            let heavy = weigh(&request.arguments, LIGHT_CALL_BYTES) >= LIGHT_CALL_BYTES;
            if heavy || index % MAX_CALLS_IN_A_ROW == MAX_CALLS_IN_A_ROW - 1 {
                yield_now().await;
            }
            if self.environment.memory_is_short() {
                return Err(Budget::Memory);
            }
            let CallRequest { id, service_id, function_name, arguments, .. } = request;
            let services = self.environment.services();
            match services.start(&self.caller, &service_id, &function_name, &arguments) {
                Started::Done(result) => {
                    self.environment.called(&service_id, result.ret_code);
                    self.collect(id, result)?;
                }
                Started::Waiting(_) if self.waiting.len() >= MAX_CALLS_WAITING => {
                    let result = CallResult::failure(1, "too many calls of this particle wait");
                    self.environment.called(&service_id, result.ret_code);
                    self.collect(id, result)?;
                }
                Started::Waiting(answer) => {
                    let environment = self.environment.clone();
                    self.waiting.push(alloc::boxed::Box::pin(async move {
                        let result = answer.await;
                        environment.called(&service_id, result.ret_code);
                        (id, result)
                    }));
                }
            }
        }
        Ok(())
    }

    fn collect(&mut self, id: u32, result: CallResult) -> Result<(), Budget> {
        self.result_bytes = self.result_bytes.saturating_add(result.result.len());
        self.results.push((id, result));
        if self.result_bytes > MAX_RESULT_BYTES_PER_PARTICLE {
            Err(Budget::Results)
        } else {
            Ok(())
        }
    }

    /// Waits for a reason for another step, or until there never will be one, and takes all results
    /// that are there; others have a turn in between, because making many results takes long.
    async fn news(&mut self) -> News {
        loop {
            match poll_fn(|context| self.poll_news(context)).await {
                Some(news) => return news,
                None => yield_now().await,
            }
        }
    }

    /// News, or nothing if results were taken and more may be there.
    fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<Option<News>> {
        let mut bytes: usize = 0;
        while let Poll::Ready(Some((id, result))) =
            core::pin::Pin::new(&mut self.waiting).poll_next(context)
        {
            bytes = bytes.saturating_add(result.result.len());
            if self.collect(id, result).is_err() {
                return Poll::Ready(Some(News::TooMuch));
            }
            if bytes >= MAX_RESULT_BYTES_IN_A_ROW {
                let short = self.environment.memory_is_short();
                return Poll::Ready(short.then_some(News::NoMemory));
            }
        }
        if !self.results.is_empty() || self.inbox.poll_mail(context).is_ready() {
            return Poll::Ready(Some(News::Some));
        }
        match self.lifetime {
            Lifetime::UntilIdle if self.waiting.is_empty() => Poll::Ready(Some(News::Never)),
            _ => Poll::Pending,
        }
    }
}

enum News {
    Some,
    Never,
    TooMuch,
    NoMemory,
}

impl<E> fmt::Debug for Actor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor")
            .field("particle", &self.particle.id)
            .field("steps", &self.tally.steps.get())
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}
