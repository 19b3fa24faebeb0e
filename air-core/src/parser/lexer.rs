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

/// The reader of tokens.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    position: usize,
    /// Where the last token ended: the place of an unexpected end.
    last_right: u32,
    /// The accessors of the lens of the last token; empty for `.length`.
    lens: Vec<LensPart>,
    /// Why the last token is malformed.
    error: Option<Box<Diagnostic>>,
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
        Self { text, position: 0, last_right: 0, lens: Vec::new(), error: None }
    }

    /// The accessors of the last token's lens; none means `.length`.
    pub(super) fn lens(&self) -> &[LensPart] {
        &self.lens
    }

    /// Why the last token is malformed; it is told once.
    pub(super) fn take_error(&mut self) -> Option<Box<Diagnostic>> {
        self.error.take()
    }

    /// The next token; at the end of the text `End`, again and again.
    #[inline]
    pub(super) fn next(&mut self) -> Token {
        let bytes = self.text.as_bytes();
        let mut start = self.position;
        while let Some(&byte) = bytes.get(start) {
            match byte {
                b' ' | b'\t'..=b'\r' => {
                    start += 1;
                    // Indentation.
                    while bytes.get(start) == Some(&b' ') {
                        start += 1;
                    }
                }
                b'(' => return self.token(Kind::OpenRound, start, start + 1),
                b')' => return self.token(Kind::CloseRound, start, start + 1),
                b'[' => return self.token(Kind::OpenSquare, start, start + 1),
                b']' => return self.token(Kind::CloseSquare, start, start + 1),
                b'"' => return self.literal(start),
                b'a'..=b'z' | b'A'..=b'Z' | b'_' => return self.name(Kind::Scalar, start, start),
                b'$' => return self.name(Kind::Stream, start, start + 1),
                b'%' => return self.name(Kind::StreamMap, start, start + 1),
                b'#' => match bytes.get(start + 1) {
                    Some(b'$') => return self.name(Kind::Canon, start, start + 2),
                    Some(b'%') => return self.name(Kind::CanonMap, start, start + 2),
                    _ => return self.name(Kind::Canon, start, start + 1),
                },
                // A sign that no number follows begins a name, as in `-relay-`.
                b'-' if matches!(bytes.get(start + 1), Some(b'a'..=b'z' | b'A'..=b'Z' | b'_')) => {
                    return self.name(Kind::Scalar, start, start);
                }
                b';' => start = self.after_comment(start),
                0..=0x7f => return self.unusual_word(start),
                _ => match self.rest(start).chars().next() {
                    Some(c) if c.is_whitespace() => start += c.len_utf8(),
                    _ => return self.unusual_word(start),
                },
            }
        }
        self.position = start;
        let end = self.last_right;
        Token { kind: Kind::End, left: end, right: end, lens: end }
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

    /// Where the line ends in which a comment starts.
    fn after_comment(&self, start: usize) -> usize {
        let length = self.rest(start).bytes().position(|byte| byte == b'\n');
        length.map_or(self.text.len(), |length| start + length + 1)
    }

    fn literal(&mut self, start: usize) -> Token {
        let content = self.text.as_bytes().get(start + 1..).unwrap_or(&[]);
        match content.iter().position(|&byte| byte == b'"') {
            Some(length) => self.token(Kind::Literal, start, start + length + 2),
            None => self.malformed(LexerErrorKind::UnclosedQuote, start, self.text.len()),
        }
    }

    /// A word whose sigils, those of `kind`, end where its `name` begins.
    #[inline]
    fn name(&mut self, kind: Kind, start: usize, name: usize) -> Token {
        let rest = self.text.as_bytes().get(name..).unwrap_or(&[]);
        let is_name = |byte: &&u8| CLASSES[usize::from(**byte)] == Class::Name;
        let length = rest.iter().take_while(is_name).count();
        let after = rest.get(length).map(|&byte| CLASSES[usize::from(byte)]);
        if length == 0 || after == Some(Class::Other) {
            return self.unusual_word(start);
        }
        let kind = match kind {
            Kind::Scalar => keyword(&rest[..length]).unwrap_or(Kind::Scalar),
            tagged => tagged,
        };
        self.token(kind, start, name + length)
    }

    /// A word that is not just an ASCII name.
    fn unusual_word(&mut self, start: usize) -> Token {
        let end = start + word::extent(self.rest(start));
        let word = self.text.get(start..end).unwrap_or("");
        let classified = match word::classify(word) {
            Ok(classified) => classified,
            Err(word::Failure { kind, span: (left, right) }) => {
                return self.malformed(kind, start + left, start + right);
            }
        };
        let mut token = self.token(classified.kind, start, end);
        if let Some(at) = classified.lens {
            let from = start + at;
            token.lens = offset(from);
            let lens = word.get(at..).unwrap_or("");
            if let Err(text) = lens::parse(lens, from, &mut self.lens) {
                return self.malformed(LexerErrorKind::LambdaParserError(text), from, end);
            }
        }
        token
    }

    fn malformed(&mut self, kind: LexerErrorKind, left: usize, right: usize) -> Token {
        let span = Span::new(offset(left), offset(right));
        self.error = Some(Box::new(Diagnostic { kind: DiagnosticKind::Lexer(kind), span }));
        self.token(Kind::Malformed, left, right)
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
