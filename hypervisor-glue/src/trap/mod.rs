//! Exceptions and interrupts.
//!
//! Every gate switches to a stack of its own by the IST: the prebuilt `core` uses the red zone,
//! so nothing may be pushed below the stack pointer of what was interrupted. No exception is
//! survived: each ends in a report and an exit ([`report`]). Interrupts only note that they came
//! ([`interrupts`]).

pub mod backtrace;
pub mod frame;
#[cfg(feature = "freestanding")]
pub mod idt;
pub mod interrupts;
#[cfg(feature = "freestanding")]
pub mod panic;
#[cfg(feature = "freestanding")]
pub mod report;
