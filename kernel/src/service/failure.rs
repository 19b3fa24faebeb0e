//! Why a call failed, and the two forms in which scripts see that.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use core::fmt;

use air_core::value::Value;
use air_core::value::write_json_string;

use super::bounded_json::{Unwritable, excerpt, write_json_excerpt};
use super::debug_form::write_debug_excerpt;

/// The error of a built-in (fluence-network.md §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A message that the built-in itself raised; scripts see it as it is.
    Message(String),
    /// An error of something that the built-in uses; scripts see `Error: `, the text, and the detail on
    /// a new line.
    Error {
        /// What is wrong.
        text: String,
        /// The same once more as the reference prints it for its developers.
        detail: String,
    },
}

impl Failure {
    /// The refusal of what only the node itself may ask for.
    pub(super) fn guarded() -> Self {
        Self::Message("This function is only available to the host or worker spells".into())
    }

    /// An error with both of its forms; what is too long of them is cut off.
    pub(super) fn error(text: &str, detail: &str) -> Self {
        Self::Error { text: excerpt(text), detail: excerpt(detail) }
    }

    /// The message as scripts see it.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        match self {
            Self::Message(message) => Cow::Borrowed(message),
            Self::Error { text, detail } => Cow::Owned(format!("Error: {text}\n{detail}")),
        }
    }

    /// The message as a JSON string.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        write_json_string(&self.text(), &mut json);
        json
    }
}

/// Why an argument cannot be used. Names are those that the reference prints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ArgumentError {
    /// An argument is not there.
    MissingField(&'static str),
    /// It has another type.
    DeserializeError { field: &'static str, value: Excerpt, expected_type: String },
    /// It is an option written as an array of more than one element.
    NonUnaryOption { field: &'static str, length: usize },
    /// It is a text of another form.
    InvalidFormat { field: &'static str, err: String },
}

impl ArgumentError {
    pub(super) fn wrong_type(field: &'static str, expected_type: String, value: &Value) -> Self {
        Self::DeserializeError { field, value: Excerpt::of(value), expected_type }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingField(field) => {
                write!(f, "Field '{field}' is missing from args to call_service")
            }
            Self::DeserializeError { field, value, expected_type } => write!(
                f,
                "Error deserializing field '{field}': expected {expected_type}, got {}",
                value.json
            ),
            Self::NonUnaryOption { field, length } => write!(
                f,
                "Option's array must contain at most 1 element, '{field}' was of {length} elements"
            ),
            Self::InvalidFormat { field, err } => {
                write!(f, "Error while deserializing field '{field}': {err}")
            }
        }
    }
}

impl core::error::Error for ArgumentError {}

/// The beginning of a value, as JSON and as the reference prints it for its developers.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Excerpt {
    json: String,
    debug: String,
}

impl Excerpt {
    fn of(value: &Value) -> Self {
        Self { json: write_json_excerpt(value), debug: write_debug_excerpt(value) }
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.debug)
    }
}

impl From<ArgumentError> for Failure {
    fn from(error: ArgumentError) -> Self {
        // The excerpts in it are bounded already, and its names are constants.
        Self::Error { text: format!("{error}"), detail: format!("{error:?}") }
    }
}

impl From<Unwritable> for Failure {
    fn from(error: Unwritable) -> Self {
        Self::Message(format!("{error}"))
    }
}

impl From<air_core::value::TooDeep> for Failure {
    fn from(error: air_core::value::TooDeep) -> Self {
        Self::Message(format!("{error}"))
    }
}
