//! Splits a script into tokens (§1.2, §1.3).
//!
//! Most words are plain ASCII names and are taken in one pass over their bytes; all others go
//! through [`word`](super::word), which follows the specification character by character.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::diagnostic::{Diagnostic, DiagnosticKind, LexerErrorKind};
use super::lens::{self, LensPart};
use super::token::{Kind, Token};
use super::word;
use crate::Span;

/// Why there is no further token. Boxed: it happens once a script.
pub(super) type LexerError = Box<Diagnostic>;

/// The reader of tokens.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    position: usize,
    /// Where the last token ended: the place of an unexpected end.
    last_right: u32,
    /// The accessors of the lens of the last token; empty for `.length`.
    lens: Vec<LensPart>,
}

/// What a byte is to the fast path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// ASCII letter or digit, `_`, `-`.
    Name,
    /// ASCII white space.
    Space,
    /// `)` or `]`: ends a word that has no open bracket.
    Close,
    Other,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Other; 256];
    let mut byte = 0u8;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => Class::Name,
            b'\t'..=b'\r' | b' ' => Class::Space,
            b')' | b']' => Class::Close,
            _ => Class::Other,
        };
        byte += 1;
    }
    classes
};

impl<'a> Lexer<'a> {
    /// A lexer at the start of `text`, which must be shorter than 4 GiB.
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, position: 0, last_right: 0, lens: Vec::new() }
    }

    /// The accessors of the last token's lens; none means `.length`.
    pub(super) fn lens(&self) -> &[LensPart] {
        &self.lens
    }

    /// The next token; at the end of the text `End`, again and again.
    #[inline]
    pub(super) fn next(&mut self) -> Result<Token, LexerError> {
        let bytes = self.text.as_bytes();
        while let Some(&byte) = bytes.get(self.position) {
            let start = self.position;
            match byte {
                b' ' | b'\t'..=b'\r' => self.position += 1,
                b'(' => return Ok(self.token(Kind::OpenRound, start, start + 1)),
                b')' => return Ok(self.token(Kind::CloseRound, start, start + 1)),
                b'[' => return Ok(self.token(Kind::OpenSquare, start, start + 1)),
                b']' => return Ok(self.token(Kind::CloseSquare, start, start + 1)),
                b'"' => return self.literal(start),
                b';' => self.skip_comment(start),
                0..=0x7f => return self.word(start),
                _ => match self.rest(start).chars().next() {
                    Some(c) if c.is_whitespace() => self.position += c.len_utf8(),
                    _ => return self.word(start),
                },
            }
        }
        let end = self.last_right;
        Ok(Token { kind: Kind::End, left: end, right: end, lens: end })
    }

    /// The text from byte `start`.
    fn rest(&self, start: usize) -> &'a str {
        self.text.get(start..).unwrap_or("")
    }

    /// Steps over a token.
    #[inline]
    fn token(&mut self, kind: Kind, left: usize, right: usize) -> Token {
        self.position = right;
        let (left, right) = (offset(left), offset(right));
        self.last_right = right;
        Token { kind, left, right, lens: right }
    }

    fn skip_comment(&mut self, start: usize) {
        let length = self.rest(start).bytes().position(|byte| byte == b'\n');
        self.position = length.map_or(self.text.len(), |length| start + length + 1);
    }

    fn literal(&mut self, start: usize) -> Result<Token, LexerError> {
        let content = self.rest(start + 1);
        match content.bytes().position(|byte| byte == b'"') {
            Some(length) => Ok(self.token(Kind::Literal, start, start + length + 2)),
            None => Err(error(LexerErrorKind::UnclosedQuote, start, self.text.len())),
        }
    }

    #[inline]
    fn word(&mut self, start: usize) -> Result<Token, LexerError> {
        let bytes = self.text.as_bytes();
        let class = |i: usize| bytes.get(i).map(|&byte| CLASSES[byte as usize]);
        let (kind, name) = match (bytes.get(start), bytes.get(start + 1)) {
            (Some(b'$'), _) => (Kind::Stream, start + 1),
            (Some(b'%'), _) => (Kind::StreamMap, start + 1),
            (Some(b'#'), Some(b'$')) => (Kind::Canon, start + 2),
            (Some(b'#'), Some(b'%')) => (Kind::CanonMap, start + 2),
            (Some(b'#'), _) => (Kind::Canon, start + 1),
            // What begins like a number may be one.
            (Some(b'-' | b'0'..=b'9'), _) => return self.unusual_word(start),
            _ => (Kind::Scalar, start),
        };
        let mut end = name;
        while class(end) == Some(Class::Name) {
            end += 1;
        }
        if end == name || class(end) == Some(Class::Other) {
            return self.unusual_word(start);
        }
        let kind = match kind {
            Kind::Scalar => keyword(&bytes[start..end]).unwrap_or(Kind::Scalar),
            tagged => tagged,
        };
        Ok(self.token(kind, start, end))
    }

    /// A word that is not just an ASCII name.
    fn unusual_word(&mut self, start: usize) -> Result<Token, LexerError> {
        let end = start + word::extent(self.rest(start));
        let word = self.text.get(start..end).unwrap_or("");
        let classified = word::classify(word).map_err(|failure| {
            let (left, right) = failure.span;
            error(failure.kind, start + left, start + right)
        })?;
        let mut token = self.token(classified.kind, start, end);
        if let Some(at) = classified.lens {
            let from = start + at;
            token.lens = offset(from);
            lens::parse(self.rest(from).get(..end - from).unwrap_or(""), from, &mut self.lens)
                .map_err(|text| error(LexerErrorKind::LambdaParserError(text), from, end))?;
        }
        Ok(token)
    }
}

/// The keyword that a plain word is.
#[inline]
pub(super) fn keyword(word: &[u8]) -> Option<Kind> {
    Some(match word {
        b"ap" => Kind::Ap,
        b"seq" => Kind::Seq,
        b"par" => Kind::Par,
        b"xor" => Kind::Xor,
        b"new" => Kind::New,
        b"call" => Kind::Call,
        b"fail" => Kind::Fail,
        b"fold" => Kind::Fold,
        b"next" => Kind::Next,
        b"null" => Kind::Null,
        b"true" => Kind::Boolean,
        b"canon" => Kind::CanonWord,
        b"match" => Kind::Match,
        b"never" => Kind::Never,
        b"false" => Kind::Boolean,
        b"mismatch" => Kind::Mismatch,
        _ => return None,
    })
}

/// An offset in a text whose length was checked to fit.
fn offset(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX)
}

fn error(kind: LexerErrorKind, left: usize, right: usize) -> LexerError {
    let span = Span::new(offset(left), offset(right));
    Box::new(Diagnostic { kind: DiagnosticKind::Lexer(kind), span })
}
