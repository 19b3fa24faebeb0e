//! Data as `air trace` shows it.

use std::collections::BTreeMap;

use air_core::data::KeyPair;
use air_core::step::{Outcome, invoke};
use air_core::{Parameters, data::encode};

use super::*;
use crate::air::{CallAnswer, encode_call_results};

const SECRET: [u8; 32] = [7; 32];

fn peer() -> String {
    KeyPair::from_secret(&SECRET).peer_id()
}

fn step(script: &str, previous: &[u8], answers: &[(&str, &str)]) -> Outcome {
    let peer = peer();
    let parameters = Parameters::new(peer.as_str().into(), peer.into(), "particle".into(), SECRET);
    let answers: BTreeMap<String, CallAnswer> = answers
        .iter()
        .map(|(number, result)| {
            ((*number).to_owned(), CallAnswer { ret_code: 0, result: (*result).to_owned() })
        })
        .collect();
    let results = encode_call_results(&answers).unwrap();
    let outcome = invoke(script, previous, &[], &parameters, &results);
    assert_eq!(outcome.ret_code, 0, "{}", outcome.error_message);
    outcome
}

/// The picture without its first line.
fn states(data: &[u8], particle_id: Option<&str>) -> String {
    let picture = show(data, particle_id, false).unwrap();
    picture.split_once("\n\n").unwrap().1.to_owned()
}

#[test]
fn a_picture_shows_states_values_and_signers() {
    let peer = peer();
    let script = format!(
        r#"(seq (par (call "{peer}" ("s" "f") [] $x) (call "other" ("s" "g") [])) (seq (ap 5 $x) (canon "{peer}" $x #x)))"#
    );
    let first = step(&script, &[], &[]);
    let second = step(&script, &first.data, &[("1", "\"answer\"")]);
    let short = format!("…{}", &peer[peer.len() - 6..]);
    let text = states(&second.data, Some("particle"));
    let without_cids: Vec<&str> =
        text.lines().map(|line| line.split("  [").next().unwrap_or_default()).collect();
    assert_eq!(
        without_cids,
        [
            "0  par: 1 states and 1",
            "   left:",
            &format!("1    call {short} s.f, generation 0 = \"answer\""),
            "   right:",
            &format!("2    call: awaited, sent on by {short}"),
            "3  ap: generation 0",
            &format!("4  canon on {short}: 2 elements"),
            &format!("     - \"answer\" of {short} s.f"),
            &format!("     - 5 of {short}"),
            "",
            "signed by",
            &format!("  {peer}: 2 results, valid"),
            "another peer accepts these data",
        ]
    );
}

#[test]
fn signatures_are_judged_only_with_the_particles_id() {
    let data = step("(null)", &[], &[]).data;
    assert!(states(&data, None).contains("not verified"));
    assert!(states(&data, Some("particle")).contains("valid\nanother peer accepts"));
    let other = states(&data, Some("another particle"));
    assert!(other.contains("WRONG\nanother peer refuses these data: 9, signature mismatch"));
}

#[test]
fn what_is_missing_is_said() {
    let peer = peer();
    let script = format!(r#"(call "{peer}" ("s" "f") [] x)"#);
    let first = step(&script, &[], &[]);
    assert!(
        states(&first.data, None)
            .starts_with(&format!("0  call: awaited, request 1 of …{}\n", &peer[peer.len() - 6..]))
    );
    let second = step(&script, &first.data, &[("1", "1")]);
    let mut data = Envelope::open(&second.data).unwrap().read().unwrap();
    data.stores.service_results.truncate(0);
    let text = states(&encode(&data, None).unwrap(), None);
    assert!(text.starts_with("0  call: a result that is not there"), "{text}");
    assert!(text.contains("cannot be said"), "{text}");
}

#[test]
fn long_values_are_shortened_unless_they_are_asked_for() {
    let peer = peer();
    let script = format!(r#"(call "{peer}" ("s" "f") [] x)"#);
    let value = format!("\"{}\"", "é".repeat(100));
    let first = step(&script, &[], &[]);
    let second = step(&script, &first.data, &[("1", &value)]);
    let text = states(&second.data, None);
    assert!(text.contains(&format!("\"{}… (202 bytes)", "é".repeat(59))), "{text}");
    assert!(show(&second.data, None, true).unwrap().contains(&value));
}

#[test]
fn bytes_that_are_no_data_are_an_error() {
    assert!(show(b"\x83", None, false).is_err());
    assert!(show(&[], None, false).unwrap().contains("0 states"));
}
