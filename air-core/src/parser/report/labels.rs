//! Diagnostics placed on the lines of the source.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::Span;
use crate::parser::diagnostic::Diagnostic;

/// A diagnostic with its lines (by index from zero) and columns (in bytes from the line's start).
#[derive(Debug)]
pub(super) struct Label {
    pub(super) start_line: usize,
    pub(super) start: usize,
    pub(super) end_line: usize,
    pub(super) end: usize,
    pub(super) message: String,
}

/// The part of a label within one line.
#[derive(Debug)]
pub(super) struct Single<'a> {
    pub(super) range: Range<usize>,
    pub(super) message: &'a str,
}

/// What a label over several lines does in one of them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Multi<'a> {
    /// It starts at this byte.
    Top(usize),
    /// It goes through.
    Left,
    /// It ends before this byte.
    Bottom(usize, &'a str),
}

/// All labels of a report.
#[derive(Debug)]
pub(super) struct Labels<'a> {
    text: &'a str,
    line_starts: Vec<usize>,
    labels: Vec<Label>,
}

impl<'a> Labels<'a> {
    pub(super) fn new(text: &'a str, diagnostics: &[Diagnostic]) -> Self {
        let after_feeds = text.match_indices('\n').map(|(at, _)| at + 1);
        let line_starts: Vec<usize> = core::iter::once(0).chain(after_feeds).collect();
        let place = |offset: u32| {
            let offset = (offset as usize).min(text.len());
            let line = line_starts.partition_point(|&start| start <= offset) - 1;
            (line, offset - line_starts[line])
        };
        let labels = diagnostics
            .iter()
            .map(|diagnostic| {
                let Span { left, right } = diagnostic.span;
                let (start_line, start) = place(left);
                // The unexpected end counts as one byte, which may be a line feed.
                let (end_line, end) = place(right.max(left + 1));
                Label { start_line, start, end_line, end, message: diagnostic.message() }
            })
            .collect();
        Self { text, line_starts, labels }
    }

    pub(super) fn all(&self) -> &[Label] {
        &self.labels
    }

    /// The largest number of a line that a label touches, from 1.
    pub(super) fn last_line_number(&self) -> usize {
        self.labels.iter().map(|label| label.end_line + 1).max().unwrap_or(1)
    }

    /// How many labels go over several lines: each has a column in the gutter.
    pub(super) fn multi_count(&self) -> usize {
        self.multi_labels().count()
    }

    fn multi_labels(&self) -> impl Iterator<Item = &Label> {
        self.labels.iter().filter(|label| label.start_line != label.end_line)
    }

    /// The labels over several lines that touch a line, with their columns in the gutter.
    pub(super) fn multis(&self, line: usize) -> Vec<(usize, Multi<'_>)> {
        let labels = self.multi_labels().enumerate();
        labels.filter_map(|(column, label)| Some((column, part_of(label, line)?))).collect()
    }

    /// The labels within a line, by place; of equal ones the later one first.
    pub(super) fn singles(&self, line: usize) -> Vec<Single<'_>> {
        let mut singles: Vec<_> = self
            .labels
            .iter()
            .rev()
            .filter(|label| label.start_line == line && label.end_line == line)
            .map(|label| Single {
                range: label.start..label.end.max(label.start + 1),
                message: &label.message,
            })
            .collect();
        singles.sort_by_key(|single| (single.range.start, single.range.end));
        singles
    }

    /// The text of a line without its end.
    pub(super) fn source(&self, line: usize) -> &'a str {
        let start = self.line_starts.get(line).copied().unwrap_or(self.text.len());
        let end = self.line_starts.get(line + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or("").trim_end_matches(['\n', '\r', '\0'])
    }
}

fn part_of(label: &Label, line: usize) -> Option<Multi<'_>> {
    if line == label.start_line {
        Some(Multi::Top(label.start))
    } else if line == label.end_line {
        Some(Multi::Bottom(label.end, &label.message))
    } else if label.start_line < line && line < label.end_line {
        Some(Multi::Left)
    } else {
        None
    }
}
