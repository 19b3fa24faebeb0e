//! Where the comments of a script are; the grammar itself steps over them (§1.2).

use alloc::vec::Vec;

use super::lexer::Lexer;
use super::token::Kind;
use crate::Span;

/// The comments of a script in order, each from its `;` to the end of its line without the line feed.
/// Of a text that is no script, those before the first malformed word.
pub fn comments(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let mut lexer = Lexer::new(text);
    let mut after = 0;
    loop {
        let token = lexer.next();
        let left = if token.kind == Kind::End { text.len() } else { token.left as usize };
        // Between two tokens there are only blanks and comments.
        let mut from = after;
        while let Some(at) = text.get(from..left).and_then(|gap| gap.find(';')) {
            let rest = text.get(from + at..left).unwrap_or("");
            let end = from + at + rest.find('\n').unwrap_or(rest.len());
            let offset = |position| u32::try_from(position).unwrap_or(u32::MAX);
            found.push(Span::new(offset(from + at), offset(end)));
            from = end;
        }
        after = token.right as usize;
        if matches!(token.kind, Kind::End | Kind::Malformed) {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_words_is_a_comment() {
        let text = "; a\n(call \"p;q\" ;b; c\r\n (\"s\" \"f\") [] x) ;; d";
        let texts: Vec<&str> = comments(text)
            .iter()
            .map(|span| &text[span.left as usize..span.right as usize])
            .collect();
        assert_eq!(texts, ["; a", ";b; c\r", ";; d"]);
        assert!(comments("(null)").is_empty() && comments("").is_empty());
        assert_eq!(comments(";").len(), 1);
        assert_eq!(comments("; a\n?; b").len(), 1);
    }
}
