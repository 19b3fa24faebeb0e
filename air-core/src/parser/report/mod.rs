//! Shows diagnostics under the source lines that they are about (§12.1).
//!
//! The layout is that of the reference's reports: errors within one line are underlined, with the
//! message after the underline or, where underlines overlap or follow each other, on lines of their
//! own below; errors over several lines have a bracket in the gutter. Lines in between are left out.

mod labels;
mod row;
mod width;

use alloc::collections::BTreeSet;
use alloc::string::String;
use core::fmt::{self, Write};

use self::labels::Labels;
use self::row::Row;
use super::diagnostic::Diagnostic;
use super::limits::MAX_REPORT_BYTES;
use crate::text::line_column;

/// How many lines of a long error are shown from its start, and how many before its end.
const LINES_AFTER_START: usize = 3;
const LINES_BEFORE_END: usize = 1;

/// The report; cut if it is longer than the limit.
pub(super) fn render(text: &str, diagnostics: &[Diagnostic]) -> String {
    let mut report = Bounded { text: String::new(), limit: MAX_REPORT_BYTES };
    if write_report(&mut report, text, diagnostics).is_err() {
        report.text.push_str("…\n\n");
    }
    report.text
}

/// A text that refuses to grow over its limit.
struct Bounded {
    text: String,
    limit: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.text.len() + piece.len() > self.limit {
            return Err(fmt::Error);
        }
        self.text.push_str(piece);
        Ok(())
    }
}

fn write_report(out: &mut Bounded, text: &str, diagnostics: &[Diagnostic]) -> fmt::Result {
    let labels = Labels::new(text, diagnostics);
    let first = diagnostics.iter().map(|d| d.span.left).min().unwrap_or(0);
    let at = line_column(text, first);
    let digits = labels.last_line_number().ilog10() as usize + 1;
    writeln!(out, "error: ")?;
    writeln!(out, "{:digits$} ┌─ script.air:{}:{}", "", at.line, at.column)?;
    write!(out, "{:digits$} │", "")?;
    row::gutter_without_labels(out, labels.multi_count())?;
    writeln!(out)?;

    let lines = shown_lines(&labels);
    let mut lines = lines.iter().copied().peekable();
    while let Some(index) = lines.next() {
        Row::new(&labels, digits, index).write(out)?;
        match lines.peek().map(|next| next - index) {
            None | Some(1) => {}
            Some(2) => Row::new(&labels, digits, index + 1).write(out)?,
            Some(_) => {
                write!(out, "{:digits$} ·", "")?;
                row::gutter(out, labels.multi_count(), &labels.multis(index))?;
                writeln!(out)?;
            }
        }
    }
    writeln!(out)
}

/// The indexes of the lines to show.
fn shown_lines(labels: &Labels<'_>) -> BTreeSet<usize> {
    let mut lines = BTreeSet::new();
    for label in labels.all() {
        let (start, end) = (label.start_line, label.end_line);
        lines.extend((start..end).take(LINES_AFTER_START + 1));
        lines.extend(end.saturating_sub(LINES_BEFORE_END).max(start)..=end);
    }
    lines
}
