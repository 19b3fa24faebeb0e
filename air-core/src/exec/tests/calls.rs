//! `call` (air-language §6.1).

use alloc::vec;

use super::support::*;
use crate::session::Progress;
use crate::step::{CallResult, SizeFlags};
use crate::value::Value;

#[test]
fn a_value_travels_over_two_peers() {
    let script = r#"(seq (call "A" ("s" "f") [] x) (call "B" ("s" "g") [x]))"#;
    let mut a = session(script, "A");
    let outcome = step(&mut a, &[], vec![]);
    assert_eq!(trace(&mut a), "sent A:1");
    assert_eq!((outcome.requests.len(), outcome.next_peers.len()), (1, 0));
    assert_eq!((outcome.requests[0].id, &*outcome.requests[0].function_name), (1, "f"));

    let outcome = step(&mut a, &[], vec![(1, CallResult::success(&"v".into()))]);
    assert_eq!(trace(&mut a), "scalar sent A");
    assert_eq!(outcome.next_peers, ["B".into()]);
    assert!(outcome.requests.is_empty());

    let mut b = session(script, "B");
    let outcome = step(&mut b, &a.data(), vec![]);
    assert_eq!(trace(&mut b), "scalar sent B:1");
    assert_eq!(outcome.requests[0].arguments, [Value::from("v")]);
    let tetraplet = &outcome.requests[0].tetraplets[0][0];
    assert_eq!((&*tetraplet.peer_pk, &*tetraplet.function_name), ("A", "f"));

    let outcome = step(&mut b, &[], vec![(1, CallResult::success(&Value::Null))]);
    assert_eq!(trace(&mut b), "scalar unused");
    assert_eq!((outcome.code, outcome.next_peers.len()), (0, 0));
}

#[test]
fn a_pending_request_is_not_made_again() {
    let mut a = session(r#"(call "A" ("s" "f") [])"#, "A");
    assert_eq!(step(&mut a, &[], vec![]).requests.len(), 1);
    assert_eq!(step(&mut a, &[], vec![]).requests.len(), 0);
    assert_eq!(trace(&mut a), "sent A:1");
}

#[test]
fn request_numbers_go_on_from_the_previous_data() {
    let script =
        r#"(par (call "A" ("s" "f") []) (seq (call "A" ("s" "g") []) (call "A" ("s" "h") [])))"#;
    let mut a = session(script, "A");
    step(&mut a, &[], vec![]);
    let outcome = step(&mut a, &[], vec![(2, CallResult::success(&Value::Null))]);
    assert_eq!(outcome.requests[0].id, 3);
}

#[test]
fn a_remote_call_is_announced_although_its_arguments_are_not_there() {
    let script = r#"(par (call "U" ("" "") [] x) (call "V" ("" "") [x]))"#;
    let outcome = step(&mut session(script, "A"), &[], vec![]);
    assert_eq!(outcome.next_peers, ["U".into(), "V".into()]);
}

#[test]
fn a_local_call_waits_for_its_arguments_without_a_state() {
    let script = r#"(par (call "U" ("" "") [] x) (call "A" ("" "") [x x.$.a]))"#;
    let mut a = session(script, "A");
    let outcome = step(&mut a, &[], vec![]);
    assert_eq!((outcome.code, outcome.requests.len()), (0, 0));
    assert_eq!(trace(&mut a), "par(1,0) sent A");
}

#[test]
fn the_first_argument_that_is_not_there_decides() {
    let script = r#"(par (call "U" ("" "") [] x) (call "A" ("" "") [x %last_error%.$.peer_id]))"#;
    assert_eq!(step(&mut session(script, "A"), &[], vec![]).code, 0);
    let script = r#"(seq (null) (call "A" ("" "") [%last_error%.$.peer_id]))"#;
    assert_eq!(step(&mut session(script, "A"), &[], vec![]).code, 10007);
}

#[test]
fn an_argument_that_fails_is_an_error_on_every_peer_and_leaves_nothing() {
    let script = r#"(seq (ap 1 x) (call "B" ("s" "f") [x.$.a]))"#;
    let mut a = session(script, "A");
    let outcome = step(&mut a, &[], vec![]);
    assert_eq!(outcome.code, 10007);
    assert!(outcome.next_peers.is_empty());
    assert_eq!(trace(&mut a), "");
    let span = outcome.span.unwrap();
    assert_eq!(&script[span.left as usize..span.right as usize], r#"(call "B" ("s" "f") [x.$.a])"#);
}

#[test]
fn parts_of_the_triplet_must_be_strings() {
    let text = "call cannot resolve non-String triplet variable part `x` with value '1'";
    for script in [
        r#"(seq (ap 1 x) (call x ("" "") []))"#,
        r#"(seq (ap 1 x) (call "p" (x "") []))"#,
        r#"(seq (ap 1 x) (call "p" ("" x) []))"#,
        r#"(seq (ap 1 x) (canon x $s #c))"#,
    ] {
        assert_eq!(error(script), (10011, text.into()), "{script}");
    }
}

#[test]
fn a_failure_of_a_service_is_recorded_and_raised_again_on_replay() {
    let script = r#"(call "p" ("s" "fail") [] x)"#;
    let (mut p, outcome, _) = run(script);
    let message = "Local service error, ret_code is 7, error message is '\"boom\"'";
    assert_eq!((outcome.code, outcome.message.as_str()), (10000, message));
    assert_eq!(trace(&mut p), "failed");
    let outcome = step(&mut p, &[], vec![]);
    assert_eq!((outcome.code, outcome.message.as_str()), (10000, message));
}

#[test]
fn a_result_that_is_not_json_is_a_failure_that_its_peer_signs() {
    let mut p = session(r#"(call "p" ("s" "f") [] x)"#, "p");
    step(&mut p, &[], vec![]);
    let result = CallResult { ret_code: 0, result: "nope".into() };
    let outcome = step(&mut p, &[], vec![(1, result)]);
    assert_eq!(outcome.code, 10000);
    let text = "Local service error, ret_code is 2147483647, error message is \
                'call_service result 'ret_code: 0, result: 'nope'' can't be serialized or deserialized with an error: ";
    assert!(outcome.message.starts_with(text), "{}", outcome.message);
    assert_eq!(trace(&mut p), "failed");
}

#[test]
fn a_second_assignment_is_uncatchable_and_changes_nothing() {
    let script = r#"(seq (call "p" ("s" "1") [] x) (xor (call "p" ("s" "2") [] x) (null)))"#;
    let mut p = session(script, "p");
    step(&mut p, &[], vec![]);
    let before = p.data();
    let outcome = step(&mut p, &[], vec![(1, CallResult::success(&1_u64.into()))]);
    let text = "trying to shadow variable 'x', but shadowing is allowed only inside fold blocks";
    assert_eq!((outcome.code, outcome.message.as_str()), (20007, text));
    assert!(outcome.requests.is_empty() && outcome.next_peers.is_empty());
    assert_eq!(p.data(), before);
}

#[test]
fn an_iterator_cannot_be_the_output() {
    let script =
        r#"(seq (call "p" ("s" "[1]") [] a) (fold a i (seq (call "p" ("s" "1") [] i) (next i))))"#;
    assert_eq!(error(script).0, 20004);
}

#[test]
fn results_that_nobody_waits_for_are_reported_with_new_data() {
    let mut p = session(r#"(call "p" ("s" "f") [] x)"#, "p");
    step(&mut p, &[], vec![]);
    let results = vec![
        (1, CallResult::success(&1_u64.into())),
        (70, CallResult { ret_code: 0, result: "\"null\"".into() }),
    ];
    let outcome = step(&mut p, &[], results);
    let text = "after finishing execution of supplied AIR, there are some unprocessed call results: \
                `{\"70\": CallServiceResult { ret_code: 0, result: \"\\\"null\\\"\" }}`, probably a wrong call_id used";
    assert_eq!((outcome.code, outcome.message.as_str()), (30000, text));
    assert_eq!(trace(&mut p), "scalar");
}

#[test]
fn sizes_over_their_limits_are_flagged_or_refused() {
    let script = r#"(call "p" ("s" "f") [] x)"#;
    let result = || vec![(1, CallResult::success(&"12345".into()))];
    for (limit, hard, code, flag) in
        [(7, true, 0, false), (6, true, 10, true), (6, false, 0, true), (7, false, 0, false)]
    {
        let mut parameters = parameters("p");
        parameters.call_result_size_limit = limit;
        parameters.hard_limit_enabled = hard;
        let script = crate::Script::parse(script).unwrap();
        let mut p = crate::Session::new(script.into(), parameters);
        step(&mut p, &[], vec![]);
        let outcome = step(&mut p, &[], result());
        assert_eq!((outcome.code, outcome.flags.call_result), (code, flag), "{limit} {hard}");
    }
    let mut parameters = parameters("p");
    parameters.air_size_limit = 1;
    parameters.hard_limit_enabled = false;
    let script = crate::Script::parse("(null)").unwrap();
    let outcome = step(&mut crate::Session::new(script.into(), parameters.clone()), &[], vec![]);
    assert_eq!(outcome.flags, SizeFlags { air: true, ..SizeFlags::default() });
    parameters.hard_limit_enabled = true;
    let script = crate::Script::parse("(null)").unwrap();
    let outcome = step(&mut crate::Session::new(script.into(), parameters), &[], vec![]);
    assert_eq!((outcome.code, outcome.flags), (10, SizeFlags::default()));
}

#[test]
fn a_step_that_nobody_began_is_an_empty_success() {
    let mut p = session("(null)", "p");
    assert_eq!(p.run(1), Progress::Done(crate::StepOutcome::default()));
}

#[test]
fn only_an_ed25519_key_is_taken() {
    let mut parameters = parameters("p");
    parameters.key_format = 2;
    let script = crate::Script::parse("(null)").unwrap();
    let outcome = step(&mut crate::Session::new(script.into(), parameters), &[], vec![]);
    let text = "malformed keypair format: signature algorithm Secp256k1 not whitelisted";
    assert_eq!((outcome.code, outcome.message.as_str()), (7, text));
}

#[test]
fn numbers_that_data_claim_for_this_peers_requests_are_not_given_out() {
    // "forger" hands A a state that says "A has sent request 1" where A has sent none.
    let forged = r#"(par (call "A" ("s" "y") [] y) (null))"#;
    let mut forger = session(forged, "A");
    step(&mut forger, &[], vec![]);
    let forged = forger.data();
    let script = r#"(par (call "A" ("s" "y") [] y) (call "A" ("s" "x") [] x))"#;
    let mut a = session(script, "A");
    let outcome = step(&mut a, &forged, vec![]);
    assert_eq!(outcome.requests.len(), 1);
    assert_eq!((outcome.requests[0].id, &*outcome.requests[0].function_name), (2, "x"));
    step(&mut a, &[], vec![(2, CallResult::success(&1_u64.into()))]);
    assert_eq!(trace(&mut a), "par(1,1) sent A:1 scalar");
}
