//! The syntax tree of a script: an immutable arena without recursion.
//!
//! A [`Script`] owns flat vectors; nodes name their children by [`NodeId`], so dropping, cloning and
//! walking a tree of any depth take constant stack. Nodes are stored in the order in which they end
//! in the text (children before their parent, left before right), hence a plain loop over
//! [`Script::nodes`] is a bottom-up walk and the root is the last node.
//!
//! Every operand is resolved into an enum that has exactly the forms that the grammar admits in its
//! place (specification of the language, §2). Variable names and literal texts are interned: a
//! [`Name`] is a small dense integer (usable as an index into a table), and so is a [`Text`]. The
//! sigils belong to the name: `x`, `$x`, `#x`, `#$x`, `%x` are five different names.

mod instruction;
mod interner;
mod operand;
mod script;

pub use instruction::{Call, CallId, Instruction, Node, NodeId};
pub use operand::{
    Accessor, Failure, Iterable, Lens, LensId, Lensed, MapKey, Operand, Operands, Output,
    Restricted, TripletPart, Variable,
};
pub use script::{Name, Script, Text};

pub(crate) use script::ScriptBuilder;

/// A range of bytes of the script's text, `left` included, `right` excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub left: u32,
    /// Offset just after the last byte.
    pub right: u32,
}

impl Span {
    /// The span from byte `left` to just before byte `right`.
    pub const fn new(left: u32, right: u32) -> Self {
        Self { left, right }
    }

    /// Whether the byte at `position` lies in the span.
    pub const fn contains(self, position: u32) -> bool {
        self.left <= position && position < self.right
    }

    /// Whether `inner` lies strictly inside, touching neither end (the rule of §3.2).
    pub const fn strictly_contains(self, inner: Self) -> bool {
        self.left < inner.left && inner.right < self.right
    }
}
