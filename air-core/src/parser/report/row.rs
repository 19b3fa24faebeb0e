//! One line of the source with everything that is said about it.

use alloc::vec::Vec;
use core::fmt::{self, Write};

use super::labels::{Labels, Multi, Single};
use super::width::{Cell, cells};

/// A line to be shown.
#[derive(Debug)]
pub(super) struct Row<'a> {
    /// Its index, from zero.
    index: usize,
    source: &'a str,
    /// How wide line numbers are.
    digits: usize,
    /// How many columns the gutter has.
    columns: usize,
    singles: Vec<Single<'a>>,
    multis: Vec<(usize, Multi<'a>)>,
}

impl<'a> Row<'a> {
    pub(super) fn new(labels: &'a Labels<'_>, digits: usize, index: usize) -> Self {
        Self {
            index,
            source: labels.source(index),
            digits,
            columns: labels.multi_count(),
            singles: labels.singles(index),
            multis: labels.multis(index),
        }
    }

    pub(super) fn write(&self, out: &mut impl Write) -> fmt::Result {
        self.source_line(out)?;
        if !self.singles.is_empty() {
            self.underlines(out)?;
        }
        for number in 0..self.multis.len() {
            self.bracket(out, number)?;
        }
        Ok(())
    }

    fn source_line(&self, out: &mut impl Write) -> fmt::Result {
        let digits = self.digits;
        write!(out, "{:>digits$} │", self.index + 1)?;
        let mut multis = self.multis.iter().peekable();
        for column in 0..self.columns {
            let here = multis.next_if(|(c, _)| *c == column);
            out.write_str(match here {
                Some((_, Multi::Top(start))) if self.is_in_indentation(*start) => " ╭",
                Some((_, Multi::Left | Multi::Bottom(..))) => " │",
                Some((_, Multi::Top(_))) | None => "  ",
            })?;
        }
        out.write_char(' ')?;
        for Cell { character, width, .. } in cells(self.source) {
            match character {
                '\t' => write!(out, "{:width$}", "")?,
                c => out.write_char(c)?,
            }
        }
        writeln!(out)
    }

    /// Whether only white space stands before byte `start`, so that the gutter can show the start.
    fn is_in_indentation(&self, start: usize) -> bool {
        start <= self.source.len() - self.source.trim_start().len()
    }

    /// What stands before the source in the lines below it.
    fn margin(&self, out: &mut impl Write) -> fmt::Result {
        let digits = self.digits;
        write!(out, "{:digits$} │", "")?;
        gutter(out, self.columns, &self.multis)?;
        out.write_char(' ')
    }

    fn underlines(&self, out: &mut impl Write) -> fmt::Result {
        let beside = self.beside();
        self.margin(out)?;
        self.carets(out)?;
        if let Some(single) = beside.and_then(|number| self.singles.get(number)) {
            write!(out, " {}", single.message)?;
        }
        writeln!(out)?;

        let below: Vec<_> = self
            .singles
            .iter()
            .enumerate()
            .filter_map(|(number, single)| (Some(number) != beside).then_some(single))
            .collect();
        if below.is_empty() {
            return Ok(());
        }
        self.margin(out)?;
        self.pointers(out, &below, usize::MAX)?;
        writeln!(out)?;
        for single in below.iter().rev() {
            self.margin(out)?;
            self.pointers(out, &below, single.range.start)?;
            writeln!(out, "{}", single.message)?;
        }
        Ok(())
    }

    /// The label whose message can stand beside the underlines: the last that ends rightmost, if no
    /// other overlaps it.
    fn beside(&self) -> Option<usize> {
        let mut rightmost = 0;
        let mut candidate = None;
        for (number, single) in self.singles.iter().enumerate() {
            if single.range.end >= rightmost {
                rightmost = single.range.end;
                candidate = Some((number, &single.range));
            }
        }
        let (number, range) = candidate?;
        let is_overlapped = self.singles.iter().enumerate().any(|(other, single)| {
            other != number && single.range.start < range.end && range.start < single.range.end
        });
        (!is_overlapped).then_some(number)
    }

    fn carets(&self, out: &mut impl Write) -> fmt::Result {
        let end = self.singles.iter().map(|single| single.range.end).max().unwrap_or(0);
        // One more column, for what is missing at the end of the line.
        let len = self.source.len();
        let beyond = Cell { byte: len, end: len + 1, character: ' ', width: 1 };
        for cell in cells(self.source).chain([beyond]) {
            let is_marked = self
                .singles
                .iter()
                .any(|single| single.range.start < cell.end && cell.byte < single.range.end);
            let mark = match is_marked {
                true => '^',
                false if cell.byte < end => ' ',
                false => continue,
            };
            for _ in 0..cell.width {
                out.write_char(mark)?;
            }
        }
        Ok(())
    }

    /// Lines down from the starts of the labels `below`, up to byte `until` of the source.
    fn pointers(&self, out: &mut impl Write, below: &[&Single<'_>], until: usize) -> fmt::Result {
        let last = self.singles.iter().map(|single| single.range.start).max().unwrap_or(0);
        for cell in cells(self.source).take_while(|cell| cell.byte < until) {
            let points = |single: &&Single<'_>| (cell.byte..cell.end).contains(&single.range.start);
            let mut blanks = cell.width;
            if below.iter().any(points) {
                out.write_char('│')?;
                blanks = blanks.saturating_sub(1);
            }
            if cell.byte <= last {
                write!(out, "{:blanks$}", "")?;
            }
        }
        Ok(())
    }

    /// The line below the source that shows where label `number` of the gutter starts or ends.
    fn bracket(&self, out: &mut impl Write, number: usize) -> fmt::Result {
        let (start, message) = match self.multis.get(number) {
            Some(&(_, Multi::Top(start))) if !self.is_in_indentation(start) => (start + 1, None),
            Some(&(_, Multi::Bottom(end, message))) => (end, Some(message)),
            _ => return Ok(()),
        };
        let digits = self.digits;
        write!(out, "{:digits$} │", "")?;
        let mut is_under = false;
        let mut multis = self.multis.iter().enumerate().peekable();
        for column in 0..self.columns {
            let line = if is_under { '─' } else { ' ' };
            match multis.next_if(|(_, (c, _))| *c == column) {
                Some((i, (_, multi))) if i == number => {
                    out.write_str(if matches!(multi, Multi::Top(_)) { " ╭" } else { " ╰" })?;
                    is_under = true;
                }
                // It goes through here if it started above or ends below this line.
                Some((i, (_, multi)))
                    if match multi {
                        Multi::Left => true,
                        Multi::Top(_) => i < number,
                        Multi::Bottom(..) => i > number,
                    } =>
                {
                    write!(out, "{line}│")?;
                }
                _ => write!(out, "{line}{line}")?,
            }
        }
        for cell in cells(self.source).take_while(|cell| cell.byte < start) {
            for _ in 0..cell.width {
                out.write_char('─')?;
            }
        }
        match message {
            Some(message) => writeln!(out, "^ {message}"),
            None => writeln!(out, "^"),
        }
    }
}

/// The gutter beside or below a line.
pub(super) fn gutter(
    out: &mut impl Write,
    columns: usize,
    multis: &[(usize, Multi<'_>)],
) -> fmt::Result {
    let mut multis = multis.iter().peekable();
    for column in 0..columns {
        let here = multis.next_if(|(c, _)| *c == column);
        let goes_through = matches!(here, Some((_, Multi::Left | Multi::Bottom(..))));
        out.write_str(if goes_through { " │" } else { "  " })?;
    }
    Ok(())
}

/// The gutter before the first line.
pub(super) fn gutter_without_labels(out: &mut impl Write, columns: usize) -> fmt::Result {
    gutter(out, columns, &[])
}
