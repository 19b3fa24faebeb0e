//! What is to be done when an instruction is over: the machine's own stack.

use alloc::boxed::Box;

use crate::ast::{Name, NodeId};

use super::error_state::Thrown;
use super::failure::Failure;
use super::merge::ParMerge;
use super::stream_fold::StreamFold;

/// An open instruction. Instructions whose last part decides for them (the right part of a `seq`, the
/// body of a `match`) leave no frame for that part, so that a long fold takes one frame an element.
#[derive(Debug)]
pub(crate) enum Frame {
    /// The left part of a `seq` runs.
    Seq { right: NodeId },
    /// The left part of a `xor` runs.
    XorLeft { right: NodeId },
    /// The right part of a `xor` runs.
    XorRight,
    /// The left part of a `par` runs.
    ParLeft { right: NodeId, par: Box<ParMerge> },
    /// The right part of a `par` runs.
    ParRight { left: Branch, par: Box<ParMerge> },
    /// The only pass through a fold over a scalar or a canon.
    ScalarFold { iterator: Name },
    /// A generation of a fold over a stream or stream map.
    StreamFold(Box<StreamFold>),
    /// The iteration that a `next` entered.
    Next { node: NodeId, iterator: Name },
    /// The body of a `new`.
    New { node: NodeId },
}

impl Frame {
    /// A copy, of anything but a fold over a stream.
    pub(super) fn copy(&self) -> Option<Self> {
        Some(match self {
            Self::Seq { right } => Self::Seq { right: *right },
            Self::XorLeft { right } => Self::XorLeft { right: *right },
            Self::XorRight => Self::XorRight,
            Self::ParLeft { right, par } => Self::ParLeft { right: *right, par: par.clone() },
            Self::ParRight { left, par } => Self::ParRight { left: *left, par: par.clone() },
            Self::ScalarFold { iterator } => Self::ScalarFold { iterator: *iterator },
            Self::StreamFold(_) => return None,
            Self::Next { node, iterator } => Self::Next { node: *node, iterator: *iterator },
            Self::New { node } => Self::New { node: *node },
        })
    }

    /// Where the window of previous data that is read inside an open `par` ends.
    pub(super) fn window_end(&self) -> Option<usize> {
        match self {
            Self::ParLeft { par, .. } => Some(par.window_end(false)),
            Self::ParRight { par, .. } => Some(par.window_end(true)),
            _ => None,
        }
    }

    /// The position in the result of the state of an open `par`.
    pub(super) fn par_position(&self) -> Option<usize> {
        match self {
            Self::ParLeft { par, .. } | Self::ParRight { par, .. } => Some(par.position()),
            _ => None,
        }
    }
}

/// How a branch of a `par` ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Branch {
    pub(crate) succeeded: bool,
    pub(crate) complete: bool,
}

/// What the machine does after an instruction has begun or a part of one has ended.
#[derive(Debug)]
pub(crate) enum Flow {
    /// Execute this one next.
    Enter(NodeId),
    /// The instruction is over.
    Done,
    /// The instruction is over with an error that is already recorded.
    Fail(Thrown),
}

/// How an instruction begins; an error is one that it raises itself.
pub(crate) type Begun = Result<Flow, Failure>;
