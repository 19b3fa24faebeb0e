//! The grammar (§2) as a machine with its own stack, so that no nesting can exhaust the native one.
//!
//! A [`Frame`] is an instruction that contains instructions and is not closed yet. After a syntax
//! error the machine goes on like the reference's (an LR parser with recovery at instructions): it
//! takes what it had of some open instruction's next child, together with tokens that it skips, for
//! one bad instruction, and looks for more errors.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::diagnostic::{Diagnostic, DiagnosticKind};
use super::lexer::Lexer;
use super::limits::{MAX_DIAGNOSTICS, MIN_NODE_BYTES, ParseLimits};
use super::token::{Kind, Token, TokenSet};
use super::validation::Validator;
use crate::Span;
use crate::ast::{
    Accessor, Call, Instruction, Iterable, Node, NodeId, Operand, Restricted, Script,
    ScriptBuilder, Variable,
};

/// Why an instruction could not be read.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another token was expected; parsing goes on after recovery.
    Syntax(TokenSet),
    /// Nothing more can be said about the script.
    Fatal(Box<Diagnostic>),
}

/// An instruction that is open: its operands are known, some children may be missing.
#[derive(Debug, Clone, Copy)]
struct Frame {
    open: Open,
    /// Offset of its `(`.
    left: u32,
    /// How many children are there.
    count: u8,
    /// The children; `None` stands for a missing one or a bad one.
    children: [Option<NodeId>; 2],
}

/// Which instruction is open.
#[derive(Debug, Clone, Copy)]
pub(super) enum Open {
    /// None: the script itself, whose one child is its root.
    Script,
    Seq,
    Par,
    Xor,
    Match {
        left: Operand,
        right: Operand,
    },
    Mismatch {
        left: Operand,
        right: Operand,
    },
    New {
        target: Restricted,
    },
    Fold {
        iterable: Iterable,
        iterator: Variable,
    },
}

impl Open {
    /// The tokens that may follow its child number `index`.
    const fn follow(&self, index: u8) -> TokenSet {
        match (self, index) {
            (Self::Script, _) => TokenSet::of(&[Kind::End]),
            (Self::Seq | Self::Par | Self::Xor, 0) => TokenSet::of(&[Kind::OpenRound]),
            (Self::Fold { .. }, 0) => TokenSet::of(&[Kind::OpenRound, Kind::CloseRound]),
            _ => TokenSet::of(&[Kind::CloseRound]),
        }
    }

    /// The most children that it can have.
    const fn capacity(&self) -> u8 {
        match self {
            Self::Seq | Self::Par | Self::Xor | Self::Fold { .. } => 2,
            Self::Script | Self::Match { .. } | Self::Mismatch { .. } | Self::New { .. } => 1,
        }
    }
}

impl Frame {
    const fn new(open: Open, left: u32) -> Self {
        Self { open, left, count: 0, children: [None; 2] }
    }

    /// The tokens that may come next.
    const fn expected(&self) -> TokenSet {
        match self.count {
            0 => TokenSet::of(&[Kind::OpenRound]),
            count => self.open.follow(count - 1),
        }
    }
}

/// The parser.
#[derive(Debug)]
pub(super) struct Parser<'a> {
    pub(super) text: &'a str,
    pub(super) lexer: Lexer<'a>,
    /// The token that is looked at.
    pub(super) token: Token,
    pub(super) script: ScriptBuilder,
    pub(super) validator: Validator,
    /// Room for the arguments of one call.
    pub(super) arguments: Vec<Operand>,
    /// Room for the accessors of one lens.
    pub(super) accessors: Vec<Accessor>,
    stack: Vec<Frame>,
    diagnostics: Vec<Diagnostic>,
    limits: ParseLimits,
}

/// A builder with room for what the text holds, so that it hardly ever moves: a bracket before a word
/// begins an instruction, nearly any other one stands in a call.
fn builder_for(text: &str, limits: &ParseLimits) -> ScriptBuilder {
    let bytes = text.as_bytes();
    let (mut nodes, mut calls) = (0_usize, 0_usize);
    for (&byte, &next) in bytes.iter().zip(bytes.iter().skip(1)) {
        let (is_bracket, is_word) = (byte == b'(', next.is_ascii_lowercase());
        nodes += usize::from(is_bracket & is_word);
        calls += usize::from(is_bracket & !is_word);
    }
    let longest = (text.len() / MIN_NODE_BYTES + 1).min(limits.nodes);
    ScriptBuilder::with_room(
        nodes.min(longest).min(limits.memory / size_of::<Node>()),
        calls.min(nodes).min(longest).min(limits.memory / size_of::<Call>()),
    )
}

impl<'a> Parser<'a> {
    /// Parses and validates a text that is not longer than the limit.
    pub(super) fn parse(text: &'a str, limits: ParseLimits) -> Result<Script, Vec<Diagnostic>> {
        let parser = Self {
            text,
            lexer: Lexer::new(text),
            token: Token { kind: Kind::End, left: 0, right: 0, lens: 0 },
            script: builder_for(text, &limits),
            validator: Validator::default(),
            arguments: Vec::new(),
            accessors: Vec::new(),
            stack: Vec::new(),
            diagnostics: Vec::new(),
            limits,
        };
        parser.run()
    }

    fn run(mut self) -> Result<Script, Vec<Diagnostic>> {
        if let Err(fatal) = self.instructions() {
            // The reference forgets what it found before a lexical error.
            return Err(Vec::from([*fatal]));
        }
        let Self { mut diagnostics, validator, script, text, .. } = self;
        validator.finish(&script, &mut diagnostics);
        diagnostics.truncate(MAX_DIAGNOSTICS);
        if diagnostics.is_empty() { Ok(script.finish(Arc::from(text))) } else { Err(diagnostics) }
    }

    /// Reads the whole script; syntax errors are collected.
    fn instructions(&mut self) -> Result<(), Box<Diagnostic>> {
        self.token = self.lexer.next();
        let mut frame = Frame::new(Open::Script, 0);
        loop {
            let failure = match self.step(&mut frame) {
                Ok(Step::Continue) => continue,
                Ok(Step::Finished) => return Ok(()),
                Err(failure) => failure,
            };
            match failure {
                Failure::Fatal(diagnostic) => return Err(diagnostic),
                Failure::Syntax(expected) => {
                    let diagnostic = self.unexpected(expected)?;
                    self.diagnostics.push(diagnostic);
                    if self.diagnostics.len() >= MAX_DIAGNOSTICS {
                        return Ok(());
                    }
                    self.recover(&mut frame, expected)?;
                }
            }
        }
    }

    /// What is wrong with the current token. A malformed one ends the parse; so does one that no rule
    /// takes.
    fn unexpected(&mut self, expected: TokenSet) -> Result<Diagnostic, Box<Diagnostic>> {
        if let Some(error) = self.lexer.take_error() {
            return Err(error);
        }
        let span = Span::new(self.token.left, self.token.right);
        let diagnostic = Diagnostic { kind: DiagnosticKind::Expected(expected), span };
        match self.token.kind {
            Kind::StreamLens | Kind::StreamMapLens => Err(Box::new(diagnostic)),
            _ => Ok(diagnostic),
        }
    }

    /// Opens or closes an instruction of `frame`, the innermost open one.
    #[inline]
    fn step(&mut self, frame: &mut Frame) -> Result<Step, Failure> {
        let capacity = frame.open.capacity();
        match self.token.kind {
            Kind::OpenRound if frame.count < capacity => self.open(frame)?,
            Kind::CloseRound if frame.expected().contains(Kind::CloseRound) => self.close(frame)?,
            Kind::End if matches!(frame.open, Open::Script) && frame.count == 1 => {
                return Ok(Step::Finished);
            }
            _ => return Err(Failure::Syntax(frame.expected())),
        }
        Ok(Step::Continue)
    }

    /// Reads an instruction up to its first child, or all of it if it has none.
    #[inline]
    fn open(&mut self, frame: &mut Frame) -> Result<(), Failure> {
        let left = self.token.left;
        self.advance();
        match self.head(left)? {
            Head::Leaf(leaf) => self.attach(frame, Some(leaf)),
            Head::Open(open) => {
                if self.stack.len() >= self.limits.nesting {
                    let limit = self.limits.nesting;
                    return Err(self.too_much(DiagnosticKind::NestedTooDeep { limit }));
                }
                self.stack.push(core::mem::replace(frame, Frame::new(open, left)));
            }
        }
        Ok(())
    }

    /// Closes the innermost instruction, all of whose children are there.
    #[inline]
    fn close(&mut self, frame: &mut Frame) -> Result<(), Failure> {
        let span = Span::new(frame.left, self.token.right);
        self.advance();
        let [first, second] = frame.children;
        let instruction = match (frame.open, first, second) {
            (Open::Seq, Some(left), Some(right)) => Some(Instruction::Seq(left, right)),
            (Open::Par, Some(left), Some(right)) => Some(Instruction::Par(left, right)),
            (Open::Xor, Some(left), Some(right)) => Some(Instruction::Xor(left, right)),
            (Open::Match { left, right }, Some(body), _) => {
                Some(Instruction::Match { left, right, body })
            }
            (Open::Mismatch { left, right }, Some(body), _) => {
                Some(Instruction::Mismatch { left, right, body })
            }
            (Open::New { target }, Some(body), _) => Some(Instruction::New { target, body }),
            (Open::Fold { iterable, iterator }, Some(body), last) => {
                Some(Instruction::Fold { iterable, iterator, body, last })
            }
            // A child is bad: there will be no tree.
            _ => None,
        };
        self.validator.compound(&self.script, &frame.open, frame.count, span);
        let node = match instruction {
            Some(instruction) => Some(self.push_node(instruction, span)?),
            None => None,
        };
        if let Some(outer) = self.stack.pop() {
            *frame = outer;
            self.attach(frame, node);
        }
        Ok(())
    }

    fn attach(&mut self, frame: &mut Frame, child: Option<NodeId>) {
        if let Some(place) = frame.children.get_mut(usize::from(frame.count)) {
            *place = child;
            frame.count += 1;
        }
    }

    /// Finds the innermost place of a child after which the parser can go on, and puts a bad child
    /// there. Tokens are skipped until there is such a place; `expected` is what fitted the first.
    fn recover(&mut self, frame: &mut Frame, expected: TokenSet) -> Result<(), Box<Diagnostic>> {
        loop {
            let kind = self.token.kind;
            if matches!(kind, Kind::OpenRound | Kind::CloseRound | Kind::End)
                && let Some((depth, index)) = self.place_before(frame, kind)
            {
                if depth < self.stack.len() {
                    *frame = self.stack[depth];
                    self.stack.truncate(depth);
                }
                frame.count = index;
                self.attach(frame, None);
                return Ok(());
            }
            // The end fits after the root, so it is never skipped.
            self.token = self.lexer.next();
            self.unexpected(expected)?;
        }
    }

    /// The innermost child place that `kind` may follow: the depth of its frame and its index there.
    fn place_before(&self, frame: &Frame, kind: Kind) -> Option<(usize, u8)> {
        let outer = self.stack.iter().enumerate().rev();
        core::iter::once((self.stack.len(), frame)).chain(outer).find_map(|(depth, frame)| {
            let last = frame.count.min(frame.open.capacity() - 1);
            let mut indexes = (0..=last).rev();
            let index = indexes.find(|&index| frame.open.follow(index).contains(kind))?;
            Some((depth, index))
        })
    }

    /// Adds a node, within the limit.
    pub(super) fn push_node(
        &mut self,
        instruction: Instruction,
        span: Span,
    ) -> Result<NodeId, Failure> {
        self.check_memory()?;
        let limit = self.limits.nodes;
        let within = self.script.node_count() < limit;
        let node = if within { self.script.push_node(instruction, span) } else { None };
        node.ok_or_else(|| self.too_much(DiagnosticKind::TooManyInstructions { limit }))
    }

    /// Whether the tree, with the arguments of a call that is being read, is within the limit.
    pub(super) fn check_memory(&self) -> Result<(), Failure> {
        let limit = self.limits.memory;
        let arguments = ScriptBuilder::memory_of_operands(self.arguments.len());
        if self.script.memory().saturating_add(arguments) > limit {
            return Err(self.too_much(DiagnosticKind::TooMuchMemory { limit }));
        }
        Ok(())
    }

    /// A limit that the current token exceeds.
    pub(super) fn too_much(&self, kind: DiagnosticKind) -> Failure {
        let span = Span::new(self.token.left, self.token.right);
        Failure::Fatal(Box::new(Diagnostic { kind, span }))
    }

    /// Steps to the next token. A malformed one fits nowhere, so that it is told as soon as anything
    /// looks at it.
    #[inline]
    pub(super) fn advance(&mut self) {
        self.token = self.lexer.next();
    }
}

/// Whether the script has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Continue,
    Finished,
}

/// The beginning of an instruction.
#[derive(Debug)]
pub(super) enum Head {
    /// It was all.
    Leaf(NodeId),
    /// Its children come next.
    Open(Open),
}
