//! Scripts as text: the one-line form of an instruction that errors carry.

mod line;

pub use line::{instruction_text, lens_text};
