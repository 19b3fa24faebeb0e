//! `fold` over streams and maps: waves, lore, recursion (air-language §6.8, air-data §4.3, §7.7).

use alloc::vec;

use super::support::*;
use crate::step::CallResult;
use crate::value::Value;

#[test]
fn the_lore_says_where_each_iteration_is() {
    let script = r#"(seq (seq (ap 1 $s) (seq (ap 2 $s) (ap 3 $s)))
        (fold $s i (seq (call "p" ("out" "1") [i]) (next i)) (null)))"#;
    let (mut p, outcome, printed) = run(script);
    assert_eq!(outcome.code, 0);
    assert_eq!(printed, ["1", "2", "3"]);
    let lore = "fold[0:(4,1)(7,0) 1:(5,1)(7,0) 2:(6,1)(7,0)]";
    assert_eq!(trace(&mut p), alloc::format!("ap 0 ap 0 ap 0 {lore} unused unused unused"));
}

#[test]
fn a_body_in_par_nests_in_the_right_size() {
    let script =
        r#"(seq (seq (ap 1 $s) (seq (ap 2 $s) (ap 3 $s))) (fold $s i (par (ap i $t) (next i))))"#;
    let (mut p, _, _) = run(script);
    assert_eq!(
        trace(&mut p),
        "ap 0 ap 0 ap 0 fold[0:(4,2)(10,0) 1:(6,2)(10,0) 2:(8,2)(10,0)] \
         par(1,4) ap 0 par(1,2) ap 0 par(1,0) ap 0"
    );
}

#[test]
fn values_that_the_body_appends_are_iterated_in_the_next_wave() {
    let script =
        r#"(seq (ap 1 $s) (fold $s i (seq (xor (match i 1 (ap 2 $s)) (null)) (next i)) (null)))"#;
    let (mut p, _, _) = run(script);
    let expected = "ap 0 fold[0:(2,1)(3,0) 2:(3,0)(3,0)] ap 1";
    assert_eq!(trace(&mut p), expected);
    step(&mut p, &[], vec![]);
    assert_eq!(trace(&mut p), expected);
}

#[test]
fn endless_growth_ends_at_the_size_of_a_stream() {
    let script = r#"(seq (ap 1 $s) (fold $s i (seq (ap i $s) (next i))))"#;
    assert_eq!(error(script).0, 20013);
}

#[test]
fn the_last_instruction_runs_once_for_each_generation() {
    let script = r#"(seq (ap 1 $s) (fold $s i (seq (xor (match i 1 (ap 2 $s)) (null)) (next i)) (call "p" ("out" "1") [i])))"#;
    assert_eq!(printed(script), ["1", "2"]);
}

#[test]
fn errors_of_an_iteration_are_swallowed() {
    let script = r#"(seq (seq (ap 1 $s) (ap 2 $s)) (par (fold $s i (seq (fail 1 "x") (next i))) (call "p" ("out" "1") [%last_error%.$.message])))"#;
    let (mut p, outcome, printed) = run(script);
    assert_eq!(outcome.code, 0);
    assert_eq!(printed, ["\"x\""]);
    assert_eq!(trace(&mut p), "ap 0 ap 0 par(1,1) fold[0:(4,0)(4,0)] unused");
}

#[test]
fn maps_are_iterated_as_pairs() {
    let script = r#"(seq (seq (ap ("a" 1) %m) (ap ("a" 2) %m)) (fold %m i (seq (call "p" ("out" "1") [i.$.key i.$.value]) (next i)) (null)))"#;
    assert_eq!(printed(script), ["\"a\" 1", "\"a\" 2"]);
}

#[test]
fn a_stream_that_is_not_there_leaves_no_state() {
    let script = r#"(par (call "U" ("" "") [] $s) (par (fold $s i (next i)) (ap 1 $s)))"#;
    let (mut p, outcome, _) = run(script);
    assert_eq!(outcome.code, 0);
    assert_eq!(trace(&mut p), "par(1,2) sent p par(0,1) ap 0");
}

#[test]
fn results_that_come_out_of_order_are_not_lost() {
    // The reference loses iterations of values whose generation lies before that of others when it
    // replays them (air-data §11, D1); with them it loses the results of their calls.
    let script = r#"(seq (seq (ap 0 $s) (ap 1 $s)) (fold $s i (seq (par
        (xor (match i 0 (call "p" ("s" "x") [] $s)) (xor (match i 1 (call "p" ("s" "y") [] $s)) (call "p" ("z" "z") [i] $s)))
        (null)) (next i))))"#;
    let mut p = session(script, "p");
    let outcome = step(&mut p, &[], vec![]);
    let mut pending = outcome.requests;
    assert_eq!(pending.len(), 2);
    let (mut answered, mut number) = (0, 10_u64);
    // Always the latest request first, until twelve are answered.
    while answered < 12 {
        let request = pending.pop().unwrap();
        number += 1;
        let result = CallResult::success(&Value::from(number));
        let outcome = step(&mut p, &[], vec![(request.id, result)]);
        assert_eq!((outcome.code, outcome.message.as_str()), (0, ""));
        pending.extend(outcome.requests);
        answered += 1;
        let executed = data(&mut p)
            .trace
            .iter()
            .filter(|s| short(&[(*s).clone()]).starts_with("stream"))
            .count();
        assert_eq!(executed, answered, "{}", trace(&mut p));
    }
}

#[test]
fn nested_folds_over_one_stream_come_to_rest_in_the_next_run() {
    // A fold does not see in one run what it appended where the other fold's cursor stood (§13, quirk 17);
    // the next run does.
    let script = r#"(seq (seq (ap 1 $s) (ap 2 $s)) (fold $s i (seq
        (fold $s j (seq (xor (match j 1 (xor (match i 1 (ap 9 $s)) (null))) (null)) (next j)) (null)) (next i)) (null)))"#;
    let (mut p, outcome, _) = run(script);
    assert_eq!((outcome.code, outcome.message.as_str()), (0, ""));
    assert!(trace(&mut p).contains("fold[0:(4,1)(5,0) 1:(5,0)(5,0)] ap 1"));
    for _ in 0..2 {
        step(&mut p, &[], vec![]);
        assert!(trace(&mut p).contains("fold[0:(4,1)(5,0) 1:(5,0)(5,0) 4:(5,0)(5,0)] ap 1"));
    }
}
