//! Bounds, fuel and depth: at the bound and one beyond (issue: nothing that comes in can exhaust us).

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;

use super::support::*;
use crate::exec::limits::*;
use crate::session::{Progress, Session};
use crate::step::Parameters;
use crate::{CallResult, Script};

fn outcome(script: &str, limits: ExecutionLimits) -> i64 {
    let parameters = Parameters { limits, ..parameters("p") };
    let mut p = Session::new(Arc::new(Script::parse(script).unwrap()), parameters);
    step(&mut p, &[], vec![]).code
}

#[test]
fn frames_are_bounded() {
    // Three open instructions: two `xor`s and the `seq` in them.
    let script = "(xor (xor (seq (null) (null)) (null)) (null))";
    let limits = |max_frames| ExecutionLimits { max_frames, ..ExecutionLimits::default() };
    assert_eq!(outcome(script, limits(3)), 0);
    assert_eq!(outcome(script, limits(2)), FRAMES_EXCEEDED);
}

#[test]
fn the_trace_is_bounded() {
    let script = "(seq (ap 1 $s) (ap 1 $s))";
    let limits = |max_trace_len| ExecutionLimits { max_trace_len, ..ExecutionLimits::default() };
    assert_eq!(outcome(script, limits(2)), 0);
    assert_eq!(outcome(script, limits(1)), TRACE_EXCEEDED);
}

#[test]
fn memory_is_bounded() {
    let limits = |memory| ExecutionLimits { memory, ..ExecutionLimits::default() };
    let code = |memory| outcome("(seq (ap 1 $s) (ap 1 $s))", limits(memory));
    let needed = (0..10_000).find(|&memory| code(memory) == 0).unwrap();
    assert_eq!(code(needed - 1), MEMORY_EXCEEDED);
    assert!(needed >= 2 * 128, "{needed}");
}

#[test]
fn a_step_over_a_bound_changes_nothing() {
    let limits = ExecutionLimits { max_trace_len: 1, ..ExecutionLimits::default() };
    let parameters = Parameters { limits, ..parameters("p") };
    let script = r#"(seq (call "p" ("s" "f") [] x) (ap x $s))"#;
    let mut p = Session::new(Arc::new(Script::parse(script).unwrap()), parameters);
    step(&mut p, &[], vec![]);
    let before = p.data();
    let outcome = step(&mut p, &[], vec![(1, CallResult::success(&1_u64.into()))]);
    assert_eq!((outcome.code, outcome.has_new_data()), (TRACE_EXCEEDED, false));
    assert_eq!(p.data(), before);
}

#[test]
fn values_that_double_at_each_turn_end_at_the_bound() {
    // Each turn fixes the stream and appends the canon twice: little memory, but a text of 2^n bytes.
    let doubling =
        r#"(seq (ap 1 $s) (fold $s i (seq (seq (canon "p" $s #c) (ap #c $s)) (next i))))"#;
    // Each turn fails with the message of the turn before, in quotes that are escaped each time.
    let quoting =
        r#"(seq (ap "x" $s) (fold $s i (seq (xor (ap i.$.a y) (ap :error: $s)) (next i))))"#;
    for script in [doubling, quoting] {
        let limits = ExecutionLimits { memory: 1 << 20, ..ExecutionLimits::default() };
        assert_eq!(outcome(script, limits), MEMORY_EXCEEDED, "{script}");
    }
}

/// A script of so many nested instructions.
fn nested(depth: usize, open: &str, close: &str) -> String {
    open.repeat(depth) + "(null)" + &close.repeat(depth)
}

#[test]
fn deep_scripts_and_long_folds_take_no_native_stack() {
    extern crate std;
    // In a thread with a small stack: a recursion would end it.
    let run = || {
        for (open, close) in
            [("(seq (null) ", ")"), ("(par ", " (null))"), ("(xor ", " (null))"), ("(new x ", ")")]
        {
            let script = nested(900, open, close);
            assert_eq!(outcome(&script, ExecutionLimits::default()), 0, "{open}");
        }
        let script =
            r#"(seq (call "p" ("s" "f") [] a) (fold a i (par (null) (seq (next i) (null)))))"#;
        let parameters = Parameters { limits: ExecutionLimits::default(), ..parameters("p") };
        let mut p = Session::new(Arc::new(Script::parse(script).unwrap()), parameters);
        step(&mut p, &[], vec![]);
        let array = String::from("[") + &"0,".repeat(50_000) + "0]";
        let outcome = step(&mut p, &[], vec![(1, CallResult { ret_code: 0, result: array })]);
        assert_eq!((outcome.code, outcome.message.as_str()), (0, ""));
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
}

#[test]
fn fuel_stops_and_goes_on_anywhere() {
    let script = r#"(seq (ap 1 $s) (fold $s i (seq (xor (match i 1 (ap 2 $s)) (null)) (next i))))"#;
    let mut whole = session(script, "p");
    let expected = step(&mut whole, &[], vec![]);
    for fuel in 1..30 {
        let mut p = session(script, "p");
        p.begin(&[], vec![]);
        let mut slices = 0;
        let outcome = loop {
            slices += 1;
            match p.run(fuel) {
                Progress::OutOfFuel => assert!(slices < 1000),
                Progress::Done(outcome) => break outcome,
            }
        };
        assert_eq!(outcome, expected);
        assert_eq!(p.data(), whole.data());
        assert_eq!(slices == 1, fuel >= 14, "{fuel} {slices}");
    }
}

#[test]
fn a_step_that_is_given_up_leaves_nothing() {
    let script = r#"(seq (call "p" ("s" "f") [] x) (seq (ap x $s) (canon "p" $s #c)))"#;
    let mut p = session(script, "p");
    step(&mut p, &[], vec![]);
    let before = p.data();
    let result = || vec![(1, CallResult::success(&"value".into()))];
    for fuel in 0..6 {
        p.begin(&[], result());
        assert_eq!(p.run(fuel), Progress::OutOfFuel, "{fuel}");
        assert_eq!(p.data(), before, "{fuel}");
    }
    p.begin(&[], result());
    assert_eq!(p.run(2), Progress::OutOfFuel);
    let outcome = step(&mut p, &[], result());
    assert_eq!(outcome.code, 0);
    assert_eq!(trace(&mut p), "scalar ap 0 canon");
}

#[test]
fn machines_can_move_to_another_core() {
    fn check<T: Send>() {}
    check::<Session>();
    check::<crate::StepOutcome>();
    check::<Script>();
}
