//! A program that the node hosts: its runs, one after the other or side by side.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::sync::Arc;
use core::cell::RefCell;
use core::fmt;
use core::time::Duration;

use air_core::Script;
use air_core::value::Value;

use super::Shared;
use super::account::{Account, Share};
use super::clock::RunClock;
use super::definition::Definition;
use super::files::{Files, REQUEST_BODY};
use super::gate::{Enter, Full, Gate, Permit};
use super::limits::{MAX_QUEUE_WAIT_MS, MAX_RUN_MS};
use super::reply::{Reply, error_text};
use super::run::{Parts, Run, particle_id};
use super::state::State;
use super::stats::{RunOutcome, Stats};
use super::trigger::Trigger;
use super::upload::Admission;
use crate::aleph::package::FileTree;
use crate::aleph::program::Program;
use crate::aleph::trigger::Failure;
use crate::node::{Finished, Launch};
use crate::particle::{Budget, End, new_particle_id};
use crate::service::Answer;
use crate::store::StoreError;

/// A program that the node hosts.
pub struct Hosted {
    program: Program,
    version: RefCell<Version>,
    variables: Rc<[(Arc<str>, Arc<str>)]>,
    shared: Rc<Shared>,
    gate: Gate,
    account: Account,
    state: State,
    stats: Stats,
    /// Tells the program's turns from those of others.
    lane: u32,
}

/// Script and files, as they are now.
#[derive(Clone)]
struct Version {
    definition: Rc<Definition>,
    script: Arc<Script>,
}

impl Hosted {
    pub(super) fn new(
        definition: Definition,
        script: Arc<Script>,
        shared: Rc<Shared>,
        lane: u32,
    ) -> Self {
        // Runs of a program that keeps state go one after the other, so none overwrites what it has not seen.
        let concurrency = if definition.export().is_some() { 1 } else { shared.concurrency };
        let account = Account::new(definition.memory());
        Self {
            program: definition.program().clone(),
            variables: definition.program().variables.clone().into(),
            gate: Gate::new(concurrency, shared.queue),
            state: State::new(&definition, shared.store.clone(), &account),
            account,
            stats: Stats::default(),
            lane,
            version: RefCell::new(Version { definition: Rc::new(definition), script }),
            shared,
        }
    }

    /// What is hosted, as it is now.
    #[must_use]
    pub fn definition(&self) -> Rc<Definition> {
        self.version.borrow().definition.clone()
    }

    /// Lets runs that have not begun have this version of the program.
    pub(super) fn update(&self, definition: Definition, script: Arc<Script>) {
        self.state.begin_with(definition.files().clone());
        *self.version.borrow_mut() = Version { definition: Rc::new(definition), script };
    }

    /// What is to run, when, and within which bounds.
    #[must_use]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What its runs came to.
    #[must_use]
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// The memory that its runs hold.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// How many of its runs there are, and how many wait.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// How long a run may take.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        Duration::from_millis(self.program().resources.milliseconds.clamp(1, MAX_RUN_MS))
    }

    pub(super) fn remove(&self) {
        self.state.close();
    }

    /// Deletes what was kept from run to run, of a program that was removed.
    pub(super) async fn delete_state(&self) -> Result<(), StoreError> {
        self.state.delete().await
    }

    /// Runs the program once. Waits for its turn, of which there are `programs.concurrency`, or one where
    /// the program keeps state; the time limit counts from then on. Dropping the future ends the run, and
    /// nothing of it is kept.
    ///
    /// A run is over with its answer, or when nothing is left to do: what it has sent by then still
    /// arrives, and what is in `export.mount` has been kept when the reply is there. A reproducible run
    /// goes on to its end.
    ///
    /// # Errors
    /// [`Failure`]: why there is no reply; then nothing is kept.
    pub async fn run(self: &Rc<Self>, trigger: Trigger) -> Result<Reply, Failure> {
        self.run_admitted(trigger, None).await
    }

    /// The same for a trigger that was let in before it was all there.
    pub(super) async fn run_admitted(
        self: &Rc<Self>,
        trigger: Trigger,
        admission: Option<Admission>,
    ) -> Result<Reply, Failure> {
        let result = self.try_run(trigger, admission).await;
        self.stats.count(RunOutcome::of(&result));
        result
    }

    async fn try_run(
        self: &Rc<Self>,
        trigger: Trigger,
        admission: Option<Admission>,
    ) -> Result<Reply, Failure> {
        if matches!(trigger, Trigger::Http { .. }) && !self.program().triggers.http {
            return Err(Failure::NoProgram);
        }
        let (enter, share) = match admission {
            Some(Admission { place, share }) => (place.enter(), share),
            None => (self.gate.enter(), self.account.share()),
        };
        let permit = self.turn(enter).await?;
        if self.state.is_closed() {
            return Err(Failure::NoProgram);
        }
        let tree = self.state.files().await.map_err(|error| {
            log::warn!(target: "program", "{}: its state cannot be read: {error}", self.short());
            Failure::Unavailable
        })?;
        let version = self.version.borrow().clone();
        let (run, launch) = self.prepare(&version, trigger, tree, share)?;
        let finished = self.shared.node.run_program(launch).await;
        run.end();
        let reply = self.conclude(&version, &run, finished)?;
        self.keep(&run, permit).await?;
        Ok(reply)
    }

    /// The right to run now.
    async fn turn(&self, enter: Result<Enter, Full>) -> Result<Permit, Failure> {
        let enter = enter.map_err(|_| Failure::Busy)?;
        let executor = self.shared.node.executor();
        let patience = executor.now().after(Duration::from_millis(MAX_QUEUE_WAIT_MS));
        executor.timeout_at(patience, enter).await.map_err(|_| Failure::Busy)
    }

    fn prepare(
        &self,
        version: &Version,
        trigger: Trigger,
        tree: Rc<FileTree>,
        share: Share,
    ) -> Result<(Rc<Run>, Launch), Failure> {
        let program = self.program();
        let node = &self.shared.node;
        let mut scope = trigger.scope();
        let mut files = Files::new(tree, version.definition.export().cloned());
        let seed = trigger.seed(&program.id);
        let time_ms = trigger.time_ms().unwrap_or(program.time_ms);
        let reproducible = program.environment.reproducible;
        if let Trigger::Http { body: Some(body), .. } = trigger {
            scope = with_file_body(&scope);
            files.write(REQUEST_BODY, body).map_err(|_| self.memory_exceeded())?;
        }
        let run = Rc::new(Run::new(Parts {
            program: program.id.clone(),
            environment: program.environment,
            variables: self.variables.clone(),
            files,
            clock: reproducible.then(|| RunClock::new(time_ms)),
            api: self.shared.api.borrow().clone(),
            share,
            trigger_bytes: scope.size(),
        }));
        if !run.weigh(0) {
            return Err(self.memory_exceeded());
        }
        let machine = node.machine();
        let launch = Launch {
            script: version.script.clone(),
            run: run.clone(),
            scope,
            lane: self.lane,
            id: match reproducible {
                true => particle_id(&seed),
                false => new_particle_id(&**machine).into(),
            },
            timestamp_ms: if reproducible { time_ms } else { machine.unix_time_ms() },
            time_limit: self.time_limit(),
            memory: self.account.limit(),
        };
        Ok((run, launch))
    }

    fn memory_exceeded(&self) -> Failure {
        Failure::Program(format!(
            "the program's runs hold more than its memory of {} MiB",
            self.program().resources.memory_mib
        ))
    }

    fn conclude(
        &self,
        version: &Version,
        run: &Rc<Run>,
        finished: Finished,
    ) -> Result<Reply, Failure> {
        let code = version.definition.code_ref();
        let reply = |value: Option<Value>, data| {
            Reply::new(self.program().id.clone(), code.cloned(), value, run.clone(), data)
        };
        match finished {
            Finished::Refused => Err(Failure::Busy),
            Finished::Answered(Answer::Response(value), report) => {
                Ok(reply(Some(value), report.and_then(|report| report.data)))
            }
            Finished::Answered(Answer::Error(error), _) => {
                Err(Failure::Program(error_text(&error)))
            }
            Finished::Ended(report) => match (report.end, &report.fault) {
                (End::Expired, _) => Err(Failure::TooSlow),
                (End::Evicted, _) | (End::Exhausted(Budget::Memory), _) => Err(Failure::Busy),
                (End::Exhausted(Budget::Held), _) => Err(self.memory_exceeded()),
                (End::Exhausted(budget), _) => Err(Failure::Program(format!("{budget}"))),
                (End::Done | End::Failed, Some(fault)) => {
                    Err(Failure::Program(self.shared.node.fault_text(fault, &version.script)))
                }
                (End::Done | End::Failed, None) if report.unreachable.is_empty() => {
                    Ok(reply(None, report.data))
                }
                (End::Done | End::Failed, None) => {
                    let mut text = String::from("the program needs peers that cannot be reached:");
                    for peer in &report.unreachable {
                        text.push(' ');
                        text.extend(peer.chars().take(64));
                    }
                    Err(Failure::Program(text))
                }
            },
        }
    }

    /// Keeps what the run left behind. Once begun this is not given up, whoever stops waiting for it.
    async fn keep(self: &Rc<Self>, run: &Rc<Run>, permit: Permit) -> Result<(), Failure> {
        if !run.files().borrow().is_dirty() {
            return Ok(());
        }
        let (hosted, run) = (self.clone(), run.clone());
        let done = crate::executor::Slot::new();
        let slot = done.clone();
        self.shared.node.executor().spawn(async move {
            let tree = run.files().borrow().tree().clone();
            slot.put(hosted.state.keep(tree).await);
            drop(permit);
        });
        done.take().await.map_err(|error| {
            log::warn!(target: "program", "{}: its state cannot be kept: {error}", self.short());
            Failure::Program(format!("the program's state cannot be kept: {error}"))
        })
    }

    /// The first letters of its name, for the log.
    pub(super) fn short(&self) -> &str {
        self.program().id.as_str().get(..12).unwrap_or_default()
    }
}

/// The scope with a body that names the file in which the body is.
fn with_file_body(scope: &Value) -> Value {
    let Some(members) = scope.as_object() else { return scope.clone() };
    let file = Value::object(alloc::vec![(Arc::from("file"), REQUEST_BODY.into())]);
    let body = (Arc::from("body"), file.unwrap_or_default());
    let others = members.iter().filter(|(name, _)| &**name != "body").cloned();
    Value::object(others.chain([body]).collect()).unwrap_or_default()
}

impl fmt::Debug for Hosted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hosted")
            .field("program", &self.program().id)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
