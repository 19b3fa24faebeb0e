//! How much one particle may use, and where it may go.

use alloc::rc::Rc;
use core::fmt;

use crate::limits::{
    MAX_FUEL_PER_PARTICLE, MAX_INTERPRETER_MICROS_PER_PARTICLE, MAX_RESULT_BYTES_PER_PARTICLE,
    MAX_STEPS_PER_PARTICLE,
};

/// What the actor of a particle is bound to; the default is what strangers get.
#[derive(Clone)]
pub struct Terms {
    /// Steps of the interpreter.
    pub steps: u32,
    /// Fuel of all steps.
    pub fuel: u64,
    /// Time of all steps, in microseconds.
    pub micros: u64,
    /// Bytes of all results of calls.
    pub result_bytes: usize,
    /// Memory that one step may add, as the interpreter estimates it.
    pub step_memory: usize,
    /// Whether no other peer may get it.
    pub stays: bool,
    /// Whether the report has the particle's data.
    pub reports_data: bool,
    /// Told after each step what the particle holds.
    pub meter: Option<Rc<dyn Meter>>,
}

/// Counts what a particle holds.
pub trait Meter {
    /// The particle's data take so many bytes now; whether it may go on.
    fn holds(&self, data_bytes: usize) -> bool;
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            steps: MAX_STEPS_PER_PARTICLE,
            fuel: MAX_FUEL_PER_PARTICLE,
            micros: MAX_INTERPRETER_MICROS_PER_PARTICLE,
            result_bytes: MAX_RESULT_BYTES_PER_PARTICLE,
            step_memory: usize::MAX,
            stays: false,
            reports_data: false,
            meter: None,
        }
    }
}

impl fmt::Debug for Terms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("steps", &self.steps)
            .field("fuel", &self.fuel)
            .field("stays", &self.stays)
            .finish_non_exhaustive()
    }
}
