//! `text`.

use super::bench::{Bench, error};
use super::check_values;
use crate::limits::MAX_CALL_RESULT_BYTES;

#[test]
fn text_is_split_and_compared() {
    check_values(&[
        ("text.split", r#"["/status/204","/"]"#, r#"["","status","204"]"#),
        ("text.split", r#"["a, b, c",", "]"#, r#"["a","b","c"]"#),
        ("text.split", r#"["","/"]"#, r#"[""]"#),
        ("text.split", r#"["größe","ö"]"#, r#"["gr","ße"]"#),
        ("text.starts_with", r#"["/scope/x","/scope"]"#, "true"),
        ("text.starts_with", r#"["/scope","/scope/"]"#, "false"),
        ("text.starts_with", r#"["x",""]"#, "true"),
    ]);
}

#[test]
fn text_that_cannot_be_split_is_an_error() {
    let bench = Bench::new();
    assert_eq!(error(&bench.call("text.split", r#"["x",""]"#)), "the separator is empty");
    for (name, arguments) in [("text.split", "[1,2]"), ("text.starts_with", r#"["x"]"#)] {
        assert_eq!(bench.call(name, arguments).0, 1, "{name}");
    }
    let many = alloc::format!("[\"{}\",\",\"]", ",".repeat(MAX_CALL_RESULT_BYTES / 2));
    assert_eq!(bench.call("text.split", &many).0, 1);
}
