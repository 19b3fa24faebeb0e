//! Which data are refused, with which code, and how signatures of two data are merged.

use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use proptest::prelude::*;

use super::{PreparationError, Prepared, prepare, verify};
use crate::data::arbitrary::{mutations, particle_data};
use crate::data::{
    CallState, CanonElement, CanonResult, CanonState, Cid, KeyPair, MAX_SIGNERS, ParticleData,
    Provenance, ServiceResult, SignatureEntry, SignatureError, SignedCids, State, StoreError,
    StoreKind, StoredValue, Tetraplet, ValueRef, encode,
};
use crate::step::Signatures;

const SALT: &str = "particle-1";

fn key_pair(secret: u8) -> KeyPair {
    KeyPair::from_secret(&[secret; 32])
}

fn peer(secret: u8) -> Arc<str> {
    key_pair(secret).peer_id().into()
}

/// Data in which each peer (by its secret) executed a call with this value, and all have signed.
fn executed(calls: &[(u8, u64)]) -> ParticleData {
    let mut data = ParticleData::default();
    for (secret, value) in calls {
        let cid = service_result(&mut data, *secret, *value);
        data.trace.push(State::Call(CallState::Executed(ValueRef::Scalar(cid))));
    }
    for (secret, _) in calls {
        data.signatures.put(signature(&data, *secret, SALT));
    }
    data
}

fn service_result(data: &mut ParticleData, secret: u8, value: u64) -> Cid {
    let stores = &mut data.stores;
    let tetraplet = Tetraplet::of_call(peer(secret), "service".into(), "function".into());
    let result = ServiceResult {
        value_cid: stores.add_value(&value.into()),
        argument_hash: Cid::of_arguments(&[]),
        tetraplet_cid: stores.add_tetraplet(&Arc::new(tetraplet)),
    };
    stores.add_service_result(result)
}

/// The signature of a peer over its states in the trace.
fn signature(data: &ParticleData, secret: u8, salt: &str) -> SignatureEntry {
    let mut signed = SignedCids::default();
    for state in &data.trace {
        let (State::Call(CallState::Executed(ValueRef::Scalar(cid)))
        | State::Canon(CanonState::Executed(cid))) = state
        else {
            continue;
        };
        let stores = &data.stores;
        let tetraplet = match stores.service_results.get(cid) {
            Some(result) => &result.tetraplet_cid,
            None => &stores.canon_results.get(cid).unwrap().tetraplet,
        };
        if stores.tetraplets.get(tetraplet).unwrap().peer_pk == peer(secret) {
            signed.add(cid.clone());
        }
    }
    signed.sign(&key_pair(secret), salt)
}

fn check(data: &ParticleData) -> Result<(), PreparationError> {
    verify(&ParticleData::default(), data, SALT, Signatures::Checked).map(|_| ())
}

fn code(data: &ParticleData) -> i64 {
    check(data).map_or_else(|error| error.code(), |()| 0)
}

#[test]
fn honest_data_are_accepted() {
    assert_eq!(check(&executed(&[])), Ok(()));
    assert_eq!(check(&executed(&[(1, 5), (2, 5), (1, 6), (1, 5)])), Ok(()));
}

#[test]
fn every_wrong_signature_is_refused_with_9() {
    let honest = executed(&[(1, 5), (2, 6)]);
    let entry = |key: &[u8], signature: &[u8]| SignatureEntry {
        public_key: key.into(),
        signature: signature.into(),
    };
    let good = signature(&honest, 1, SALT);
    let with = |entry| {
        let mut data = honest.clone();
        data.signatures.put(entry);
        data
    };
    assert_eq!(code(&with(good.clone())), 0);
    // Wrong salt, cut short, nothing, another peer's.
    assert_eq!(code(&with(signature(&honest, 1, "particle-2"))), 9);
    assert_eq!(code(&with(entry(&good.public_key, &good.signature[..64]))), 9);
    assert_eq!(code(&with(entry(&good.public_key, &[]))), 9);
    assert_eq!(code(&with(entry(&good.public_key, &signature(&honest, 2, SALT).signature))), 9);
    // A peer without states: its signature of nothing is right, any other wrong.
    assert_eq!(code(&with(signature(&honest, 3, SALT))), 0);
    assert_eq!(code(&with(signature(&honest, 3, ""))), 9);
    // Keys: none, another format, another length, no point of the curve.
    let no_point = [&[0, 2][..], &[0xff; 31]].concat();
    for key in [&[][..], &[2; 33], &[0; 32], &[0; 34], &no_point] {
        assert_eq!(code(&with(entry(key, &good.signature))), 9, "{key:?}");
    }
    // One state more than signed, and one fewer.
    let mut doubled = honest.clone();
    doubled.trace.push(honest.trace[0].clone());
    assert_eq!(code(&doubled), 9);
    let mut dropped = honest.clone();
    dropped.trace.remove(0);
    assert_eq!(code(&dropped), 9);
    // Nobody has signed.
    let unsigned = ParticleData { signatures: Default::default(), ..honest };
    let error = check(&unsigned).unwrap_err();
    assert_eq!(error.code(), 9);
    assert_eq!(
        error.to_string(),
        alloc::format!("peer_id doens't match any available public key: {:?}", peer(1))
    );
}

#[test]
fn so_many_signers_are_allowed_and_not_one_more() {
    let with = |signers: usize| {
        let mut data = ParticleData::default();
        for number in 0..signers {
            // No keys, but they are counted first.
            let public_key = number.to_be_bytes().into();
            data.signatures.put(SignatureEntry { public_key, signature: [].into() });
        }
        check(&data).unwrap_err()
    };
    let too_many = PreparationError::Signatures(SignatureError::TooManySigners);
    assert_ne!(with(MAX_SIGNERS), too_many);
    assert_eq!(with(MAX_SIGNERS + 1), too_many);
    assert_eq!(too_many.code(), 9);
}

#[test]
fn entries_that_are_not_what_their_cids_say_are_refused_with_8() {
    let other = Cid::of_json("\"other\"");
    let mismatch = |data: &ParticleData, expected: StoreKind| {
        let error = check(data).unwrap_err();
        assert_eq!(error.code(), 8);
        assert!(
            matches!(&error, PreparationError::Stores(StoreError::Mismatch { kind, .. })
                if *kind == expected),
            "{error}"
        );
    };
    let mut data = executed(&[(1, 5)]);
    data.stores.values.put(other.clone(), StoredValue::from_text("5".into()));
    mismatch(&data, StoreKind::Value);
    let mut data = executed(&[(1, 5)]);
    data.stores.tetraplets.put(other.clone(), Arc::new(Tetraplet::of_peer(peer(1))));
    mismatch(&data, StoreKind::Tetraplet);
    let mut data = executed(&[(1, 5)]);
    let (_, result) = data.stores.service_results.iter().next().unwrap().clone();
    data.stores.service_results.put(other.clone(), result);
    mismatch(&data, StoreKind::ServiceResult);
    let mut data = executed(&[]);
    let canon = CanonResult { tetraplet: other.clone(), values: vec![] };
    data.stores.canon_results.put(other.clone(), Arc::new(canon));
    mismatch(&data, StoreKind::CanonResult);
    let mut data = executed(&[]);
    let provenance = Provenance::Literal;
    let element = CanonElement { value: other.clone(), tetraplet: other.clone(), provenance };
    data.stores.canon_elements.put(other, Arc::new(element));
    mismatch(&data, StoreKind::CanonElement);
}

#[test]
fn references_to_nothing_are_refused_with_8() {
    let nothing = Cid::of_json("\"nothing\"");
    let mut stores = ParticleData::default().stores;
    let value = stores.add_value(&1_u64.into());
    let tetraplet = stores.add_tetraplet(&Arc::new(Tetraplet::of_peer(peer(1))));
    let element = |value: &Cid, tetraplet: &Cid, provenance| CanonElement {
        value: value.clone(),
        tetraplet: tetraplet.clone(),
        provenance,
    };
    let data = |change: &dyn Fn(&mut crate::data::CidStores)| {
        let mut data = ParticleData { stores: stores.clone(), ..ParticleData::default() };
        change(&mut data.stores);
        data
    };
    assert_eq!(
        code(&data(&|s| {
            s.add_canon_element(element(&value, &tetraplet, Provenance::Literal));
        })),
        0
    );
    for element in [
        element(&nothing, &tetraplet, Provenance::Literal),
        element(&value, &nothing, Provenance::Literal),
        element(&value, &tetraplet, Provenance::ServiceResult(nothing.clone())),
        element(&value, &tetraplet, Provenance::Canon(nothing.clone())),
    ] {
        assert_eq!(
            code(&data(&|s| {
                s.add_canon_element(element.clone());
            })),
            8
        );
    }
    for (tetraplet, values) in [(&nothing, vec![]), (&tetraplet, vec![nothing.clone()])] {
        let canon = CanonResult { tetraplet: tetraplet.clone(), values };
        assert_eq!(
            code(&data(&|s| {
                s.add_canon_result(canon.clone());
            })),
            8
        );
    }
    for (value, tetraplet) in [(&nothing, &tetraplet), (&value, &nothing)] {
        let result = ServiceResult {
            value_cid: value.clone(),
            argument_hash: nothing.clone(),
            tetraplet_cid: tetraplet.clone(),
        };
        assert_eq!(
            code(&data(&|s| {
                s.add_service_result(result.clone());
            })),
            8
        );
    }
    // The reference crashes on these (air-data D3).
    for state in [
        State::Call(CallState::Executed(ValueRef::Scalar(nothing.clone()))),
        State::Call(CallState::Executed(ValueRef::Stream { cid: nothing.clone(), generation: 0 })),
        State::Call(CallState::Failed(nothing.clone())),
        State::Canon(CanonState::Executed(nothing.clone())),
    ] {
        assert_eq!(code(&ParticleData { trace: vec![state], ..ParticleData::default() }), 8);
    }
    // Nobody answers for these.
    let unused = State::Call(CallState::Executed(ValueRef::Unused(nothing)));
    assert_eq!(code(&ParticleData { trace: vec![unused], ..ParticleData::default() }), 0);
}

#[test]
fn of_two_signatures_the_one_over_more_wins() {
    let less = executed(&[(1, 5), (2, 6)]);
    let more = executed(&[(1, 5), (2, 6), (1, 7), (1, 5), (3, 1)]);
    for (previous, current) in [(&less, &more), (&more, &less)] {
        let merged = verify(previous, current, SALT, Signatures::Checked).unwrap();
        assert_eq!(merged.len(), 3);
        for secret in [1, 2, 3] {
            let key = key_pair(secret).public_key();
            assert_eq!(merged.get(&key), more.signatures.get(&key));
        }
    }
}

#[test]
fn contradicting_results_of_one_peer_are_refused_with_9() {
    let one = executed(&[(1, 5), (1, 6)]);
    for other in
        [executed(&[(1, 7)]), executed(&[(1, 5), (1, 5)]), executed(&[(1, 7), (1, 8), (1, 9)])]
    {
        let error = verify(&one, &other, SALT, Signatures::Checked).unwrap_err();
        assert_eq!(error.code(), 9);
        assert!(error.to_string().starts_with("inconsistent CID multisets on merge for peer"));
    }
}

#[test]
fn what_previous_data_hold_is_not_verified_again() {
    // Previous data are trusted, even where they are wrong: the same in current data is not looked at.
    let mut wrong = executed(&[(1, 5)]);
    wrong.signatures.put(signature(&wrong, 1, "another particle"));
    wrong.stores.values.put(Cid::of_json("0"), StoredValue::from_text("1".into()));
    assert!(verify(&wrong, &wrong, SALT, Signatures::Checked).is_ok());
    assert!(verify(&wrong, &executed(&[]), SALT, Signatures::Checked).is_ok());
    assert_eq!(code(&wrong), 8);
    // Other content under the same CID is.
    let mut other = wrong.clone();
    other.stores.values.put(Cid::of_json("0"), StoredValue::from_text("2".into()));
    assert_eq!(verify(&wrong, &other, SALT, Signatures::Checked).unwrap_err().code(), 8);
}

#[test]
fn keys_of_previous_data_are_read_when_they_are_needed() {
    let with_bad_key = |signature: u8| {
        let mut data = executed(&[(1, 5)]);
        let mut public_key = [0xff; 33];
        (public_key[0], public_key[1]) = (0, 2);
        let signature = Box::from([signature; 65]);
        data.signatures.put(SignatureEntry { public_key: Box::from(public_key), signature });
        data
    };
    let (known, other) = (with_bad_key(0), with_bad_key(1));
    let without = executed(&[(1, 5)]);
    let verify = |previous, current| verify(previous, current, SALT, Signatures::Checked);
    assert_eq!(verify(&known, &without).unwrap().len(), 2);
    assert_eq!(verify(&known, &known).unwrap().len(), 2);
    assert_eq!(verify(&known, &other).unwrap_err().code(), 9);
    assert_eq!(verify(&without, &known).unwrap_err().code(), 9);
}

fn prepared(previous: &[u8], current: &[u8]) -> Result<Prepared, PreparationError> {
    prepare(previous, current, SALT, Signatures::Checked)
}

#[test]
fn both_data_are_put_together() {
    let previous = ParticleData { last_call_request_id: 3, ..executed(&[(1, 5)]) };
    let current = ParticleData { last_call_request_id: 9, ..executed(&[(2, 6)]) };
    let bytes = [&previous, &current].map(|data| encode(data, None).unwrap());
    let prepared = prepared(&bytes[0], &bytes[1]).unwrap();
    assert_eq!(prepared.previous_trace, previous.trace);
    assert_eq!(prepared.current_trace, current.trace);
    assert_eq!(prepared.last_call_request_id, 3);
    assert_eq!(prepared.stores.values.len(), 2);
    assert_eq!(prepared.signatures.len(), 2);
    let nothing = self::prepared(&[], &[]).unwrap();
    assert!(nothing.previous_trace.is_empty() && nothing.signatures.is_empty());
}

#[test]
fn damage_is_refused_with_the_code_of_its_place() {
    let good = encode(&executed(&[(1, 5)]), None).unwrap();
    let with = |from: &str, to: &str| {
        let text = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect::<Vec<_>>();
        let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
        let mut chars = text(&good);
        let at = chars.windows(from.len()).position(|window| window == from).unwrap();
        chars.splice(at..at + from.len(), to);
        chars.into_iter().map(|c| u8::try_from(u32::from(c)).unwrap()).collect::<Vec<_>>()
    };
    let code = |bytes: &[u8]| prepared(&[], bytes).map_or_else(|error| error.code(), |_| 0);
    assert_eq!(code(&good), 0);
    assert_eq!(code(&with("inner_data", "outer_data")), 4);
    assert_eq!(code(&with("version", "Version")), 3);
    assert_eq!(code(&with("\u{a6}0.17.2", "\u{a6}0.17.x")), 3);
    assert_eq!(code(&with("0.64.1", "0.60.9")), 6);
    assert_eq!(code(&with("0.17.2", "9.99.9")), 0);
    assert_eq!(code(&good[..good.len() - 1]), 3);
    // The archive must be bytes: the same as a string is not taken.
    let long_bytes = with("inner_data\u{c5}", "inner_data\u{da}");
    assert_eq!(code(&long_bytes), 4);
    // The version of previous data does not matter, its envelope does.
    let old = with("0.64.1", "0.60.9");
    assert!(prepared(&old, &good).is_ok());
    assert_eq!(prepared(&good[..40], &[]).unwrap_err().code(), 3);
    // The order of the checks: envelopes, version, archives.
    assert_eq!(prepared(&[0], &old).unwrap_err().code(), 3);
    let no_archive =
        b"\x83\xa7version\xa60.17.2\xb3interpreter_version\xa60.64.1\xaainner_data\xc4\x00";
    assert_eq!(prepared(no_archive, &old).unwrap_err().code(), 6);
    assert_eq!(code(no_archive), 2);
    assert_eq!(
        prepared(&[], no_archive).unwrap_err().to_string(),
        "an error occurred while data deserialization: Data(an object is out of bounds).\n\
         AquaVM version is 0.64.1 and it expects 0.17.2 version."
    );
}

proptest! {
    #[test]
    fn damaged_data_are_refused_with_a_code_of_data(
        data in particle_data(),
        damage in mutations(),
        checked: bool,
    ) {
        let honest = encode(&data, None).unwrap();
        let mut damaged = honest.clone();
        damage.iter().for_each(|mutation| mutation.apply(&mut damaged));
        let signatures = if checked { Signatures::Checked } else { Signatures::Unchecked };
        for (previous, current) in [(&honest, &damaged), (&damaged, &honest), (&vec![], &damaged)] {
            if let Err(error) = prepare(previous, current, "salt", signatures) {
                prop_assert!(matches!(error.code(), 2..=4 | 6 | 8 | 9));
                prop_assert!(checked || error.code() <= 6);
                prop_assert!(!error.to_string().is_empty());
            }
        }
    }

    #[test]
    fn any_bytes_are_judged(previous: Vec<u8>, current: Vec<u8>) {
        let _ = prepared(&previous, &current);
    }

    #[test]
    fn merging_the_same_data_changes_nothing(calls in prop::collection::vec((1_u8..4, 0_u64..3), 0..6)) {
        let data = executed(&calls);
        let bytes = encode(&data, None).unwrap();
        let prepared = prepared(&bytes, &bytes).unwrap();
        prop_assert_eq!(&prepared.signatures, &data.signatures);
        let united = ParticleData {
            trace: prepared.previous_trace,
            last_call_request_id: prepared.last_call_request_id,
            stores: prepared.stores,
            signatures: prepared.signatures,
        };
        prop_assert_eq!(encode(&united, None).unwrap(), bytes);
    }
}
