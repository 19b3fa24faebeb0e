//! `array`.

use super::{check_errors, check_values};

#[test]
fn array_gives_the_values_of_the_reference() {
    check_values(&[
        ("array.sum", "[[1,2,-4]]", "-1"),
        ("array.sum", "[[]]", "0"),
        ("array.dedup", r#"[["b","a","b"]]"#, r#"["b","a"]"#),
        ("array.dedup", "[[]]", "[]"),
        ("array.intersect", r#"[["a","b","b"],["b","c"]]"#, r#"["b"]"#),
        ("array.intersect", r#"[["a"],[]]"#, "[]"),
        ("array.diff", r#"[["a","b","a"],["b","c"]]"#, r#"["a"]"#),
        ("array.sdiff", r#"[["a","b","a"],["b","c","c"]]"#, r#"["a","c"]"#),
        ("array.slice", "[[1,2,3],1,3]", "[2,3]"),
        ("array.slice", "[[1,2,3],0,0]", "[]"),
        ("array.slice", "[[1,2,3],3,3]", "[]"),
        ("array.slice", "[[],5,9]", "[]"),
        ("array.slice", r#"[[],"x",null]"#, "[]"),
        ("array.length", "[[[],1]]", "2"),
    ]);
}

#[test]
fn array_fails_with_the_texts_of_the_reference() {
    check_errors(&[
        ("array.sum", "[[9223372036854775807,1]]", "i64 add overflow"),
        ("array.sum", "[[-9223372036854775808,-1,5]]", "i64 add overflow"),
        ("array.sum", "[1,2]", "expected 1 arguments, got 2"),
        (
            "array.sum",
            "[[1.5]]",
            "Error: Error deserializing field 'x': expected Vec<i64>, got [1.5]\n\
             DeserializeError { field: \"x\", value: Array [Number(1.5)], \
             expected_type: \"Vec<i64>\" }",
        ),
        (
            "array.dedup",
            "[[1]]",
            "Error: Error deserializing field 'x': expected Vec<String>, got [1]\n\
             DeserializeError { field: \"x\", value: Array [Number(1)], \
             expected_type: \"Vec<String>\" }",
        ),
        ("array.diff", "[[]]", "expected 2 arguments, got 1"),
        (
            "array.sdiff",
            "[[],[[]]]",
            "Error: Error deserializing field 'y': expected \
             std::collections::hash::set::HashSet<String>, got [[]]\n\
             DeserializeError { field: \"y\", value: Array [Array []], \
             expected_type: \"std::collections::hash::set::HashSet<String>\" }",
        ),
        (
            "array.slice",
            "[[1],0,2]",
            "slice indexes out of bounds. start index: 0, end index: 2, array length: 1",
        ),
        (
            "array.slice",
            "[[1],1,0]",
            "slice indexes out of bounds. start index: 1, end index: 0, array length: 1",
        ),
        (
            "array.slice",
            "[[1],18446744073709551615,18446744073709551615]",
            "slice indexes out of bounds. start index: 18446744073709551615, \
             end index: 18446744073709551615, array length: 1",
        ),
        ("array.slice", "[1,0,2]", "first argument must be an array, was 1"),
        (
            "array.slice",
            "[[1],-1,2]",
            "second argument (start index) must be an unsigned integer, was -1",
        ),
        (
            "array.slice",
            r#"[[1],0,"x"]"#,
            "third argument (end index) must be an unsigned integer, was \"x\"",
        ),
        (
            "array.slice",
            "[[1],0]",
            "invalid number of parameters. need array, start index and end index",
        ),
        (
            "array.slice",
            "[[1],0,1,1]",
            "invalid number of parameters. need array, start index and end index",
        ),
        ("array.length", "[{}]", "op array_length's argument must be an array"),
        ("array.length", "[]", "op array_length accepts exactly 1 argument: 0 found"),
    ]);
}
