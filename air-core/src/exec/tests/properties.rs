//! What holds of every script, in every order of delivery.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::generator::{PEERS, script};
use super::network::{Network, STEPS, encode_results};
use super::support::*;
use crate::data::{CallState, State, ValueRef};
use crate::session::{Progress, Session};
use crate::step::{Outcome, StepOutcome, invoke};
use crate::{CallResult, Script};

fn executed(session: &mut Session) -> usize {
    let is_executed = |state: &&State| {
        matches!(
            state,
            State::Call(CallState::Executed(ValueRef::Scalar(_) | ValueRef::Stream { .. }))
        )
    };
    data(session).trace.iter().filter(is_executed).count()
}

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..240)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 300, failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]

    /// A session in slices of fuel, a session in one go and the pure step agree at every step.
    #[test]
    fn slices_of_fuel_and_forms_of_the_step_agree(of_script in choices(), of_network in choices(), fuel in 1_u64..40) {
        let text = script(&of_script);
        let Some(mut network) = Network::new(&text, &of_network) else { return Ok(()) };
        for _ in 0..STEPS {
            let Some((peer, current, results)) = network.event() else { break };
            let before = network.sessions[peer].data();
            let parameters = parameters(PEERS[peer]);
            let mut sliced =
                Session::restore(network.script.clone(), parameters.clone(), &before).unwrap();
            sliced.begin(&current, results.clone());
            let in_slices = loop {
                if let Progress::Done(outcome) = sliced.run(fuel) {
                    break outcome;
                }
            };
            let encoded = encode_results(&results);
            let pure = invoke(&text, &before, &current, &parameters, &encoded);
            let outcome = step(&mut network.sessions[peer], &current, results);
            prop_assert_eq!(&in_slices, &outcome);
            prop_assert_eq!(sliced.data(), network.sessions[peer].data());
            check_pure(&pure, &outcome, &network.sessions[peer].data(), &before)?;
            network.dispatch(peer, &outcome);
        }
    }

    /// Data that a peer knows already change nothing there and ask for nothing.
    #[test]
    fn known_data_change_nothing(of_script in choices(), of_network in choices()) {
        let text = script(&of_script);
        let Some(mut network) = Network::new(&text, &of_network) else { return Ok(()) };
        for _ in 0..STEPS {
            let Some((peer, current, results)) = network.event() else { break };
            let outcome = step(&mut network.sessions[peer], &current, results);
            network.dispatch(peer, &outcome);
            if outcome.code != 0 {
                continue;
            }
            let session = &mut network.sessions[peer];
            let known = session.data();
            // A wave of a recursive fold may be due in the next step, and folds that feed each other go
            // on in every one, up to a bound. Without that nothing is due.
            let again = step(session, &[], vec![]);
            if again.code != 0 || !again.requests.is_empty() || session.data() != known {
                network.dispatch(peer, &again);
                continue;
            }
            let again = step(session, &known, vec![]);
            prop_assert_eq!(again.code, 0, "{} {}", again.message, text);
            prop_assert!(again.requests.is_empty());
            prop_assert_eq!(short(&data(session).trace), trace_of(&known), "{}", text);
        }
    }

    /// What a peer knows to be executed it never forgets.
    #[test]
    fn executed_calls_are_never_lost(of_script in choices(), of_network in choices()) {
        let text = script(&of_script);
        let Some(mut network) = Network::new(&text, &of_network) else { return Ok(()) };
        for _ in 0..STEPS {
            let Some((peer, current, results)) = network.event() else { break };
            let before = executed(&mut network.sessions[peer]);
            let outcome = step(&mut network.sessions[peer], &current, results);
            let after = executed(&mut network.sessions[peer]);
            prop_assert!(after >= before, "{} then {} of {}", before, after, text);
            network.dispatch(peer, &outcome);
        }
    }

    /// Whatever the data, a step ends with an outcome, and an uncatchable error changes nothing.
    #[test]
    fn damaged_data_never_crash(of_script in choices(), of_other in choices(), damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6)) {
        let Some(mut other) = Network::new(&script(&of_other), &[]) else { return Ok(()) };
        for _ in 0..8 {
            let Some((peer, current, results)) = other.event() else { break };
            let outcome = step(&mut other.sessions[peer], &current, results);
            other.dispatch(peer, &outcome);
        }
        let mut bytes = other.sessions[0].data();
        for (index, byte) in damage {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let Ok(parsed) = Script::parse(&script(&of_script)) else { return Ok(()) };
        let mut session = Session::new(Arc::new(parsed), parameters("I"));
        let before = session.data();
        let outcome = step(&mut session, &bytes, vec![(1, CallResult { ret_code: 0, result: "1".into() })]);
        if !outcome.has_new_data() {
            prop_assert_eq!(session.data(), before);
        }
    }
}

/// The properties above are of interest only if most choices make a script, and scripts that do
/// something.
#[test]
fn most_choices_make_scripts() {
    let mut seed = 1_u32;
    let mut made = 0;
    let (mut sizes, mut codes) = (0, Vec::new());
    for _ in 0..500 {
        let mut choices = vec![0; 200];
        for choice in &mut choices {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            *choice = (seed >> 24) as u8;
        }
        let Some(mut network) = Network::new(&script(&choices), &choices) else { continue };
        made += 1;
        for _ in 0..STEPS {
            let Some((peer, current, results)) = network.event() else { break };
            let outcome = step(&mut network.sessions[peer], &current, results);
            sizes += data(&mut network.sessions[peer]).trace.len();
            codes.push(outcome.code);
            network.dispatch(peer, &outcome);
        }
    }
    codes.sort_unstable();
    let steps = codes.len();
    codes.dedup();
    assert!(made > 150 && steps > 4 * made && sizes > 5 * steps, "{made} {steps} {sizes}");
    assert!(codes.len() >= 6, "{codes:?}");
}

fn trace_of(bytes: &[u8]) -> String {
    short(&crate::data::Envelope::open(bytes).unwrap().read().unwrap().trace)
}

fn check_pure(
    pure: &Outcome,
    live: &StepOutcome,
    live_data: &[u8],
    before: &[u8],
) -> Result<(), TestCaseError> {
    prop_assert_eq!((pure.ret_code, &pure.error_message), (live.code, &live.message));
    prop_assert_eq!(pure.span, live.span);
    prop_assert_eq!(&pure.next_peer_pks, &live.next_peers);
    let requests = crate::data::decode_call_requests(&pure.call_requests).unwrap();
    prop_assert_eq!(&requests, &live.requests);
    let expected = if live.has_new_data() { live_data } else { before };
    prop_assert_eq!(trace_of(&pure.data), trace_of(expected));
    Ok(())
}
