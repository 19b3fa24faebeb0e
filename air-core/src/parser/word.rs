//! Words that are not plain names: numbers, lenses, keywords in signs, non-ASCII names, mistakes.
//!
//! This is §1.2 (extent), §1.3 and §1.4 rule by rule, with the reference's oddities, because every
//! peer must accept the same scripts.

use super::diagnostic::LexerErrorKind;
use super::lexer::keyword;
use super::token::Kind;

/// The longest number with a dot in bytes, sign and dot included.
const MAX_FLOAT_BYTES: usize = 11;

/// What a word is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Classified {
    pub(super) kind: Kind,
    /// Where in the word its lens begins.
    pub(super) lens: Option<usize>,
}

/// Why a word is malformed, and which bytes of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) kind: LexerErrorKind,
    pub(super) span: (usize, usize),
}

/// The length in bytes of the word that `text` begins with; the first character always belongs to
/// it, brackets inside must be balanced.
pub(super) fn extent(text: &str) -> usize {
    let (mut round, mut square) = (0i64, 0i64);
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '(' => round += 1,
            ')' => round -= 1,
            '[' => square += 1,
            ']' => square -= 1,
            _ => {}
        }
        if c.is_whitespace() || round < 0 || square < 0 {
            return at;
        }
    }
    text.len()
}

/// What the word is; the lens is found but not parsed.
pub(super) fn classify(word: &str) -> Result<Classified, Failure> {
    let plain = |kind| Ok(Classified { kind, lens: None });
    if let Some(kind) = keyword(word.as_bytes()) {
        return plain(kind);
    }
    match word {
        "%init_peer_id%" => return plain(Kind::InitPeerId),
        "%timestamp%" => return plain(Kind::Timestamp),
        "%ttl%" => return plain(Kind::Ttl),
        _ => {}
    }
    for (prefix, bare, lensed) in [
        (":error:", Kind::Error, Kind::ErrorLens),
        ("%last_error%", Kind::LastError, Kind::LastErrorLens),
    ] {
        match word.strip_prefix(prefix) {
            Some("") => return plain(bare),
            Some(_) => return Ok(Classified { kind: lensed, lens: Some(prefix.len()) }),
            None => {}
        }
    }
    Scanner::default().scan(word)
}

/// The sigil of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Stream,
    Canon,
    StreamMap,
    CanonMap,
}

/// The scanner of names and numbers (§1.4).
#[derive(Debug)]
struct Scanner {
    numeric: bool,
    digit: bool,
    dot: Option<usize>,
    tag: Option<Tag>,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { numeric: true, digit: false, dot: None, tag: None }
    }
}

impl Scanner {
    fn scan(mut self, word: &str) -> Result<Classified, Failure> {
        for (at, c) in word.char_indices() {
            if !self.accept_numeric(at, c)? {
                self.accept_name(word, at, c)?;
            }
        }
        if self.numeric { self.number(word) } else { Ok(self.variable()) }
    }

    /// Whether `c` continues a number. If not, the word is a name from here on.
    fn accept_numeric(&mut self, at: usize, c: char) -> Result<bool, Failure> {
        if !self.numeric {
            return Ok(false);
        }
        if at == 0 && (c == '+' || c == '-') {
            return Ok(true);
        }
        if c.is_numeric() {
            self.digit = true;
            return Ok(true);
        }
        if c == '.' && self.dot.is_none() {
            self.dot = Some(at);
            return if self.digit {
                Ok(true)
            } else {
                Err(at_char(LexerErrorKind::LeadingDot, at, c))
            };
        }
        if self.dot.is_some() {
            return Err(at_char(LexerErrorKind::UnallowedCharInNumber, at, c));
        }
        self.numeric = false;
        Ok(false)
    }

    fn accept_name(&mut self, word: &str, at: usize, c: char) -> Result<(), Failure> {
        if let Some(tag) = self.tag_at(word, at, c) {
            self.tag = Some(tag);
            // The sigils so far are all that there is.
            if word.len() == at + 1 {
                let kind = match at {
                    0 => LexerErrorKind::EmptyTaggedName,
                    _ => LexerErrorKind::EmptyCanonName,
                };
                return Err(at_char(kind, at, c));
            }
            return Ok(());
        }
        if self.dot.is_none() && c == '.' {
            if self.tag.is_some() && at <= 2 {
                // The reference points before the dot, and counts a one-letter name as empty.
                let span = (at - 1, at);
                return Err(Failure { kind: LexerErrorKind::EmptyCanonName, span });
            }
            self.dot = Some(at);
            return Ok(());
        }
        let is_last = at + c.len_utf8() == word.len();
        let is_name = c.is_alphanumeric() || c == '_' || c == '-';
        if self.dot.is_none() {
            return if is_name {
                Ok(())
            } else {
                Err(at_char(LexerErrorKind::IsNotAlphanumeric, at, c))
            };
        }
        let is_lens = matches!(
            c,
            '$' | '@' | '[' | ']' | '(' | ')' | ':' | '?' | '.' | '*' | ',' | '"' | '\''
        );
        if is_name || is_lens || (c == '!' && is_last) {
            Ok(())
        } else {
            Err(at_char(LexerErrorKind::InvalidLambda, at, c))
        }
    }

    /// The tag that the character sets, if it is a sigil in the place of one.
    fn tag_at(&self, word: &str, at: usize, c: char) -> Option<Tag> {
        match (at, c) {
            (0, '$') => Some(Tag::Stream),
            (0, '#') => Some(Tag::Canon),
            (0, '%') => Some(Tag::StreamMap),
            (1, '$') if word.starts_with('#') => Some(Tag::Canon),
            // Whatever comes before it.
            (1, '%') => Some(Tag::CanonMap),
            _ => None,
        }
    }

    fn number(&self, word: &str) -> Result<Classified, Failure> {
        let whole = |kind| Failure { kind, span: (0, word.len()) };
        let kind = if self.dot.is_none() {
            word.parse::<i64>().map_err(|e| whole(LexerErrorKind::ParseIntError(e)))?;
            Kind::Integer
        } else if word.len() > MAX_FLOAT_BYTES {
            return Err(whole(LexerErrorKind::TooBigFloat));
        } else {
            word.parse::<f64>().map_err(|e| whole(LexerErrorKind::ParseFloatError(e)))?;
            Kind::Float
        };
        Ok(Classified { kind, lens: None })
    }

    fn variable(&self) -> Classified {
        let kind = match (self.tag, self.dot.is_some()) {
            (None, false) => Kind::Scalar,
            (None, true) => Kind::ScalarLens,
            (Some(Tag::Stream), false) => Kind::Stream,
            (Some(Tag::Stream), true) => Kind::StreamLens,
            (Some(Tag::Canon), false) => Kind::Canon,
            (Some(Tag::Canon), true) => Kind::CanonLens,
            (Some(Tag::StreamMap), false) => Kind::StreamMap,
            (Some(Tag::StreamMap), true) => Kind::StreamMapLens,
            (Some(Tag::CanonMap), false) => Kind::CanonMap,
            (Some(Tag::CanonMap), true) => Kind::CanonMapLens,
        };
        Classified { kind, lens: self.dot }
    }
}

/// A failure that is one character.
fn at_char(kind: LexerErrorKind, at: usize, c: char) -> Failure {
    Failure { kind, span: (at, at + c.len_utf8()) }
}
