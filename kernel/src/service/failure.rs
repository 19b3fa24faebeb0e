//! Why a call failed, and the two forms in which scripts see that.

use alloc::format;
use alloc::string::String;
use core::fmt;

use air_core::value::Value;
use air_core::value::write_json_string;

use super::bounded_json::{Unwritable, write_json_excerpt};

/// The error of a built-in (fluence-network.md §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A message that the built-in itself raised; scripts see it as it is.
    Message(String),
    /// An error about the arguments; scripts see `Error: `, the text, and its inner form on a new line.
    Argument(ArgumentError),
    /// A text that is not JSON; scripts see `Error: `, the text, and the cause.
    Json {
        /// The (beginning of the) text.
        text: String,
        /// What the JSON reader said.
        cause: String,
    },
}

/// Why an argument cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentError {
    /// It is not there.
    Missing {
        /// Its name.
        field: &'static str,
    },
    /// It has another type.
    WrongType {
        /// Its name.
        field: &'static str,
        /// The type that is wanted.
        expected: &'static str,
        /// The (beginning of the) JSON that was given.
        got: String,
    },
    /// It is an option written as an array of more than one element.
    LongOption {
        /// Its name.
        field: &'static str,
        /// Number of the elements.
        length: usize,
    },
}

impl ArgumentError {
    pub(super) fn wrong_type(field: &'static str, expected: &'static str, got: &Value) -> Self {
        Self::WrongType { field, expected, got: write_json_excerpt(got) }
    }
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { field } => {
                write!(f, "Field '{field}' is missing from args to call_service")
            }
            Self::WrongType { field, expected, got } => {
                write!(f, "Error deserializing field '{field}': expected {expected}, got {got}")
            }
            Self::LongOption { field, length } => write!(
                f,
                "Option's array must contain at most 1 element, '{field}' was of {length} elements"
            ),
        }
    }
}

impl core::error::Error for ArgumentError {}

impl From<ArgumentError> for Failure {
    fn from(error: ArgumentError) -> Self {
        Self::Argument(error)
    }
}

impl From<Unwritable> for Failure {
    fn from(error: Unwritable) -> Self {
        Self::Message(format!("{error}"))
    }
}

impl Failure {
    /// The message as scripts see it, as a JSON string.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = String::new();
        match self {
            Self::Message(message) => write_json_string(message, &mut json),
            Self::Argument(error) => {
                write_json_string(&format!("Error: {error}\n{error:?}"), &mut json);
            }
            Self::Json { text, cause } => write_json_string(
                &format!("Error: error parsing json {text}\nCaused by: {cause}"),
                &mut json,
            ),
        }
        json
    }
}
