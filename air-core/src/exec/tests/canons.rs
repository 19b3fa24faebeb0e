//! `canon` in its three forms (air-language §4.6, §6.4).

use alloc::vec;

use super::support::*;

#[test]
fn maps_become_objects() {
    let script = r#"(seq (seq (ap ("a" 1) %m) (seq (ap (42 2) %m) (ap ("a" 3) %m)))
        (seq (seq (canon "p" %m #%m) (canon "p" %m x)) (call "p" ("out" "1") [#%m x])))"#;
    assert_eq!(printed(script), [r#"{"42":[2],"a":[1,3]} {"42":2,"a":1}"#]);
}

#[test]
fn of_an_integer_and_a_string_key_of_one_text_the_later_counts() {
    let script = |first: &str, second: &str| {
        alloc::format!(
            r#"(seq (seq (ap ({first} 1) %m) (ap ({second} 2) %m)) (seq (seq (canon "p" %m #%m) (canon "p" %m x))
               (call "p" ("out" "1") [#%m x #%m.$.[42]])))"#
        )
    };
    assert_eq!(printed(&script("42", "\"42\"")), [r#"{"42":[2]} {"42":1} [1]"#]);
    assert_eq!(printed(&script("\"42\"", "42")), [r#"{"42":[2]} {"42":1} [2]"#]);
}

#[test]
fn a_canon_on_another_peer_is_sent_on_once() {
    let script = r#"(seq (ap 1 $s) (seq (canon "B" $s #c) (call "A" ("out" "1") [#c])))"#;
    let mut a = session(script, "A");
    let outcome = step(&mut a, &[], vec![]);
    assert_eq!((trace(&mut a).as_str(), outcome.next_peers), ("ap 0 canon A", vec!["B".into()]));
    let outcome = step(&mut a, &[], vec![]);
    assert_eq!((trace(&mut a).as_str(), outcome.next_peers), ("ap 0 canon A", vec![]));

    let mut b = session(script, "B");
    let outcome = step(&mut b, &a.data(), vec![]);
    assert_eq!(trace(&mut b), "ap 0 canon sent B");
    assert_eq!(outcome.next_peers, ["A".into()]);

    let outcome = step(&mut a, &b.data(), vec![]);
    assert_eq!(trace(&mut a), "ap 0 canon sent A:1");
    assert_eq!(alloc::format!("{}", outcome.requests[0].arguments[0]), "[1]");
}

#[test]
fn what_was_fixed_stays_fixed() {
    let script = r#"(seq (par (call "B" ("s" "2") [] $s) (ap 1 $s)) (seq (canon "A" $s #c)
        (call "A" ("out" "1") [#c])))"#;
    let mut a = session(script, "A");
    let outcome = step(&mut a, &[], vec![]);
    assert_eq!(alloc::format!("{}", outcome.requests[0].arguments[0]), "[1]");
    let mut b = session(script, "B");
    settle(&mut b, &a.data());
    let outcome = step(&mut a, &b.data(), vec![]);
    assert!(outcome.requests.is_empty());
    assert_eq!(trace(&mut a), "par(1,1) stream 1 ap 0 canon sent A:1");
}

#[test]
fn a_peer_that_is_not_there_is_waited_for() {
    for canon in [r#"(canon x $s #c)"#, r#"(canon x %m #%c)"#, r#"(canon x %m y)"#] {
        let script = alloc::format!(r#"(par (call "U" ("" "") [] x) {canon})"#);
        let mut p = session(&script, "p");
        assert_eq!(step(&mut p, &[], vec![]).code, 0);
        assert_eq!(trace(&mut p), "par(1,0) sent p", "{canon}");
    }
}

#[test]
fn a_peer_that_fails_leaves_the_trace_in_step() {
    // The reference takes the state before it resolves the peer, and breaks off in the next run.
    let script = r#"(seq (ap 1 x) (seq (xor (canon x $s #c) (ap 1 $s)) (call "p" ("s" "1") [])))"#;
    let mut p = session(script, "p");
    let outcome = settle(&mut p, &[]);
    assert_eq!((outcome.code, outcome.message.as_str()), (0, ""));
    assert_eq!(trace(&mut p), "ap 0 unused");
}

#[test]
fn errors_of_canon_name_their_peer() {
    let script =
        r#"(seq (ap 1 x) (xor (canon x $s #c) (call "p" ("out" "1") [:error:.$.peer_id])))"#;
    assert_eq!(printed(script), ["\"p\""]);
}
