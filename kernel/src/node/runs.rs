//! Runs of programs: particles of the node's own, within the terms of their programs.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::cell::OnceCell;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;

use air_core::parser::ParseLimits;
use air_core::{Script, Value};

use super::{Node, diagnostic};
use crate::limits::{MAX_RESULT_BYTES_PER_PARTICLE, MAX_RUN_STEPS};
use crate::machine::Machine;
use crate::particle::{End, Fault, Lifetime, Particle, Report, Sender, Terms, Waits};
use crate::program::limits::FUEL_PER_RUN_MS;
use crate::program::{InstallError, Run};
use crate::service::{Answer, Author, Caller};

/// What a run of a program is started with.
pub(crate) struct Launch {
    pub(crate) script: Arc<Script>,
    pub(crate) run: Rc<Run>,
    /// What `getDataSrv` gives.
    pub(crate) scope: Value,
    /// Whose turn it is while this is worked on.
    pub(crate) lane: u32,
    pub(crate) id: Arc<str>,
    pub(crate) timestamp_ms: u64,
    pub(crate) time_limit: Duration,
    /// What the program may hold.
    pub(crate) memory: usize,
}

/// What a run came to.
pub(crate) enum Finished {
    /// There was no room for it.
    Refused,
    /// It answered; with the report if it went on to its end.
    Answered(Answer, Option<Box<Report>>),
    /// It ended without an answer.
    Ended(Box<Report>),
}

impl Node {
    /// Time and randomness.
    pub(crate) fn machine(&self) -> &Rc<dyn Machine> {
        &self.machine
    }

    /// The script of a program.
    pub(crate) fn parse_program(&self, text: &str) -> Result<Arc<Script>, InstallError> {
        let most = self.allowance.script;
        if text.len() > most {
            return Err(InstallError::Script(alloc::format!("it has more than {most} bytes")));
        }
        let limits = ParseLimits { memory: self.allowance.script_tree, ..ParseLimits::default() };
        let script = Script::parse_within(text, limits);
        script.map(Arc::new).map_err(|error| InstallError::Script(error.render()))
    }

    /// An error of a script as people want to see it.
    pub(crate) fn fault_text(&self, fault: &Fault, script: &Script) -> String {
        match fault.span {
            Some(span) => diagnostic::render(script.text(), span, &fault.message),
            None => fault.message.to_string(),
        }
    }

    /// Runs a program once. A reproducible run goes on to its end, any other is over with its answer.
    /// Dropping the future ends it.
    pub(crate) async fn run_program(self: &Rc<Self>, launch: Launch) -> Finished {
        let Launch { script, run, scope, lane, id, timestamp_ms, time_limit, memory } = launch;
        let sender = Sender::Program(lane);
        let place = match self.live.place(sender) {
            Ok(place) if self.make_room().await => place,
            _ => return Finished::Refused,
        };
        let peer_id = self.identity.peer_id();
        let author = Rc::new(Author::of_scope(scope, peer_id.clone()));
        let millis = time_limit.as_millis();
        let particle = Particle {
            serial: place.serial(),
            id,
            author: self.identity.id(),
            init_peer_id: peer_id.clone(),
            timestamp_ms,
            ttl_ms: u32::try_from(millis).unwrap_or(u32::MAX),
            script,
            signature: OnceCell::new(),
            deadline: self.executor.now().after(time_limit),
        };
        let clock = run.clock().cloned();
        let terms = Terms {
            steps: MAX_RUN_STEPS,
            fuel: u64::try_from(millis).unwrap_or(u64::MAX).saturating_mul(FUEL_PER_RUN_MS),
            micros: u64::try_from(time_limit.as_micros()).unwrap_or(u64::MAX),
            result_bytes: MAX_RESULT_BYTES_PER_PARTICLE.min(memory),
            step_memory: memory,
            stays: !run.environment().internet,
            reports_data: clock.is_some(),
            meter: Some(run.clone()),
        };
        let caller =
            Caller { init_peer_id: peer_id.clone(), author: Some(author.clone()), run: Some(run) };
        let seated = self.seat(particle, sender, caller, Lifetime::UntilIdle, terms, None, place);
        let vitals = seated.vitals();
        let mut life = pin!(seated.live());
        let mut answer = pin!(author.answer().take());
        poll_fn(|context| {
            loop {
                let ended = life.as_mut().poll(context);
                if ended.is_ready() || clock.is_none() {
                    let answered = answer.as_mut().poll(context);
                    match (ended, answered) {
                        (Poll::Ready(report), Poll::Ready(answer))
                            if clock.is_none() || is_whole(&report) =>
                        {
                            return Poll::Ready(Finished::Answered(answer, Some(Box::new(report))));
                        }
                        (Poll::Pending, Poll::Ready(answer)) => {
                            return Poll::Ready(Finished::Answered(answer, None));
                        }
                        (Poll::Ready(report), _) => {
                            return Poll::Ready(Finished::Ended(Box::new(report)));
                        }
                        (Poll::Pending, Poll::Pending) => {}
                    }
                }
                // Nothing is left to do but to sleep: the clock of the run may go on.
                let sleeps = |sleepers| vitals.waits() == Waits::Services(sleepers);
                match &clock {
                    Some(clock) if sleeps(clock.sleepers()) && clock.advance() => {}
                    _ => return Poll::Pending,
                }
            }
        })
        .await
    }
}

/// Whether a particle came to its own end, so that its answer counts.
fn is_whole(report: &Report) -> bool {
    matches!(report.end, End::Done | End::Failed)
}
