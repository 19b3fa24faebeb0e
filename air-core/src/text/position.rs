//! Lines and columns.

/// A place in a text as people count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// Line, from 1; lines end with LF.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Line and column of the byte at `offset`; offsets past the end count as the end.
pub fn line_column(text: &str, offset: u32) -> LineColumn {
    let offset = text.floor_char_boundary(offset as usize);
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |lf| lf + 1);
    LineColumn {
        line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
        column: before.get(line_start..).unwrap_or("").chars().count() + 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_by_lf_and_columns_by_characters() {
        let at = |offset| {
            let LineColumn { line, column } = line_column("aé\r\n\nxyz", offset);
            (line, column)
        };
        assert_eq!([at(0), at(1), at(3), at(4)], [(1, 1), (1, 2), (1, 3), (1, 4)]);
        assert_eq!([at(5), at(6), at(8), at(9), at(99)], [(2, 1), (3, 1), (3, 3), (3, 4), (3, 4)]);
    }
}
