//! Signed data between sessions, and the checks before a step in their order (air-data §1, §6;
//! air-language §10.6).

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::support::step;
use crate::data::KeyPair;
use crate::session::Session;
use crate::step::{CallResult, Parameters, invoke};
use crate::{Script, Signatures};

/// The empty map of call results.
const NO_RESULTS: &[u8] = &[0x81, 0x04, 0x80];

fn peer(secret: u8) -> Arc<str> {
    KeyPair::from_secret(&[secret; 32]).peer_id().into()
}

fn signed(secret: u8, particle: &str) -> Parameters {
    Parameters::new(peer(1), peer(secret), particle.into(), [secret; 32])
}

fn session(script: &str, secret: u8, particle: &str) -> Session {
    Session::new(Arc::new(Script::parse(script).unwrap()), signed(secret, particle))
}

/// Calls peers 1 and 2 one after the other.
fn script() -> alloc::string::String {
    alloc::format!(
        r#"(seq (call "{}" ("s" "f") [] x) (seq (canon "{0}" $s #c) (call "{}" ("s" "g") [x] y)))"#,
        peer(1),
        peer(2)
    )
}

/// The data of peer 1 when it has done its part.
fn from_first(particle: &str) -> Vec<u8> {
    let mut first = session(&script(), 1, particle);
    step(&mut first, &[], vec![]);
    let outcome = step(&mut first, &[], vec![(1, CallResult::success(&"v".into()))]);
    assert_eq!(outcome.next_peers, [peer(2)]);
    first.data()
}

#[test]
fn signed_data_pass_between_sessions_and_back() {
    let mut second = session(&script(), 2, "one");
    let outcome = step(&mut second, &from_first("one"), vec![]);
    assert_eq!((outcome.code, outcome.requests.len()), (0, 1));
    step(&mut second, &[], vec![(1, CallResult::success(&"w".into()))]);
    let back = second.data();
    let mut first = session(&script(), 1, "one");
    assert_eq!(step(&mut first, &back, vec![]).code, 0);
    let trace = |session: &mut Session| super::support::trace(session);
    assert_eq!(trace(&mut first), "scalar canon scalar");
    assert_eq!(super::support::data(&mut first).signatures.len(), 2);
}

#[test]
fn data_of_another_particle_are_refused_and_change_nothing() {
    let mut second = session(&script(), 2, "two");
    step(&mut second, &[], vec![]);
    let before = second.data();
    let outcome = step(&mut second, &from_first("one"), vec![]);
    assert_eq!(outcome.code, 9, "{}", outcome.message);
    assert!(!outcome.has_new_data());
    assert_eq!(second.data(), before);
    assert_eq!(step(&mut second, &from_first("two"), vec![]).code, 0);
}

#[test]
fn malformed_data_have_the_codes_of_the_specification() {
    let good = from_first("one");
    let mut changed = good.clone();
    let value = changed.windows(3).position(|bytes| bytes == b"\"v\"").unwrap();
    changed[value + 1] = b'w';
    let cut = good.len() - 4;
    let no_map = [0_u8, 1, 2];
    for (bytes, code) in [(&changed[..], 8), (&good[..cut], 3), (&no_map[..], 3)] {
        let mut second = session(&script(), 2, "one");
        let before = second.data();
        assert_eq!(step(&mut second, bytes, vec![]).code, code);
        assert_eq!(second.data(), before);
    }
}

#[test]
fn the_first_check_that_fails_is_the_outcome() {
    let good = from_first("one");
    let bad_script = "(nul)";
    let bad_data: &[u8] = &[0];
    let limited = |air, particle| Parameters {
        air_size_limit: air,
        particle_size_limit: particle,
        ..signed(2, "one")
    };
    let code =
        |script: &str, previous: &[u8], current: &[u8], parameters: &Parameters, results: &[u8]| {
            let outcome = invoke(script, previous, current, parameters, results);
            assert_eq!(outcome.data, previous);
            assert_eq!(outcome.call_requests, NO_RESULTS);
            (outcome.ret_code, outcome.error_message)
        };
    let (found, text) = code(bad_script, bad_data, bad_data, &limited(1, 0), &[]);
    assert_eq!(
        (found, text.as_str()),
        (10, "air size: 5 bytes is bigger than the limit allowed: 1 bytes")
    );
    let (found, text) = code(bad_script, bad_data, bad_data, &limited(5, 0), &[]);
    let expected = "Current_data particle size: 1 bytes is bigger than the limit allowed: 0 bytes";
    assert_eq!((found, text.as_str()), (10, expected));
    assert_eq!(code(bad_script, bad_data, &good, &limited(5, 1 << 20), &[]).0, 3);
    let other_particle = signed(2, "two");
    assert_eq!(code(bad_script, &[], &good, &other_particle, &[]).0, 9);
    let (found, text) = code(bad_script, &[], &good, &signed(2, "one"), &[]);
    assert_eq!(found, 1);
    assert!(text.starts_with("air can't be parsed:\nerror: \n"), "{text}");
    let bad_key = Parameters { key_format: 1, call_result_size_limit: 0, ..signed(2, "one") };
    assert_eq!(code("(null)", &[], &good, &bad_key, &[]).0, 5);
    assert_eq!(code("(null)", &[], &good, &bad_key, NO_RESULTS).0, 7);
}

#[test]
fn a_derived_key_pair_changes_nothing_but_time() {
    let derived = |secret: u8| Some(Arc::new(KeyPair::from_secret(&[secret; 32])));
    let expected = invoke("(null)", &[], &[], &signed(2, "one"), NO_RESULTS);
    for key_pair in [derived(2), derived(3)] {
        let parameters = Parameters { key_pair, ..signed(2, "one") };
        assert_eq!(invoke("(null)", &[], &[], &parameters, NO_RESULTS), expected);
        let bad_key = Parameters { key_format: 1, ..parameters };
        assert_eq!(invoke("(null)", &[], &[], &bad_key, NO_RESULTS).ret_code, 7);
    }
}

#[test]
fn unchecked_steps_hold_only_the_own_signature() {
    let parameters = Parameters { signatures: Signatures::Unchecked, ..signed(2, "one") };
    let script = Arc::new(Script::parse(&script()).unwrap());
    let mut second = Session::new(script, parameters);
    assert_eq!(step(&mut second, &from_first("another"), vec![]).code, 0);
    assert_eq!(super::support::data(&mut second).signatures.len(), 1);
}
