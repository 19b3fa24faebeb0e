//! A whole script: its text, its nodes and its interned names.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::interner::Interner;
use super::operand::{Accessor, Lens, LensId, Operand, Operands};
use super::{Call, CallId, Instruction, Node, NodeId, Span};
use crate::text::{self, LineColumn};

/// An interned variable name, sigils included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(u32);

impl Name {
    /// The name's number, less than [`Script::name_count`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An interned text: a string literal or a field name of a lens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(u32);

impl Text {
    /// The text's number, less than [`Script::text_count`].
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A parsed and validated script.
///
/// Immutable; share it as `Arc<Script>`. Ids (`NodeId`, `Name`, `Text`, `LensId`, `Operands`) belong
/// to the script that they come from; given to another one, the accessors below may panic.
#[derive(Debug, Clone)]
pub struct Script {
    text: Arc<str>,
    nodes: Vec<Node>,
    calls: Vec<Call>,
    operands: Vec<Operand>,
    lenses: Vec<StoredLens>,
    accessors: Vec<Accessor>,
    names: Vec<Arc<str>>,
    texts: Vec<Arc<str>>,
    memory: usize,
}

/// A lens as stored: a path is a range of the script's accessors.
#[derive(Debug, Clone, Copy)]
enum StoredLens {
    Length,
    Path { start: u32, len: u32 },
}

impl StoredLens {
    fn resolve(self, accessors: &[Accessor]) -> Lens<'_> {
        match self {
            Self::Length => Lens::Length,
            Self::Path { start, len } => Lens::Path(&accessors[start as usize..][..len as usize]),
        }
    }
}

impl Script {
    /// About how much memory the script takes, its text included.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// The text that the script was parsed from.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// All nodes, children before their parent, left before right; the last is the root.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Line and column of a byte of the text.
    pub fn line_column(&self, offset: u32) -> LineColumn {
        text::line_column(&self.text, offset)
    }

    /// The outermost instruction.
    pub fn root(&self) -> NodeId {
        let last = self.nodes.len().saturating_sub(1);
        NodeId(u32::try_from(last).unwrap_or(u32::MAX))
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The instruction of a node.
    pub fn instruction(&self, id: NodeId) -> &Instruction {
        &self.node(id).instruction
    }

    /// The operands of a `call`.
    pub fn call(&self, id: CallId) -> &Call {
        &self.calls[id.0 as usize]
    }

    /// Where a node stands in the text.
    pub fn span(&self, id: NodeId) -> Span {
        self.node(id).span
    }

    /// The operands of a range.
    pub fn operands(&self, range: Operands) -> &[Operand] {
        &self.operands[range.start as usize..][..range.len as usize]
    }

    /// A lens.
    pub fn lens(&self, id: LensId) -> Lens<'_> {
        self.lenses[id.0 as usize].resolve(&self.accessors)
    }

    /// The text of a variable's name, sigils included.
    pub fn name(&self, name: Name) -> &Arc<str> {
        &self.names[name.index()]
    }

    /// How many different variable names there are.
    pub fn name_count(&self) -> usize {
        self.names.len()
    }

    /// A string literal or a field name.
    pub fn literal(&self, text: Text) -> &Arc<str> {
        &self.texts[text.index()]
    }

    /// How many different literals and field names there are.
    pub fn text_count(&self) -> usize {
        self.texts.len()
    }

    /// The instruction in one line without its children, as error objects show it (§9).
    pub fn instruction_text(&self, id: NodeId) -> String {
        text::instruction_text(self, id)
    }

    /// A lens as messages show it (§9): `.length`, `.$.[0].field`.
    pub fn lens_text(&self, id: LensId) -> String {
        text::lens_text(self, id)
    }
}

/// Collects the parts of a script in the order in which a parser meets them.
///
/// Every `Option` is `None` only when an index would not fit 32 bits.
#[derive(Debug, Default)]
pub(crate) struct ScriptBuilder {
    nodes: Vec<Node>,
    calls: Vec<Call>,
    operands: Vec<Operand>,
    lenses: Vec<StoredLens>,
    accessors: Vec<Accessor>,
    names: Interner,
    texts: Interner,
}

impl ScriptBuilder {
    /// A builder with room for so many nodes and calls among them.
    pub(crate) fn with_room(nodes: usize, calls: usize) -> Self {
        let (nodes, calls) = (Vec::with_capacity(nodes), Vec::with_capacity(calls));
        Self { nodes, calls, ..Self::default() }
    }

    /// Adds the operands of a `call`.
    pub(crate) fn push_call(&mut self, call: Call) -> Option<CallId> {
        let id = CallId(u32::try_from(self.calls.len()).ok()?);
        self.calls.push(call);
        Some(id)
    }

    /// The operands of a `call`.
    pub(crate) fn call(&self, id: CallId) -> &Call {
        &self.calls[id.0 as usize]
    }

    /// Adds a node whose children are there already.
    pub(crate) fn push_node(&mut self, instruction: Instruction, span: Span) -> Option<NodeId> {
        let id = NodeId(u32::try_from(self.nodes.len()).ok()?);
        self.nodes.push(Node { instruction, span });
        Some(id)
    }

    /// Adds the operands of one instruction.
    pub(crate) fn push_operands(&mut self, operands: &[Operand]) -> Option<Operands> {
        let start = u32::try_from(self.operands.len()).ok()?;
        let len = u32::try_from(operands.len()).ok()?;
        self.operands.extend_from_slice(operands);
        Some(Operands { start, len })
    }

    /// Adds a lens.
    pub(crate) fn push_lens(&mut self, lens: Lens<'_>) -> Option<LensId> {
        let id = LensId(u32::try_from(self.lenses.len()).ok()?);
        let stored = match lens {
            Lens::Length => StoredLens::Length,
            Lens::Path(accessors) => {
                let start = u32::try_from(self.accessors.len()).ok()?;
                let len = u32::try_from(accessors.len()).ok()?;
                self.accessors.extend_from_slice(accessors);
                StoredLens::Path { start, len }
            }
        };
        self.lenses.push(stored);
        Some(id)
    }

    /// Interns a variable's name.
    pub(crate) fn name(&mut self, name: &str) -> Option<Name> {
        self.names.intern(name).map(Name)
    }

    /// Interns a literal or a field name.
    pub(crate) fn text(&mut self, text: &str) -> Option<Text> {
        self.texts.intern(text).map(Text)
    }

    /// The text of a name.
    pub(crate) fn name_text(&self, name: Name) -> &Arc<str> {
        &self.names.texts()[name.index()]
    }

    /// The operands of a range.
    pub(crate) fn operands(&self, range: Operands) -> &[Operand] {
        &self.operands[range.start as usize..][..range.len as usize]
    }

    /// A lens.
    pub(crate) fn lens(&self, id: LensId) -> Lens<'_> {
        self.lenses[id.0 as usize].resolve(&self.accessors)
    }

    /// How many nodes there are.
    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// About how much memory the parts take.
    #[inline]
    pub(crate) fn memory(&self) -> usize {
        let of_nodes = self.nodes.len().saturating_mul(size_of::<Node>());
        let of_lenses = self.lenses.len().saturating_mul(size_of::<StoredLens>());
        of_nodes
            .saturating_add(self.calls.len().saturating_mul(size_of::<Call>()))
            .saturating_add(Self::memory_of_operands(self.operands.len()))
            .saturating_add(of_lenses)
            .saturating_add(self.accessors.len().saturating_mul(size_of::<Accessor>()))
            .saturating_add(self.names.memory())
            .saturating_add(self.texts.memory())
    }

    /// Memory of so many operands.
    pub(crate) const fn memory_of_operands(count: usize) -> usize {
        count.saturating_mul(size_of::<Operand>())
    }

    /// The script, whose root is the node that was pushed last.
    pub(crate) fn finish(self, text: Arc<str>) -> Script {
        Script {
            memory: self.memory().saturating_add(text.len()),
            text,
            nodes: self.nodes,
            calls: self.calls,
            operands: self.operands,
            lenses: self.lenses,
            accessors: self.accessors,
            names: self.names.into_texts(),
            texts: self.texts.into_texts(),
        }
    }
}
