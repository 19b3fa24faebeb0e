//! The AIR language and its interpreter.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod ast;
pub mod data;
pub mod exec;
pub mod parser;
pub mod session;
pub mod step;
pub mod text;
pub mod value;

pub use ast::{Script, Span};
pub use session::{Progress, Session};
pub use step::{CallRequest, CallResult, Parameters, Signatures, StepOutcome};
pub use value::Value;
