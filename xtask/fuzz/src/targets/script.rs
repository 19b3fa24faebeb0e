//! The parser and the printer: any text gives a tree that prints to itself, or errors.

use super::parsing;

pub fn run(bytes: &[u8]) {
    parsing::check(&String::from_utf8_lossy(bytes));
}
