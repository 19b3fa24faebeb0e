//! A live session: one script and its particle, kept between steps.
//!
//! The parsed script and the decoded, verified data stay in memory; a step takes them, and gives them
//! back with its own states. Bytes are made, and signed, only when something leaves.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use crate::ast::Script;
use crate::data::{
    CidStores, KeyPair, KeyPairError, ParticleData, PreparationError, SignatureStore, SignedCids,
    StoresMark, encode, read_current, verify,
};
use crate::exec::argument_hashes::ArgumentHashes;
use crate::exec::checkpoint::Checkpoint;
use crate::exec::machine::{Input, Machine};
use crate::exec::results::CallResults;
use crate::exec::settle::{Settled, settle};
use crate::exec::streams::StreamSlots;
use crate::step::{
    CallResult, Parameters, Signatures, SizeFlags, StepOutcome, check_result_sizes, check_sizes,
    refuse_preparation,
};

/// How far a step has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The fuel is used up; [`Session::run`] goes on where it stopped.
    OutOfFuel,
    /// The step is over.
    Done(StepOutcome),
}

/// A particle on this peer.
///
/// A step that ends with an uncatchable error, is refused, or is given up in the middle leaves the data
/// as they were.
#[derive(Debug)]
pub struct Session {
    script: Arc<Script>,
    slots: Arc<StreamSlots>,
    parameters: Arc<Parameters>,
    key_pair: Result<Arc<KeyPair>, KeyPairError>,
    data: ParticleData,
    /// What this peer answers for, if its signature of it is not in the data yet.
    unsigned: Option<SignedCids>,
    argument_hashes: ArgumentHashes,
    /// Where a step without data from elsewhere goes on.
    checkpoint: Option<Box<Checkpoint>>,
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// Nothing begun.
    None,
    /// Over before it began.
    Refused(Box<StepOutcome>),
    /// The machine has the data.
    Running(Box<Running>),
}

#[derive(Debug)]
struct Running {
    machine: Machine,
    flags: SizeFlags,
    rollback: Rollback,
    /// The signatures of both data.
    signatures: Option<SignatureStore>,
}

/// How the stores get back to what they were.
#[derive(Debug)]
enum Rollback {
    /// Entries were only added.
    Forget(StoresMark),
    /// Entries of data that nobody verified may have been replaced.
    Replace(Box<CidStores>),
}

impl Session {
    /// A session of a particle that this peer has not seen before.
    #[must_use]
    pub fn new(script: Arc<Script>, parameters: Parameters) -> Self {
        Self {
            slots: Arc::new(StreamSlots::new(&script)),
            script,
            key_pair: parameters.key_pair(),
            parameters: Arc::new(parameters),
            data: ParticleData::default(),
            unsigned: None,
            argument_hashes: ArgumentHashes::kept(),
            checkpoint: None,
            step: Step::None,
        }
    }

    /// A session of a particle whose data this peer stored before.
    ///
    /// # Errors
    /// The bytes are not such data. They are trusted otherwise: keep them where nobody else writes.
    pub fn restore(
        script: Arc<Script>,
        parameters: Parameters,
        stored: &[u8],
    ) -> Result<Self, PreparationError> {
        let data = crate::data::Envelope::open(stored)?.read()?;
        Ok(Self { data, ..Self::new(script, parameters) })
    }

    /// The script.
    #[must_use]
    pub fn script(&self) -> &Arc<Script> {
        &self.script
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// About how many bytes of memory the data take between steps, and at least what they do.
    #[must_use]
    pub fn memory_used(&self) -> usize {
        self.data.memory_used()
    }

    /// Starts a step: `current` are the data that came with the particle (empty if none came),
    /// `results` the answers to earlier requests. A step that is not over is given up.
    ///
    /// Errors of the preparation are the outcome of the step.
    pub fn begin(&mut self, current: &[u8], results: Vec<(u32, CallResult)>) {
        self.give_up();
        self.step = match self.prepare(current, results) {
            Ok(running) => Step::Running(Box::new(running)),
            Err(outcome) => Step::Refused(Box::new(outcome)),
        };
    }

    fn prepare(
        &mut self,
        current: &[u8],
        results: Vec<(u32, CallResult)>,
    ) -> Result<Running, StepOutcome> {
        let parameters = self.parameters.clone();
        let script_len = self.script.text().len();
        let mut flags = check_sizes(Some(script_len), current.len(), &parameters)?;
        let refuse = |error: PreparationError| refuse_preparation(&error, flags);
        let mut verified = None;
        let comes_with_data = !current.is_empty();
        if comes_with_data {
            self.sign();
            let current = read_current(current).map_err(refuse)?;
            let salt = &parameters.particle_id;
            let signatures =
                verify(&self.data, &current, salt, parameters.signatures).map_err(refuse)?;
            verified = Some((current, signatures));
        }
        let results = CallResults::from(results);
        check_result_sizes(&results, &parameters, &mut flags)?;
        if let Err(error) = self.key_pair {
            return Err(refuse_preparation(&PreparationError::KeyPair(error), flags));
        }

        let mut stores = mem::take(&mut self.data.stores);
        let mark = stores.mark();
        let mut rollback = Rollback::Forget(mark);
        let (mut current_trace, mut signatures) = (Vec::new(), None);
        if let Some((current, united)) = verified {
            if parameters.signatures == Signatures::Unchecked {
                rollback = Rollback::Replace(Box::new(stores.clone()));
            }
            stores.absorb(current.stores);
            current_trace = current.trace;
            signatures = Some(united);
        }
        let checkpoint = self.checkpoint.take();
        let input = Input {
            script: self.script.clone(),
            slots: self.slots.clone(),
            parameters,
            previous: mem::take(&mut self.data.trace),
            current: current_trace,
            stores,
            last_call_request_id: self.data.last_call_request_id,
            results,
            argument_hashes: mem::take(&mut self.argument_hashes),
            is_kept: true,
        };
        let machine = match checkpoint.filter(|_| !comes_with_data) {
            Some(checkpoint) => {
                Machine::go_on(input, checkpoint).unwrap_or_else(|input| Machine::new(*input))
            }
            None => Machine::new(input),
        };
        Ok(Running { machine, flags, rollback, signatures })
    }

    /// Executes for so much fuel at most. Without a step begun, the outcome is an empty success.
    ///
    /// A unit of fuel is an instruction, or 256 bytes that are hashed, parsed or kept, or 16 values of a
    /// stream that are passed over. The last instruction of a slice may take more than was left; the next
    /// slice pays for it, so slices of any size come to the same end.
    pub fn run(&mut self, fuel: u64) -> Progress {
        match mem::replace(&mut self.step, Step::None) {
            Step::None => Progress::Done(StepOutcome::default()),
            Step::Refused(outcome) => Progress::Done(*outcome),
            Step::Running(mut running) => {
                if running.machine.run(fuel) {
                    Progress::Done(self.settle(*running))
                } else {
                    self.step = Step::Running(running);
                    Progress::OutOfFuel
                }
            }
        }
    }

    fn settle(&mut self, running: Running) -> StepOutcome {
        let Running { mut machine, flags, rollback, signatures } = running;
        self.argument_hashes = machine.take_argument_hashes();
        let (outcome, stores, settled) = settle(machine.finish(), &self.script);
        match settled {
            Settled::New { trace, last_call_request_id, produced, checkpoint } => {
                self.data.trace = trace;
                self.data.last_call_request_id = last_call_request_id;
                self.data.stores = stores;
                // The next step sees what the data say, and so does every other peer; the variables of
                // a checkpoint may hold what a service said in more digits than a float keeps.
                let was_inexact = self.data.stores.make_exact();
                self.checkpoint = checkpoint.filter(|_| !was_inexact);
                if let Some(signatures) = signatures {
                    self.data.signatures = signatures;
                }
                self.unsigned = Some(produced);
            }
            Settled::Unchanged { trace } => {
                self.data.trace = trace;
                self.data.stores = rollback.apply(stores);
            }
        }
        StepOutcome { flags, ..outcome }
    }

    /// Gives up a step that is not over.
    fn give_up(&mut self) {
        if let Step::Running(mut running) = mem::replace(&mut self.step, Step::None) {
            self.argument_hashes = running.machine.take_argument_hashes();
            let (trace, stores) = running.machine.abandon();
            self.data.trace = trace;
            self.data.stores = running.rollback.apply(stores);
        }
    }

    fn sign(&mut self) {
        let (Ok(key_pair), Some(unsigned)) = (&self.key_pair, self.unsigned.take()) else { return };
        if self.parameters.signatures == Signatures::Unchecked {
            self.data.signatures = SignatureStore::default();
        }
        self.data.signatures.put(unsigned.sign(key_pair, &self.parameters.particle_id));
    }

    /// The data as bytes, signed: to be stored, and to be sent to the next peers. A step that is not
    /// over is given up. Before the first step these are empty data; no bytes at all stand for data
    /// beyond the 2 GiB that an archive can hold, which the bound on memory keeps out of reach.
    #[must_use]
    pub fn data(&mut self) -> Vec<u8> {
        self.give_up();
        self.sign();
        encode(&self.data, None).unwrap_or_default()
    }
}

impl Rollback {
    fn apply(self, mut stores: CidStores) -> CidStores {
        match self {
            Self::Forget(mark) => {
                stores.forget_since(mark);
                stores
            }
            Self::Replace(stores_before) => *stores_before,
        }
    }
}
