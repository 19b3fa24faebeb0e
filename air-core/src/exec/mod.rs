//! The machine that executes a script.

pub mod limits;
