//! The actor: runs the steps of one particle, makes its calls, sends it on.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;

use air_core::{Parameters, Progress, Session, StepOutcome};
use netstack::libp2p::PeerId;

use super::calls::{Calls, Taken};
use super::inbox::{Inbox, Mail};
use super::kept::Kept;
use super::outbox::{Outbox, Sending};
use super::report::{Budget, End, Fault, Report};
use super::terms::Terms;
use super::vitals::{Vitals, Waits};
use super::{Particle, Sender};
use crate::executor::{Executor, Sleep, TurnGuard, Turns, yield_now};
use crate::limits::{
    FREEZE_AFTER_MS, FUEL_PER_SLICE, MAX_MICROS_IN_A_ROW, MAX_SENDS_WAITING, MAX_SLICES_IN_A_ROW,
};
use crate::service::{Caller, Services};

/// What an actor needs of its node.
pub trait Environment: 'static {
    /// The services that scripts can call.
    fn services(&self) -> &Services;

    /// The executor, for yields and the deadline.
    fn executor(&self) -> &Executor;

    /// Who gets the interpreter next.
    fn turns(&self) -> &Turns<Sender>;

    /// The node's own id.
    fn peer_id(&self) -> &str;

    /// The parameters of the interpreter for a particle.
    fn parameters(&self, particle: &Particle) -> Parameters;

    /// The peer that `text` names, if sending to it is worth a try; for a particle that is on its way to
    /// too many peers already there is no `room`.
    fn reachable(&self, text: &str, room: bool) -> Option<PeerId>;

    /// Starts to send the particle with `data` to each of the peers.
    fn send(self: Rc<Self>, particle: &Particle, data: Vec<u8>, peers: Vec<(PeerId, Sending)>);

    /// Whether so little memory is left that this particle had better end.
    fn memory_is_short(&self) -> bool;

    /// Told how many bytes the data of an idle particle are kept as; 0 when they are decoded again.
    fn keeps(&self, particle: &Particle, bytes: usize);

    /// Told of every answer of a service.
    fn called(&self, service: &str, ret_code: i32);
}

/// How long an actor stays when it has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// It ends, unless another peer has got the particle: nothing else can come.
    UntilIdle,
    /// It waits for mail until the deadline.
    UntilDeadline,
}

/// One live particle.
pub struct Actor<E> {
    environment: Rc<E>,
    particle: Rc<Particle>,
    /// Who brought the particle first: results are worked on in its turn.
    sender: Sender,
    lifetime: Lifetime,
    terms: Terms,
    inbox: Inbox,
    outbox: Outbox,
    kept: Kept,
    calls: Calls,
    /// Shared with the report, because the deadline drops the run where it stands.
    vitals: Rc<Vitals>,
}

impl<E: Environment> Actor<E> {
    /// The actor of a particle that this node has not seen before and that `sender` brought.
    #[must_use]
    pub fn new(
        environment: Rc<E>,
        particle: Rc<Particle>,
        sender: Sender,
        caller: Caller,
        lifetime: Lifetime,
        terms: Terms,
    ) -> Self {
        let vitals = Rc::<Vitals>::default();
        let parameters = parameters(&*environment, &particle, &terms);
        Self {
            kept: Kept::new(Session::new(particle.script.clone(), parameters)),
            environment,
            particle,
            sender,
            lifetime,
            inbox: Inbox::default(),
            outbox: Outbox::new(vitals.clone()),
            calls: Calls::new(caller, terms.result_bytes),
            terms,
            vitals,
        }
    }

    /// Where data that arrive for the particle are put.
    #[must_use]
    pub fn inbox(&self) -> Inbox {
        self.inbox.clone()
    }

    /// What can be seen of the particle while it lives.
    #[must_use]
    pub fn vitals(&self) -> Rc<Vitals> {
        self.vitals.clone()
    }

    /// Runs the particle to its end, which is its deadline at the latest. Calls that are still running
    /// then are dropped with it.
    ///
    /// In a box, because each future that it passes through would keep a place for it otherwise.
    pub async fn run(self: Box<Self>) -> Report {
        let (vitals, deadline) = (self.vitals.clone(), self.particle.deadline);
        let executor = self.environment.executor().clone();
        let end = executor.timeout_at(deadline, self.live()).await.unwrap_or(End::Expired);
        Report {
            end,
            fault: vitals.fault.take(),
            steps: vitals.steps.get(),
            fuel: vitals.fuel.get(),
            micros: vitals.micros.get(),
            unreachable: vitals.unreachable.take(),
            data: vitals.data.take(),
        }
    }

    async fn live(mut self: Box<Self>) -> End {
        let end = self.work().await;
        if self.terms.reports_data {
            let parameters = || parameters(&*self.environment, &self.particle, &self.terms);
            let data = self.kept.session(&self.particle, parameters).data();
            *self.vitals.data.borrow_mut() = Some(data);
        }
        end
    }

    async fn work(&mut self) -> End {
        loop {
            let (mut outcome, turn) = match self.step().await {
                Ok(done) => done,
                Err(budget) => return End::Exhausted(budget),
            };
            let mendable = outcome.has_new_data();
            *self.vitals.fault.borrow_mut() = Fault::of(&mut outcome);
            if !mendable && self.ends_when_idle() {
                // The step is undone and its results are gone: what waits for them waits in vain.
                return End::Failed;
            }
            self.forward(&outcome);
            drop(turn);
            if !self.holds_what_it_may() {
                return End::Exhausted(Budget::Held);
            }
            if let Err(budget) = self.calls.start(&self.environment, outcome.requests).await {
                return End::Exhausted(budget);
            }
            match self.news().await {
                News::Some => {}
                News::Never => return End::Done,
                News::Closed => return End::Evicted,
                News::Exhausted(budget) => return End::Exhausted(budget),
            }
        }
    }

    /// Counts what the particle holds, where somebody bounds that.
    fn holds_what_it_may(&mut self) -> bool {
        let Some(meter) = &self.terms.meter else { return true };
        let parameters = || parameters(&*self.environment, &self.particle, &self.terms);
        meter.holds(self.kept.session(&self.particle, parameters).memory_used())
    }

    /// Whether nothing can come from elsewhere.
    fn ends_when_idle(&self) -> bool {
        self.lifetime == Lifetime::UntilIdle
            && !self.outbox.has_sent()
            && self.outbox.under_way() == 0
    }

    fn now_waits_for(&self, waits: Waits) {
        self.vitals.set_waits(waits, self.environment.executor().now());
    }

    /// Runs one step over the oldest mail and all results so far. The turn lasts until the step's
    /// outcome has been dealt with.
    async fn step(&mut self) -> Result<(StepOutcome, TurnGuard<Sender>), Budget> {
        let vitals = self.vitals.clone();
        if vitals.steps.get() >= self.terms.steps {
            return Err(Budget::Steps(self.terms.steps));
        }
        self.now_waits_for(Waits::Interpreter);
        // Mail is its bringer's to pay for, even if that is not who brought the particle first.
        let sender = self.inbox.next_sender().unwrap_or(self.sender);
        let turns = self.environment.turns().clone();
        let mut turn = turns.take(sender).await;
        if self.environment.memory_is_short() {
            return Err(Budget::Memory);
        }
        vitals.steps.set(vitals.steps.get().saturating_add(1));
        let current = self.inbox.pop().map(|mail| mail.data).unwrap_or_default();
        let results = self.calls.take_results();
        if self.kept.is_frozen() {
            self.environment.keeps(&self.particle, 0);
        }
        let started = self.environment.executor().now();
        let parameters = || parameters(&*self.environment, &self.particle, &self.terms);
        self.kept.session(&self.particle, parameters).begin(&current, results);
        drop(current);
        self.spend(started);
        loop {
            if let Some(outcome) = self.run_slices() {
                return Ok((outcome, turn));
            }
            if vitals.fuel.get() >= self.terms.fuel {
                return Err(Budget::Fuel(self.terms.fuel));
            }
            if vitals.micros.get() >= self.terms.micros {
                return Err(Budget::Time(self.terms.micros));
            }
            if self.environment.memory_is_short() {
                return Err(Budget::Memory);
            }
            // Asked for before the turn is passed on, so that all who wait are there to choose from.
            let next = turns.take(sender);
            drop(turn);
            yield_now().await;
            turn = next.await;
        }
    }

    /// Adds the time since `started` to that of the interpreter; gives it.
    fn spend(&self, started: crate::machine::Instant) -> u64 {
        let now = self.environment.executor().now();
        let micros = now.as_micros().saturating_sub(started.as_micros());
        self.vitals.micros.set(self.vitals.micros.get().saturating_add(micros));
        micros
    }

    /// Interprets until the step is over or others should have a turn: what one unit of fuel costs
    /// differs much, so the clock decides, and the number of slices where the clock stands still.
    fn run_slices(&mut self) -> Option<StepOutcome> {
        let environment = &self.environment;
        let parameters = || parameters(&**environment, &self.particle, &self.terms);
        let session = self.kept.session(&self.particle, parameters);
        let executor = environment.executor();
        let started = executor.now();
        let mut outcome = None;
        for _ in 0..MAX_SLICES_IN_A_ROW {
            let progress = session.run(FUEL_PER_SLICE);
            self.vitals.fuel.set(self.vitals.fuel.get().saturating_add(FUEL_PER_SLICE));
            if let Progress::Done(done) = progress {
                outcome = Some(done);
                break;
            }
            let micros = executor.now().as_micros().saturating_sub(started.as_micros());
            if micros >= MAX_MICROS_IN_A_ROW || environment.memory_is_short() {
                break;
            }
        }
        self.spend(started);
        outcome
    }

    /// Sends the particle to the next peers of a step; its data are encoded once, and only if somebody
    /// is there to get them.
    fn forward(&mut self, outcome: &StepOutcome) {
        let mut peers = Vec::new();
        let mut to_self = false;
        for peer in &outcome.next_peers {
            if **peer == *self.environment.peer_id() {
                to_self = true;
                continue;
            }
            // What is not sent in the end counts as not reached when this is dropped.
            let sending = self.outbox.begin(peer.clone());
            if self.terms.stays {
                continue;
            }
            let room = self.outbox.under_way() <= MAX_SENDS_WAITING;
            if let Some(id) = self.environment.reachable(peer, room) {
                peers.push((id, sending));
            }
        }
        if peers.is_empty() && !to_self {
            return;
        }
        let environment = self.environment.clone();
        let parameters = || environment.parameters(&self.particle);
        let data = self.kept.session(&self.particle, parameters).data();
        if to_self {
            // A full queue has a step coming anyway, and data that were taken before change nothing.
            let _ = self.inbox.push(Mail { from: self.sender, data: data.clone() });
        }
        if !peers.is_empty() {
            environment.send(&self.particle, data, peers);
        }
    }

    /// Waits for a reason for another step, or until there never will be one, and takes all results
    /// that are there; others have a turn in between, because making many results takes long.
    async fn news(&mut self) -> News {
        let executor = self.environment.executor().clone();
        let mut freeze = executor.sleep(Duration::from_millis(FREEZE_AFTER_MS));
        loop {
            match poll_fn(|context| self.poll_news(&mut freeze, context)).await {
                Some(news) => return news,
                None => yield_now().await,
            }
        }
    }

    /// News, or nothing if results were taken and more may be there.
    fn poll_news(&mut self, freeze: &mut Sleep, context: &mut Context<'_>) -> Poll<Option<News>> {
        match self.calls.poll_results(context) {
            Err(budget) => return Poll::Ready(Some(News::Exhausted(budget))),
            Ok(Taken::Some) => {
                let short = self.environment.memory_is_short();
                return Poll::Ready(short.then_some(News::Exhausted(Budget::Memory)));
            }
            Ok(Taken::All) => {}
        }
        let mail = self.inbox.poll_mail(context).is_ready();
        if self.inbox.is_closed() {
            return Poll::Ready(Some(News::Closed));
        }
        if mail || self.calls.has_results() {
            return Poll::Ready(Some(News::Some));
        }
        if self.calls.waiting() == 0 && self.ends_when_idle() {
            return Poll::Ready(Some(News::Never));
        }
        self.outbox.wake_on_end(context);
        self.now_waits_for(match self.calls.waiting() {
            0 if self.outbox.has_sent() || self.outbox.under_way() > 0 => Waits::Peers,
            0 => Waits::Nothing,
            waiting => Waits::Services(waiting),
        });
        if !self.kept.is_frozen() && Pin::new(freeze).poll(context).is_ready() {
            let bytes = self.kept.freeze();
            self.environment.keeps(&self.particle, bytes);
        }
        Poll::Pending
    }
}

/// The parameters of the interpreter for a particle with these terms.
fn parameters<E: Environment>(environment: &E, particle: &Particle, terms: &Terms) -> Parameters {
    let mut parameters = environment.parameters(particle);
    let limits = &mut parameters.limits;
    limits.memory = limits.memory.min(terms.step_memory);
    parameters
}

enum News {
    Some,
    Never,
    Closed,
    Exhausted(Budget),
}

impl<E> fmt::Debug for Actor<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Actor")
            .field("particle", &self.particle.id)
            .field("vitals", &self.vitals)
            .field("calls", &self.calls)
            .finish_non_exhaustive()
    }
}
