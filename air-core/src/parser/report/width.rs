//! How many columns characters take in a terminal.

/// Tabs go to the next multiple of this.
const TAB: usize = 4;

/// A character of a line with its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    /// Its offset in the line.
    pub(super) byte: usize,
    /// The offset after it.
    pub(super) end: usize,
    pub(super) character: char,
    /// How many columns it takes.
    pub(super) width: usize,
}

/// The characters of a line.
pub(super) fn cells(line: &str) -> impl Iterator<Item = Cell> {
    line.char_indices().scan(0, |column, (byte, character)| {
        let width = match character {
            '\t' => TAB - *column % TAB,
            c => width(c),
        };
        *column += width;
        Some(Cell { byte, end: byte + character.len_utf8(), character, width })
    })
}

/// Ranges of characters that take no column: marks that combine, joiners, variation selectors.
const ZERO: [(char, char); 16] = [
    ('\u{300}', '\u{36f}'),
    ('\u{483}', '\u{489}'),
    ('\u{591}', '\u{5bd}'),
    ('\u{610}', '\u{61a}'),
    ('\u{64b}', '\u{65f}'),
    ('\u{6d6}', '\u{6dc}'),
    ('\u{900}', '\u{902}'),
    ('\u{941}', '\u{948}'),
    ('\u{e34}', '\u{e3a}'),
    ('\u{1ab0}', '\u{1aff}'),
    ('\u{1dc0}', '\u{1dff}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{20d0}', '\u{20ff}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{fe20}', '\u{fe2f}'),
    ('\u{e0100}', '\u{e01ef}'),
];

/// Ranges of characters that take two columns: East Asian scripts, emoji.
const WIDE: [(char, char); 14] = [
    ('\u{1100}', '\u{115f}'),
    ('\u{2e80}', '\u{303e}'),
    ('\u{3041}', '\u{33ff}'),
    ('\u{3400}', '\u{4dbf}'),
    ('\u{4e00}', '\u{9fff}'),
    ('\u{a000}', '\u{a4cf}'),
    ('\u{a960}', '\u{a97c}'),
    ('\u{ac00}', '\u{d7a3}'),
    ('\u{f900}', '\u{faff}'),
    ('\u{fe30}', '\u{fe6f}'),
    ('\u{ff01}', '\u{ff60}'),
    ('\u{ffe0}', '\u{ffe6}'),
    ('\u{1f300}', '\u{1faff}'),
    ('\u{20000}', '\u{3fffd}'),
];

/// The columns of a character other than a tab: approximate for rare scripts, it only aligns marks.
fn width(c: char) -> usize {
    let is_in = |ranges: &[(char, char)]| ranges.iter().any(|(a, b)| (*a..=*b).contains(&c));
    match c {
        ' '..='~' => 1,
        _ if c.is_control() || is_in(&ZERO) => 0,
        _ if is_in(&WIDE) => 2,
        _ => 1,
    }
}
