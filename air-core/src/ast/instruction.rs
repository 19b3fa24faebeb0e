//! Instructions and the nodes that hold them.

use super::Span;
use super::operand::{
    Failure, Iterable, MapKey, Operand, Operands, Output, Restricted, TripletPart, Variable,
};

/// Index of a node in its script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub(crate) u32);

impl NodeId {
    /// The index as a number: children have smaller ones than their parent.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One instruction and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Node {
    /// What it does.
    pub instruction: Instruction,
    /// From its `(` to just after its `)`.
    pub span: Span,
}

/// Index of a call's operands in its script: they take twice the room of any other instruction's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(pub(super) u32);

/// The operands of `call`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Call {
    /// The peer that executes it.
    pub peer: TripletPart,
    /// The service's id.
    pub service: TripletPart,
    /// The function's name.
    pub function: TripletPart,
    /// The arguments.
    pub arguments: Operands,
    /// Where the result goes, if anywhere.
    pub output: Option<Output>,
}

/// An instruction with its operands (§6).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Instruction {
    /// `(call PEER (SERVICE FUNCTION) [ARGUMENTS] OUTPUT)`; resolve it with
    /// [`Script::call`](super::Script::call).
    Call(CallId),
    /// `(ap ARGUMENT TARGET)`
    Ap {
        /// The value.
        argument: Operand,
        /// The scalar that is set or the stream that is appended to.
        target: Output,
    },
    /// `(ap (KEY VALUE) %map)`
    ApMap {
        /// The key.
        key: MapKey,
        /// The value.
        value: Operand,
        /// The stream map.
        map: Variable,
    },
    /// `(canon PEER $stream #canon)`
    Canon {
        /// The peer that takes the snapshot.
        peer: TripletPart,
        /// The stream.
        stream: Variable,
        /// The canon stream.
        target: Variable,
    },
    /// `(canon PEER %map #%canon)`
    CanonMap {
        /// The peer that takes the snapshot.
        peer: TripletPart,
        /// The stream map.
        map: Variable,
        /// The canon stream map.
        target: Variable,
    },
    /// `(canon PEER %map scalar)`
    CanonMapScalar {
        /// The peer that takes the snapshot.
        peer: TripletPart,
        /// The stream map.
        map: Variable,
        /// The scalar.
        target: Variable,
    },
    /// `(seq LEFT RIGHT)`
    Seq(NodeId, NodeId),
    /// `(par LEFT RIGHT)`
    Par(NodeId, NodeId),
    /// `(xor LEFT RIGHT)`
    Xor(NodeId, NodeId),
    /// `(match LEFT RIGHT BODY)`
    Match {
        /// The left value.
        left: Operand,
        /// The right value.
        right: Operand,
        /// What runs if they are equal.
        body: NodeId,
    },
    /// `(mismatch LEFT RIGHT BODY)`
    Mismatch {
        /// The left value.
        left: Operand,
        /// The right value.
        right: Operand,
        /// What runs if they differ.
        body: NodeId,
    },
    /// `(fold ITERABLE ITERATOR BODY LAST)`
    Fold {
        /// What is iterated.
        iterable: Iterable,
        /// The iterator, a scalar's name.
        iterator: Variable,
        /// What runs for an element.
        body: NodeId,
        /// What the last `next` runs, if given.
        last: Option<NodeId>,
    },
    /// `(next ITERATOR)`
    Next {
        /// The iterator.
        iterator: Variable,
    },
    /// `(new VARIABLE BODY)`
    New {
        /// The variable that is restricted.
        target: Restricted,
        /// Where it is.
        body: NodeId,
    },
    /// `(fail …)`
    Fail(Failure),
    /// `(never)`
    Never,
    /// `(null)`
    Null,
}

impl Instruction {
    /// The instructions inside, in the order of the text.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        let pair = match *self {
            Self::Seq(left, right) | Self::Par(left, right) | Self::Xor(left, right) => {
                [Some(left), Some(right)]
            }
            Self::Match { body, .. } | Self::Mismatch { body, .. } | Self::New { body, .. } => {
                [Some(body), None]
            }
            Self::Fold { body, last, .. } => [Some(body), last],
            Self::Call(_)
            | Self::Ap { .. }
            | Self::ApMap { .. }
            | Self::Canon { .. }
            | Self::CanonMap { .. }
            | Self::CanonMapScalar { .. }
            | Self::Next { .. }
            | Self::Fail(_)
            | Self::Never
            | Self::Null => [None, None],
        };
        pair.into_iter().flatten()
    }
}
