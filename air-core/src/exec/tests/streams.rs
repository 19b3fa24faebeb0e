//! Streams, generations and maps (air-language §4.4, §4.5, §6.2, §6.3).

use alloc::vec;

use super::support::*;
use crate::step::CallResult;

#[test]
fn values_of_one_run_share_a_generation_and_later_ones_get_their_own() {
    let script = r#"(par (seq (ap 1 $s) (ap 2 $s)) (seq (call "p" ("s" "3") [] $s) (call "p" ("s" "4") [] $s)))"#;
    let mut p = session(script, "p");
    step(&mut p, &[], vec![]);
    assert_eq!(trace(&mut p), "par(2,1) ap 0 ap 0 sent p:1");
    step(&mut p, &[], vec![(1, CallResult::success(&3_u64.into()))]);
    assert_eq!(trace(&mut p), "par(2,2) ap 0 ap 0 stream 1 sent p:2");
    step(&mut p, &[], vec![(2, CallResult::success(&4_u64.into()))]);
    assert_eq!(trace(&mut p), "par(2,2) ap 0 ap 0 stream 1 stream 2");
}

#[test]
fn a_canon_of_a_stream_that_is_not_there_is_empty() {
    let script = r#"(seq (canon "p" $s #cc) (call "p" ("out" "1") [#cc #cc.length]))"#;
    assert_eq!(printed(script), ["[] 0"]);
}

#[test]
fn a_canon_as_argument_of_ap_is_one_element() {
    let script = r#"(seq (seq (ap 1 $s) (ap [] $s)) (seq (canon "p" $s #c) (seq (ap #c $t)
        (seq (canon "p" $t #d) (call "p" ("out" "1") [#d])))))"#;
    assert_eq!(printed(script), ["[[1,[]]]"]);
}

#[test]
fn ap_waits_for_its_argument_without_a_state() {
    for ap in ["(ap x $s)", "(ap (x 1) %m)", "(ap (\"k\" x) %m)", "(ap x y)", "(ap y.$.[x] z)"] {
        let script = alloc::format!(r#"(seq (ap [] y) (par (call "U" ("" "") [] x) {ap}))"#);
        let mut p = session(&script, "p");
        assert_eq!(step(&mut p, &[], vec![]).code, 0);
        assert_eq!(trace(&mut p), "par(1,0) sent p", "{ap}");
    }
}

#[test]
fn map_keys_are_strings_and_integers() {
    for (key, code) in [("1", 0), ("\"1\"", 0), ("1.5", 10012), ("true", 10012), ("[]", 10012)] {
        let script = alloc::format!(r#"(seq (ap {key} k) (ap (k 1) %m))"#);
        let (found, message) = error(&script);
        assert_eq!(found, code, "{key}");
        if code != 0 {
            assert_eq!(message, "unsupported type for %m map's key");
        }
    }
}

#[test]
fn a_key_that_fails_leaves_the_trace_in_step() {
    // The reference takes the state before it resolves the key, and breaks off in the next run.
    let script = r#"(seq (ap true k) (seq (xor (ap (k 1) %m) (ap 1 $s)) (call "p" ("s" "1") [])))"#;
    let mut p = session(script, "p");
    step(&mut p, &[], vec![]);
    let outcome = step(&mut p, &[], vec![(1, CallResult::success(&1_u64.into()))]);
    assert_eq!((outcome.code, outcome.message.as_str()), (0, ""));
    assert_eq!(trace(&mut p), "ap 0 unused");
}

#[test]
fn the_1024th_value_of_a_stream_is_refused() {
    let array = |len: usize| alloc::format!("[{}1]", "1,".repeat(len - 1));
    for (len, code) in [(1023, 0), (1024, 20013)] {
        for target in ["i $s", "(1 i) %m"] {
            let script = alloc::format!(
                r#"(seq (call "p" ("s" "{}") [] a) (fold a i (seq (ap {target}) (next i))))"#,
                array(len)
            );
            let (found, message) = error(&script);
            assert_eq!(found, code, "{len} {target}");
            if code != 0 {
                assert_eq!(message, "stream size goes over the allowed limit of 1024");
            }
        }
    }
}

#[test]
fn generations_are_numbered_without_gaps_when_a_scope_ends_with_an_error() {
    let script = r#"(xor (new $s (seq (ap 1 $s) (seq (fold $s i (seq (xor (match i 1 (ap 2 $s)) (null)) (next i)) (null))
        (seq (ap 3 $s) (fail 1 "x"))))) (null))"#;
    let (mut p, outcome, _) = run(script);
    assert_eq!(outcome.code, 0);
    assert_eq!(trace(&mut p), "ap 0 fold[0:(2,1)(3,0) 2:(3,0)(3,0)] ap 1 ap 2");
}
