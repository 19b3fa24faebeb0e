//! A step that goes on at a checkpoint is the step from bytes to bytes, to the byte.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::generator::script;
use super::network::{Network, STEPS, encode_results};
use super::support::{answer, session, step};
use crate::session::{Progress, Session};
use crate::step::{CallRequest, CallResult, Outcome, StepOutcome, invoke};
use crate::value::Value;

/// The pure step on the data of a session, and the session's own.
fn both(
    session: &mut Session,
    current: &[u8],
    results: Vec<(u32, CallResult)>,
) -> (Outcome, StepOutcome) {
    let before = session.data();
    let text = session.script().text().clone();
    let encoded = encode_results(&results);
    let pure = invoke(&text, &before, current, session.parameters(), &encoded);
    (pure, step(session, current, results))
}

fn check(pure: &Outcome, live: &StepOutcome, session: &mut Session) -> Result<(), TestCaseError> {
    prop_assert_eq!((pure.ret_code, &pure.error_message), (live.code, &live.message));
    prop_assert_eq!(pure.span, live.span);
    prop_assert_eq!(&pure.next_peer_pks, &live.next_peers);
    let requests = crate::data::decode_call_requests(&pure.call_requests).unwrap();
    prop_assert_eq!(&requests, &live.requests);
    prop_assert!(pure.data == session.data(), "data of {}", session.script().text());
    Ok(())
}

/// Some of the requests that wait, answered; now and then one that nobody waits for.
fn answers(
    requests: &mut Vec<CallRequest>,
    mut choose: impl FnMut(usize) -> usize,
) -> Vec<(u32, CallResult)> {
    let mut answers = Vec::new();
    for _ in 0..=choose(3) {
        if !requests.is_empty() {
            let request = requests.remove(choose(requests.len()));
            answers.push((request.id, answer(&request)));
        }
    }
    if choose(16) == 15 {
        answers.push((77, CallResult { ret_code: 0, result: "1".into() }));
    }
    answers
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_shrink_iters: 3000, failure_persistence: None, rng_seed: RngSeed::Fixed(11), ..ProptestConfig::default() })]

    /// On a network whose peers sign, with data from elsewhere between the live steps.
    #[test]
    fn sessions_of_a_network_take_the_pure_steps(of_script in choices(), of_network in choices()) {
        let Some(mut network) = Network::signed(&script(&of_script), &of_network) else { return Ok(()) };
        for _ in 0..STEPS {
            let Some((peer, current, results)) = network.event() else { break };
            let (pure, live) = both(&mut network.sessions[peer], &current, results);
            check(&pure, &live, &mut network.sessions[peer])?;
            network.dispatch(peer, &live);
        }
    }

    /// On one peer that answers in any order, several at once, some with failures.
    #[test]
    fn a_session_takes_the_pure_steps(of_script in choices(), of_answers in choices()) {
        let Some(mut network) = Network::signed(&script(&of_script), &of_answers) else { return Ok(()) };
        let mut waiting = Vec::new();
        let mut results = vec![];
        for _ in 0..STEPS {
            let (pure, live) = both(&mut network.sessions[0], &[], results);
            check(&pure, &live, &mut network.sessions[0])?;
            if live.has_new_data() {
                waiting.extend(live.requests);
            }
            results = answers(&mut waiting, |count| network.choose(count));
        }
    }
}

/// A service says a number in more digits than a float keeps, so its text in the data reads back as
/// another number: from the next step on that one counts, in a live session as for every other peer.
#[test]
fn a_float_whose_text_reads_back_as_another_is_that_other_in_the_next_step() {
    const CALLS: &str = r#"
        (seq (call "p" ("s" "f") [] x)
             (seq (call "p" ("s" "g") [x] y)
                  (seq (canon "p" $s #c) (seq (call "p" ("s" "h") [x #c] z) (call "p" ("s" "i") [x z])))))"#;
    const NUMBER: &str = "999999999999999999999999999999999999999999999";
    for said in [NUMBER.into(), format!(r#"[1,{{"a":{NUMBER}}}]"#)] {
        let value = Value::parse(&said).unwrap();
        assert_ne!(Value::parse(&value.to_json()).unwrap(), value, "{said}");
        let mut session = session(CALLS, "p");
        let (_, mut live) = both(&mut session, &[], vec![]);
        let mut steps = 0;
        while let Some(request) = live.requests.first() {
            let result = CallResult { ret_code: 0, result: said.as_str().into() };
            let (pure, next) = both(&mut session, &[], vec![(request.id, result)]);
            check(&pure, &next, &mut session).unwrap();
            (live, steps) = (next, steps + 1);
        }
        assert_eq!((live.code, steps), (0, 4), "{}", live.message);
    }
}

/// Whatever was done before, a step costs the fuel of what is new.
#[test]
fn a_live_step_does_not_repeat_the_script() {
    let calls = |body: &str| {
        let call = |n: usize| format!(r#"(call "p" ("s" "{n}") [{n}] x{n})"#);
        (0..100).rev().fold(String::from(body), |rest, n| format!("(seq {} {rest})", call(n)))
    };
    for (body, fold_steps) in [
        ("(null)", 0),
        (
            r#"(par (call "p" ("s" "f") [] $s) (seq (canon "p" $s #c) (call "p" ("s" "g") [#c])))"#,
            0,
        ),
        (r#"(seq (ap 1 $s) (fold $s i (seq (call "p" ("s" "h") [i] y) (next i))))"#, 1),
    ] {
        let mut session = session(&calls(body), "p");
        let mut outcome = step(&mut session, &[], vec![]);
        let mut long = 0;
        while let Some(request) = outcome.requests.first() {
            session.begin(&[], vec![(request.id, CallResult::success(&1_i64.into()))]);
            outcome = match session.run(20) {
                Progress::Done(outcome) => outcome,
                Progress::OutOfFuel => {
                    long += 1;
                    let Progress::Done(outcome) = session.run(u64::MAX) else { panic!("no end") };
                    outcome
                }
            };
            assert_eq!(outcome.code, 0, "{}", outcome.message);
        }
        assert!(long <= fold_steps, "{long} long steps of {body}");
    }
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..240)
}
