//! Scripts printed with an instruction a line: what `air fmt` gives.
//!
//! The text parses to a tree that is equal up to positions. Comments are not kept.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::line::source_line;
use crate::ast::{NodeId, Script};

/// Deeper instructions are not indented further, so that the text of a deep script stays linear in
/// its size.
const MAX_INDENT_LEVELS: usize = 64;

const INDENT: &str = "  ";

/// The script, indented by two blanks a level, ended by a line feed.
pub fn print(script: &Script) -> String {
    let mut out = String::new();
    // Nodes to be written with their depths; `None` closes the instruction that is open.
    let mut work = Vec::from([Some((script.root(), 0))]);
    while let Some(item) = work.pop() {
        let Some((id, depth)) = item else {
            out.push(')');
            continue;
        };
        open(&mut out, script, id, depth);
        work.push(None);
        work.extend(script.instruction(id).children().rev().map(|child| Some((child, depth + 1))));
    }
    out.push('\n');
    out
}

fn open(out: &mut String, script: &Script, id: NodeId, depth: usize) {
    if depth > 0 {
        out.push('\n');
        (0..depth.min(MAX_INDENT_LEVELS)).for_each(|_| out.push_str(INDENT));
    }
    out.push('(');
    out.push_str(format!("{}", source_line(script, id)).trim_end());
}
