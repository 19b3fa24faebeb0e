//! What can be wrong with a script, and the error that lists it.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::token::TokenSet;
use crate::Span;
use crate::text::{LineColumn, line_column};

/// One thing that is wrong with a script (§3.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub kind: DiagnosticKind,
    /// Where: a token, a character or a whole instruction.
    pub span: Span,
}

impl Diagnostic {
    /// The message without the place.
    pub fn message(&self) -> String {
        self.kind.to_string()
    }
}

/// Kinds of errors of scripts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiagnosticKind {
    /// A word or a literal is malformed.
    Lexer(LexerErrorKind),
    /// Another token was expected here.
    Expected(TokenSet),
    /// A variable is used that nothing defines.
    UndefinedVariable(Arc<str>),
    /// A `next` outside of folds with its iterator.
    UndefinedIterable(Arc<str>),
    /// `new` restricts the iterator of a fold around it.
    IteratorRestrictionNotAllowed(Arc<str>),
    /// A fold inside a fold with the same iterator.
    MultipleIterableValuesForOneIterator(Arc<str>),
    /// A second `next` in one fold.
    MultipleNextInFold(Arc<str>),
    /// `(fail 0 "…")`
    UnsupportedLiteralErrCodes,
    /// A fold over a stream or map runs something after `next`.
    FoldHasInstructionAfterNext,
    /// The script is longer than the limit.
    ScriptTooLong {
        /// The limit in bytes.
        limit: usize,
    },
    /// Instructions nest deeper than the limit.
    NestedTooDeep {
        /// The limit.
        limit: usize,
    },
    /// There are more instructions than the limit.
    TooManyInstructions {
        /// The limit.
        limit: usize,
    },
    /// The tree takes more memory than the limit.
    TooMuchMemory {
        /// The limit in bytes.
        limit: usize,
    },
}

/// What is wrong with a word or literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LexerErrorKind {
    /// A string literal without its second quote.
    UnclosedQuote,
    /// A character that names cannot have.
    IsNotAlphanumeric,
    /// Only a sigil.
    EmptyTaggedName,
    /// Two sigils without a name, or a dot directly after them.
    EmptyCanonName,
    /// A character that lenses cannot have.
    InvalidLambda,
    /// A number with a character that numbers cannot have.
    UnallowedCharInNumber,
    /// An integer does not fit 64 bits or has no digits.
    ParseIntError(core::num::ParseIntError),
    /// A number with a dot that is not a number.
    ParseFloatError(core::num::ParseFloatError),
    /// A lens that does not parse; the text says where.
    LambdaParserError(String),
    /// A number with a dot of more than 11 bytes.
    TooBigFloat,
    /// A dot with nothing before it.
    LeadingDot,
}

impl fmt::Display for LexerErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnclosedQuote => "this string literal has unclosed quote",
            Self::IsNotAlphanumeric => {
                "only alphanumeric, '_', and '-' characters are allowed in this position"
            }
            Self::EmptyTaggedName => "a tagged name should be non empty",
            Self::EmptyCanonName => "a canon name should be non empty",
            Self::InvalidLambda => "invalid character in lambda",
            Self::UnallowedCharInNumber => "a digit could contain only digits or one dot",
            Self::ParseIntError(error) => return error.fmt(f),
            Self::ParseFloatError(error) => return error.fmt(f),
            Self::LambdaParserError(text) => text,
            Self::TooBigFloat => "this float is too big, a float could contain less than 12 digits",
            Self::LeadingDot => {
                "leading dot without any symbols before - please write 0 if it's float \
                 or variable name if it's a lambda"
            }
        })
    }
}

impl fmt::Display for DiagnosticKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lexer(kind) => kind.fmt(f),
            Self::Expected(tokens) => write!(f, "expected {tokens}"),
            Self::UndefinedVariable(name) => write!(f, "variable '{name}' wasn't defined"),
            Self::UndefinedIterable(name) => write!(f, "iterable '{name}' wasn't defined"),
            Self::IteratorRestrictionNotAllowed(name) => {
                write!(f, "new can't be applied to a '{name}' because it's an iterator")
            }
            Self::MultipleIterableValuesForOneIterator(name) => {
                write!(f, "multiple iterable values found for iterator name '{name}'")
            }
            Self::MultipleNextInFold(name) => write!(
                f,
                "multiple next instructions for iterator '{name}' found for one fold, \
                 that is prohibited"
            ),
            Self::UnsupportedLiteralErrCodes => {
                f.write_str("error code 0 with fail is unsupported")
            }
            Self::FoldHasInstructionAfterNext => {
                f.write_str("fold can not have instructions after next")
            }
            Self::ScriptTooLong { limit } => {
                write!(f, "the script is longer than {limit} bytes")
            }
            Self::NestedTooDeep { limit } => {
                write!(f, "instructions are nested deeper than {limit}")
            }
            Self::TooManyInstructions { limit } => {
                write!(f, "the script has more than {limit} instructions")
            }
            Self::TooMuchMemory { limit } => {
                write!(f, "the script's tree takes more than {limit} bytes")
            }
        }
    }
}

/// Why a text is not a script: at least one diagnostic, syntax errors first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    text: Arc<str>,
    diagnostics: Vec<Diagnostic>,
}

impl ParseError {
    pub(super) fn new(text: &str, diagnostics: Vec<Diagnostic>) -> Self {
        Self { text: Arc::from(text), diagnostics }
    }

    /// Everything that is wrong.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// The diagnostic that stands first in the text.
    pub fn first(&self) -> Option<&Diagnostic> {
        self.diagnostics.iter().min_by_key(|d| d.span.left)
    }

    /// The text that was parsed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Line and column of a byte of the text.
    pub fn line_column(&self, offset: u32) -> LineColumn {
        line_column(&self.text, offset)
    }

    /// The block of text that shows each diagnostic under its place in the source (§12.1), cut at
    /// [`MAX_REPORT_BYTES`](super::limits::MAX_REPORT_BYTES).
    pub fn render(&self) -> String {
        super::report::render(&self.text, &self.diagnostics)
    }
}

impl fmt::Display for ParseError {
    /// The message of the first diagnostic with line and column.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first() {
            Some(first) => {
                let at = self.line_column(first.span.left);
                write!(f, "{}:{}: {}", at.line, at.column, first.kind)
            }
            None => f.write_str("invalid script"),
        }
    }
}

impl core::error::Error for ParseError {}
