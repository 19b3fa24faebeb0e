//! Values against the facts of air-data §5.3 and air-language §4.1.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::{MAX_VALUE_DEPTH, Value};

fn normalised(text: &str) -> String {
    Value::parse(text).unwrap().to_json()
}

#[test]
fn numbers_print_as_the_specification_says() {
    for (text, printed) in [
        ("0", "0"),
        ("-0", "-0.0"),
        ("1.0", "1.0"),
        ("0.00001", "0.00001"),
        ("1e-6", "1e-6"),
        ("1000000000000000.0", "1000000000000000.0"),
        ("1e16", "1e16"),
        ("1.5e16", "1.5e16"),
        ("5e-324", "5e-324"),
        ("18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("100000000000000000000", "1e20"),
        ("18446744073709551616", "1.8446744073709552e19"),
        // Read by the quick algorithm, one unit in the last place off.
        ("12345678901234567.0", "1.2345678901234566e16"),
        // Two texts of 17 digits are equally near.
        ("-250359849268370.625", "-250359849268370.62"),
    ] {
        assert_eq!(normalised(text), printed, "{text}");
    }
}

#[test]
fn objects_are_sorted_and_the_last_of_equal_keys_counts() {
    assert_eq!(normalised(r#"{"b":1,"a":2,"b":3,"é":4,"Z":5}"#), r#"{"Z":5,"a":2,"b":3,"é":4}"#);
    let object = Value::parse(r#"{"b":1,"a":2}"#).unwrap();
    assert_eq!(object.as_object().unwrap().get("a"), Some(&Value::from(2_u64)));
    assert_eq!(object.as_object().unwrap().get("c"), None);
}

#[test]
fn strings_are_escaped_minimally() {
    assert_eq!(
        normalised(r#""\"\\\b\f\n\r\t\u0001\u001f\/\u007fé""#),
        "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f/\u{7f}é\""
    );
}

#[test]
fn integers_never_equal_floats() {
    assert_ne!(Value::parse("1").unwrap(), Value::parse("1.0").unwrap());
    assert_eq!(Value::parse("0.0").unwrap(), Value::parse("-0").unwrap());
    assert_ne!(Value::parse("1").unwrap(), Value::parse("\"1\"").unwrap());
    assert_ne!(Value::parse("[1,2]").unwrap(), Value::parse("[2,1]").unwrap());
    assert_eq!(Value::from(5_i64), Value::from(5_u64));
}

#[test]
fn what_is_not_json_is_refused_with_the_readers_words() {
    for text in ["1e400", "\"\\ud800\"", "", "nope", "1 2", "{\"a\":1,}"] {
        assert!(Value::parse(text).is_err(), "{text}");
    }
    assert_eq!(Value::parse("nope").unwrap_err().to_string(), "expected ident at line 1 column 2");
    assert_eq!(
        Value::parse("").unwrap_err().to_string(),
        "EOF while parsing a value at line 1 column 0"
    );
}

#[test]
fn text_nests_127_levels_and_not_128() {
    let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(Value::parse(&nested(127)).unwrap().depth(), MAX_VALUE_DEPTH);
    let refused = Value::parse(&nested(128)).unwrap_err().to_string();
    assert_eq!(refused, "recursion limit exceeded at line 1 column 128");
}

#[test]
fn values_nest_127_levels_and_not_128() {
    let mut value = Value::Null;
    for _ in 0..MAX_VALUE_DEPTH {
        value = Value::array(vec![value]).unwrap();
    }
    assert_eq!(value.depth(), MAX_VALUE_DEPTH);
    assert!(Value::array(vec![value.clone()]).is_err());
    assert!(Value::object(vec![("k".into(), value)]).is_err());
}

proptest::proptest! {
    #[test]
    fn values_print_as_an_independent_writer_prints_them(json in arbitrary_json()) {
        let text = Value::parse(&json).unwrap().to_json();
        let other: serde_json::Value = serde_json::from_str(&json).unwrap();
        proptest::prop_assert_eq!(other.to_string().replace("e+", "e"), text.replace("e+", "e"));
    }

    #[test]
    fn floats_print_as_the_shortest_text_that_identifies_them(
        bits in proptest::num::u64::ANY,
        digits in 1_u64..100_000_000_000_000_000,
        exponent in -24_i32..20,
    ) {
        let moderate: f64 = format!("{digits}e{exponent}").parse().unwrap();
        for float in [f64::from_bits(bits), moderate, -moderate] {
            let Some(number) = super::Number::from_f64(float) else { continue };
            let text = number.to_string();
            proptest::prop_assert_eq!(text.parse::<f64>().unwrap(), float);
            let plain = float == 0.0 || (1e-5..1e16).contains(&float.abs());
            proptest::prop_assert_eq!(text.contains('e'), !plain, "{}", text);
            proptest::prop_assert_eq!(text.contains('.'), plain || text.trim_start_matches('-').find('e') > Some(1), "{}", text);
            proptest::prop_assert!(!text.contains('+'));
            let figures = |text: &str| {
                let mantissa = text.split('e').next().unwrap_or_default().to_string();
                let figures: String = mantissa.chars().filter(char::is_ascii_digit).collect();
                figures.trim_matches('0').len()
            };
            proptest::prop_assert_eq!(figures(&text), figures(&format!("{float:e}")));
        }
    }

    #[test]
    fn any_text_parses_or_is_refused(text in ".*") {
        let _ = Value::parse(&text);
    }
}

/// JSON text of values of moderate size, not normalised.
fn arbitrary_json() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(String::from("null")),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        any::<u64>().prop_map(|n| n.to_string()),
        (-1e300_f64..1e300).prop_map(|x| format!("{x:e}")),
        ".*".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6)
                .prop_map(|items| format!("[ {} ]", items.join(" , "))),
            prop::collection::vec(("[a-d]{0,2}", inner), 0..6).prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(k, v)| format!("\"{k}\" : {v}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}
