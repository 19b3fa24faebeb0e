//! Places in an execution from which the next step of a session goes on, instead of from the root.
//!
//! A step of a session that gets no data executes the script over the trace that the step before has
//! left. Up to the first call that waits for the host that execution is known: it takes state after
//! state of that trace and writes each again. So the machine as it is before that call is kept, and the
//! next step starts there, *exactly* as if it had come there from the root. What it holds otherwise than
//! a machine that took the states from previous data is set right when it goes on:
//!
//! - the place in the trace and the windows of open `par`s follow from the new trace ([`Merge::resume`]);
//! - values that were added to streams in this step are values of previous data then, in the generation
//!   that the trace has for them ([`Stream::settled`]);
//! - requests, next peers and what was charged for things of this step alone are not there.
//!
//! Two conditions make this sound. Each instruction before the place has left exactly the states that it
//! took ([`Merge::is_even`]), so a second run meets each state where the first one left it. And a fold
//! over a stream is passed only where it was a repetition: what a fold visits depends on the generations
//! that values were found in, so the trace up to the fold's end must be, at the end of the step, the one
//! that the step began with, and nothing may have come from current data. Else an earlier place is taken:
//! the one before that fold. A fold over a stream that is open is never interrupted.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::ast::NodeId;
use crate::data::{SignedCids, State};

use super::error_state::ErrorState;
use super::frame::Frame;
use super::iteration::Iteration;
use super::limits::{CHECKPOINT_FRAMES, CHECKPOINT_MEMORY, CHECKPOINTS_BEFORE_FOLDS};
use super::machine::{Input, Machine, Next};
use super::merge::Merge;
use super::scopes::Scopes;
use super::stream::Stream;
use super::streams::Instances;

/// A machine that stands before an instruction.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    node: NodeId,
    frames: Vec<Frame>,
    scopes: Arc<Scopes>,
    iterators: Vec<Option<Box<Iteration>>>,
    streams: Arc<Instances>,
    errors: ErrorState,
    complete: bool,
    produced: SignedCids,
    /// What a run from the root would have been charged.
    memory: usize,
    /// States in the result.
    position: u32,
    /// Up to where the trace must stay what it was in the step before: the end of the last fold over a
    /// stream.
    repeated: u32,
    /// Whether a request was numbered in the session, which makes the highest number that data claim
    /// count no more: later numbers are above it.
    has_numbered: bool,
}

/// The checkpoints that a step may leave.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    /// Whether a step may follow.
    is_wanted: bool,
    /// Whether current data came with the step.
    has_current: bool,
    /// Whether a call was met that waits for the host: the next step may differ from there on.
    pub(super) is_waiting: bool,
    /// The end of the last fold over a stream, and that known from the step before.
    repeated: u32,
    known: u32,
    /// One that is good whatever becomes of the trace.
    sure: Option<Box<Checkpoint>>,
    /// A later one that is good if the folds before it were repetitions.
    hopeful: Option<Box<Checkpoint>>,
    before_folds: usize,
}

/// What a call changes although it only waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct BeforeCall {
    position: u32,
    memory: usize,
    complete: bool,
    has_numbered: bool,
}

impl Checkpoints {
    /// For a step of a session that others may follow.
    pub(super) fn wanted(has_current: bool) -> Self {
        Self { is_wanted: true, has_current, ..Self::default() }
    }

    /// The latest checkpoint that is good for a step over `trace`, which came of `previous`.
    pub(super) fn choose(self, previous: &[State], trace: &[State]) -> Option<Box<Checkpoint>> {
        let is_repetition = |checkpoint: &Checkpoint| {
            let range = self.known as usize..checkpoint.repeated as usize;
            let (Some(before), Some(after)) = (previous.get(range.clone()), trace.get(range))
            else {
                return false;
            };
            // The sizes of a `par` that is open at the checkpoint are not known there.
            let is_open = |index: usize| {
                checkpoint.frames.iter().any(|frame| frame.par_position() == Some(index))
            };
            !self.has_current
                && (self.known as usize..)
                    .zip(before.iter().zip(after))
                    .all(|(index, (before, after))| before == after || is_open(index))
        };
        self.hopeful.filter(|hopeful| is_repetition(hopeful)).or(self.sure)
    }
}

impl Machine {
    /// A machine that goes on at a checkpoint of the step before, or the input if it cannot.
    pub(crate) fn go_on(input: Input, checkpoint: Box<Checkpoint>) -> Result<Self, Box<Input>> {
        let Checkpoint { node, mut frames, mut streams, position, repeated, .. } = *checkpoint;
        let rebuilt = input.current.is_empty()
            && Stream::settle_all(&mut streams, &input.previous, repeated)
            && Merge::fit(&mut frames, &input.previous, position).is_some();
        if !rebuilt {
            return Err(Box::new(input));
        }
        let mut machine = Self::new_at(input, Next::Enter(node), checkpoint.scopes);
        machine.merge.resume(&frames, position);
        machine.frames = frames;
        machine.iterators = checkpoint.iterators;
        machine.streams.instances = streams;
        machine.errors = checkpoint.errors;
        machine.complete = checkpoint.complete;
        machine.produced = checkpoint.produced;
        machine.memory = checkpoint.memory;
        machine.claimed_request_id = checkpoint.has_numbered.then_some(0);
        machine.checkpoints.repeated = repeated;
        machine.checkpoints.known = repeated;
        Ok(machine)
    }

    /// Notes what a call may change, if the place before it is of interest.
    pub(super) fn before_call(&self) -> Option<BeforeCall> {
        self.may_stop_here().then(|| BeforeCall {
            position: self.merge.position(),
            memory: self.repeated_memory(),
            complete: self.complete,
            has_numbered: self.claimed_request_id.is_some(),
        })
    }

    /// Keeps the place before a call that turned out to wait for the host.
    pub(super) fn after_call(&mut self, node: NodeId, before: Option<BeforeCall>) {
        let Some(before) = before.filter(|_| self.checkpoints.is_waiting) else { return };
        // The call took a state and left one, if it has come so far.
        if self.merge.is_even() {
            self.keep(node, before);
        }
    }

    /// Keeps the place before a fold over a stream.
    pub(super) fn before_stream_fold(&mut self, node: NodeId) {
        if self.may_stop_here() && self.checkpoints.before_folds < CHECKPOINTS_BEFORE_FOLDS {
            self.checkpoints.before_folds += 1;
            if let Some(here) = self.before_call() {
                self.keep(node, here);
            }
        }
    }

    /// A fold over a stream has ended.
    pub(super) fn after_stream_fold(&mut self) {
        if self.checkpoints.is_wanted && !self.merge.is_in_fold() {
            self.checkpoints.repeated = self.merge.position();
        }
    }

    fn may_stop_here(&self) -> bool {
        self.checkpoints.is_wanted
            && !self.checkpoints.is_waiting
            && !self.merge.is_in_fold()
            && self.merge.is_even()
            && self.frames.len() <= CHECKPOINT_FRAMES
            && self.memory <= CHECKPOINT_MEMORY
    }

    fn keep(&mut self, node: NodeId, before: BeforeCall) {
        let frames: Option<Vec<Frame>> = self.frames.iter().map(Frame::copy).collect();
        let Some(frames) = frames else { return };
        self.spend(frames.len().saturating_add(self.iterators.len()));
        let checkpoint = Box::new(Checkpoint {
            node,
            frames,
            scopes: self.scopes.clone(),
            iterators: self.iterators.clone(),
            streams: self.streams.instances.clone(),
            errors: self.errors.clone(),
            complete: before.complete,
            produced: self.produced.clone(),
            memory: before.memory,
            position: before.position,
            repeated: self.checkpoints.repeated,
            has_numbered: before.has_numbered || self.claimed_request_id.is_some(),
        });
        if checkpoint.repeated == self.checkpoints.known {
            self.checkpoints.sure = Some(checkpoint);
        } else {
            self.checkpoints.hopeful = Some(checkpoint);
        }
    }
}
