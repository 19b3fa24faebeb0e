//! Scopes of scalars and `new` (air-language §4.3, §6.10).

use super::support::*;

#[test]
fn a_variable_of_an_iteration_is_its_own_again_after_next() {
    let script = r#"(seq (call "p" ("s" "[1,2,3]") [] a)
        (fold a i (seq (ap i x) (seq (call "p" ("out" "1") ["before" x])
            (seq (next i) (call "p" ("out" "1") ["after" x]))))))"#;
    let expected = [
        "\"before\" 1",
        "\"before\" 2",
        "\"before\" 3",
        "\"after\" 3",
        "\"after\" 2",
        "\"after\" 1",
    ];
    assert_eq!(printed(script), expected);
}

#[test]
fn a_variable_of_an_iteration_is_gone_after_the_fold() {
    let script = r#"(seq (call "p" ("s" "[1]") [] a)
        (seq (fold a i (seq (ap i x) (next i))) (xor (fail x) (call "p" ("out" "1") [%last_error%.$.message]))))"#;
    let text = "\"variable with name 'x' wasn't defined during script execution\"";
    assert_eq!(printed(script), [text]);
}

#[test]
fn a_global_that_an_iteration_sets_again_is_not_found_in_the_next_one() {
    let script = r#"(seq (seq (ap 0 x) (call "p" ("s" "[1,2]") [] a))
        (seq (fold a i (seq (xor (match i 1 (ap i x)) (null)) (seq (call "p" ("out" "1") [i x]) (next i))))
             (call "p" ("out" "1") ["end" x])))"#;
    // The second iteration waits for x; hence nothing behind it is reached.
    assert_eq!(printed(script), ["1 1"]);
}

#[test]
fn new_hides_a_variable_until_it_ends() {
    let script = r#"(seq (ap 1 x) (seq
        (new x (seq (xor (ap x y) (call "p" ("out" "1") [:error:.$.message]))
                    (seq (ap 2 x) (call "p" ("out" "1") [x]))))
        (call "p" ("out" "1") [x])))"#;
    let text = "\"variable with name 'x' was cleared by new and then wasn't set\"";
    assert_eq!(printed(script), [text, "2", "1"]);
}

#[test]
fn new_ends_after_an_error_as_well() {
    let script = r#"(seq (ap 1 x) (seq (xor (new x (seq (ap 2 x) (fail 1 "e"))) (null))
        (call "p" ("out" "1") [x])))"#;
    assert_eq!(printed(script), ["1"]);
}

#[test]
fn a_restricted_stream_does_not_leak() {
    let script = r#"(seq (seq (ap 1 $s) (new $s (seq (ap 2 $s) (ap 3 $t))))
        (seq (canon "p" $s #cs) (seq (canon "p" $t #ct) (call "p" ("out" "1") [#cs #ct]))))"#;
    assert_eq!(printed(script), ["[1] [3]"]);
}

#[test]
fn a_restricted_stream_is_fresh_in_each_iteration() {
    let script = r#"(seq (call "p" ("s" "[1,2]") [] a)
        (fold a i (seq (new $s (seq (ap i $s) (seq (canon "p" $s #cs) (call "p" ("out" "1") [#cs])))) (next i))))"#;
    assert_eq!(printed(script), ["[1]", "[2]"]);
}

#[test]
fn a_body_entered_by_next_inside_new_uses_the_outer_stream() {
    let script = r#"(seq (call "p" ("s" "[1,2]") [] a) (seq
        (fold a i (seq (ap i $s) (new $s (seq (ap 9 $s) (next i)))))
        (seq (canon "p" $s #cs) (call "p" ("out" "1") [#cs]))))"#;
    assert_eq!(printed(script), ["[1,2]"]);
}

#[test]
fn a_global_stream_made_beside_a_restricted_one_does_not_harm_it() {
    // The reference throws the restricted one away (§13, quirk 19).
    let script = r#"(seq (call "p" ("s" "[1,2]") [] a)
        (fold a i (seq (xor (match i 2 (ap 2 $s)) (null))
            (new $s (seq (ap 7 $s) (seq (next i) (seq (canon "p" $s #cs) (call "p" ("out" "1") [#cs]))))))))"#;
    let (mut p, outcome, printed) = run(script);
    assert_eq!((outcome.code, outcome.message.as_str()), (0, ""));
    assert_eq!(printed, ["[7]", "[7]"]);
    assert!(!trace(&mut p).contains("3405691582"));
}

#[test]
fn setting_the_name_of_an_iterator_is_refused() {
    let script = r#"(seq (call "p" ("s" "[1]") [] a) (fold a i (seq (ap 1 i) (next i))))"#;
    assert_eq!(error(script).0, 20004);
    let script = r#"(seq (call "p" ("s" "[1]") [] a) (fold a i (seq (canon "p" %m i) (next i))))"#;
    assert_eq!(error(script).0, 20004);
}

#[test]
fn scopes_hold_for_canons_and_canon_maps_too() {
    let script = r#"(seq (seq (ap 1 $s) (ap ("k" 1) %m)) (seq
        (seq (canon "p" $s #c) (canon "p" %m #%c))
        (seq (new #c (seq (ap 2 $s) (seq (canon "p" $s #c) (call "p" ("out" "1") [#c]))))
             (seq (new #%c (seq (ap ("k" 2) %m) (seq (canon "p" %m #%c) (call "p" ("out" "1") [#%c]))))
                  (call "p" ("out" "1") [#c #%c])))))"#;
    assert_eq!(printed(script), ["[1,2]", "{\"k\":[1,2]}", "[1] {\"k\":[1]}"]);
    assert_eq!(error(r#"(seq (canon "p" $s #c) (canon "p" $s #c))"#).0, 20007);
    assert_eq!(error(r#"(seq (canon "p" %m #%c) (canon "p" %m #%c))"#).0, 20007);
}
