//! JSON values as AIR sees them: immutable, shared, sorted, exact.
//!
//! A [`Value`] is cheap to clone (`Arc` inside) and compares structurally: an integer never equals a
//! float, objects compare by key set and values (air-language §4.1). Objects keep their keys sorted by
//! UTF-8 bytes and hold each key once. The compact text (`Display`) is the text that CIDs are taken
//! of (air-data §5.3).
//!
//! Every container knows its depth and none is deeper than [`MAX_VALUE_DEPTH`], so the recursive
//! walks over a value (drop, comparison, printing) use a bounded amount of stack.

mod json;
mod limits;
mod number;
#[cfg(test)]
mod tests;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

pub(crate) use json::JsonSink;
pub use json::{JsonError, write_json_string};
pub use limits::MAX_VALUE_DEPTH;
pub use number::Number;

/// A JSON value (air-language §4.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer or a float.
    Number(Number),
    /// A string.
    String(Arc<str>),
    /// An array.
    Array(Arc<Array>),
    /// An object.
    Object(Arc<Object>),
}

/// A value would nest arrays and objects deeper than [`MAX_VALUE_DEPTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooDeep;

impl core::fmt::Display for TooDeep {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "value is nested deeper than {MAX_VALUE_DEPTH} levels")
    }
}

/// The items of an array, with the depth and size of the whole.
#[derive(Clone, Debug, Default)]
pub struct Array {
    depth: u16,
    size: usize,
    items: Box<[Value]>,
}

/// The members of an object, sorted by key, each key once, with the depth and size of the whole.
#[derive(Clone, Debug, Default)]
pub struct Object {
    depth: u16,
    size: usize,
    members: Box<[(Arc<str>, Value)]>,
}

impl Value {
    /// Makes an array of the items, in order.
    pub fn array(items: Vec<Value>) -> Result<Self, TooDeep> {
        let depth = depth_above(items.iter())?;
        let size = items.iter().fold(BRACKETS_SIZE, |sum, item| {
            sum.saturating_add(item.size()).saturating_add(SEPARATOR_SIZE)
        });
        Ok(Self::Array(Arc::new(Array { depth, size, items: items.into_boxed_slice() })))
    }

    /// Makes an object; of equal keys the last one counts.
    pub fn object(mut members: Vec<(Arc<str>, Value)>) -> Result<Self, TooDeep> {
        if !members.is_sorted_by(|a, b| a.0 < b.0) {
            members = sorted_last_wins(members);
        }
        let depth = depth_above(members.iter().map(|(_, value)| value))?;
        let size = members.iter().fold(BRACKETS_SIZE, |sum, (key, value)| {
            sum.saturating_add(string_size(key))
                .saturating_add(value.size())
                .saturating_add(2 * SEPARATOR_SIZE)
        });
        Ok(Self::Object(Arc::new(Object { depth, size, members: members.into_boxed_slice() })))
    }

    /// Makes a string.
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// How many arrays and objects are nested in each other at most; 0 for anything else.
    #[must_use]
    pub fn depth(&self) -> u16 {
        match self {
            Self::Array(array) => array.depth,
            Self::Object(object) => object.depth,
            _ => 0,
        }
    }

    /// About how long the JSON text is, in bytes, without making it: escapes are not counted, floats
    /// count as the longest. Shared parts count as often as they occur, so this may be far more than
    /// the memory that the value takes.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => WORD_SIZE,
            Self::Number(number) => number.size(),
            Self::String(text) => string_size(text),
            Self::Array(array) => array.size,
            Self::Object(object) => object.size,
        }
    }

    /// Whether the JSON text of this value reads back as the same value: only floats may not
    /// (air-data §5.3).
    #[must_use]
    pub fn reads_back(&self) -> bool {
        match self {
            Self::Null | Self::Bool(_) | Self::String(_) => true,
            Self::Number(number) => number.reads_back(),
            Self::Array(array) => array.iter().all(Self::reads_back),
            Self::Object(object) => object.iter().all(|(_, value)| value.reads_back()),
        }
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The items, if this is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(array) => Some(array),
            _ => None,
        }
    }

    /// The members, if this is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The number, if this is one.
    #[must_use]
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl Deref for Array {
    type Target = [Value];
    fn deref(&self) -> &[Value] {
        &self.items
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        self.items == other.items
    }
}

impl Eq for Array {}

impl Object {
    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        let index = self.members.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        self.members.get(index).map(|(_, value)| value)
    }

    /// The members in order of their keys' bytes.
    pub fn iter(&self) -> core::slice::Iter<'_, (Arc<str>, Value)> {
        self.members.iter()
    }

    /// Number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }
}

impl<'a> IntoIterator for &'a Object {
    type Item = &'a (Arc<str>, Value);
    type IntoIter = core::slice::Iter<'a, (Arc<str>, Value)>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        self.members == other.members
    }
}

impl Eq for Object {}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Number> for Value {
    fn from(value: Number) -> Self {
        Self::Number(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Number(value.into())
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Number(value.into())
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Number(u64::from(value).into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Self {
        Self::String(value)
    }
}

const WORD_SIZE: usize = 5;
const BRACKETS_SIZE: usize = 2;
const SEPARATOR_SIZE: usize = 1;

fn string_size(text: &str) -> usize {
    text.len().saturating_add(BRACKETS_SIZE)
}

fn depth_above<'a>(children: impl Iterator<Item = &'a Value>) -> Result<u16, TooDeep> {
    let deepest = children.map(Value::depth).max().unwrap_or(0);
    if deepest < MAX_VALUE_DEPTH { Ok(deepest + 1) } else { Err(TooDeep) }
}

fn sorted_last_wins(mut members: Vec<(Arc<str>, Value)>) -> Vec<(Arc<str>, Value)> {
    // A stable sort keeps equal keys in their order, so that the last of them is the one to keep.
    members.sort_by(|a, b| a.0.cmp(&b.0));
    let mut kept: Vec<(Arc<str>, Value)> = Vec::with_capacity(members.len());
    for member in members {
        match kept.last_mut() {
            Some(last) if last.0 == member.0 => *last = member,
            _ => kept.push(member),
        }
    }
    kept
}
