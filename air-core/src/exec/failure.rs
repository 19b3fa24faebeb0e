//! Errors of execution: their codes and messages, exactly as peers see them (air-language §8).

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

use crate::ast::Name;
use crate::data::Tetraplet;
use crate::value::Value;

use super::limits;

/// The first code that is not catchable any more.
const UNCATCHABLE: i64 = 20000;

/// An error that an instruction raises.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The code (§8.2, §8.3, or one of [`limits`]).
    pub(crate) code: i64,
    /// The text.
    pub(crate) message: Cow<'static, str>,
}

/// Why an operand has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unresolved {
    /// A variable is not there (yet): the only joinable error (§5.3).
    Absent(Name),
    /// Any other error.
    Failed(Failure),
}

impl From<Failure> for Unresolved {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

pub(crate) const MATCH_VALUES_NOT_EQUAL: i64 = 10001;
pub(crate) const MISMATCH_VALUES_EQUAL: i64 = 10002;
pub(crate) const USER_ERROR: i64 = 10006;

impl Failure {
    fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into() }
    }

    /// Whether `xor` handles it.
    pub(crate) fn is_catchable(&self) -> bool {
        self.code < UNCATCHABLE
    }

    /// Whether it is the outcome of a comparison, which `%last_error%` ignores (§7.2).
    pub(crate) fn is_comparison(&self) -> bool {
        matches!(self.code, MATCH_VALUES_NOT_EQUAL | MISMATCH_VALUES_EQUAL)
    }

    // Catchable errors (§8.3).

    pub(crate) fn local_service(ret_code: i32, text: &str) -> Self {
        Self::new(
            10000,
            format!("Local service error, ret_code is {ret_code}, error message is '{text}'"),
        )
    }

    pub(crate) fn match_values_not_equal() -> Self {
        Self::new(MATCH_VALUES_NOT_EQUAL, "compared values do not match")
    }

    pub(crate) fn mismatch_values_equal() -> Self {
        Self::new(MISMATCH_VALUES_EQUAL, "compared values do not mismatch")
    }

    pub(crate) fn variable_not_found(name: &str) -> Self {
        Self::new(
            10003,
            format!("variable with name '{name}' wasn't defined during script execution"),
        )
    }

    pub(crate) fn fold_iterates_over_non_array(expression: &str, value: Shown<'_>) -> Self {
        Self::new(
            10005,
            format!(
                "expression '{expression}' returned non-array value '{}' for fold iterable",
                value
            ),
        )
    }

    pub(crate) fn user(object: Shown<'_>) -> Self {
        Self::new(USER_ERROR, format!("fail with '{}' is used without corresponding xor", object))
    }

    /// A lens error (§8.4).
    pub(crate) fn lens(message: String) -> Self {
        Self::new(10007, message)
    }

    /// A value that `fail` cannot take as an error object.
    pub(crate) fn invalid_error_object(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(10008, message)
    }

    pub(crate) fn not_initialized_after_new(name: &str) -> Self {
        Self::new(
            10009,
            format!("variable with name '{name}' was cleared by new and then wasn't set"),
        )
    }

    pub(crate) fn length_of_non_array(value: Shown<'_>) -> Self {
        Self::new(
            10010,
            format!(
                "the length functor could applied only to an array-like value, but it's applied to '{}'",
                value
            ),
        )
    }

    pub(crate) fn non_string_in_triplet(name: &str, value: Shown<'_>) -> Self {
        Self::new(
            10011,
            format!(
                "call cannot resolve non-String triplet variable part `{name}` with value '{}'",
                value
            ),
        )
    }

    pub(crate) fn unsupported_map_key(map: &str) -> Self {
        Self::new(10012, format!("unsupported type for {map} map's key"))
    }

    // Uncatchable errors (§8.2).

    /// A disagreement of data and script; `nested` is a text of §8.5.
    pub(crate) fn trace(instruction: &str, nested: &str) -> Self {
        Self::new(
            20000,
            format!("on instruction '{instruction}' trace handler encountered an error: {nested}"),
        )
    }

    pub(crate) fn generation_of_invalid_position(position: u32) -> Self {
        Self::new(
            20001,
            format!("trying to change generation of an invalid trace position {position}"),
        )
    }

    /// `state` is the state's debug form.
    pub(crate) fn state_without_generation(state: &str, position: u32) -> Self {
        Self::new(
            20001,
            format!(
                "trying to change generation of a state {state} on {position} position, the state doesn't contain generation"
            ),
        )
    }

    pub(crate) fn fold_state_not_found(iterator: &str) -> Self {
        Self::new(20003, format!("fold state not found for this iterable '{iterator}'"))
    }

    pub(crate) fn iterable_shadowing(name: &str) -> Self {
        Self::new(
            20004,
            format!(
                "variable with name '{name}' can't be shadowed, shadowing isn't supported for iterables"
            ),
        )
    }

    pub(crate) fn multiple_iterable_values(name: &str) -> Self {
        Self::new(20005, format!("multiple iterable values found for iterable name '{name}'"))
    }

    /// `value` is the debug form of the stored reference.
    pub(crate) fn result_not_correspond(value: &str) -> Self {
        Self::new(
            20006,
            format!("call result value {value} doesn't match with corresponding instruction"),
        )
    }

    pub(crate) fn shadowing_not_allowed(name: &str) -> Self {
        Self::new(
            20007,
            format!(
                "trying to shadow variable '{name}', but shadowing is allowed only inside fold blocks"
            ),
        )
    }

    pub(crate) fn scalars_state_corrupted(name: &str, depth: u32) -> Self {
        Self::new(
            20008,
            format!(
                "new end block tries to pop up a variable '{name}' that wasn't defined at depth {depth}"
            ),
        )
    }

    pub(crate) fn value_for_cid_not_found(store: &str, cid: &str) -> Self {
        Self::new(20010, format!("{store} for CID {cid:?} not found"))
    }

    pub(crate) fn malformed_call_failure(reason: &str) -> Self {
        Self::new(20012, format!("failed to deserialize to CallServiceFailed: {reason}"))
    }

    pub(crate) fn stream_size_limit() -> Self {
        Self::new(
            20013,
            format!("stream size goes over the allowed limit of {}", limits::STREAM_SIZE_LIMIT),
        )
    }

    pub(crate) fn map_pair(reason: &'static str) -> Self {
        Self::new(20014, reason)
    }

    pub(crate) fn no_scalar_in_canon_map() -> Self {
        Self::new(20016, "can not find JValue to produce scalar from")
    }

    pub(crate) fn argument_hash_mismatch(expected: &str, got: &str) -> Self {
        Self::parameters_mismatch("call argument_hash", expected, got)
    }

    pub(crate) fn tetraplet_mismatch(
        parameter: &str,
        expected: &Tetraplet,
        got: &Tetraplet,
    ) -> Self {
        Self::parameters_mismatch(parameter, &debug_text(expected), &debug_text(got))
    }

    fn parameters_mismatch(parameter: &str, expected: &str, got: &str) -> Self {
        // The blank at the end is the reference's.
        Self::new(
            20017,
            format!(
                "{parameter} doesn't match expected parameters: expected {expected}, got {got} "
            ),
        )
    }

    // Bounds of this implementation.

    pub(crate) fn frames_exceeded(limit: usize) -> Self {
        Self::new(
            limits::FRAMES_EXCEEDED,
            format!("more than {limit} instructions are open inside each other"),
        )
    }

    pub(crate) fn trace_exceeded(limit: usize) -> Self {
        Self::new(
            limits::TRACE_EXCEEDED,
            format!("the result trace would have more than {limit} states"),
        )
    }

    pub(crate) fn memory_exceeded(limit: usize) -> Self {
        Self::new(limits::MEMORY_EXCEEDED, format!("the step would add more than {limit} bytes"))
    }

    pub(crate) fn depth_exceeded() -> Self {
        Self::new(limits::DEPTH_EXCEEDED, crate::value::TooDeep.to_string())
    }
}

impl From<crate::value::TooDeep> for Failure {
    fn from(_: crate::value::TooDeep) -> Self {
        Self::depth_exceeded()
    }
}

/// A value in a message: its text, or only its beginning or its kind if it is longer than `max` bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    pub(crate) value: &'a Value,
    pub(crate) max: usize,
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value {
            value if value.size() <= self.max => value.fmt(f),
            Value::String(text) => {
                let end = text.floor_char_boundary(self.max);
                let beginning = text.get(..end).unwrap_or_default();
                write!(f, "{}…", Value::string(beginning))
            }
            Value::Object(_) => f.write_str("{…}"),
            _ => f.write_str("[…]"),
        }
    }
}

/// The reference's debug form of a tetraplet.
fn debug_text(tetraplet: &Tetraplet) -> String {
    format!(
        "SecurityTetraplet {{ peer_pk: {:?}, service_id: {:?}, function_name: {:?}, lens: {:?} }}",
        tetraplet.peer_pk, tetraplet.service_id, tetraplet.function_name, tetraplet.lens
    )
}
