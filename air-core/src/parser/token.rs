//! Kinds of tokens and sets of them, as messages name them.

use core::fmt;

/// What a token is. The order is that in which messages list the tokens that they expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    OpenRound,
    CloseRound,
    OpenSquare,
    CloseSquare,
    Boolean,
    Canon,
    CanonMap,
    CanonMapLens,
    CanonLens,
    Error,
    ErrorLens,
    Float,
    Integer,
    InitPeerId,
    LastError,
    LastErrorLens,
    Literal,
    Scalar,
    ScalarLens,
    Stream,
    StreamMap,
    Ttl,
    Timestamp,
    Ap,
    Call,
    CanonWord,
    Fail,
    Fold,
    Match,
    Mismatch,
    Never,
    New,
    Next,
    Null,
    Par,
    Seq,
    Xor,
    /// A stream with a lens: no rule of the grammar takes it.
    StreamLens,
    /// A stream map with a lens: no rule of the grammar takes it.
    StreamMapLens,
    /// The end of the script; never named among the expected tokens.
    End,
    /// What is no token; the lexer knows why. Nothing follows it.
    Malformed,
}

/// Names in the order of `Kind`, up to `Xor`.
const NAMES: [&str; 37] = [
    "\"(\"",
    "\")\"",
    "\"[\"",
    "\"]\"",
    "Boolean",
    "CanonStream",
    "CanonStreamMap",
    "CanonStreamMapWithLambda",
    "CanonStreamWithLambda",
    "Error",
    "ErrorWithLambda",
    "F64",
    "I64",
    "InitPeerId",
    "LastError",
    "LastErrorWithLambda",
    "Literal",
    "Scalar",
    "ScalarWithLambda",
    "Stream",
    "StreamMap",
    "TTL",
    "Timestamp",
    "ap",
    "call",
    "canon",
    "fail",
    "fold",
    "match_",
    "mismatch",
    "never",
    "new",
    "next",
    "null",
    "par",
    "seq",
    "xor",
];

/// A token: its kind and where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Offset of the first byte.
    pub(super) left: u32,
    /// Offset after the last byte.
    pub(super) right: u32,
    /// For a variable with a lens the offset where the lens begins, else the same as `right`.
    pub(super) lens: u32,
}

/// A set of kinds of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenSet(u64);

impl TokenSet {
    /// The set of the given kinds.
    pub(super) const fn of(kinds: &[Kind]) -> Self {
        let mut bits = 0;
        let mut i = 0;
        while i < kinds.len() {
            bits |= 1 << (kinds[i] as u8);
            i += 1;
        }
        Self(bits)
    }

    /// This set and these kinds.
    pub(super) const fn with(self, kinds: &[Kind]) -> Self {
        Self(self.0 | Self::of(kinds).0)
    }

    /// This set without these kinds.
    pub(super) const fn without(self, kinds: &[Kind]) -> Self {
        Self(self.0 & !Self::of(kinds).0)
    }

    /// Whether the kind is in the set.
    pub(super) const fn contains(self, kind: Kind) -> bool {
        self.0 >> (kind as u8) & 1 == 1
    }

    /// The names of the tokens in the order of messages.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        NAMES.iter().enumerate().filter(move |(i, _)| self.0 >> i & 1 == 1).map(|(_, name)| *name)
    }
}

impl fmt::Display for TokenSet {
    /// `A or B or C`; `<nothing>` where only the end of the script fits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.names().next().is_none() {
            return f.write_str("<nothing>");
        }
        for (i, name) in self.names().enumerate() {
            if i > 0 {
                f.write_str(" or ")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}
