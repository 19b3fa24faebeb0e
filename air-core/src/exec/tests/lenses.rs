//! Lenses and tetraplets (air-language §4.7, §4.8).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::support::*;

/// Variables: `v` an array, `o` an object, `#c` a canon of two values, `#%m` a canon map.
fn with_values(body: &str) -> String {
    format!(
        r#"(seq (seq (call "p" ("s" "[10,[20],{{'a':1}}]") [] v) (call "p" ("s" "{{'k':{{'b':5}},'n':2}}") [] o))
           (seq (seq (seq (ap v $s) (ap o $s)) (seq (ap ("k" v) %m) (seq (ap (1 o) %m) (ap ("k" 7) %m))))
           (seq (seq (canon "p" $s #c1) (canon "p" %m #%m1)) {body})))"#
    )
}

/// The value of an operand.
fn value(operand: &str) -> String {
    printed(&with_values(&format!(r#"(call "p" ("out" "1") [{operand}])"#))).join("|")
}

/// The message of the error that an operand gives.
fn message(operand: &str) -> (i64, String) {
    error(&with_values(&format!(r#"(call "p" ("out" "1") [{operand}])"#)))
}

#[test]
fn lenses_select_in_values_canons_and_maps() {
    for (operand, expected) in [
        ("v.$.[1].[0]", "20"),
        ("v.$[2].a!", "1"),
        ("v.$.[o.$.n]", ""),
        ("v.length", "3"),
        ("o.$.k.b", "5"),
        ("#c1.$.[1].k", "{\"b\":5}"),
        ("#c1.length", "2"),
        ("#%m1", "{\"1\":[{\"k\":{\"b\":5},\"n\":2}],\"k\":[[10,[20],{\"a\":1}],7]}"),
        ("#%m1.length", "3"),
        ("#%m1.$.k", "[[10,[20],{\"a\":1}],7]"),
        ("#%m1.$.[1].[0].n", "2"),
        ("#%m1.$.k.[0].[2].a", "1"),
        ("#%m1.$.absent.[5].x", "[]"),
        ("%last_error%.$.message", "\"\""),
        (":error:", "{\"error_code\":0,\"message\":\"\"}"),
    ] {
        if !expected.is_empty() {
            assert_eq!(value(operand), expected, "{operand}");
        }
    }
}

#[test]
fn scalars_index_by_number_and_by_name() {
    let script = |index: &str, operand: &str| {
        with_values(&format!(r#"(seq (ap {index} x) (call "p" ("out" "1") [{operand}]))"#))
    };
    assert_eq!(printed(&script("1", "v.$.[x].[0]")), ["20"]);
    assert_eq!(printed(&script("\"n\"", "o.$.[x]")), ["2"]);
    assert_eq!(printed(&script("1", "#c1.$.[x].n")), ["2"]);
    assert_eq!(printed(&script("\"k\"", "#%m1.$.[x].[1]")), ["7"]);
    assert_eq!(printed(&script("1", "#%m1.$.[x].[0].n")), ["2"]);
    let errors = [
        ("true", "v.$.[x]", "scalar accessor `true` should has number or string type"),
        ("-1", "v.$.[x]", "index accessor `-1 can't be converted to u32`"),
        ("\"k\"", "#c1.$.[x]", "stream accessor `\"k\"` should has number (u32) type"),
        ("1.5", "#%m1.$.[x]", "canon stream map accessor `1.5` should be either string or number"),
    ];
    for (index, operand, text) in errors {
        assert_eq!(error(&script(index, operand)), (10007, text.into()), "{operand}");
    }
}

#[test]
fn a_key_accessor_must_not_be_an_iterator() {
    let body = r#"(fold v i (call "p" ("out" "1") [#%m1.$.[i]]))"#;
    let text = "canon stream map accessor must not be iterable";
    assert_eq!(error(&with_values(body)), (10007, text.into()));
}

#[test]
fn lens_errors_say_what_they_were_applied_to() {
    for (operand, code, text) in [
        ("v.$.[9]", 10007, "value '[10,[20],{\"a\":1}]' does not contain element for idx = '9'"),
        (
            "v.$.a",
            10007,
            "value '[10,[20],{\"a\":1}]' is not an map-type to match field accessor with field_name = 'a'",
        ),
        (
            "v.$.[0].[1]",
            10007,
            "value '10' is not an array-type to match array accessor with idx = '1'",
        ),
        (
            "o.$.x",
            10007,
            "value '{\"k\":{\"b\":5},\"n\":2}' does not contain element with field name = 'x'",
        ),
        (
            "o.length",
            10010,
            "the length functor could applied only to an array-like value, but it's applied to '{\"k\":{\"b\":5},\"n\":2}'",
        ),
        (
            "#c1.$.[2]",
            10007,
            "lambda is applied to a stream that have only '2' elements, but '2' requested",
        ),
        ("#c1.$.k", 10007, "field accessor (with field name = 'k') can't be applied to a stream"),
        (
            "#%m1.$.k.[2]",
            10007,
            "lambda is applied to a stream that have only '2' elements, but '2' requested",
        ),
        (
            "#%m1.$.k.k",
            10007,
            "field accessor (with field name = 'k') can't be applied to a stream",
        ),
    ] {
        assert_eq!(message(operand), (code, text.into()), "{operand}");
    }
}

/// The tetraplets of an argument as `peer service function lens`, with `-` for an empty text.
fn tetraplets(prologue: &str, operand: &str) -> Vec<String> {
    let script = with_values(&format!(r#"(seq {prologue} (call "p" ("last" "1") [{operand}]))"#));
    let mut p = session(&script, "p");
    let mut outcome = step(&mut p, &[], Vec::new());
    loop {
        if let Some(request) = outcome.requests.iter().find(|r| &*r.service_id == "last") {
            let or_dash = |text: &str| String::from(if text.is_empty() { "-" } else { text });
            return request.tetraplets[0]
                .iter()
                .map(|t| {
                    [&t.peer_pk, &t.service_id, &t.function_name, &t.lens]
                        .map(|t| or_dash(t))
                        .join(" ")
                })
                .collect();
        }
        assert!(!outcome.requests.is_empty(), "{} {}", outcome.code, outcome.message);
        let results = outcome.requests.iter().map(|r| (r.id, answer(r))).collect();
        outcome = step(&mut p, &[], results);
    }
}

#[test]
fn arguments_get_the_tetraplets_of_the_specification() {
    let v = "p s [10,[20],{'a':1}]";
    let o = "p s {'k':{'b':5},'n':2}";
    let expected: &[(&str, &str, &[&str])] = &[
        ("(null)", "1", &["I - - -"]),
        ("(null)", "%last_error%", &["I - - -"]),
        ("(null)", "v", &[&format!("{v} -")]),
        ("(null)", "v.$.[1].[0]", &[&format!("{v} .$.[1].[0]")]),
        ("(null)", "v.length", &["- - - .length"]),
        ("(null)", "#c1", &[&format!("{v} -"), &format!("{o} -")]),
        ("(null)", "#c1.$.[1].n", &[&format!("{o} -")]),
        ("(null)", "#c1.length", &["p .length - -"]),
        ("(null)", "#%m1", &[&format!("{v} -"), &format!("{o} -"), "I - - -"]),
        ("(null)", "#%m1.$.k", &["p - - .$.k"]),
        ("(null)", "#%m1.$.zz.[1]", &["p - - .$.zz.[1]"]),
        ("(null)", "#%m1.$.k.[0]", &[&format!("{v} -")]),
        ("(null)", "#%m1.$.k.[0].[2].a", &[&format!("{v} .[2].a")]),
        ("(null)", "#%m1.length", &["p - - length"]),
        ("(ap v.$.[1] x)", "x", &[&format!("{v} .$.[1]")]),
        ("(ap v.length x)", "x", &["- - - .length"]),
        ("(ap #c1 x)", "x", &["p - - -"]),
        ("(ap #c1 x)", "x.$.[0]", &["p - - .$.[0]"]),
        ("(ap #c1.length x)", "x", &["p - - -"]),
        ("(ap #%m1.$.k x)", "x", &["p - - .$.k"]),
        ("(canon \"p\" %m x)", "x.$.k", &["p - - .$.k"]),
        ("(xor (call \"p\" (\"s\" \"fail\") []) (null))", "%last_error%", &["p s fail -"]),
        ("(xor (call \"p\" (\"s\" \"fail\") []) (ap %last_error% x))", "x", &["p - - -"]),
    ];
    for (prologue, operand, tetraplet) in expected {
        assert_eq!(tetraplets(prologue, operand), *tetraplet, "{prologue} {operand}");
    }
}

#[test]
fn iterators_have_the_index_in_their_tetraplet() {
    let script = with_values(r#"(fold v.$.[1] i (call "p" ("last" "1") [i]))"#);
    let mut p = session(&script, "p");
    let mut outcome = step(&mut p, &[], Vec::new());
    while outcome.requests.iter().all(|r| &*r.service_id != "last") {
        let results = outcome.requests.iter().map(|r| (r.id, answer(r))).collect();
        outcome = step(&mut p, &[], results);
    }
    assert_eq!(&*outcome.requests[0].tetraplets[0][0].lens, ".$.[1].$.[0]");
}
