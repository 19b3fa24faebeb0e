//! Malformed scripts give the error that `data/bad-scripts.txt` says, at the place that it says.

#![allow(clippy::expect_used, clippy::panic, reason = "that is how a test fails")]

use std::fmt::Write as _;

use air_core::Script;
use air_core::text::LineColumn;

const CASES: &str = include_str!("data/bad-scripts.txt");

/// One line of the file.
struct Case {
    script: String,
    at: LineColumn,
    message: &'static str,
}

fn cases() -> Vec<Case> {
    let lines = CASES.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| case(line).unwrap_or_else(|| panic!("not a case: {line}"))).collect()
}

fn case(line: &'static str) -> Option<Case> {
    let (quoted, rest) = line.strip_prefix('`')?.split_once("`\t")?;
    let mut fields = rest.split('\t');
    let (line, column) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Case {
        script: unescaped(quoted)?,
        at: LineColumn { line, column },
        message: fields.next()?,
    })
}

fn unescaped(text: &str) -> Option<String> {
    let mut pieces = text.split('\\');
    let mut out = pieces.next()?.to_owned();
    for piece in pieces {
        let (c, rest) = match piece.strip_prefix("u{").and_then(|hex| hex.split_once('}')) {
            Some((hex, rest)) => (char::from_u32(u32::from_str_radix(hex, 16).ok()?)?, rest),
            None => match piece.split_at_checked(1)? {
                ("n", rest) => ('\n', rest),
                ("r", rest) => ('\r', rest),
                ("t", rest) => ('\t', rest),
                _ => return None,
            },
        };
        out.push(c);
        out.push_str(rest);
    }
    Some(out)
}

#[test]
fn each_case_gives_its_message_at_its_place() {
    let mut wrong = String::new();
    for Case { script, at, message } in cases() {
        let found = match Script::parse(&script) {
            Ok(_) => "accepted".to_owned(),
            Err(error) => {
                let first = error.first().expect("a diagnostic");
                let found = (error.line_column(first.span.left), first.message());
                if found == (at, message.to_owned()) {
                    continue;
                }
                format!("{found:?}")
            }
        };
        writeln!(wrong, "{script:?}: {found}, not {at:?} {message}").expect("a string");
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn reports_show_the_place_and_the_message_of_each_case() {
    for Case { script, at, message } in cases() {
        let report = Script::parse(&script).expect_err("malformed").render();
        let place = format!("┌─ script.air:{}:{}\n", at.line, at.column);
        assert!(report.starts_with("error: \n"), "{report}");
        assert!(report.contains(&place) && report.contains(message), "{report}");
        assert!(report.ends_with("\n\n"), "{report}");
    }
}

#[test]
fn there_are_over_a_hundred_different_cases() {
    let mut scripts: Vec<_> = cases().into_iter().map(|case| case.script).collect();
    let count = scripts.len();
    scripts.sort();
    scripts.dedup();
    assert_eq!(scripts.len(), count, "a case is there twice");
    assert!(count > 100);
}
