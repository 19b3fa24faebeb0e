//! Shapes of JSON documents, as tables: what must be there, what may, and what is filled in.
//!
//! A [`Shape`] says what a value must look like. [`check`] walks a value along a shape and gives it back
//! in canonical form (defaults filled in, nulls and unknown members left out, numbers converted), or
//! says which fields are wrong and why. Conversions are those of the network's reference parser: where a
//! field is not strict, a text `"1"`, the float `1.0` and `true` are the integer 1 (see [`scalar`]).
//!
//! Recursion is as deep as the shape, which is part of the program.

mod check;
mod python_regex;
mod refusal;
pub mod scalar;
#[cfg(test)]
mod tests;

use air_core::value::{Object, Value};

pub use check::{check, python_equal};
pub use refusal::{Reason, Refusal, Refusals};

/// What a value must look like.
#[derive(Debug)]
pub enum Shape {
    /// A text of so many characters.
    Text {
        /// Least number of characters.
        least: usize,
        /// Most.
        most: usize,
    },
    /// A text for which the function holds; the words name what it then is.
    Form(fn(&str) -> bool, &'static str),
    /// One of these texts.
    OneOf(&'static [&'static str]),
    /// A truth value, or what is converted to one.
    Flag,
    /// A truth value.
    StrictFlag,
    /// The truth value `true`, or 1.
    AlwaysTrue,
    /// An integer within bounds, or what is converted to one.
    Integer(i128, i128),
    /// An integer within bounds.
    StrictInteger(i128, i128),
    /// Any number, or what is converted to one.
    Number,
    /// Seconds since 1970 up to the bound, or what is converted to them.
    Seconds,
    /// Seconds since 1970 up to the bound.
    StrictSeconds,
    /// A point in time: seconds or milliseconds since 1970, or ISO 8601.
    Instant,
    /// An item hash.
    ItemHash,
    /// A regular expression of the language that the network's nodes are written in.
    Regex,
    /// A list of values of one shape.
    List {
        /// What its items look like.
        item: &'static Shape,
        /// Least number of items.
        least: usize,
        /// Most.
        most: usize,
    },
    /// An object with free keys and values of one shape.
    Map {
        /// Most characters of a key.
        key_most: usize,
        /// What its values look like.
        value: &'static Shape,
        /// Most entries.
        most: usize,
    },
    /// An object with named members.
    Record(&'static Record),
    /// A shape that depends on the value.
    Chosen(fn(&Value) -> Shape),
    /// The first shape if the value has it, else the second.
    Either(&'static Shape, &'static Shape),
    /// A list of anything.
    AnyList,
    /// An object with anything in it.
    AnyObject,
    /// Any value.
    Anything,
}

impl Shape {
    /// Any text.
    pub const TEXT: Self = Self::text(usize::MAX);

    /// A text of at most so many characters.
    #[must_use]
    pub const fn text(most: usize) -> Self {
        Self::Text { least: 0, most }
    }

    /// A list of any length.
    #[must_use]
    pub const fn list(item: &'static Self) -> Self {
        Self::list_up_to(usize::MAX, item)
    }

    /// A list of at most so many items.
    #[must_use]
    pub const fn list_up_to(most: usize, item: &'static Self) -> Self {
        Self::List { item, least: 0, most }
    }
}

/// An object with named members.
#[derive(Debug)]
pub struct Record {
    /// Its members, in the order in which they are checked.
    pub fields: &'static [Field],
    /// What happens to others.
    pub unknown: Unknown,
    /// What must hold between members that are right by themselves.
    pub rules: &'static [Rule],
}

/// Something that must hold between the members of an object in canonical form, else: which member is to
/// blame (empty: all together), and why.
pub type Rule = fn(&Object) -> Result<(), (&'static str, Reason)>;

impl Record {
    /// An object that has no other members than these.
    #[must_use]
    pub const fn closed(fields: &'static [Field]) -> Self {
        Self { fields, unknown: Unknown::Refused, rules: &[] }
    }

    /// An object whose other members do not count.
    #[must_use]
    pub const fn open(fields: &'static [Field]) -> Self {
        Self { fields, unknown: Unknown::Dropped, rules: &[] }
    }

    /// The same with rules.
    #[must_use]
    pub const fn with(self, rules: &'static [Rule]) -> Self {
        Self { rules, ..self }
    }
}

/// What happens to members that have no name in a [`Record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// They are errors.
    Refused,
    /// They are left out.
    Dropped,
    /// They are kept, but for nulls; at most so many.
    Kept(usize),
}

/// One member of a [`Record`].
#[derive(Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it looks like.
    pub shape: Shape,
    /// What if it is not there, or null.
    pub presence: Presence,
}

/// What it means that a member is not there, or null.
#[derive(Clone, Copy, Debug)]
pub enum Presence {
    /// Neither is allowed.
    Required,
    /// It must be there, and may be null.
    RequiredOrNull,
    /// Both mean that there is none.
    Optional,
    /// It is filled in when it is not there; null is not allowed.
    Default(Default),
    /// It is filled in when it is not there; null means that there is none.
    DefaultOrNull(Default),
}

/// What is filled in.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// A truth value.
    Flag(bool),
    /// An integer.
    Integer(u32),
    /// A text.
    Text(&'static str),
    /// A list without items.
    EmptyList,
    /// An object without members, of which the shape makes what it is by default.
    EmptyObject,
}

/// A member that must be there.
#[must_use]
pub const fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, presence: Presence::Required }
}

/// A member that may be left out, or null.
#[must_use]
pub const fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, presence: Presence::Optional }
}

/// A member that is filled in.
#[must_use]
pub const fn with_default(name: &'static str, shape: Shape, default: Default) -> Field {
    Field { name, shape, presence: Presence::Default(default) }
}

/// A truth value that is filled in.
#[must_use]
pub const fn flag(name: &'static str, default: bool) -> Field {
    with_default(name, Shape::Flag, Default::Flag(default))
}
