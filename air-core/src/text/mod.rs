//! Scripts as text: one instruction in a line, whole scripts, trees as JSON, places.

mod line;
mod position;
mod printer;
mod tree;

pub use line::{instruction_text, lens_text};
pub use position::{LineColumn, line_column};
pub use printer::print;
pub use tree::tree_json;
