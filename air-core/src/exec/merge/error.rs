//! Disagreements between data and script, or between previous and current data.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Display};

use crate::data::{CallState, FoldLore, Generations, State, ValueRef};

use super::Side;
use super::describe::{Debugged, debug_text};
use super::slider::Window;

/// The nested error of code 20000 (air-language §8.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MergeError {
    /// A lore names a position outside the trace.
    NoElement { pos: u32, len: u32 },
    /// A window outside the trace.
    WindowOutside { trace_len: u32, window: Window },
    /// A window's length beyond the end of the trace.
    LenOutside { trace_len: u32, pos: u32, len: u32 },
    /// States of different instructions, or of the wrong one on both sides.
    Incompatible(Box<(State, State)>),
    /// A state of another instruction.
    WrongKind { side: Side, state: Box<State>, expected: &'static str },
    /// An ap state with no or several generations.
    ApGenerations(Generations),
    /// Two results of one call.
    ResultsDiffer(Box<(ValueRef, ValueRef)>),
    /// A result and a failure of one call, or two failures.
    CallsDiffer(Box<(CallState, CallState)>),
    /// Two results of one canon, as text.
    CanonsDiffer(String),
    /// A lore names a state that is not of a stream, as text.
    NotOfStream(String),
    /// The lengths in a lore overflow.
    LoreOverflow { entry: usize, lore: Vec<FoldLore> },
    /// Two iterations of one value.
    SameValue { pos: u32, lore: Vec<FoldLore> },
    /// An iteration has not two descriptors.
    Descriptors(usize),
    /// The sizes of a par overflow.
    ParLen { left: u32, right: u32 },
    /// A par or fold reaches beyond the end of its window.
    Beyond { side: Side, what: String },
}

impl MergeError {
    pub(super) fn fold_beyond(side: Side, lore: &[FoldLore]) -> Self {
        Self::Beyond { side, what: alloc::format!("fold {}", debug_text(lore)) }
    }

    pub(super) fn not_of_stream(state: &State) -> Self {
        Self::NotOfStream(debug_text(state))
    }
}

impl Display for MergeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoElement { pos, len } => write!(
                f,
                "requested an element at position '{pos}', but executed trace contains only '{len}' elements"
            ),
            Self::WindowOutside { trace_len, window: Window { pos, len } } => write!(
                f,
                "executed trace has {trace_len} elements, but tried to set {len} subtrace_len and {pos} position"
            ),
            Self::LenOutside { trace_len, pos, len } => write!(
                f,
                "executed trace has {trace_len} elements and current position is {pos}, but tried to set {len} subtrace_len"
            ),
            Self::Incompatible(states) => write!(
                f,
                "previous and current data have incompatible states: '{}' '{}'",
                Debugged(&states.0),
                Debugged(&states.1)
            ),
            Self::WrongKind { side, state, expected } => write!(
                f,
                "state from {side} `{}` is incompatible with expected {expected}",
                Debugged(&**state)
            ),
            Self::ApGenerations(generations) => write!(
                f,
                "{} ap result contains inappropriate generation count in destination",
                Debugged(generations)
            ),
            Self::ResultsDiffer(values) => write!(
                f,
                "values in call results are not equal: {} != {}",
                Debugged(&values.0),
                Debugged(&values.1)
            ),
            Self::CallsDiffer(calls) => write!(
                f,
                "previous and current call results are incompatible: '{}' '{}'",
                Debugged(&calls.0),
                Debugged(&calls.1)
            ),
            Self::CanonsDiffer(canons) => {
                write!(f, "canon results {canons} points to incompatible execution states")
            }
            Self::NotOfStream(state) => write!(
                f,
                "expected a state of CallResult(Value::Stream) or Ap types but '{state}' obtained"
            ),
            Self::LoreOverflow { entry, lore } => write!(
                f,
                "the first {entry} subtrace descriptors lens of fold {} overflows",
                Debugged(lore.as_slice())
            ),
            Self::SameValue { pos, lore } => write!(
                f,
                "{} contains several subtraces with the same value_pos {pos}",
                Debugged(lore.as_slice())
            ),
            Self::Descriptors(count) => {
                write!(f, "fold contains {count} sublore descriptors, but 2 is expected")
            }
            Self::ParLen { left, right } => write!(
                f,
                "overflow is occurred while calculating the entire len occupied by executed states corresponded to current par: 'ParResult {{ left_size: {left}, right_size: {right} }}'"
            ),
            Self::Beyond { side, what } => write!(
                f,
                "overflow is occurred while calculating the new position of a {side} slider for resolved {what}"
            ),
        }
    }
}

impl From<MergeError> for String {
    fn from(error: MergeError) -> Self {
        error.to_string()
    }
}
