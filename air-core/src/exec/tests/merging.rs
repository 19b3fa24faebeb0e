//! Previous and current data of several peers (air-data §7).

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::support::*;
use crate::session::Session;

/// Three values from three peers, folded on the fourth, as in air-data §12.6.
fn three_setters() -> String {
    let call = |peer: &str| format!(r#"(call "{peer}" ("s" "'{peer}'") [] $s)"#);
    format!(
        r#"(par (par (par {} {}) {}) (fold $s i (par (call "D" ("s" "echo") [i] $o) (next i))))"#,
        call("A"),
        call("B"),
        call("C")
    )
}

/// What a peer knows when it is reached with `current`.
fn at(script: &str, peer: &str, current: &[u8]) -> Session {
    let mut session = session(script, peer);
    settle(&mut session, current);
    session
}

#[test]
fn streams_of_three_peers_merge_and_generations_shift() {
    let script = three_setters();
    let mut a = at(&script, "A", &[]);
    let from_a = a.data();
    let mut b = at(&script, "B", &from_a);
    let mut c = at(&script, "C", &from_a);
    let mut d = at(&script, "D", &c.data());
    let before = "par(5,5) par(3,1) par(1,1) stream 0 sent A stream 1 \
                  fold[3:(7,2)(9,0) 5:(9,2)(11,0)] par(1,0) stream 0 par(1,0) stream 0";
    assert_eq!(trace(&mut d), before);
    settle(&mut d, &b.data());
    let after = "par(5,7) par(3,1) par(1,1) stream 0 stream 2 stream 1 \
                 fold[3:(7,2)(9,0) 5:(9,2)(11,0) 4:(11,2)(13,0)] \
                 par(1,0) stream 0 par(1,0) stream 0 par(1,0) stream 1";
    assert_eq!(trace(&mut d), after);

    // The same data again, also older ones, change nothing and ask for nothing.
    let known = d.data();
    for old in [b.data(), c.data(), from_a, known.clone()] {
        let outcome = step(&mut d, &old, vec![]);
        assert_eq!((outcome.code, outcome.requests.len()), (0, 0));
        assert_eq!(d.data(), known);
    }
}

#[test]
fn the_order_of_arrival_does_not_change_what_is_known() {
    let script = three_setters();
    let mut a = at(&script, "A", &[]);
    let mut from = Vec::new();
    for peer in ["B", "C"] {
        from.push(at(&script, peer, &a.data()).data());
    }
    from.push(a.data());
    let mut results = Vec::new();
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
        let mut d = session(&script, "D");
        for index in order {
            settle(&mut d, &from[index]);
        }
        let data = data(&mut d);
        let mut states: Vec<String> = data.trace.iter().map(|state| format!("{state:?}")).collect();
        states.retain(|state| state.contains("Executed"));
        let states: Vec<String> =
            states.iter().map(|s| s.split("generation").next().unwrap_or(s).into()).collect();
        let mut states = states;
        states.sort();
        results.push(states);
    }
    assert_eq!(results[0].len(), 6);
    assert!(results.iter().all(|result| *result == results[0]), "{results:#?}");
}

#[test]
fn an_executed_call_wins_over_its_request() {
    let script = r#"(par (call "B" ("s" "1") [] x) (call "A" ("s" "2") [] y))"#;
    let mut a = session(script, "A");
    step(&mut a, &[], vec![]);
    let request = a.data();
    let mut b = at(script, "B", &request);
    settle(&mut a, &b.data());
    assert_eq!(trace(&mut a), "par(1,1) scalar sent A:1");
    step(&mut a, &request, vec![]);
    assert_eq!(trace(&mut a), "par(1,1) scalar sent A:1");
}

#[test]
fn contradicting_results_are_refused_and_change_nothing() {
    let script = r#"(call "B" ("s" "f") [] x)"#;
    let answered = |value: u64| {
        let mut b = session(script, "B");
        step(&mut b, &[], vec![]);
        step(&mut b, &[], vec![(1, crate::CallResult::success(&value.into()))]);
        b.data()
    };
    let mut a = session(script, "A");
    assert_eq!(step(&mut a, &answered(1), vec![]).code, 0);
    let before = a.data();
    let outcome = step(&mut a, &answered(2), vec![]);
    assert_eq!(outcome.code, 20000);
    let prefix = "on instruction 'call \"B\" (\"s\" \"f\") [] x' trace handler encountered an error: \
                  values in call results are not equal: Scalar(CID(\"";
    assert!(outcome.message.starts_with(prefix), "{}", outcome.message);
    assert_eq!(a.data(), before);
}

#[test]
fn states_of_another_instruction_are_refused_and_named() {
    let mut other = at(r#"(ap 1 $s)"#, "B", &[]);
    for (script, expected) in [
        (r#"(call "B" ("" "") [])"#, "call"),
        (r#"(canon "B" $s #c)"#, "canon"),
        (r#"(par (null) (null))"#, "par"),
        (r#"(new $s (fold $s i (next i)))"#, "fold"),
    ] {
        let outcome = step(&mut session(script, "A"), &other.data(), vec![]);
        let state = "Ap(ApResult { res_generations: [0] })";
        let text = format!("state from current `{state}` is incompatible with expected {expected}");
        assert_eq!(outcome.code, 20000, "{script}");
        assert!(outcome.message.ends_with(&text), "{}", outcome.message);
    }
}

#[test]
fn a_left_branch_that_takes_less_than_before_leaves_the_right_one_in_place() {
    // The reference does not move on in time and takes the right branch's state for the left one's
    // (air-data §11, D7): the left call fails now and takes nothing.
    let script = r#"(par (seq (par (null) (call "p" ("s" "1") [] x)) (call "U" ("s" "f") [x.$.a])) (ap 1 $s))"#;
    let mut p = session(script, "p");
    let mut u = session(script, "U");
    step(&mut p, &[], vec![]);
    let _ = step(&mut u, &p.data(), vec![]);
    let outcome = step(&mut p, &[], vec![(1, crate::CallResult::success(&1_u64.into()))]);
    assert_eq!((outcome.code, outcome.message.as_str()), (0, ""));
    assert_eq!(trace(&mut p), "par(2,1) par(0,1) scalar ap 0");
}

#[test]
fn stored_data_open_a_session_again() {
    let script =
        r#"(seq (call "A" ("s" "1") [] $s) (seq (canon "A" $s #c) (call "B" ("s" "f") [#c])))"#;
    let mut a = at(script, "A", &[]);
    let stored = a.data();
    let script = alloc::sync::Arc::new(crate::Script::parse(script).unwrap());
    let mut again = Session::restore(script.clone(), parameters("A"), &stored).unwrap();
    assert_eq!(again.data(), stored);
    let outcome = step(&mut again, &[], vec![]);
    assert_eq!(outcome.code, 0);
    assert_eq!(again.data(), stored);
    assert!(Session::restore(script, parameters("A"), &stored[1..]).is_err());
}
