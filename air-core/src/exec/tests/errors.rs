//! `%last_error%`, `:error:` and `fail` (air-language §6.11, §7).

use alloc::format;
use alloc::string::String;

use super::support::*;

/// What the handler of a `xor` around `body` sees in both variables.
fn handled(body: &str) -> String {
    printed(&format!(r#"(xor {body} (call "p" ("out" "1") [%last_error% :error:]))"#)).join("|")
}

#[test]
fn the_samples_of_the_specification() {
    let failed = r#"{"error_code":10000,"instruction":"call \"p\" (\"s\" \"fail\") [\"a\"] x","message":"Local service error, ret_code is 7, error message is '\"boom\"'","peer_id":"p"}"#;
    assert_eq!(handled(r#"(call "p" ("s" "fail") ["a"] x)"#), format!("{failed} {failed}"));

    let user =
        r#"{"error_code":1337,"instruction":"fail 1337 \"msg\"","message":"msg","peer_id":"I"}"#;
    let raised = r#"{"error_code":10006,"instruction":"fail 1337 \"msg\"","message":"fail with '{\"error_code\":1337,\"instruction\":\"fail 1337 \\\"msg\\\"\",\"message\":\"msg\",\"peer_id\":\"I\"}' is used without corresponding xor"}"#;
    assert_eq!(handled(r#"(fail 1337 "msg")"#), format!("{user} {raised}"));

    let none = r#"{"error_code":0,"message":""}"#;
    let unequal = r#"{"error_code":10001,"instruction":"match 1 2","message":"compared values do not match"}"#;
    assert_eq!(handled("(match 1 2 (null))"), format!("{none} {unequal}"));

    let lens = r#""error_code":10007,"instruction":"ap x.$.a y","message":"value '\"str\"' is not an map-type to match field accessor with field_name = 'a'""#;
    assert_eq!(
        handled(r#"(seq (ap "str" x) (ap x.$.a y))"#),
        format!("{{{lens},\"peer_id\":\"p\"}} {{{lens}}}")
    );

    let triplet = r#"{"error_code":10011,"instruction":"call x (\"s\" \"f\") [] ","message":"call cannot resolve non-String triplet variable part `x` with value '1'","peer_id":"p"}"#;
    assert_eq!(handled(r#"(seq (ap 1 x) (call x ("s" "f") []))"#), format!("{triplet} {triplet}"));

    let remote = r#"{"error_code":10007,"instruction":"call \"q\" (\"s\" \"f\") [x.$.a] ","message":"value '1' is not an map-type to match field accessor with field_name = 'a'","peer_id":"q"}"#;
    assert_eq!(
        handled(r#"(seq (ap 1 x) (call "q" ("s" "f") [x.$.a]))"#),
        format!("{remote} {remote}")
    );
}

#[test]
fn after_the_handler_only_the_last_error_stays() {
    let script = r#"(seq (xor (fail 3 "m") (null)) (call "p" ("out" "1") [%last_error%.$.error_code :error:.$.error_code]))"#;
    assert_eq!(printed(script), ["3 0"]);
}

#[test]
fn fail_error_passes_the_caught_error_on() {
    let script = r#"(xor (call "p" ("s" "fail") [] x) (fail :error:))"#;
    let (code, message) = error(script);
    assert_eq!(code, 10000);
    assert!(message.starts_with("Local service error, ret_code is 7"), "{message}");
    let (code, message) = error(r#"(xor (call "p" ("s" "fail") [] x) (fail %last_error%))"#);
    assert_eq!(code, 10006);
    assert!(message.contains("\"error_code\":10000"), "{message}");
}

#[test]
fn an_error_that_is_passed_on_keeps_its_place() {
    let script = r#"(xor (call "p" ("s" "fail") [] x) (fail :error:))"#;
    let (_, outcome, _) = run(script);
    let span = outcome.span.unwrap();
    assert_eq!(&script[span.left as usize..span.right as usize], r#"(call "p" ("s" "fail") [] x)"#);
}

#[test]
fn swallowed_errors_leave_the_variables_closed() {
    // §7.3: a par re-opens the last error, a stream fold does not; `:error:` stays with the first.
    let par = r#"(seq (par (fail 1 "a") (null)) (xor (fail 2 "b") (call "p" ("out" "1") [%last_error%.$.error_code :error:.$.message])))"#;
    let text = r#""fail with '{\"error_code\":1,\"instruction\":\"fail 1 \\\"a\\\"\",\"message\":\"a\",\"peer_id\":\"I\"}' is used without corresponding xor""#;
    assert_eq!(printed(par), [format!("2 {text}")]);

    let fold = r#"(seq (seq (ap 1 $s) (par (fold $s i (fail 1 "a")) (null))) (seq (par (ap x y) (null)) (call "p" ("out" "1") [%last_error%.$.error_code])))"#;
    let fold = fold.replace("(par (ap x y) (null))", "(null)");
    assert_eq!(printed(&fold), ["1"]);
}

#[test]
fn two_failed_branches_show_as_the_specification_says() {
    let fails = r#"(par (fail 1 "l") (fail 2 "r"))"#;
    let seen = |body: &str| {
        printed(&format!(
            r#"(xor {body} (call "p" ("out" "1") [%last_error%.$.error_code :error:.$.instruction]))"#
        ))
    };
    assert_eq!(seen(fails), [r#"2 "fail 1 \"l\"""#]);
    let calls = r#"(seq (ap 1 a) (par (call a ("" "l") []) (call a ("" "r") [])))"#;
    assert_eq!(seen(calls), [r#"10011 "call a (\"\" \"l\") [] ""#]);
}

#[test]
fn only_error_objects_can_be_raised() {
    let no_object = |value: &str| {
        format!(
            "scalar should have an object type to be converted into error object, but '{value}' doesn't have"
        )
    };
    for (value, text) in [
        ("1", no_object("1")),
        ("[]", no_object("[]")),
        ("{}", "scalar '{}' must have field with name 'error_code'".into()),
        ("{'error_code':'1'}", "error_code of scalar '{\"error_code\":\"1\"}' must have integer type".into()),
        ("{'error_code':1.5}", "error_code of scalar '{\"error_code\":1.5}' must have integer type".into()),
        ("{'error_code':0}", "error code must be non-zero, but it is zero".into()),
        ("{'error_code':1}", "scalar '{\"error_code\":1}' must have field with name 'message'".into()),
        ("{'error_code':1,'message':2}", "message of scalar '{\"error_code\":1,\"message\":2}' must have string type".into()),
        // The reference crashes.
        ("{'error_code':9223372036854775808,'message':''}", "error_code of scalar '{\"error_code\":9223372036854775808,\"message\":\"\"}' must have integer type".into()),
    ] {
        let script = format!(r#"(seq (call "p" ("s" "{value}") [] x) (fail x))"#);
        assert_eq!(error(&script), (10008, text), "{value}");
    }
    assert_eq!(error("(fail %last_error%)").0, 10008);
    assert_eq!(error("(fail :error:)").0, 10008);
    let script =
        r#"(seq (call "p" ("s" "{'error_code':-3,'message':'m','more':1}") [] x) (fail x))"#;
    assert_eq!(
        error(script),
        (10006, "fail with '{\"error_code\":-3,\"message\":\"m\",\"more\":1}' is used without corresponding xor".into())
    );
}

#[test]
fn fail_does_not_wait() {
    let text = "variable with name 'x' wasn't defined during script execution";
    assert_eq!(error("(fail x)"), (10003, text.into()));
}
