//! `fold` over scalars and canons, `next` (air-language §6.7, §6.9).

use alloc::format;
use alloc::string::String;

use super::support::*;

fn over(array: &str, fold: &str) -> String {
    format!(r#"(seq (call "p" ("s" "{array}") [] a) {fold})"#)
}

#[test]
fn what_stands_before_next_runs_forward_and_behind_it_backward() {
    let fold = r#"(fold a i (seq (call "p" ("out" "1") ["l" i]) (seq (next i) (call "p" ("out" "1") ["r" i]))))"#;
    let expected = ["\"l\" 1", "\"l\" 2", "\"l\" 3", "\"r\" 3", "\"r\" 2", "\"r\" 1"];
    assert_eq!(printed(&over("[1,2,3]", fold)), expected);
}

#[test]
fn the_last_instruction_runs_once_at_the_last_element() {
    let fold = r#"(fold a i (seq (null) (next i)) (call "p" ("out" "1") [i]))"#;
    assert_eq!(printed(&over("[1,2,3]", fold)), ["3"]);
    assert_eq!(printed(&over("[]", fold)), [""; 0]);
}

#[test]
fn only_arrays_are_iterated() {
    let fold = r#"(fold a i (next i))"#;
    let text = "expression 'a' returned non-array value '1' for fold iterable";
    assert_eq!(error(&over("1", fold)), (10005, text.into()));
    let fold = r#"(fold a.$.x i (next i))"#;
    let text = "expression '.$.x' returned non-array value '{}' for fold iterable";
    assert_eq!(error(&over("{'x':{}}", fold)), (10005, text.into()));
}

#[test]
fn an_iterable_that_is_not_there_is_waited_for() {
    let script = r#"(par (call "U" ("" "") [] x) (fold x i (next i)))"#;
    let mut p = session(script, "p");
    assert_eq!(step(&mut p, &[], alloc::vec![]).code, 0);
    assert_eq!(trace(&mut p), "par(1,0) sent p");
}

#[test]
fn a_next_without_its_fold_is_uncatchable() {
    let script = r#"(seq (ap 1 a) (xor (seq (xor (fold a i (next i)) (null)) (next i)) (null)))"#;
    assert_eq!(error(script), (20003, "fold state not found for this iterable 'i'".into()));
}

#[test]
fn a_fold_cannot_run_within_itself() {
    let fold = r#"(fold a j (seq (fold a i (seq (next j) (next i))) (null)))"#;
    let text = "multiple iterable values found for iterable name 'i'";
    assert_eq!(error(&over("[1,2]", fold)), (20005, text.into()));
}

#[test]
fn the_iterator_stays_where_its_next_failed() {
    let fold =
        r#"(fold a i (xor (seq (mismatch i 3 (null)) (next i)) (call "p" ("out" "1") [i])))"#;
    // The innermost iteration handles its own error; then nothing fails any more.
    assert_eq!(printed(&over("[1,2,3]", fold)), ["3"]);
    let fold = r#"(xor (fold a i (seq (xor (match i 1 (next i)) (fail :error:)) (null))) (null))"#;
    assert_eq!(printed(&over("[1,2,3]", fold)), [""; 0]);
    let fold = r#"(fold a i (xor (match i 1 (next i)) (call "p" ("out" "1") [i])))"#;
    assert_eq!(printed(&over("[1,2]", fold)), ["2"]);
}

#[test]
fn canons_are_iterated_as_they_were_fixed() {
    let script = r#"(seq (seq (ap 1 $s) (ap 2 $s)) (seq (canon "p" $s #c)
        (fold #c i (seq (seq (ap i $s) (call "p" ("out" "1") [i])) (next i)))))"#;
    assert_eq!(printed(script), ["1", "2"]);
}

#[test]
fn a_canon_map_is_iterated_once_for_each_key() {
    let script = r#"(seq (seq (seq (ap ("a" 1) %m) (ap ("b" 2) %m)) (seq (ap ("a" 3) %m) (ap ("c" 4) %m)))
        (seq (canon "p" %m #%m) (fold #%m i (seq (call "p" ("out" "1") [i]) (next i)))))"#;
    let expected =
        [r#"{"key":"b","value":2}"#, r#"{"key":"a","value":3}"#, r#"{"key":"c","value":4}"#];
    assert_eq!(printed(script), expected);
}

#[test]
fn the_values_of_a_key_are_iterated() {
    let script = |fold: &str| {
        format!(
            r#"(seq (seq (ap ("a" 1) %m) (ap ("a" 3) %m)) (seq (canon "p" %m #%m)
               (fold {fold} i (seq (call "p" ("out" "1") [i]) (next i)))))"#
        )
    };
    assert_eq!(printed(&script("#%m.$.a")), ["1", "3"]);
    assert_eq!(printed(&script("#%m.$.absent")), [""; 0]);
    assert_eq!(error(&script("#%m.$.a.[0]")).0, 10005);
}
