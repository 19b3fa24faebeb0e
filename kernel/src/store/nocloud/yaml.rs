//! As much of YAML as cloud-init's data are written in: block mappings and block lists.
//!
//! A document is lines `key: value`, `key:` with deeper lines, and `- item`; a list may stand as deep as
//! its key. Values are texts, plain or in quotes without escapes; a value that is JSON (`[…]`, `{…}`) is
//! that. What is more, such as anchors and texts over several lines, is an error.
//!
//! The reader goes down with the depth of the document, to [`MAX_CIDATA_DEPTH`] at most.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value};

use crate::limits::{MAX_CIDATA_DEPTH, MAX_CIDATA_ITEMS};

/// Why a text is not such a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadYaml {
    /// It has a form that is not read.
    Form {
        /// The line, from 1.
        line: usize,
    },
    /// It is nested too deeply, or has too many values.
    TooLong,
}

/// A line that says something.
#[derive(Clone, Copy)]
struct Line<'a> {
    number: usize,
    indent: usize,
    text: &'a str,
}

/// Reads a document.
///
/// # Errors
/// [`BadYaml`]
pub fn parse(text: &str) -> Result<Value, BadYaml> {
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let text = without_comment(line).trim_end();
        let content = text.trim_start_matches(' ');
        if content.is_empty() || content == "---" {
            continue;
        }
        if content.starts_with('\t') {
            return Err(BadYaml::Form { line: number });
        }
        if lines.len() >= MAX_CIDATA_ITEMS {
            return Err(BadYaml::TooLong);
        }
        lines.push(Line { number, indent: text.len() - content.len(), text: content });
    }
    let mut reader = Reader { lines: &lines, depth: 0 };
    let value = match lines.first() {
        Some(first) => reader.block(first.indent)?,
        None => Value::Null,
    };
    match reader.lines.first() {
        None => Ok(value),
        Some(line) => Err(BadYaml::Form { line: line.number }),
    }
}

struct Reader<'a, 'l> {
    lines: &'l [Line<'a>],
    depth: usize,
}

impl<'a> Reader<'a, '_> {
    /// The mapping or list whose lines stand at `indent`.
    fn block(&mut self, indent: usize) -> Result<Value, BadYaml> {
        self.depth += 1;
        if self.depth > MAX_CIDATA_DEPTH {
            return Err(BadYaml::TooLong);
        }
        let is_list = self.lines.first().is_some_and(|line| item(line.text).is_some());
        let value = if is_list { self.list(indent) } else { self.mapping(indent) };
        self.depth -= 1;
        value
    }

    fn mapping(&mut self, indent: usize) -> Result<Value, BadYaml> {
        let mut mapping = Map::new();
        while let Some(line) = self.lines.first().filter(|line| line.indent == indent) {
            if item(line.text).is_some() {
                break;
            }
            self.lines = self.lines.get(1..).unwrap_or_default();
            let (key, value) = self.entry(line.text, line, indent)?;
            mapping.insert(key, value);
        }
        Ok(Value::Object(mapping))
    }

    fn list(&mut self, indent: usize) -> Result<Value, BadYaml> {
        let mut list = Vec::new();
        while let Some(line) = self.lines.first().filter(|line| line.indent == indent) {
            let Some(text) = item(line.text) else { break };
            self.lines = self.lines.get(1..).unwrap_or_default();
            let inner = indent + (line.text.len() - text.len());
            let value = if text.is_empty() {
                self.deeper(indent)?.unwrap_or(Value::Null)
            } else if split(text).is_some() {
                // A mapping that begins beside its dash.
                let (key, value) = self.entry(text, line, inner)?;
                let mut mapping = Map::new();
                mapping.insert(key, value);
                if let Value::Object(rest) = self.mapping(inner)? {
                    mapping.extend(rest);
                }
                Value::Object(mapping)
            } else {
                scalar(text, line.number)?
            };
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    /// A key and its value, which may be on the lines below.
    fn entry(
        &mut self,
        text: &'a str,
        line: &Line<'a>,
        indent: usize,
    ) -> Result<(String, Value), BadYaml> {
        let (key, value) = split(text).ok_or(BadYaml::Form { line: line.number })?;
        let Value::String(key) = scalar(key, line.number)? else {
            return Err(BadYaml::Form { line: line.number });
        };
        if !value.is_empty() {
            return Ok((key, scalar(value, line.number)?));
        }
        let value = match self.lines.first() {
            Some(next) if next.indent == indent && item(next.text).is_some() => {
                Some(self.block(indent)?)
            }
            _ => self.deeper(indent)?,
        };
        Ok((key, value.unwrap_or(Value::Null)))
    }

    /// The block of the lines that stand deeper than `indent`, if there are any.
    fn deeper(&mut self, indent: usize) -> Result<Option<Value>, BadYaml> {
        match self.lines.first() {
            Some(next) if next.indent > indent => self.block(next.indent).map(Some),
            _ => Ok(None),
        }
    }
}

/// What stands behind the dash of a list.
fn item(text: &str) -> Option<&str> {
    let rest = text.strip_prefix('-')?;
    if rest.is_empty() { Some(rest) } else { rest.strip_prefix(' ').map(str::trim_start) }
}

/// Key and value of a line.
fn split(text: &str) -> Option<(&str, &str)> {
    if text.starts_with(['"', '\'', '{', '[']) {
        let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        let end = text.get(1..)?.find(quote)? + 2;
        let (key, rest) = text.split_at_checked(end)?;
        return Some((key, rest.strip_prefix(':')?.trim_start()));
    }
    match text.split_once(": ") {
        Some((key, value)) => Some((key.trim_end(), value.trim_start())),
        None => text.strip_suffix(':').map(|key| (key, "")),
    }
}

fn scalar(text: &str, line: usize) -> Result<Value, BadYaml> {
    let form = BadYaml::Form { line };
    match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let inner = text.get(1..).and_then(|rest| rest.strip_suffix(quote)).ok_or(form)?;
            let plain = !inner.contains([quote, '\\']);
            plain.then(|| Value::String(inner.to_string())).ok_or(form)
        }
        Some('[' | '{') => serde_json::from_str(text).map_err(|_| form),
        Some('&' | '*' | '!' | '|' | '>' | '%' | '@' | '`') => Err(form),
        _ => Ok(Value::String(text.to_string())),
    }
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with('#') {
        return "";
    }
    line.split_once(" #").map_or(line, |(text, _)| text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn mappings_lists_and_texts_are_read() {
        let text = "---\n# a comment\nethernets:\n  eth0:\n    match:\n      driver: virtio_net\n    \
                    addresses:\n    - 172.16.4.2/24\n    - fc00:1::89a1/124\n    routes:\n      - to: \
                    default\n        via: 10.0.0.1 # the router\n      - {\"to\": \"x\"}\n\"version\": '2'\n\
                    empty:\n-bare: [1, 2]\n";
        let expected = json!({
            "ethernets": {"eth0": {
                "match": {"driver": "virtio_net"},
                "addresses": ["172.16.4.2/24", "fc00:1::89a1/124"],
                "routes": [{"to": "default", "via": "10.0.0.1"}, {"to": "x"}],
            }},
            "version": "2",
            "empty": null,
            "-bare": [1, 2],
        });
        assert_eq!(parse(text), Ok(expected));
        assert_eq!(parse("- a\n-\n  b: c\n- - d"), Ok(json!(["a", {"b": "c"}, "- d"])));
        assert_eq!(parse(""), Ok(Value::Null));
    }

    #[test]
    fn what_is_not_read_is_refused_with_its_line() {
        for (text, line) in [
            ("a: b\n c: d", 2),
            ("a: &anchor b", 1),
            ("a:\n  - b\n c", 3),
            ("just a text", 1),
            ("a: |\n  text", 1),
            ("\ta: b", 1),
            ("a: \"open", 1),
            ("a: [b, c]", 1),
        ] {
            assert_eq!(parse(text), Err(BadYaml::Form { line }), "{text}");
        }
    }

    #[test]
    fn depth_and_length_are_bounded() {
        let nested = |depth: usize| {
            let lines = (0..depth).map(|level| format!("{}a:\n", " ".repeat(level)));
            parse(&lines.collect::<String>())
        };
        assert!(nested(MAX_CIDATA_DEPTH).is_ok());
        assert_eq!(nested(MAX_CIDATA_DEPTH + 1), Err(BadYaml::TooLong));
        assert!(parse(&"- a\n".repeat(MAX_CIDATA_ITEMS)).is_ok());
        assert_eq!(parse(&"- a\n".repeat(MAX_CIDATA_ITEMS + 1)), Err(BadYaml::TooLong));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([ \\-a:'\"\\[{#é]{0,6}\n){0,12}") {
            let _ = parse(&text);
        }
    }
}
