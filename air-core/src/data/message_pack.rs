//! MessagePack, as far as the data of a particle use it: a reader of tokens and a writer.
//!
//! The reader's errors carry the words that the reference's library prints, for they are part of the
//! messages of codes 3, 4 and 5.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::limits::MAX_SKIPPED_DEPTH;

/// Why MessagePack is refused. `Display` gives the reference's debug rendering.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessagePackError {
    /// The input ends where a value must begin.
    NoMarker,
    /// The input ends inside a length or a number.
    NoNumber,
    /// The input ends inside a string or bytes.
    NoData,
    /// The byte `c1`, which stands for nothing.
    Reserved,
    /// Arrays and maps nest too deep.
    TooDeep,
    /// An array has more elements than the structure it stands for; how many that has.
    TooManyElements(u32),
    /// A string is not UTF-8; how many bytes are, and how long the wrong piece is if it does not end the
    /// string.
    NotUtf8 {
        /// Bytes before the wrong ones.
        valid_up_to: usize,
        /// Number of wrong ones.
        error_len: Option<usize>,
    },
    /// The wrong value in the wrong place; says which.
    Syntax(String),
}

impl fmt::Display for MessagePackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNEXPECTED_END: &str =
            "Error { kind: UnexpectedEof, message: \"failed to fill whole buffer\" }";
        match self {
            Self::NoMarker => write!(f, "InvalidMarkerRead({UNEXPECTED_END})"),
            Self::NoNumber => write!(f, "InvalidDataRead({UNEXPECTED_END})"),
            Self::NoData => f.write_str("InvalidDataRead(Kind(UnexpectedEof))"),
            Self::Reserved => f.write_str("TypeMismatch(Reserved)"),
            Self::TooDeep => f.write_str("DepthLimitExceeded"),
            Self::TooManyElements(expected) => write!(f, "LengthMismatch({expected})"),
            Self::NotUtf8 { valid_up_to, error_len } => write!(
                f,
                "Utf8Error(Utf8Error {{ valid_up_to: {valid_up_to}, error_len: {error_len:?} }})"
            ),
            Self::Syntax(text) => write!(f, "Syntax({text:?})"),
        }
    }
}

impl MessagePackError {
    /// A value of the wrong type.
    pub(super) fn invalid_type(found: &Token<'_>, expected: &str) -> Self {
        Self::Syntax(format!("invalid type: {found}, expected {expected}"))
    }

    /// A structure lacks a field.
    pub(super) fn missing_field(name: &str) -> Self {
        Self::Syntax(format!("missing field `{name}`"))
    }

    /// A structure has a field twice.
    pub(super) fn duplicate_field(name: &str) -> Self {
        Self::Syntax(format!("duplicate field `{name}`"))
    }
}

/// One value, or the head of an array or a map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Nil,
    Bool(bool),
    /// Any integer from 0 up.
    Natural(u64),
    /// Any integer below 0.
    Negative(i64),
    Float(f64),
    /// A string, which may not be UTF-8.
    String(&'a [u8]),
    Binary(&'a [u8]),
    /// Number of elements that follow.
    Array(u32),
    /// Number of pairs that follow.
    Map(u32),
    Extension,
}

impl fmt::Display for Token<'_> {
    /// As the reference names what it did not expect.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("unit value"),
            Self::Bool(value) => write!(f, "boolean `{value}`"),
            Self::Natural(value) => write!(f, "integer `{value}`"),
            Self::Negative(value) => write!(f, "integer `{value}`"),
            Self::Float(value) => write!(f, "floating point `{value}`"),
            Self::String(bytes) => match core::str::from_utf8(bytes) {
                Ok(text) => write!(f, "string {text:?}"),
                Err(_) => f.write_str("byte array"),
            },
            Self::Binary(_) => f.write_str("byte array"),
            Self::Array(_) => f.write_str("sequence"),
            Self::Map(_) => f.write_str("map"),
            Self::Extension => f.write_str("newtype struct"),
        }
    }
}

/// Reads tokens one after the other.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next token.
    pub(super) fn token(&mut self) -> Result<Token<'a>, MessagePackError> {
        let Some((&marker, rest)) = self.rest.split_first() else {
            return Err(MessagePackError::NoMarker);
        };
        self.rest = rest;
        Ok(match marker {
            0x00..=0x7f => Token::Natural(u64::from(marker)),
            0x80..=0x8f => Token::Map(u32::from(marker & 0x0f)),
            0x90..=0x9f => Token::Array(u32::from(marker & 0x0f)),
            0xa0..=0xbf => Token::String(self.take(usize::from(marker & 0x1f))?),
            0xc0 => Token::Nil,
            0xc1 => return Err(MessagePackError::Reserved),
            0xc2 => Token::Bool(false),
            0xc3 => Token::Bool(true),
            0xc4..=0xc6 => Token::Binary(self.sized(marker - 0xc4)?),
            0xc7..=0xc9 => {
                let len = self.length(marker - 0xc7)?;
                self.extension(len)?
            }
            0xca => Token::Float(f64::from(f32::from_be_bytes(self.number()?))),
            0xcb => Token::Float(f64::from_be_bytes(self.number()?)),
            0xcc => Token::Natural(u64::from(u8::from_be_bytes(self.number()?))),
            0xcd => Token::Natural(u64::from(u16::from_be_bytes(self.number()?))),
            0xce => Token::Natural(u64::from(u32::from_be_bytes(self.number()?))),
            0xcf => Token::Natural(u64::from_be_bytes(self.number()?)),
            0xd0 => signed(i64::from(i8::from_be_bytes(self.number()?))),
            0xd1 => signed(i64::from(i16::from_be_bytes(self.number()?))),
            0xd2 => signed(i64::from(i32::from_be_bytes(self.number()?))),
            0xd3 => signed(i64::from_be_bytes(self.number()?)),
            0xd4..=0xd8 => self.extension(1 << (marker - 0xd4))?,
            0xd9..=0xdb => Token::String(self.sized(marker - 0xd9)?),
            0xdc => Token::Array(self.length_u32(1)?),
            0xdd => Token::Array(self.length_u32(2)?),
            0xde => Token::Map(self.length_u32(1)?),
            0xdf => Token::Map(self.length_u32(2)?),
            0xe0..=0xff => Token::Negative(i64::from(marker.cast_signed())),
        })
    }

    /// Passes over the rest of the value that begins with `head`.
    pub(super) fn skip(&mut self, head: &Token<'a>) -> Result<(), MessagePackError> {
        // How many values are left on each open level.
        let mut open: Vec<u64> = Vec::new();
        let mut token = *head;
        loop {
            let inside = match token {
                Token::Array(count) => u64::from(count),
                Token::Map(count) => 2 * u64::from(count),
                _ => 0,
            };
            if inside > 0 {
                if open.len() == MAX_SKIPPED_DEPTH {
                    return Err(MessagePackError::TooDeep);
                }
                open.push(inside);
            }
            while open.last() == Some(&0) {
                open.pop();
            }
            let Some(left) = open.last_mut() else { return Ok(()) };
            *left -= 1;
            token = self.token()?;
        }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], MessagePackError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(MessagePackError::NoData)?;
        self.rest = rest;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], MessagePackError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(MessagePackError::NoNumber)?;
        self.rest = rest;
        Ok(*taken)
    }

    /// A big-endian length of 1, 2 or 4 bytes, for `width` 0, 1 and 2.
    fn length_u32(&mut self, width: u8) -> Result<u32, MessagePackError> {
        Ok(match width {
            0 => u32::from(u8::from_be_bytes(self.number()?)),
            1 => u32::from(u16::from_be_bytes(self.number()?)),
            _ => u32::from_be_bytes(self.number()?),
        })
    }

    fn length(&mut self, width: u8) -> Result<usize, MessagePackError> {
        Ok(self.length_u32(width)? as usize)
    }

    fn sized(&mut self, width: u8) -> Result<&'a [u8], MessagePackError> {
        let len = self.length(width)?;
        self.take(len)
    }

    fn extension(&mut self, len: usize) -> Result<Token<'a>, MessagePackError> {
        self.number::<1>()?;
        self.take(len)?;
        Ok(Token::Extension)
    }
}

fn signed<'a>(value: i64) -> Token<'a> {
    match u64::try_from(value) {
        Ok(natural) => Token::Natural(natural),
        Err(_) => Token::Negative(value),
    }
}

/// Appends values in their shortest forms.
pub(super) struct Writer<'a> {
    pub(super) out: &'a mut Vec<u8>,
}

impl Writer<'_> {
    pub(super) fn nil(&mut self) {
        self.out.push(0xc0);
    }

    pub(super) fn bool(&mut self, value: bool) {
        self.out.push(if value { 0xc3 } else { 0xc2 });
    }

    pub(super) fn u64(&mut self, value: u64) {
        if let Ok(value) = u8::try_from(value) {
            if value >= 0x80 {
                self.out.push(0xcc);
            }
            self.out.push(value);
        } else if let Ok(value) = u16::try_from(value) {
            self.marked(0xcd, &value.to_be_bytes());
        } else if let Ok(value) = u32::try_from(value) {
            self.marked(0xce, &value.to_be_bytes());
        } else {
            self.marked(0xcf, &value.to_be_bytes());
        }
    }

    pub(super) fn i64(&mut self, value: i64) {
        if let Ok(natural) = u64::try_from(value) {
            self.u64(natural);
        } else if let Ok(value) = i8::try_from(value) {
            if value < -32 {
                self.out.push(0xd0);
            }
            self.out.push(value.cast_unsigned());
        } else if let Ok(value) = i16::try_from(value) {
            self.marked(0xd1, &value.to_be_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.marked(0xd2, &value.to_be_bytes());
        } else {
            self.marked(0xd3, &value.to_be_bytes());
        }
    }

    pub(super) fn f64(&mut self, value: f64) {
        self.marked(0xcb, &value.to_be_bytes());
    }

    pub(super) fn string(&mut self, text: &str) {
        match u8::try_from(text.len()) {
            Ok(short @ 0..=31) => self.out.push(0xa0 | short),
            Ok(len) => self.marked(0xd9, &[len]),
            Err(_) => self.long_head(0xda, 0xdb, text.len()),
        }
        self.out.extend_from_slice(text.as_bytes());
    }

    pub(super) fn binary(&mut self, bytes: &[u8]) {
        match u8::try_from(bytes.len()) {
            Ok(len) => self.marked(0xc4, &[len]),
            Err(_) => self.long_head(0xc5, 0xc6, bytes.len()),
        }
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn array(&mut self, len: usize) {
        match u8::try_from(len) {
            Ok(short @ 0..=15) => self.out.push(0x90 | short),
            _ => self.long_head(0xdc, 0xdd, len),
        }
    }

    pub(super) fn map(&mut self, len: usize) {
        match u8::try_from(len) {
            Ok(short @ 0..=15) => self.out.push(0x80 | short),
            _ => self.long_head(0xde, 0xdf, len),
        }
    }

    fn long_head(&mut self, marker_16: u8, marker_32: u8, len: usize) {
        match u16::try_from(len) {
            Ok(len) => self.marked(marker_16, &len.to_be_bytes()),
            // What is written is bounded by the archive and by memory, far below 4 GiB.
            Err(_) => {
                let len = u32::try_from(len).unwrap_or(u32::MAX);
                self.marked(marker_32, &len.to_be_bytes());
            }
        }
    }

    fn marked(&mut self, marker: u8, bytes: &[u8]) {
        self.out.push(marker);
        self.out.extend_from_slice(bytes);
    }
}
