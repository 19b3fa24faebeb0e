//! Says what is wrong with a lens, in the words of the reference.
//!
//! Hosts are told not to rely on these texts, but equal texts make reports comparable. The
//! reference's parser recovers at accessors, so one lens can have several errors: they are found
//! by a second pass that happens only for malformed lenses.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::lens::{name_length, number_length};

/// Longer lenses get a short message: the full one can be a hundred times the lens.
const MAX_EXPLAINED_BYTES: usize = 4096;

/// A token of a lens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Dot,
    Open,
    Close,
    Flatten,
    Number(u32),
    Name(&'a str),
}

/// A token with its offsets in the lens.
type Spanned<'a> = (usize, Token<'a>, usize);

/// What is wrong with `text`, which is not a well-formed lens.
pub(super) fn explain(text: &str) -> String {
    if text.len() > MAX_EXPLAINED_BYTES {
        return format!("malformed lambda of {} bytes", text.len());
    }
    match tokens(text) {
        Err(lexical) => format!("User {{ error: {lexical} }}"),
        Ok(tokens) if tokens.is_empty() => {
            String::from("provided lambda expression doesn't contain any accessor")
        }
        Ok(tokens) => format!("[{}]", recoveries(&tokens, text.len()).join(", ")),
    }
}

/// The tokens after `.$`, or the first lexical error.
fn tokens(text: &str) -> Result<Vec<Spanned<'_>>, String> {
    let unexpected = |left, right| Err(format!("UnexpectedSymbol({left}, {right})"));
    let Some(mut rest) = text.strip_prefix(".$") else { return unexpected(0, text.len()) };
    let mut tokens = Vec::new();
    while let Some(c) = rest.chars().next() {
        let left = text.len() - rest.len();
        let digits = number_length(rest);
        let length = if digits > 0 { digits } else { name_length(rest).max(c.len_utf8()) };
        let (word, after) = rest.split_at(length);
        let right = left + length;
        let token = match c {
            '.' => Token::Dot,
            '[' => Token::Open,
            ']' => Token::Close,
            '!' => Token::Flatten,
            '0'..='9' => match word.parse() {
                Ok(number) => Token::Number(number),
                Err(error) => return Err(format!("ParseIntError({left}, {right}, {error:?})")),
            },
            _ if name_length(rest) > 0 => Token::Name(word),
            _ => return unexpected(left, right),
        };
        tokens.push((left, token, right));
        rest = after;
    }
    Ok(tokens)
}

/// Where in an accessor the parser is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before an accessor.
    Start,
    /// After `.`.
    Dot,
    /// After `[`.
    Open,
    /// After what is inside the brackets.
    Inside,
    /// After an accessor that may still get its `!`.
    Complete,
}

impl State {
    fn after(self, token: Token<'_>) -> Option<Self> {
        Some(match (self, token) {
            (Self::Start | Self::Complete, Token::Dot) => Self::Dot,
            (Self::Start | Self::Complete | Self::Dot, Token::Open) => Self::Open,
            (Self::Open, Token::Number(_) | Token::Name(_)) => Self::Inside,
            (Self::Dot, Token::Name(_)) | (Self::Inside, Token::Close) => Self::Complete,
            (Self::Complete, Token::Flatten) => Self::Start,
            _ => return None,
        })
    }

    const fn expected(self) -> &'static str {
        match self {
            Self::Start => r#""\".\"", "\"[\"""#,
            Self::Dot => r#""\"[\"", "string_accessor""#,
            Self::Open => r#""number_accessor", "string_accessor""#,
            Self::Inside => r#""\"]\"""#,
            Self::Complete => r#""\"!\"", "\".\"", "\"[\"""#,
        }
    }
}

/// The errors in order. After each the parser gives up the accessor and drops tokens up to one that
/// can begin another.
fn recoveries(tokens: &[Spanned<'_>], end: usize) -> Vec<String> {
    let mut errors = Vec::new();
    let mut state = State::Start;
    let mut rest = tokens;
    while let Some((&(left, token, right), after)) = rest.split_first() {
        if let Some(next) = state.after(token) {
            state = next;
            rest = after;
            continue;
        }
        let can_begin = |&(_, token, _): &Spanned<'_>| matches!(token, Token::Dot | Token::Open);
        let dropped = rest.iter().position(can_begin).unwrap_or(rest.len());
        let dropped_texts: Vec<_> = rest[..dropped].iter().map(show).collect();
        errors.push(format!(
            "ErrorRecovery {{ error: UnrecognizedToken {{ token: {}, expected: [{}] }}, \
             dropped_tokens: [{}] }}",
            show(&(left, token, right)),
            state.expected(),
            dropped_texts.join(", ")
        ));
        rest = &rest[dropped..];
        state = State::Start;
    }
    if !matches!(state, State::Start | State::Complete) {
        errors.push(format!(
            "ErrorRecovery {{ error: UnrecognizedEof {{ location: {end}, expected: [{}] }}, \
             dropped_tokens: [] }}",
            state.expected()
        ));
    }
    errors
}

fn show(&(left, token, right): &Spanned<'_>) -> String {
    match token {
        Token::Dot => format!("({left}, ValuePathSelector, {right})"),
        Token::Open => format!("({left}, OpenSquareBracket, {right})"),
        Token::Close => format!("({left}, CloseSquareBracket, {right})"),
        Token::Flatten => format!("({left}, FlatteningSign, {right})"),
        Token::Number(number) => format!("({left}, NumberAccessor({number}), {right})"),
        Token::Name(name) => format!("({left}, StringAccessor({name:?}), {right})"),
    }
}
