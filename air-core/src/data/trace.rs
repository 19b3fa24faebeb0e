//! The trace: one state for each executed instruction that leaves a mark (air-data §4).

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Cid;

/// The generation that a stream's state carries while a run goes on; the true number is filled in at
/// the end (air-data §7.8).
pub const GENERATION_STUB: u32 = 0xCAFE_BABE;

/// What one instruction left in the trace (air-data §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// `par`: how many states its two subgraphs added right after this one.
    Par {
        /// States of the left subgraph.
        left: u32,
        /// States of the right subgraph.
        right: u32,
    },
    /// `call`.
    Call(CallState),
    /// `fold` over a stream or stream map: one entry for each iteration, in order.
    Fold(Vec<FoldLore>),
    /// `ap` into a stream or stream map.
    Ap(Generations),
    /// `canon` of any form.
    Canon(CanonState),
}

/// How far a call has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallState {
    /// Forwarded to another peer or handed to the host; the result is awaited.
    RequestSentBy(Sender),
    /// The service answered.
    Executed(ValueRef),
    /// The service failed; CID of the service result whose value says how.
    Failed(Cid),
}

/// Who sent a call's request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The peer that sent it.
    pub peer_id: Arc<str>,
    /// The request's number, where the sender handed it to its own host; nothing where it forwarded
    /// the particle.
    pub call_id: Option<u32>,
}

/// The result of an executed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueRef {
    /// Into a scalar; CID of a service result.
    Scalar(Cid),
    /// Into a stream.
    Stream {
        /// CID of a service result.
        cid: Cid,
        /// Generation of the stream that the value is in.
        generation: u32,
    },
    /// Into nothing; CID of the value itself, which is in no store.
    Unused(Cid),
}

/// How far a canon has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CanonState {
    /// Forwarded towards the canon's peer by this peer.
    RequestSentBy(Arc<str>),
    /// Done; CID of the canon result.
    Executed(Cid),
}

/// The generations in an ap state. Honest data have exactly one; another number decodes and is
/// refused by the merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Generations {
    /// The one generation.
    One(u32),
    /// None, or several.
    Other(Box<[u32]>),
}

impl Generations {
    /// All of them.
    #[must_use]
    pub fn as_slice(&self) -> &[u32] {
        match self {
            Self::One(generation) => core::slice::from_ref(generation),
            Self::Other(generations) => generations,
        }
    }

    /// The generation, if there is exactly one.
    #[must_use]
    pub fn single(&self) -> Option<u32> {
        match self.as_slice() {
            [generation] => Some(*generation),
            _ => None,
        }
    }
}

/// Where the states of one iteration of a stream fold are (air-data §4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoldLore {
    /// Position of the state that put the iterated value into the stream.
    pub value_pos: u32,
    /// The states before and after `next`.
    pub subtraces: SubTraces,
}

impl FoldLore {
    /// The lore of an iteration with its states before and after `next`.
    #[must_use]
    pub fn new(value_pos: u32, before: SubTrace, after: SubTrace) -> Self {
        Self { value_pos, subtraces: SubTraces::Pair(before, after) }
    }
}

/// The descriptors of an iteration. Honest data have exactly two; another number decodes and is
/// refused by the merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubTraces {
    /// The states before `next` and those after it.
    Pair(SubTrace, SubTrace),
    /// Any other number of descriptors.
    Other(Box<[SubTrace]>),
}

/// A run of states in the trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SubTrace {
    /// Position of the first.
    pub begin: u32,
    /// How many there are.
    pub len: u32,
}
