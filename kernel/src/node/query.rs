//! The query of a request as the data of a particle.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use air_core::Value;

use crate::limits::{MAX_QUERY_PARAMETERS, MAX_QUERY_VALUE_BYTES};

/// Why a query is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueryError {
    /// A `%` without two hexadecimal digits.
    BadEscape,
    /// The bytes behind the escapes are not UTF-8.
    NotUtf8,
    /// One name is given twice.
    Repeated(String),
    /// There are more parameters than may be.
    TooMany,
    /// A name or a value is longer than it may be.
    TooLong,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadEscape => {
                f.write_str("'%' in the query needs two hexadecimal digits after it")
            }
            Self::NotUtf8 => f.write_str("the query is not UTF-8"),
            Self::Repeated(name) => write!(f, "query parameter '{name}' is given more than once"),
            Self::TooMany => write!(f, "more than {MAX_QUERY_PARAMETERS} query parameters"),
            Self::TooLong => {
                write!(f, "a query parameter is longer than {MAX_QUERY_VALUE_BYTES} bytes")
            }
        }
    }
}

/// Reads `name=value&name=value`, percent-encoded, `+` for a space. A value that is JSON is that JSON,
/// any other is a string; a name without `=` is `true`.
///
/// # Errors
/// See [`QueryError`].
pub fn parse_query(query: &str) -> Result<BTreeMap<String, Value>, QueryError> {
    let mut data = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        if data.len() >= MAX_QUERY_PARAMETERS {
            return Err(QueryError::TooMany);
        }
        let (name, value) = match pair.split_once('=') {
            Some((name, value)) => {
                let text = decode(value)?;
                (name, Value::parse(&text).unwrap_or_else(|_| Value::string(text)))
            }
            None => (pair, Value::Bool(true)),
        };
        let name = decode(name)?;
        if data.contains_key(&name) {
            return Err(QueryError::Repeated(name));
        }
        data.insert(name, value);
    }
    Ok(data)
}

fn decode(text: &str) -> Result<String, QueryError> {
    if text.len() > MAX_QUERY_VALUE_BYTES {
        return Err(QueryError::TooLong);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => match (rest.next().and_then(hex), rest.next().and_then(hex)) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(QueryError::BadEscape),
            },
            other => other,
        });
    }
    String::from_utf8(bytes).map_err(|_| QueryError::NotUtf8)
}

fn hex(digit: u8) -> Option<u8> {
    u8::try_from(char::from(digit).to_digit(16)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::vec;
    use proptest::prelude::*;

    fn parsed(query: &str) -> Vec<(String, alloc::string::String)> {
        let data = parse_query(query).unwrap();
        data.into_iter().map(|(name, value)| (name, value.to_json())).collect()
    }

    #[test]
    fn values_are_json_if_they_can_be() {
        let expected: Vec<(String, String)> = vec![
            ("a".into(), "1".into()),
            ("b".into(), r#""x y""#.into()),
            ("c".into(), r#"{"k":[1]}"#.into()),
            ("d".into(), r#""""#.into()),
            ("e é".into(), "true".into()),
            ("f".into(), r#""1 2""#.into()),
            ("g".into(), r#""x""#.into()),
        ];
        let query = "a=1&b=x+y&c=%7B%22k%22:[1]%7D&d=&&e%20%c3%A9&f=1%202&g=%22x%22";
        assert_eq!(parsed(query), expected);
        assert!(parsed("").is_empty());
        assert_eq!(parsed("a=b=c"), [("a".into(), r#""b=c""#.into())]);
    }

    #[test]
    fn bad_queries_say_why() {
        assert_eq!(parse_query("a=%2"), Err(QueryError::BadEscape));
        assert_eq!(parse_query("a=%zz"), Err(QueryError::BadEscape));
        assert_eq!(parse_query("a=%ff"), Err(QueryError::NotUtf8));
        assert_eq!(parse_query("a=1&a=2"), Err(QueryError::Repeated("a".into())));
    }

    #[test]
    fn the_bounds_hold_at_their_limits() {
        let many =
            |count: usize| (0..count).map(|number| format!("p{number}=1&")).collect::<String>();
        assert_eq!(parse_query(&many(MAX_QUERY_PARAMETERS)).unwrap().len(), MAX_QUERY_PARAMETERS);
        assert_eq!(parse_query(&many(MAX_QUERY_PARAMETERS + 1)), Err(QueryError::TooMany));
        let long = |bytes: usize| format!("a={}", "x".repeat(bytes));
        assert!(parse_query(&long(MAX_QUERY_VALUE_BYTES)).is_ok());
        assert_eq!(parse_query(&long(MAX_QUERY_VALUE_BYTES + 1)), Err(QueryError::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_gives_data_or_an_error(query in ".{0,200}") {
            let _ = parse_query(&query);
        }

        #[test]
        fn encoded_strings_come_back(text in "[a-z ]{1,20}[^0-9]{0,20}") {
            let encoded: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
            let data = parse_query(&format!("x={encoded}")).unwrap();
            let expected = Value::parse(&text).unwrap_or_else(|_| Value::string(text.as_str()));
            prop_assert_eq!(data.get("x"), Some(&expected));
        }
    }
}
