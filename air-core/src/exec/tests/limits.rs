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

/// A script that makes canons, each of twice the one before, and calls the last but one `#c`.
fn doubled(levels: usize, then: &str) -> String {
    let mut script = String::from(r#"(seq (ap "0123456789" $s0) (canon "p" $s0 #c0))"#);
    for level in 1..levels {
        let before = level - 1;
        script = alloc::format!(
            r#"(seq {script} (seq (seq (ap #c{before} $s{level}) (ap #c{before} $s{level}))
                 (canon "p" $s{level} #c{level})))"#
        );
    }
    alloc::format!("(seq (seq {script} (ap #c{} x)) {then})", levels - 1)
}

#[test]
fn errors_show_long_values_by_their_kind() {
    let shown = |levels| {
        let script = doubled(levels, "(ap x.$.field y)");
        let mut p = Session::new(Arc::new(Script::parse(&script).unwrap()), parameters("p"));
        step(&mut p, &[], vec![]).message
    };
    assert!(shown(3).starts_with(r#"value '[[["0123456789"],["0123456789"]],[["#), "{}", shown(3));
    assert!(shown(14).starts_with("value '[…]' is not an map-type"), "{}", shown(14));
    let text = "é".repeat(MIN_SHOWN_BYTES);
    let script = alloc::format!(r#"(seq (ap "{text}" x) (ap x.$.field y))"#);
    let mut p = Session::new(Arc::new(Script::parse(&script).unwrap()), parameters("p"));
    let message = step(&mut p, &[], vec![]).message;
    assert!(message.len() < MIN_SHOWN_BYTES + 100, "{}", message.len());

    // With more memory more is shown, as in the reference.
    let limits = ExecutionLimits {
        memory: 4 * MIN_SHOWN_BYTES * SHOWN_TEXT_PART,
        ..ExecutionLimits::default()
    };
    let parameters = Parameters { limits, ..parameters("p") };
    let mut p = Session::new(Arc::new(Script::parse(&script).unwrap()), parameters);
    assert!(step(&mut p, &[], vec![]).message.contains(&text));
}

#[test]
fn comparing_takes_fuel_for_what_is_compared() {
    let slices = |levels| {
        let script = doubled(levels, "(match x x (null))");
        let mut p = Session::new(Arc::new(Script::parse(&script).unwrap()), parameters("p"));
        p.begin(&[], vec![]);
        (1..).find(|_| matches!(p.run(1), Progress::Done(_))).unwrap()
    };
    let (small, large) = (slices(11), slices(12));
    // 2^11 texts of 12 bytes more to store, and as many to compare.
    assert!(large - small > 2 * (12 << 10) / 256, "{small} {large}");
}

#[test]
fn copies_of_an_error_take_memory() {
    let copies = |count: usize| {
        let all = (0..count)
            .fold(String::from("(null)"), |all, _| alloc::format!("(seq (ap :error: $s) {all})"));
        let text = "x".repeat(10_000);
        let script = alloc::format!(r#"(xor (seq (ap "{text}" x) (ap x.$.field y)) {all})"#);
        outcome(&script, ExecutionLimits { memory: 100_000, ..ExecutionLimits::default() })
    };
    assert_eq!((copies(8), copies(10)), (0, MEMORY_EXCEEDED));
}

#[test]
fn one_stored_text_takes_only_a_part_of_the_memory() {
    // With its quotes it has 1000 bytes.
    let text = "x".repeat(998);
    let script = alloc::format!(r#"(seq (ap "{text}" $s) (canon "p" $s #c))"#);
    let limits =
        |text| ExecutionLimits { memory: text * STORED_TEXT_PART, ..ExecutionLimits::default() };
    assert_eq!(outcome(&script, limits(1000)), 0);
    assert_eq!(outcome(&script, limits(999)), MEMORY_EXCEEDED);
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
