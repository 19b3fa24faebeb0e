//! How a particle's life on this node ended.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use air_core::{Span, StepOutcome};

/// What is left of a particle when its actor is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub end: End,
    /// The error of the last step that ended with one, if no later step succeeded.
    pub fault: Option<Fault>,
    /// Steps that were run.
    pub steps: u32,
    /// Fuel that they burnt.
    pub fuel: u64,
    /// Time that they took, in microseconds.
    pub micros: u64,
    /// Peers that the script named and that cannot be reached; the first few of them.
    pub unreachable: Vec<Arc<str>>,
    /// The particle's data at its end, where its terms ask for them.
    pub data: Option<Vec<u8>>,
}

/// How a particle ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Nothing is left to do for it here.
    Done,
    /// A step failed in a way that no later step can mend.
    Failed,
    /// Its time was up.
    Expired,
    /// It was idle, and its memory was needed.
    Evicted,
    /// It used up something that is bounded.
    Exhausted(Budget),
}

/// What a particle may use only so much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// So many steps of the interpreter.
    Steps(u32),
    /// So much fuel: instructions of the interpreter and bytes that they work on.
    Fuel(u64),
    /// So many microseconds of the interpreter.
    Time(u64),
    /// So many bytes that services answered.
    Results(usize),
    /// The memory that its terms give it.
    Held,
    /// The machine's memory, which all particles share.
    Memory,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(most) => write!(f, "the particle needs more than {most} steps"),
            Self::Fuel(most) => write!(f, "the particle needs more than {most} units of fuel"),
            Self::Time(most) => {
                write!(f, "the particle needs more than {} s of the interpreter", most / 1_000_000)
            }
            Self::Results(most) => {
                write!(f, "the particle's calls gave more than {most} bytes")
            }
            Self::Held => f.write_str("the particle holds more memory than it may"),
            Self::Memory => f.write_str("the machine has no memory left for the particle"),
        }
    }
}

/// The error of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The code (air-language.md §8).
    pub code: i64,
    /// The text.
    pub message: String,
    /// Where the failing instruction stands in the script, if one failed.
    pub span: Option<Span>,
}

impl Fault {
    /// The fault of a step, if it is one that the particle's author wants to know. That results were
    /// left over (30000) is a normal outcome (air-language.md §10.7).
    #[must_use]
    pub fn of(outcome: &mut StepOutcome) -> Option<Self> {
        match outcome.code {
            0 | UNPROCESSED_RESULTS => None,
            code => Some(Self {
                code,
                message: core::mem::take(&mut outcome.message),
                span: outcome.span,
            }),
        }
    }
}

/// Code of a step that left call results over.
const UNPROCESSED_RESULTS: i64 = 30000;
