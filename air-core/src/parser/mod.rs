//! The parser: text to tree, with every static check (§1 to §3).
//!
//! One pass over the bytes builds the tree and validates it. The parser is total: any text ends in
//! a tree or a list of errors, within the bounds of [`limits`], without recursion.

mod comments;
mod diagnostic;
mod grammar;
mod lens;
mod lens_error;
mod lexer;
pub mod limits;
mod operands;
mod report;
#[cfg(test)]
mod tests;
mod token;
mod validation;
mod word;

use alloc::vec;

pub use self::comments::comments;
pub use self::diagnostic::{Diagnostic, DiagnosticKind, LexerErrorKind, ParseError};
pub use self::limits::ParseLimits;
pub use self::token::TokenSet;

use crate::{Script, Span};

impl Script {
    /// Parses and validates a script.
    ///
    /// # Errors
    /// Everything that is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        Self::parse_within(text, ParseLimits::default())
    }

    /// Parses and validates a script within bounds; bounds above the maxima have no effect.
    ///
    /// # Errors
    /// Everything that is wrong with the text, or the bound that it exceeds.
    pub fn parse_within(text: &str, limits: ParseLimits) -> Result<Self, ParseError> {
        let limits = ParseLimits {
            bytes: limits.bytes.min(limits::MAX_SCRIPT_BYTES),
            nesting: limits.nesting.min(limits::MAX_NESTING),
            nodes: limits.nodes.min(limits::MAX_NODES),
            memory: limits.memory.min(limits::MAX_TREE_BYTES),
        };
        if text.len() > limits.bytes {
            let kind = DiagnosticKind::ScriptTooLong { limit: limits.bytes };
            // Nothing of such a text is kept.
            return Err(ParseError::new("", vec![Diagnostic { kind, span: Span::default() }]));
        }
        grammar::Parser::parse(text, limits)
            .map_err(|diagnostics| ParseError::new(text, diagnostics))
    }
}
