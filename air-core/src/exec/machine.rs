//! The machine: an explicit stack over the script's nodes, so that no script, no data and no value can
//! exhaust the native one, and that execution can stop anywhere and go on later.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use hashbrown::HashSet;

use crate::ast::{Instruction, Name, NodeId, Script};
use crate::data::{Cid, CidStores, SignedCids, State, Tetraplet};
use crate::step::{CallRequest, Parameters};
use crate::value::Value;

use super::argument_hashes::ArgumentHashes;
use super::canon_values::Pairs;
use super::checkpoint::{Checkpoint, Checkpoints};
use super::error_state::{Culprit, ErrorState, Thrown};
use super::failure::{Failure, Shown, Unresolved};
use super::frame::{Begun, Flow, Frame};
use super::iteration::Iteration;
use super::limits::{MIN_SHOWN_BYTES, SHOWN_TEXT_PART, STORED_TEXT_PART};
use super::merge::{Merge, MergeError};
use super::results::CallResults;
use super::scopes::Scopes;
use super::streams::{StreamSlots, Streams};

/// Fuel that each instruction costs; what it does with data costs more (see [`Machine::charge`]).
const INSTRUCTION_FUEL: u64 = 1;
/// Bytes hashed, copied or parsed for one unit of fuel.
const BYTES_PER_FUEL: u64 = 256;
/// Items passed over for one unit of fuel.
const ITEMS_PER_FUEL: u64 = 16;
/// What a state of the trace, a value in a stream or a frame weighs at least, for the memory bound.
pub(super) const ITEM_BYTES: usize = 128;

/// What an execution starts from.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) script: Arc<Script>,
    pub(crate) slots: Arc<StreamSlots>,
    pub(crate) parameters: Arc<Parameters>,
    pub(crate) previous: Vec<State>,
    pub(crate) current: Vec<State>,
    pub(crate) stores: CidStores,
    pub(crate) last_call_request_id: u32,
    pub(crate) results: CallResults,
    pub(crate) argument_hashes: ArgumentHashes,
    /// Whether a step may follow that goes on where this one stops.
    pub(crate) is_kept: bool,
}

/// An execution.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(super) script: Arc<Script>,
    pub(super) parameters: Arc<Parameters>,
    pub(super) literal_tetraplet: Arc<Tetraplet>,
    pub(super) merge: Merge,
    pub(super) stores: CidStores,
    pub(super) scopes: Arc<Scopes>,
    pub(super) iterators: Vec<Option<Box<Iteration>>>,
    pub(super) streams: Streams,
    pub(super) pairs: Pairs,
    pub(super) errors: ErrorState,
    /// Whether the part just executed is finished (air-language §5.2).
    pub(super) complete: bool,
    pub(super) results: CallResults,
    pub(super) argument_hashes: ArgumentHashes,
    pub(super) requests: Vec<CallRequest>,
    pub(super) last_call_request_id: u32,
    /// The highest number that data claim for a request of this peer, once it has been asked for.
    pub(super) claimed_request_id: Option<u32>,
    next_peers: NextPeers,
    /// The results and canons of this peer in the trace so far, for its signature.
    pub(super) produced: SignedCids,
    pub(super) frames: Vec<Frame>,
    next: Next,
    /// Fuel that the instruction just executed took beyond what was left.
    debt: u64,
    /// Fuel that the running instruction takes.
    cost: u64,
    pub(super) memory: usize,
    /// The part of `memory` that a repetition of this execution is not charged for.
    fresh: usize,
    pub(super) checkpoints: Checkpoints,
}

/// What the machine does next.
#[derive(Debug)]
pub(super) enum Next {
    Enter(NodeId),
    Leave(Result<(), Thrown>),
    Stop(Result<(), Thrown>),
}

/// Peers to send the data to, each once, in the order in which they were met.
#[derive(Debug, Default)]
struct NextPeers {
    list: Vec<Arc<str>>,
    known: HashSet<Arc<str>>,
}

/// What an execution came to.
#[derive(Debug)]
pub(crate) struct Output {
    /// The previous trace, as it was given.
    pub(crate) previous: Vec<State>,
    pub(crate) trace: Vec<State>,
    pub(crate) stores: CidStores,
    pub(crate) last_call_request_id: u32,
    pub(crate) next_peers: Vec<Arc<str>>,
    pub(crate) requests: Vec<CallRequest>,
    pub(crate) produced: SignedCids,
    pub(crate) unprocessed: CallResults,
    pub(crate) result: Result<(), Thrown>,
    /// Where the next step can go on.
    pub(crate) checkpoint: Option<Box<Checkpoint>>,
}

impl Machine {
    /// A machine that begins at the root of the script.
    pub(crate) fn new(input: Input) -> Self {
        let next = Next::Enter(input.script.root());
        Self::new_at(input, next, Arc::new(Scopes::new()))
    }

    /// A machine without iterators and streams.
    pub(super) fn new_at(input: Input, next: Next, scopes: Arc<Scopes>) -> Self {
        let has_current = !input.current.is_empty();
        let literal = Tetraplet::of_peer(input.parameters.init_peer_id.clone());
        Self {
            next,
            literal_tetraplet: Arc::new(literal),
            merge: Merge::new(input.previous, input.current),
            stores: input.stores,
            scopes,
            iterators: Vec::new(),
            streams: Streams::new(input.slots),
            pairs: Pairs::default(),
            errors: ErrorState::default(),
            complete: true,
            results: input.results,
            argument_hashes: input.argument_hashes,
            requests: Vec::new(),
            last_call_request_id: input.last_call_request_id,
            claimed_request_id: None,
            next_peers: NextPeers::default(),
            produced: SignedCids::default(),
            frames: Vec::new(),
            debt: 0,
            cost: 0,
            memory: 0,
            fresh: 0,
            checkpoints: match input.is_kept {
                true => Checkpoints::wanted(has_current),
                false => Checkpoints::default(),
            },
            script: input.script,
            parameters: input.parameters,
        }
    }

    /// Executes for so much fuel at most; whether the execution is over.
    ///
    /// The last instruction may take more than was left; the next slice pays for it, so slices of any
    /// size come to an end with the same outcome.
    pub(crate) fn run(&mut self, fuel: u64) -> bool {
        let Some(mut left) = fuel.checked_sub(self.debt) else {
            self.debt -= fuel;
            return false;
        };
        self.debt = 0;
        loop {
            let next = core::mem::replace(&mut self.next, Next::Stop(Ok(())));
            let flow = match next {
                Next::Stop(result) => {
                    self.next = Next::Stop(result);
                    return true;
                }
                next if left == 0 => {
                    self.next = next;
                    return false;
                }
                Next::Enter(node) => {
                    self.cost = INSTRUCTION_FUEL;
                    match self.begin(node) {
                        Ok(flow) => flow,
                        Err(failure) => Flow::Fail(self.raise(node, failure)),
                    }
                }
                Next::Leave(result) => {
                    self.cost = 0;
                    match self.frames.pop() {
                        Some(frame) => self.resume(frame, result),
                        None => {
                            self.next = Next::Stop(result);
                            continue;
                        }
                    }
                }
            };
            self.next = match flow {
                Flow::Enter(node) => Next::Enter(node),
                Flow::Done => Next::Leave(Ok(())),
                Flow::Fail(thrown) if thrown.failure.is_catchable() => Next::Leave(Err(thrown)),
                Flow::Fail(thrown) => Next::Stop(Err(thrown)),
            };
            self.debt = self.cost.saturating_sub(left);
            left = left.saturating_sub(self.cost);
        }
    }

    fn begin(&mut self, node: NodeId) -> Begun {
        match *self.script.instruction(node) {
            Instruction::Call(call) => {
                let call = *self.script.call(call);
                let before = self.before_call();
                let flow = self.call(node, &call);
                self.after_call(node, before);
                Ok(flow)
            }
            Instruction::Ap { argument, target } => self.ap(node, argument, target),
            Instruction::ApMap { key, value, map } => self.ap_map(node, key, value, map),
            Instruction::Canon { peer, stream, target } => self.canon(node, peer, stream, target),
            Instruction::CanonMap { peer, map, target } => {
                self.canon_to_map(node, peer, map, target)
            }
            Instruction::CanonMapScalar { peer, map, target } => {
                self.canon_to_scalar(node, peer, map, target)
            }
            Instruction::Seq(left, right) => self.seq(left, right),
            Instruction::Par(left, right) => self.par(node, left, right),
            Instruction::Xor(left, right) => self.xor(left, right),
            Instruction::Match { left, right, body } => self.compare(left, right, body, true),
            Instruction::Mismatch { left, right, body } => self.compare(left, right, body, false),
            Instruction::Fold { iterable, iterator, body, last } => {
                self.fold(node, iterable, iterator.name, body, last)
            }
            Instruction::Next { iterator } => self.next(node, iterator.name),
            Instruction::New { target, body } => self.new_scope(node, target, body),
            Instruction::Fail(operand) => self.fail(node, operand),
            Instruction::Never => {
                self.complete = false;
                Ok(Flow::Done)
            }
            Instruction::Null => Ok(Flow::Done),
        }
    }

    fn resume(&mut self, frame: Frame, result: Result<(), Thrown>) -> Flow {
        match frame {
            Frame::Seq { right } => self.after_seq_left(right, result),
            Frame::XorLeft { right } => self.after_xor_left(right, result),
            Frame::XorRight => self.after_xor_right(result),
            Frame::ParLeft { right, par } => self.after_par_left(right, par, &result),
            Frame::ParRight { left, par } => self.after_par_right(left, &par, result),
            Frame::ScalarFold { iterator } => self.after_scalar_fold(iterator, result),
            Frame::StreamFold(fold) => self.after_generation(fold, result),
            Frame::Next { node, iterator } => self.after_next(node, iterator, result),
            Frame::New { node } => self.after_new(node, result),
        }
    }

    /// Records an error that an instruction raises.
    pub(super) fn raise(&mut self, node: NodeId, failure: Failure) -> Thrown {
        let log_peer = matches!(
            self.script.instruction(node),
            Instruction::Canon { .. }
                | Instruction::CanonMap { .. }
                | Instruction::CanonMapScalar { .. }
        );
        let peer = self.parameters.current_peer_id.clone();
        self.spend_bytes(failure.message.len());
        self.errors.record(&failure, Culprit { node, peer, log_peer, tetraplet: None });
        Thrown { failure, node }
    }

    /// The error of an instruction whose data do not fit.
    pub(super) fn trace_error(&self, node: NodeId, error: &MergeError) -> Failure {
        let nested: String = alloc::format!("{error}");
        Failure::trace(&self.script.instruction_text(node), &nested)
    }

    /// What an operand came to: a value, or nothing yet, which makes the part incomplete (§5.3).
    pub(super) fn joined<T>(
        &mut self,
        resolved: Result<T, Unresolved>,
    ) -> Result<Option<T>, Failure> {
        match resolved {
            Ok(value) => Ok(Some(value)),
            Err(Unresolved::Absent(_)) => {
                self.complete = false;
                Ok(None)
            }
            Err(Unresolved::Failed(failure)) => Err(failure),
        }
    }

    /// Takes fuel for looking at so many items.
    pub(super) fn spend(&mut self, items: usize) {
        let fuel = u64::try_from(items).unwrap_or(u64::MAX) / ITEMS_PER_FUEL;
        self.cost = self.cost.saturating_add(fuel);
    }

    /// Takes fuel for so many bytes that are hashed, parsed or copied.
    pub(super) fn spend_bytes(&mut self, bytes: usize) {
        let fuel = u64::try_from(bytes).unwrap_or(u64::MAX) / BYTES_PER_FUEL;
        self.cost = self.cost.saturating_add(fuel);
    }

    /// Takes fuel and memory for so many bytes that are kept.
    pub(super) fn charge(&mut self, bytes: usize) -> Result<(), Failure> {
        self.spend_bytes(bytes);
        self.memory = self.memory.saturating_add(bytes);
        let limit = self.parameters.limits.memory;
        if self.memory > limit { Err(Failure::memory_exceeded(limit)) } else { Ok(()) }
    }

    /// As [`charge`](Self::charge), for something that is made in this step and that a step which finds
    /// it in data is not charged for.
    pub(super) fn charge_fresh(&mut self, bytes: usize) -> Result<(), Failure> {
        self.fresh = self.fresh.saturating_add(bytes);
        self.charge(bytes)
    }

    /// What a repetition of the execution so far is charged.
    pub(super) fn repeated_memory(&self) -> usize {
        self.memory.saturating_sub(self.fresh)
    }

    /// The scopes, to change.
    pub(super) fn scopes_mut(&mut self) -> &mut Scopes {
        Arc::make_mut(&mut self.scopes)
    }

    /// Whether a text of that length may be made of a value: shared parts can make it far longer than
    /// what the value takes in memory.
    pub(super) fn check_size(&self, size: usize) -> Result<(), Failure> {
        let limit = self.parameters.limits.memory;
        if size > limit { Err(Failure::memory_exceeded(limit)) } else { Ok(()) }
    }

    /// A value as messages show it.
    pub(super) fn shown<'a>(&self, value: &'a Value) -> Shown<'a> {
        let max = (self.parameters.limits.memory / SHOWN_TEXT_PART).max(MIN_SHOWN_BYTES);
        Shown { value, max }
    }

    /// Whether a value whose text is so long may be stored.
    pub(super) fn check_stored(&self, size: usize) -> Result<(), Failure> {
        let limit = self.parameters.limits.memory / STORED_TEXT_PART;
        if size > limit { Err(Failure::memory_exceeded(limit)) } else { Ok(()) }
    }

    pub(super) fn push_frame(&mut self, frame: Frame) -> Result<(), Failure> {
        let limit = self.parameters.limits.max_frames;
        if self.frames.len() >= limit {
            return Err(Failure::frames_exceeded(limit));
        }
        self.frames.push(frame);
        Ok(())
    }

    /// Appends a state to the result trace.
    pub(super) fn push_state(&mut self, state: State) -> Result<(), Failure> {
        self.check_trace()?;
        self.merge.push(state);
        Ok(())
    }

    /// Whether another state may be appended.
    pub(super) fn check_trace(&mut self) -> Result<(), Failure> {
        let limit = self.parameters.limits.max_trace_len;
        if self.merge.position() as usize >= limit {
            return Err(Failure::trace_exceeded(limit));
        }
        self.charge(ITEM_BYTES)
    }

    pub(super) fn is_here(&self, peer: &str) -> bool {
        *peer == *self.parameters.current_peer_id
    }

    /// The data are to go to `peer`.
    pub(super) fn send_to(&mut self, peer: &Arc<str>) {
        if self.next_peers.known.insert(peer.clone()) {
            self.next_peers.list.push(peer.clone());
        }
    }

    /// A result or canon of `peer` is in the trace; the own ones will be signed.
    pub(super) fn track(&mut self, peer: &str, cid: &Cid) {
        if self.is_here(peer) {
            self.produced.add(cid.clone());
        }
    }

    pub(super) fn iterator(&self, name: Name) -> Option<&Iteration> {
        self.iterators.get(name.index())?.as_deref()
    }

    pub(super) fn iterator_mut(&mut self, name: Name) -> Option<&mut Iteration> {
        self.iterators.get_mut(name.index())?.as_deref_mut()
    }

    /// Starts or ends an iterator.
    pub(super) fn set_iterator(&mut self, name: Name, iteration: Option<Iteration>) {
        if iteration.is_some() && name.index() >= self.iterators.len() {
            self.iterators.resize_with(name.index() + 1, || None);
        }
        if let Some(slot) = self.iterators.get_mut(name.index()) {
            *slot = iteration.map(Box::new);
        }
    }

    /// Takes out what the next step of the session can use.
    pub(crate) fn take_argument_hashes(&mut self) -> ArgumentHashes {
        core::mem::take(&mut self.argument_hashes)
    }

    /// What the execution came to, once [`run`](Self::run) says that it is over.
    pub(crate) fn finish(mut self) -> Output {
        let mut result = match core::mem::replace(&mut self.next, Next::Stop(Ok(()))) {
            Next::Stop(result) => result,
            Next::Enter(_) | Next::Leave(_) => Ok(()),
        };
        if result.as_ref().err().is_none_or(|thrown| thrown.failure.is_catchable()) {
            let streams = self.streams.take_all();
            for stream in streams.iter().flatten() {
                if let Err(failure) = self.number_generations(stream) {
                    let node = self.script.root();
                    result = Err(Thrown { failure, node });
                }
            }
        }
        let (previous, trace) = self.merge.into_traces();
        Output {
            checkpoint: self.checkpoints.choose(&previous, &trace),
            previous,
            trace,
            stores: self.stores,
            last_call_request_id: self.last_call_request_id,
            next_peers: self.next_peers.list,
            requests: self.requests,
            produced: self.produced,
            unprocessed: self.results,
            result,
        }
    }

    /// Gives up the execution: what it was made from, but for the entries that the stores have more.
    pub(crate) fn abandon(self) -> (Vec<State>, CidStores) {
        (self.merge.into_traces().0, self.stores)
    }
}
