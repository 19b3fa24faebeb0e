//! Shows a place in a script under its source line.

use alloc::format;
use alloc::string::{String, ToString};

use air_core::Span;
use air_core::text::line_column;

use crate::limits::MAX_EXCERPT_BYTES;

/// A block of text: the place, the line, and an underline with the message.
pub(super) fn render(text: &str, span: Span, message: &str) -> String {
    let at = line_column(text, span.left);
    let line = text.split('\n').nth(at.line - 1).unwrap_or_default().trim_end_matches('\r');
    if line.len() > MAX_EXCERPT_BYTES {
        return format!("error: \n  ┌─ script.air:{}:{}\n  │ {message}\n", at.line, at.column);
    }
    let number = at.line.to_string();
    let margin = " ".repeat(number.len());
    // Tabs stay tabs, so that the underline stands under the same column.
    let before = line.chars().take(at.column - 1);
    let indent: String = before.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    let covered = text.get(span.left as usize..span.right as usize).unwrap_or_default();
    let first_line = covered.split(['\r', '\n']).next().unwrap_or_default();
    let underline = "^".repeat(first_line.chars().count().max(1));
    format!(
        "error: \n{margin} ┌─ script.air:{line_number}:{column}\n{margin} │\n{number} │ {line}\n\
         {margin} │ {indent}{underline} {message}\n\n",
        line_number = at.line,
        column = at.column,
    )
}

/// The instruction of a span as people know it from the source: its first line.
pub(super) fn instruction(text: &str, span: Span) -> Option<String> {
    let covered = text.get(span.left as usize..span.right as usize)?;
    let first_line = covered.lines().next()?.trim();
    let short: String = first_line.chars().take(MAX_EXCERPT_BYTES / 4).collect();
    (!short.is_empty()).then_some(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "(seq\n\t(null)\n\t(fail 1 \"é\"))";

    fn span_of(part: &str) -> Span {
        let left = SCRIPT.find(part).unwrap();
        let bound = |offset: usize| u32::try_from(offset).unwrap();
        Span { left: bound(left), right: bound(left + part.len()) }
    }

    #[test]
    fn the_underline_stands_under_the_instruction() {
        let block = render(SCRIPT, span_of("(fail 1 \"é\")"), "it failed");
        let expected = "error: \n  ┌─ script.air:3:2\n  │\n3 │ \t(fail 1 \"é\"))\n  │ \t^^^^^^^^^^^^ it failed\n\n";
        assert_eq!(block, expected);
    }

    #[test]
    fn an_instruction_of_many_lines_is_shown_by_its_first() {
        let whole = Span { left: 0, right: u32::try_from(SCRIPT.len()).unwrap() };
        assert_eq!(instruction(SCRIPT, whole).as_deref(), Some("(seq"));
        assert!(render(SCRIPT, whole, "m").contains("1 │ (seq\n  │ ^^^^ m\n"));
    }

    #[test]
    fn places_outside_of_the_text_do_no_harm() {
        let outside = Span { left: 900, right: 7 };
        assert_eq!(instruction(SCRIPT, outside), None);
        assert!(render(SCRIPT, outside, "m").contains("script.air:3:15"));
        assert!(render("", outside, "m").contains("script.air:1:1"));
        let long = "x".repeat(MAX_EXCERPT_BYTES + 1);
        assert!(render(&long, Span { left: 0, right: 1 }, "m").len() < 100);
    }
}
