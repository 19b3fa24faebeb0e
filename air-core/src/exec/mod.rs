//! The machine that executes a script.
