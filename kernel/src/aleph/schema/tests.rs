use alloc::string::ToString;

use proptest::prelude::*;

use super::*;

fn accepts(shape: &Shape, json: &str) -> bool {
    check(shape, &Value::parse(json).unwrap()).is_ok()
}

/// The canonical JSON, or the refusals.
fn outcome(shape: &Shape, json: &str) -> alloc::string::String {
    match check(shape, &Value::parse(json).unwrap()) {
        Ok(value) => value.to_json(),
        Err(refusals) => refusals.to_string(),
    }
}

#[test]
fn truth_values_are_converted_as_the_reference_does() {
    for json in ["true", "1", "1.0", r#""1""#, r#""TRUE""#, r#""Yes""#, r#""y""#, r#""on""#] {
        assert_eq!(outcome(&Shape::Flag, json), "true", "{json}");
    }
    for json in ["false", "0", "-0.0", r#""f""#, r#""OFF""#, r#""no""#] {
        assert_eq!(outcome(&Shape::Flag, json), "false", "{json}");
    }
    for json in ["2", "0.5", r#"" true""#, r#""""#, "null", "[]"] {
        assert!(!accepts(&Shape::Flag, json), "{json}");
    }
    assert!(accepts(&Shape::StrictFlag, "true") && !accepts(&Shape::StrictFlag, "1"));
    assert!(accepts(&Shape::AlwaysTrue, "1.0") && !accepts(&Shape::AlwaysTrue, "false"));
}

#[test]
fn integers_are_converted_as_the_reference_does() {
    let shape = Shape::Integer(-1000, 1000);
    for (json, integer) in [
        ("7", "7"),
        ("7.0", "7"),
        ("true", "1"),
        (r#""7""#, "7"),
        (r#"" +7 ""#, "7"),
        (r#""-7""#, "-7"),
        (r#""1_0""#, "10"),
        (r#""007""#, "7"),
        (r#""7.00""#, "7"),
    ] {
        assert_eq!(outcome(&shape, json), integer, "{json}");
    }
    for json in
        ["7.5", r#""7.""#, r#""1e3""#, r#""0x1""#, r#""1__0""#, r#""_1""#, r#""""#, "null", "1e40"]
    {
        assert!(!accepts(&shape, json), "{json}");
    }
    assert!(!accepts(&Shape::StrictInteger(0, 9), "1.0"));
    assert!(!accepts(&Shape::StrictInteger(0, 9), "true"));
}

#[test]
fn integers_are_bounded_at_their_limits() {
    let shape = Shape::Integer(1, 256);
    assert_eq!(outcome(&shape, "0"), "the document is less than 1");
    assert_eq!(outcome(&shape, "1"), "1");
    assert_eq!(outcome(&shape, "256"), "256");
    assert_eq!(outcome(&shape, "257"), "the document is more than 256");
    let unbounded = Shape::Integer(i128::MIN, i128::MAX);
    assert_eq!(outcome(&unbounded, "18446744073709551615"), "18446744073709551615");
    assert_eq!(outcome(&unbounded, "-9223372036854775808"), "-9223372036854775808");
    assert!(!accepts(&unbounded, "1e25"));
}

#[test]
fn points_in_time_come_as_numbers_and_words() {
    for (json, seconds) in [
        ("1", "1.0"),
        (r#""1.5""#, "1.5"),
        ("20000000000", "20000000000.0"),
        ("30000000000", "30000000.0"),
        (r#""2023-11-14T22:13:20Z""#, "1700000000.0"),
        (r#""2023-11-14 22:13""#, "1699999980.0"),
        (r#""2023-11-14t23:13:20,25+01:00""#, "1700000000.25"),
        (r#""2023-11-14_20:43:20-0130""#, "1700000000.0"),
        (r#""1970-01-02""#, "86400.0"),
    ] {
        assert_eq!(outcome(&Shape::Instant, json), seconds, "{json}");
    }
    for json in [
        "true",
        "null",
        "1e20",
        r#""nan""#,
        r#""2023-11-14T24:00:00""#,
        r#""2023-02-29""#,
        r#""2023-11-14T22:13:60""#,
        r#""2023-11-14T22:13:20 +01:00""#,
        r#""2023-11-14T22""#,
        r#""2023-11-14T22:13:20+01""#,
        r#""2023-11-14T22:13:20.""#,
        r#""""#,
        r#""2023-11-14T22:13:20Zx""#,
    ] {
        let taken = check(&Shape::Instant, &Value::parse(json).unwrap());
        assert!(taken.is_err() || json == "{json}");
    }
}

#[test]
fn texts_are_measured_in_characters() {
    let shape = Shape::Text { least: 1, most: 2 };
    assert!(accepts(&shape, r#""éé""#));
    assert_eq!(outcome(&shape, r#""ééé""#), "the document is longer than 2");
    assert_eq!(outcome(&shape, r#""""#), "the document is shorter than 1");
    assert_eq!(outcome(&shape, "1"), "the document is not a text");
}

static INNER: Record = Record::closed(&[required("n", Shape::Integer(0, 9))]);
static OUTER: Record = Record::closed(&[
    required("a", Shape::TEXT),
    optional("list", Shape::list(&Shape::Record(&INNER))),
    flag("flag", true),
    with_default("word", Shape::OneOf(&["x", "y"]), Default::Text("y")),
    optional("map", Shape::Map { key_most: 2, value: &Shape::TEXT, most: 2 }),
])
.with(&[|members| match members.get("word").and_then(Value::as_str) {
    Some("x") => Err(("word", Reason::Rule("is x"))),
    _ => Ok(()),
}]);

#[test]
fn a_record_is_completed_or_refused_field_by_field() {
    let of = |json| outcome(&Shape::Record(&OUTER), json);
    assert_eq!(of(r#"{"a":"b","list":null}"#), r#"{"a":"b","flag":true,"word":"y"}"#);
    assert_eq!(
        of(r#"{"list":[{"n":"1"},{"n":10},{"m":1}],"flag":null,"more":1}"#),
        "a is missing\nlist.1.n is more than 9\nlist.2.n is missing\n\
         list.2.m is not a field that is known here\nflag is not a truth value\n\
         more is not a field that is known here"
    );
    assert_eq!(of(r#"{"a":"b","word":"x"}"#), "word is x");
    assert_eq!(of(r#"{"a":"b","map":{"k":"v","long":"v"}}"#), "map.long is longer than 2");
    assert_eq!(of(r#"{"a":"b","map":{"k":"v","l":"v","m":"v"}}"#), "map is longer than 2");
    assert_eq!(of("[]"), "the document is not an object");
}

#[test]
fn the_second_shape_counts_where_the_first_does_not_fit() {
    static FIRST: Shape = Shape::Record(&INNER);
    let either = Shape::Either(&FIRST, &Shape::AnyObject);
    assert_eq!(outcome(&either, r#"{"n":"1"}"#), r#"{"n":1}"#);
    assert_eq!(outcome(&either, r#"{"n":"x"}"#), r#"{"n":"x"}"#);
    assert_eq!(outcome(&either, "[]"), "the document is not an object");
}

#[test]
fn numbers_are_equal_by_value_and_everything_else_by_kind() {
    let equal = |a, b| python_equal(&Value::parse(a).unwrap(), &Value::parse(b).unwrap());
    assert!(equal("[1,{\"a\":true}]", "[1.0,{\"a\":1}]"));
    assert!(equal("0", "-0.0") && equal("false", "0"));
    assert!(!equal("1", "\"1\"") && !equal("[1]", "[1,1]") && !equal("{\"a\":1}", "{\"b\":1}"));
    assert!(!equal("9007199254740993", "9007199254740992.0"));
    assert!(!equal("null", "0"));
}

#[test]
fn regular_expressions_are_told_from_other_texts() {
    for pattern in [
        "",
        "^0x.*$",
        "[a-z0-9_-]+",
        "a{2,3}?",
        "a{,3}",
        "a{x",
        "(a|b)*",
        "(?:a)+",
        "(?P<n>a)(?P=n)",
        "(?i)x",
        "(?i:x)",
        "(?=a)b(?!c)",
        "(?<=a)b",
        "(a)(?(1)b|c)",
        r"(a)\1",
        r"\d\W\.\x41\u0041",
        r"[\]\-]",
        "[]a]",
        "[^]]",
        "a++",
        "(?#note)x",
        "]",
        "}",
        r"\012",
        r"[a\-z]",
        "[-a]",
        "[a-]",
    ] {
        assert!(python_regex::compiles(pattern), "{pattern}");
    }
    for pattern in [
        "(",
        ")",
        "[",
        "[z-a]",
        "*",
        "a**",
        "^*",
        "$+",
        "|*",
        "a{3,2}",
        "(?P<1>a)",
        "(?P<n>a)(?P<n>b)",
        "(?P=n)",
        r"\1",
        r"(\1)",
        r"\q",
        r"\",
        "(?q)",
        "(?",
        "(?P<n",
        r"[\d-z]",
        "[a",
        "a{2}{3}",
        "(?<a)",
        r"\x4",
        r"\400",
        "(?()a)",
        "(?(2)a)",
        "(?-i)",
    ] {
        assert!(!python_regex::compiles(pattern), "{pattern}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_regular_expression_or_not(pattern in r"[()\[\]{}?*+|\\^$.,:<>=!P0-9a-zé#-]{0,40}") {
        let _ = python_regex::compiles(&pattern);
    }

    #[test]
    fn any_scalar_text_is_converted_or_refused(text in "[-+_.,:eETZ0-9 ]{0,40}|.{0,20}") {
        let value = Value::from(text.as_str());
        for shape in [Shape::Instant, Shape::Flag, Shape::Number, Shape::Seconds, Shape::ItemHash] {
            if let Ok(canonical) = check(&shape, &value) {
                prop_assert_eq!(check(&shape, &canonical).ok(), Some(canonical));
            }
        }
    }
}
