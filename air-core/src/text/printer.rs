//! Scripts printed with an instruction a line: what `air fmt` gives.
//!
//! The text parses to a tree that is equal up to positions. Comments are kept: one that has a line of
//! its own comes before the instruction that follows it, one that ends a line stays at the end of the
//! instruction's line. Printing what was printed changes nothing.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::iter::Peekable;

use super::line::source_line;
use crate::Span;
use crate::ast::{NodeId, Script};
use crate::parser::comments;

/// Deeper instructions are not indented further, so that the text of a deep script stays linear in
/// its size.
const MAX_INDENT_LEVELS: usize = 64;

const INDENT: &str = "  ";

/// The script, indented by two blanks a level, ended by a line feed.
pub fn print(script: &Script) -> String {
    let mut printer = Printer {
        text: script.text(),
        comments: comments(script.text()).into_iter().peekable(),
        out: String::new(),
    };
    // Nodes to be written with their depths; `None` closes the instruction that is open.
    let mut work = Vec::from([Some((script.root(), 0))]);
    while let Some(item) = work.pop() {
        let Some((id, depth)) = item else {
            printer.out.push(')');
            continue;
        };
        printer.open(script, id, depth);
        work.push(None);
        work.extend(script.instruction(id).children().rev().map(|child| Some((child, depth + 1))));
    }
    printer.comments_before(u32::MAX, 0);
    printer.out.push('\n');
    printer.out
}

struct Printer<'a, C: Iterator> {
    text: &'a str,
    /// Those that have not been written.
    comments: Peekable<C>,
    out: String,
}

impl<C: Iterator<Item = Span>> Printer<'_, C> {
    fn open(&mut self, script: &Script, id: NodeId, depth: usize) {
        self.comments_before(script.span(id).left, depth);
        self.new_line(depth);
        self.out.push('(');
        self.out.push_str(format!("{}", source_line(script, id)).trim_end());
    }

    /// Writes the comments before a byte of the script: the first one behind what was written last, if
    /// it stood behind something, and each other one on a line of its own.
    fn comments_before(&mut self, offset: u32, depth: usize) {
        let mut is_first = true;
        while let Some(span) = self.comments.next_if(|comment| comment.left < offset) {
            let comment = self.text.get(span.left as usize..span.right as usize).unwrap_or("");
            if is_first && !self.out.is_empty() && self.ends_a_line(span) {
                self.out.push(' ');
            } else {
                self.new_line(depth);
            }
            self.out.push_str(comment.trim_end());
            is_first = false;
        }
    }

    /// Whether something stands before the comment on its line.
    fn ends_a_line(&self, comment: Span) -> bool {
        let before = self.text.get(..comment.left as usize).unwrap_or("");
        let line = before.rsplit('\n').next().unwrap_or("");
        !line.trim().is_empty()
    }

    fn new_line(&mut self, depth: usize) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        (0..depth.min(MAX_INDENT_LEVELS)).for_each(|_| self.out.push_str(INDENT));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str) -> String {
        let script = Script::parse(text).unwrap_or_else(|error| panic!("{}", error.render()));
        let printed = print(&script);
        let again = Script::parse(&printed).unwrap_or_else(|error| panic!("{}", error.render()));
        assert_eq!(print(&again), printed, "printing again changes nothing");
        printed
    }

    #[test]
    fn instructions_are_indented_and_closed_on_their_line() {
        assert_eq!(
            printed(
                "(seq (par (null) (never))(xor (null)\n\n(call %init_peer_id% (\"s\" \"f\") [])))"
            ),
            "(seq\n  (par\n    (null)\n    (never))\n  (xor\n    (null)\n    \
             (call %init_peer_id% (\"s\" \"f\") [])))\n"
        );
    }

    #[test]
    fn comments_stay_where_they_belong() {
        let text = "; head \n\n  ; more\n(seq ; both\n ; first\n (null) ; done\n (ap ; odd\n 1 x)\n \
                    ; last\n) ; end\n; tail\n";
        let expected = "; head\n; more\n(seq ; both\n  ; first\n  (null) ; done\n  (ap 1 x)) ; odd\n\
                        ; last\n; end\n; tail\n";
        assert_eq!(printed(text), expected);
    }

    #[test]
    fn no_comment_gets_lost() {
        let text = ";1\n(;2\nseq ;3\n(;4\nnull ;5\n);6\n(null);7\n);8";
        let printed = printed(text);
        for number in 1..=8 {
            assert!(printed.contains(&format!(";{number}")), "{printed}");
        }
    }
}
