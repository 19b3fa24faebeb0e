//! `json` and `debug`.

use alloc::format;

use super::bench::error;
use super::{Bench, check_errors, check_values};

#[test]
fn json_and_debug_give_the_values_of_the_reference() {
    check_values(&[
        ("json.obj", r#"["b",1,"a",[2]]"#, r#"{"a":[2],"b":1}"#),
        ("json.obj", r#"["a",1,"a",2]"#, r#"{"a":2}"#),
        ("json.obj", "[]", "{}"),
        ("json.put", r#"[{"a":1},"a",2]"#, r#"{"a":2}"#),
        ("json.put", r#"[{},"a",null,"ignored"]"#, r#"{"a":null}"#),
        ("json.puts", r#"[{"a":1},"b",2,"c",3]"#, r#"{"a":1,"b":2,"c":3}"#),
        ("json.puts", r#"[{"a":1}]"#, r#"{"a":1}"#),
        ("json.obj_pairs", r#"[[["a",1],["b",[]]]]"#, r#"{"a":1,"b":[]}"#),
        ("json.obj_pairs", "[[]]", "{}"),
        ("json.puts_pairs", r#"[{"a":1},[["a",null]]]"#, r#"{"a":null}"#),
        ("json.parse", r#"["{\"a\": [1, 2.50]}"]"#, r#"{"a":[1,2.5]}"#),
        ("json.parse", r#"["null"]"#, "null"),
        ("json.stringify", r#"[{"b":"x","a":1}]"#, r#""{\"a\":1,\"b\":\"x\"}""#),
        ("json.stringify", r#"["x"]"#, r#""\"x\"""#),
        ("debug.stringify", "[]", r#""\"<empty argument list>\"""#),
        ("debug.stringify", r#"["a"]"#, r#""\"a\"""#),
        ("debug.stringify", "[1,[2]]", r#""[1,[2]]""#),
    ]);
}

#[test]
fn json_fails_with_the_texts_of_the_reference() {
    check_errors(&[
        (
            "json.obj",
            r#"["a",1,"b"]"#,
            "Expected odd number of arguments, got even. No value for key '\"b\"'",
        ),
        (
            "json.obj",
            "[1,2]",
            "All keys must be of type string. Key of the following pair is of invalid type: (1, 2)",
        ),
        (
            "json.puts",
            r#"[{},"a"]"#,
            "Expected odd number of arguments, got even. No value for key '\"a\"'",
        ),
        (
            "json.puts",
            "[]",
            "Error: Field 'object' is missing from args to call_service\nMissingField(\"object\")",
        ),
        (
            "json.put",
            "[[],\"a\",1]",
            "Error: Error deserializing field 'object': expected \
             serde_json::map::Map<String, serde_json::value::Value>, got []\n\
             DeserializeError { field: \"object\", value: Array [], expected_type: \
             \"serde_json::map::Map<String, serde_json::value::Value>\" }",
        ),
        (
            "json.put",
            "[{},1,1]",
            "Error: Error deserializing field 'key': expected String, got 1\n\
             DeserializeError { field: \"key\", value: Number(1), expected_type: \"String\" }",
        ),
        (
            "json.put",
            "[{},\"a\"]",
            "Error: Field 'value' is missing from args to call_service\nMissingField(\"value\")",
        ),
        ("json.obj_pairs", "[]", "expected 1 arguments, got 0"),
        (
            "json.obj_pairs",
            r#"[[["a"]]]"#,
            "Error: Error deserializing field 'x': expected \
             Vec<(String, serde_json::value::Value)>, got [[\"a\"]]\n\
             DeserializeError { field: \"x\", value: Array [Array [String(\"a\")]], \
             expected_type: \"Vec<(String, serde_json::value::Value)>\" }",
        ),
        ("json.puts_pairs", "[{}]", "expected 2 arguments, got 1"),
        ("json.puts_pairs", "[[1],[]]", "expected json object, got [1]"),
        ("json.stringify", "[1,2]", "expected 1 arguments, got 2"),
        (
            "json.parse",
            "[{}]",
            "Error: Error deserializing field 'x': expected String, got {}\n\
             DeserializeError { field: \"x\", value: Object {}, expected_type: \"String\" }",
        ),
        (
            "json.parse",
            r#"["{"]"#,
            "Error: error parsing json {\nCaused by: EOF while parsing an object at line 1 column 1",
        ),
    ]);
}

#[test]
fn errors_repeat_no_more_than_an_excerpt_of_what_was_given() {
    let long = "x".repeat(100_000);
    for (name, arguments) in [
        ("json.parse", format!("[\"{long}\"]")),
        ("json.put", format!("[\"{long}\",1,1]")),
        ("json.obj", format!("[\"{long}\"]")),
        ("json.puts_pairs", format!("[\"{long}\",[]]")),
        ("math.add", format!("[\"{long}\",1]")),
        ("array.slice", format!("[\"{long}\",1,1]")),
    ] {
        let text = error(&Bench::new().call(name, &arguments));
        assert!(text.len() < 5000, "{name}: {}", text.len());
    }
}
