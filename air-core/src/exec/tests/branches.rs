//! `seq`, `par`, `xor`, `match`, `mismatch`, `never`, `null` and completeness (air-language §5.2, §6.5, §6.6).

use alloc::vec;

use super::support::*;
use crate::step::CallResult;

#[test]
fn par_on_one_peer_asks_here_and_sends_there() {
    let script = r#"(par (call "B" ("s" "f") [] x) (call "A" ("s" "g") [] y))"#;
    let mut a = session(script, "A");
    let outcome = step(&mut a, &[], vec![]);
    assert_eq!(trace(&mut a), "par(1,1) sent A sent A:1");
    assert_eq!(outcome.next_peers, ["B".into()]);
    assert_eq!(outcome.requests.len(), 1);
    let outcome = step(&mut a, &[], vec![(1, CallResult::success(&"v".into()))]);
    assert_eq!(trace(&mut a), "par(1,1) sent A scalar");
    assert!(outcome.next_peers.is_empty() && outcome.requests.is_empty());
}

/// Whether the part is complete: then the call behind it is reached.
fn completes(part: &str) -> bool {
    let script = alloc::format!(r#"(seq {part} (call "p" ("out" "1") []))"#);
    let (_, outcome, printed) = run(&script);
    assert_eq!(outcome.code, 0, "{part}: {}", outcome.message);
    !printed.is_empty()
}

#[test]
fn completeness_is_that_of_the_specification() {
    for (part, complete) in [
        ("(null)", true),
        ("(never)", false),
        (r#"(call "U" ("" "") [])"#, false),
        (r#"(call "p" ("s" "1") [])"#, true),
        (r#"(par (never) (null))"#, true),
        (r#"(par (never) (never))"#, false),
        (r#"(par (null) (fail 1 "x"))"#, true),
        (r#"(xor (fail 1 "x") (null))"#, true),
        (r#"(xor (fail 1 "x") (never))"#, false),
        (r#"(xor (never) (null))"#, false),
        (r#"(match 1 1 (never))"#, false),
        (r#"(mismatch 1 2 (null))"#, true),
        (r#"(seq (never) (null))"#, false),
        (r#"(canon "U" $s #c)"#, false),
        (r#"(canon "p" $s #c)"#, true),
        (r#"(new $s (fold $s i (next i)))"#, false),
        (r#"(fold [] i (never))"#, true),
        (r#"(seq (ap 1 $s) (fold $s i (seq (null) (next i))))"#, false),
        (r#"(seq (ap 1 $s) (fold $s i (seq (null) (next i)) (null)))"#, true),
        (r#"(seq (ap 1 $s) (fold $s i (seq (null) (next i)) (never)))"#, false),
        (r#"(seq (ap 1 $s) (fold $s i (par (null) (next i))))"#, true),
        (r#"(seq (ap 1 $s) (fold $s i (par (never) (next i))))"#, false),
        (r#"(par (call "U" ("" "") [] x) (ap x y))"#, false),
    ] {
        assert_eq!(completes(part), complete, "{part}");
    }
}

#[test]
fn xor_does_not_handle_what_waits() {
    let script = r#"(par (call "U" ("" "") [] x) (xor (ap x y) (call "A" ("" "") [])))"#;
    let outcome = step(&mut session(script, "A"), &[], vec![]);
    assert_eq!((outcome.code, outcome.requests.len()), (0, 0));
}

#[test]
fn the_right_error_of_two_failed_branches_goes_on() {
    let (code, message) = error(r#"(par (fail 1 "left") (fail 2 "right"))"#);
    assert_eq!(code, 10006);
    assert!(message.contains("right") && !message.contains("left"), "{message}");
}

#[test]
fn match_and_mismatch_compare_exactly() {
    for (left, right, equal) in [
        ("1", "1", true),
        ("1", "1.0", false),
        ("1", "\"1\"", false),
        ("[]", "[]", true),
        ("true", "true", true),
        ("%init_peer_id%", "\"I\"", true),
        ("%timestamp%", "11", true),
        ("%ttl%", "22", true),
        ("-0.0", "0.0", true),
    ] {
        let (matched, text) = error(&alloc::format!("(match {left} {right} (null))"));
        assert_eq!(matched, if equal { 0 } else { 10001 }, "{left} {right} {text}");
        let (mismatched, _) = error(&alloc::format!("(mismatch {left} {right} (null))"));
        assert_eq!(mismatched, if equal { 10002 } else { 0 }, "{left} {right}");
    }
}

#[test]
fn what_failed_before_the_handler_stays_in_the_trace() {
    let script = r#"(xor (seq (ap 1 $s) (fail 1 "x")) (ap 2 $s))"#;
    let (mut p, outcome, _) = run(script);
    assert_eq!(outcome.code, 0);
    assert_eq!(trace(&mut p), "ap 0 ap 0");
}
