//! Why a document is refused: which field, and what is wrong with it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write};

use crate::aleph::limits::{MAX_REFUSALS, MAX_SHOWN_KEY_CHARS};

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Reason {
    /// It has to be there.
    Missing,
    /// Nothing of this name belongs here.
    Unknown,
    /// It is not a value of this kind: "a text", "a list", …
    Not(&'static str),
    /// It is none of these words.
    NotOneOf(&'static [&'static str]),
    /// It has more than so many characters, items or entries.
    TooLong(usize),
    /// It has fewer than so many characters, items or entries.
    TooShort(usize),
    /// It is a number below this.
    Below(i128),
    /// It is a number above this.
    Above(i128),
    /// It is not the name of what it stands beside.
    WrongHash,
    /// It differs from what is signed, once defaults are filled in and nulls left out.
    DiffersFromSigned,
    /// A rule that this field breaks, in words.
    Rule(&'static str),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is missing"),
            Self::Unknown => f.write_str("is not a field that is known here"),
            Self::Not(kind) => write!(f, "is not {kind}"),
            Self::NotOneOf([word]) => write!(f, "is not `{word}`"),
            Self::NotOneOf(words) => {
                f.write_str("is none of ")?;
                for (index, word) in words.iter().enumerate() {
                    let before = if index == 0 { "" } else { ", " };
                    write!(f, "{before}`{word}`")?;
                }
                Ok(())
            }
            Self::TooLong(most) => write!(f, "is longer than {most}"),
            Self::TooShort(least) => write!(f, "is shorter than {least}"),
            Self::Below(least) => write!(f, "is less than {least}"),
            Self::Above(most) => write!(f, "is more than {most}"),
            Self::WrongHash => f.write_str("is not the SHA-256 of `item_content`"),
            Self::DiffersFromSigned => f.write_str(
                "differs from `item_content`, where every default must be spelled out and no null may stand",
            ),
            Self::Rule(words) => f.write_str(words),
        }
    }
}

/// One field and what is wrong with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Names and indices from the document's top, with dots between them; empty for the whole.
    pub field: String,
    /// What is wrong.
    pub reason: Reason,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = if self.field.is_empty() { "the document" } else { &self.field };
        write!(f, "{field} {}", self.reason)
    }
}

/// What is wrong with a document: at least one refusal, in the order of the document's fields, and at
/// most [`MAX_REFUSALS`].
#[derive(Clone, Debug, PartialEq)]
pub struct Refusals(Vec<Refusal>);

impl Refusals {
    /// One refusal.
    #[must_use]
    pub fn one(field: &str, reason: Reason) -> Self {
        Self(alloc::vec![Refusal { field: field.into(), reason }])
    }

    /// The first refusal.
    #[must_use]
    pub fn first(&self) -> Option<&Refusal> {
        self.0.first()
    }

    /// All of them.
    pub fn iter(&self) -> core::slice::Iter<'_, Refusal> {
        self.0.iter()
    }
}

impl<'a> IntoIterator for &'a Refusals {
    type Item = &'a Refusal;
    type IntoIter = core::slice::Iter<'a, Refusal>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.iter().enumerate() {
            let before = if index == 0 { "" } else { "\n" };
            write!(f, "{before}{refusal}")?;
        }
        Ok(())
    }
}

impl core::error::Error for Refusals {}

/// One step from a value to a part of it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// Where a check is, and what it has found so far.
#[derive(Debug, Default)]
pub(super) struct Findings<'a> {
    path: Vec<Step<'a>>,
    refusals: Vec<Refusal>,
}

impl<'a> Findings<'a> {
    /// Checks a part of the value.
    pub(super) fn at<T>(&mut self, step: Step<'a>, check: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let outcome = check(self);
        self.path.pop();
        outcome
    }

    /// Refuses the value that is being checked.
    pub(super) fn refuse(&mut self, reason: Reason) {
        self.refuse_part("", reason);
    }

    /// Refuses a part of the value that is being checked; `part` is empty for all of it.
    pub(super) fn refuse_part(&mut self, part: &str, reason: Reason) {
        if self.is_full() {
            return;
        }
        let mut field = String::new();
        let part = (!part.is_empty()).then_some(Step::Key(part));
        for step in self.path.iter().copied().chain(part) {
            if !field.is_empty() {
                field.push('.');
            }
            // Writing to a string cannot fail.
            let _ = match step {
                Step::Key(key) => write_key(key, &mut field),
                Step::Index(index) => write!(field, "{index}"),
            };
        }
        self.refusals.push(Refusal { field, reason });
    }

    /// How much has been found.
    pub(super) fn count(&self) -> usize {
        self.refusals.len()
    }

    /// Whether no more is kept of what is found.
    pub(super) fn is_full(&self) -> bool {
        self.refusals.len() == MAX_REFUSALS
    }

    /// Forgets what was found after there were `count`.
    pub(super) fn forget_after(&mut self, count: usize) {
        self.refusals.truncate(count);
    }

    /// The value, if nothing is wrong with it.
    pub(super) fn verdict<T>(self, value: Option<T>) -> Result<T, Refusals> {
        match value {
            Some(value) if self.refusals.is_empty() => Ok(value),
            _ => Err(Refusals(self.refusals)),
        }
    }
}

/// A foreign key, made fit for a line of text.
fn write_key(key: &str, out: &mut String) -> fmt::Result {
    for character in key.chars().take(MAX_SHOWN_KEY_CHARS) {
        write!(out, "{}", character.escape_debug())?;
    }
    if key.chars().nth(MAX_SHOWN_KEY_CHARS).is_some() {
        out.push('…');
    }
    Ok(())
}
