//! MessagePack, as far as the host speaks it: bounded reading, and writing in the shortest forms.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::{fmt, slice};

use air_core::value::{Number, Value};

use crate::aleph::limits::{MAX_PACK_DEPTH, MAX_PACK_ITEMS};

/// Why bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PackError {
    /// They end too early.
    CutOff,
    /// More bytes stand behind the value.
    Behind,
    /// They begin with a byte that begins nothing, or a text is not UTF-8.
    Malformed,
    /// There are more values in it than [`MAX_PACK_ITEMS`].
    TooMany,
    /// It nests deeper than [`MAX_PACK_DEPTH`].
    TooDeep,
    /// It is longer than it may be.
    TooLong,
    /// A member of this name is missing, or is of another kind than it should be.
    Member(&'static str),
}

impl fmt::Display for PackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutOff => f.write_str("the message is cut off"),
            Self::Behind => f.write_str("more stands behind the message"),
            Self::Malformed => f.write_str("the message is not MessagePack"),
            Self::TooMany => f.write_str("the message has too many values"),
            Self::TooDeep => f.write_str("the message nests too deep"),
            Self::TooLong => f.write_str("the message is too long"),
            Self::Member(name) => write!(f, "`{name}` is missing or of the wrong kind"),
        }
    }
}

impl core::error::Error for PackError {}

/// A value, its texts and bytes borrowed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Pack<'a> {
    Nil,
    Bool(bool),
    /// A number; what it is is of no interest but for these.
    Integer(i64),
    Other,
    Text(&'a str),
    Bytes(&'a [u8]),
    Array(Vec<Pack<'a>>),
    Map(Vec<(Pack<'a>, Pack<'a>)>),
}

/// What a value begins with.
enum Head {
    Nil,
    Bool(bool),
    Integer(i64),
    /// A number or an extension of so many bytes.
    Skip(usize),
    Text(usize),
    Bytes(usize),
    Array(usize),
    Map(usize),
}

/// How long the first value is, once all of it is there; nothing while it is not.
///
/// # Errors
/// [`PackError::Malformed`], [`PackError::TooMany`], and [`PackError::TooLong`] if it is, or will be,
/// longer than `most`.
pub fn complete_length(bytes: &[u8], most: usize) -> Result<Option<usize>, PackError> {
    let mut rest = Reader { bytes, at: 0 };
    let (mut open, mut seen) = (1_usize, 0);
    while open > 0 {
        let head = match rest.head() {
            Ok(head) => head,
            Err(PackError::CutOff) if bytes.len() <= most => return Ok(None),
            Err(PackError::CutOff) => return Err(PackError::TooLong),
            Err(error) => return Err(error),
        };
        seen += 1;
        let (inner, length) = match head {
            Head::Array(count) => (count, 0),
            Head::Map(count) => (count.saturating_mul(2), 0),
            Head::Text(length) | Head::Bytes(length) | Head::Skip(length) => (0, length),
            _ => (0, 0),
        };
        open = (open - 1).saturating_add(inner);
        rest.at = rest.at.saturating_add(length);
        if seen > MAX_PACK_ITEMS || open > MAX_PACK_ITEMS {
            return Err(PackError::TooMany);
        }
        if rest.at > most {
            return Err(PackError::TooLong);
        }
        if rest.at > bytes.len() {
            return Ok(None);
        }
    }
    Ok(Some(rest.at))
}

impl<'a> Pack<'a> {
    /// The one value that the bytes are.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, PackError> {
        let mut reader = Reader { bytes, at: 0 };
        let mut items = 0;
        let value = reader.value(0, &mut items)?;
        if reader.at == bytes.len() { Ok(value) } else { Err(PackError::Behind) }
    }

    /// The member of a map with this key, the last of them; nil if there is none.
    pub(super) fn member(&self, name: &str) -> &Self {
        let Self::Map(members) = self else { return &Self::Nil };
        let found = members.iter().rev().find(|(key, _)| *key == Pack::Text(name));
        found.map_or(&Self::Nil, |(_, value)| value)
    }

    pub(super) fn text(&self, name: &'static str) -> Result<&'a str, PackError> {
        self.optional_text(name)?.ok_or(PackError::Member(name))
    }

    pub(super) fn optional_text(&self, name: &'static str) -> Result<Option<&'a str>, PackError> {
        match self.member(name) {
            Self::Nil => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            _ => Err(PackError::Member(name)),
        }
    }

    pub(super) fn optional_bytes(&self, name: &'static str) -> Result<Option<&'a [u8]>, PackError> {
        match self.member(name) {
            Self::Nil => Ok(None),
            Self::Bytes(bytes) => Ok(Some(bytes)),
            _ => Err(PackError::Member(name)),
        }
    }

    /// The items of an array; none if it is nil.
    pub(super) fn items(&self, name: &'static str) -> Result<&[Self], PackError> {
        match self.member(name) {
            Self::Nil => Ok(&[]),
            Self::Array(items) => Ok(items),
            _ => Err(PackError::Member(name)),
        }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], PackError> {
        let end = self.at.checked_add(count).ok_or(PackError::CutOff)?;
        let taken = self.bytes.get(self.at..end).ok_or(PackError::CutOff)?;
        self.at = end;
        Ok(taken)
    }

    /// A number in so many bytes, the highest first.
    fn number(&mut self, count: usize) -> Result<u64, PackError> {
        Ok(self.take(count)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn length(&mut self, count: usize) -> Result<usize, PackError> {
        usize::try_from(self.number(count)?).map_err(|_| PackError::TooLong)
    }

    fn head(&mut self) -> Result<Head, PackError> {
        let first = self.take(1)?.first().copied().unwrap_or_default();
        let low = |mask: u8| usize::from(first & mask);
        Ok(match first {
            0..=0x7f => Head::Integer(first.into()),
            0x80..=0x8f => Head::Map(low(0x0f)),
            0x90..=0x9f => Head::Array(low(0x0f)),
            0xa0..=0xbf => Head::Text(low(0x1f)),
            0xc0 => Head::Nil,
            0xc1 => return Err(PackError::Malformed),
            0xc2 | 0xc3 => Head::Bool(first == 0xc3),
            0xc4..=0xc6 => Head::Bytes(self.length(1 << (first - 0xc4))?),
            0xc7..=0xc9 => Head::Skip(self.length(1 << (first - 0xc7))?.saturating_add(1)),
            0xca => Head::Skip(4),
            0xcb => Head::Skip(8),
            0xcc..=0xcf => {
                let number = self.number(1 << (first - 0xcc))?;
                i64::try_from(number).map_or(Head::Skip(0), Head::Integer)
            }
            0xd0..=0xd3 => {
                let count = 1 << (first - 0xd0);
                let unused = 64 - 8 * u32::try_from(count).unwrap_or(8);
                // The sign is the highest bit that is there.
                Head::Integer((self.number(count)? << unused).cast_signed() >> unused)
            }
            0xd4..=0xd8 => Head::Skip((1 << (first - 0xd4)) + 1),
            0xd9..=0xdb => Head::Text(self.length(1 << (first - 0xd9))?),
            0xdc | 0xdd => Head::Array(self.length(2 << (first - 0xdc))?),
            0xde | 0xdf => Head::Map(self.length(2 << (first - 0xde))?),
            0xe0..=0xff => Head::Integer(first.cast_signed().into()),
        })
    }

    fn value(&mut self, depth: usize, items: &mut usize) -> Result<Pack<'a>, PackError> {
        if depth > MAX_PACK_DEPTH {
            return Err(PackError::TooDeep);
        }
        if *items == MAX_PACK_ITEMS {
            return Err(PackError::TooMany);
        }
        *items += 1;
        Ok(match self.head()? {
            Head::Nil => Pack::Nil,
            Head::Bool(value) => Pack::Bool(value),
            Head::Integer(value) => Pack::Integer(value),
            Head::Skip(length) => {
                self.take(length)?;
                Pack::Other
            }
            Head::Text(length) => {
                let text = core::str::from_utf8(self.take(length)?);
                Pack::Text(text.map_err(|_| PackError::Malformed)?)
            }
            Head::Bytes(length) => Pack::Bytes(self.take(length)?),
            Head::Array(count) => {
                let mut array = Vec::with_capacity(count.min(self.bytes.len() - self.at).min(64));
                for _ in 0..count {
                    array.push(self.value(depth + 1, items)?);
                }
                Pack::Array(array)
            }
            Head::Map(count) => {
                let mut map = Vec::with_capacity(count.min(self.bytes.len() - self.at).min(64));
                for _ in 0..count {
                    map.push((self.value(depth + 1, items)?, self.value(depth + 1, items)?));
                }
                Pack::Map(map)
            }
        })
    }
}

/// What is still to be written of a value that nests.
enum Rest<'v> {
    Array(slice::Iter<'v, Value>),
    Object(slice::Iter<'v, (Arc<str>, Value)>),
}

/// What values are written to, each in its shortest form.
#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    pub(super) fn nil(&mut self) -> &mut Self {
        self.0.push(0xc0);
        self
    }

    pub(super) fn flag(&mut self, value: bool) -> &mut Self {
        self.0.push(0xc2 | u8::from(value));
        self
    }

    /// A number from 0 to 65535.
    pub(super) fn number(&mut self, value: u16) -> &mut Self {
        match u8::try_from(value) {
            Ok(value) if value < 0x80 => self.0.push(value),
            Ok(value) => self.0.extend([0xcc, value]),
            Err(_) => {
                self.0.push(0xcd);
                self.0.extend(value.to_be_bytes());
            }
        }
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.head(text.len(), Some((0xa0, 32)), [Some(0xd9), Some(0xda), Some(0xdb)]);
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.head(bytes.len(), None, [Some(0xc4), Some(0xc5), Some(0xc6)]);
        self.0.extend_from_slice(bytes);
        self
    }

    pub(super) fn array(&mut self, count: usize) -> &mut Self {
        self.head(count, Some((0x90, 16)), [None, Some(0xdc), Some(0xdd)]);
        self
    }

    pub(super) fn map(&mut self, count: usize) -> &mut Self {
        self.head(count, Some((0x80, 16)), [None, Some(0xde), Some(0xdf)]);
        self
    }

    /// A text, or nil.
    pub(super) fn optional_text(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.nil(),
        }
    }

    /// A value of JSON. What nests is kept on a stack of its own.
    pub(super) fn value(&mut self, value: &Value) -> &mut Self {
        let mut open = Vec::new();
        self.begin(value, &mut open);
        while let Some(rest) = open.last_mut() {
            let next = match rest {
                Rest::Array(items) => items.next(),
                Rest::Object(members) => members.next().map(|(name, value)| {
                    self.text(name);
                    value
                }),
            };
            match next {
                Some(value) => self.begin(value, &mut open),
                None => {
                    open.pop();
                }
            }
        }
        self
    }

    /// Writes a value, or the head of one that nests, whose rest is put on the stack.
    fn begin<'v>(&mut self, value: &'v Value, open: &mut Vec<Rest<'v>>) {
        match value {
            Value::Null => {
                self.nil();
            }
            Value::Bool(value) => {
                self.flag(*value);
            }
            Value::Number(number) => self.json_number(*number),
            Value::String(text) => {
                self.text(text);
            }
            Value::Array(items) => {
                self.array(items.len());
                open.push(Rest::Array(items.iter()));
            }
            Value::Object(members) => {
                self.map(members.len());
                open.push(Rest::Object(members.iter()));
            }
        }
    }

    fn json_number(&mut self, number: Number) {
        let number = match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number,
            (None, Some(number)) => {
                if let Ok(number) = i8::try_from(number)
                    && number >= -32
                {
                    self.0.extend(number.to_be_bytes());
                } else if let Ok(number) = i8::try_from(number) {
                    self.0.push(0xd0);
                    self.0.extend(number.to_be_bytes());
                } else if let Ok(number) = i16::try_from(number) {
                    self.0.push(0xd1);
                    self.0.extend(number.to_be_bytes());
                } else if let Ok(number) = i32::try_from(number) {
                    self.0.push(0xd2);
                    self.0.extend(number.to_be_bytes());
                } else {
                    self.0.push(0xd3);
                    self.0.extend(number.to_be_bytes());
                }
                return;
            }
            (None, None) => {
                self.0.push(0xcb);
                self.0.extend(number.as_float().unwrap_or_default().to_be_bytes());
                return;
            }
        };
        match (u16::try_from(number), u32::try_from(number)) {
            (Ok(number), _) => {
                self.number(number);
            }
            (_, Ok(number)) => {
                self.0.push(0xce);
                self.0.extend(number.to_be_bytes());
            }
            _ => {
                self.0.push(0xcf);
                self.0.extend(number.to_be_bytes());
            }
        }
    }

    /// A length in the shortest form there is: in the first byte, or in one, two or four bytes behind it.
    /// What is longer than 2³² − 1 is longer than any memory here.
    fn head(&mut self, length: usize, short: Option<(u8, u8)>, forms: [Option<u8>; 3]) {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        match (short, u8::try_from(length), u16::try_from(length)) {
            (Some((first, below)), Ok(length), _) if length < below => self.0.push(first | length),
            (_, Ok(length), _) if forms[0].is_some() => {
                self.0.extend([forms[0].unwrap_or_default(), length]);
            }
            (_, _, Ok(length)) => {
                self.0.push(forms[1].unwrap_or_default());
                self.0.extend(length.to_be_bytes());
            }
            _ => {
                self.0.push(forms[2].unwrap_or_default());
                self.0.extend(length.to_be_bytes());
            }
        }
    }
}
