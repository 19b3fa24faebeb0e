//! Data that no honest peer writes: an error with the code of the specification, never a crash
//! (air-data §7, §11 D3).

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::support::*;
use crate::data::{
    CallState, CanonElement, CanonResult, CanonState, Cid, FoldLore, Generations, ParticleData,
    Provenance, Sender, ServiceResult, State, StoredValue, SubTrace, SubTraces, Tetraplet,
    ValueRef, encode,
};
use crate::value::Value;

fn sub(begin: u32, len: u32) -> SubTrace {
    SubTrace { begin, len }
}

fn ap(generation: u32) -> State {
    State::Ap(Generations::One(generation))
}

/// The code and message of a step that gets such a trace.
fn outcome(script: &str, trace: Vec<State>) -> (i64, String) {
    outcome_of(script, &ParticleData { trace, ..ParticleData::default() })
}

fn outcome_of(script: &str, data: &ParticleData) -> (i64, String) {
    let bytes = encode(data, None).unwrap();
    let mut p = session(script, "p");
    let before = p.data();
    let outcome = step(&mut p, &bytes, vec![]);
    if !outcome.has_new_data() {
        assert_eq!(p.data(), before, "a refused step changed the data");
        assert!(outcome.next_peers.is_empty() && outcome.requests.is_empty());
    }
    (outcome.code, outcome.message)
}

const FOLD: &str = r#"(seq (ap 1 $s) (fold $s i (seq (ap i $t) (next i))))"#;

#[test]
fn lores_that_make_no_sense_are_refused() {
    let fold = |lore: Vec<FoldLore>| outcome(FOLD, vec![ap(0), State::Fold(lore), ap(0)]);
    let prefix = "on instruction 'fold $s i' trace handler encountered an error: ";
    let entry = |pos, begin, len| FoldLore::new(pos, sub(begin, len), sub(begin, 0));
    for (lore, text) in [
        (
            vec![FoldLore { value_pos: 0, subtraces: SubTraces::Other([sub(2, 1)].into()) }],
            "fold contains 1 sublore descriptors, but 2 is expected",
        ),
        (
            vec![entry(9, 2, 1)],
            "requested an element at position '9', but executed trace contains only '3' elements",
        ),
        (
            vec![entry(1, 2, 0)],
            "expected a state of CallResult(Value::Stream) or Ap types but 'Fold(FoldResult { lore: [FoldSubTraceLore { value_pos: 1, subtraces_desc: [SubTraceDesc { begin_pos: 2, subtrace_len: 0 }, SubTraceDesc { begin_pos: 2, subtrace_len: 0 }] }] })' obtained",
        ),
        (
            vec![entry(0, 3, 1)],
            "executed trace has 3 elements, but tried to set 1 subtrace_len and 3 position",
        ),
        (
            vec![entry(0, u32::MAX, 1)],
            "executed trace has 3 elements, but tried to set 1 subtrace_len and 4294967295 position",
        ),
    ] {
        assert_eq!(fold(lore), (20000, format!("{prefix}{text}")));
    }
    for lore in [
        vec![entry(0, 2, 0), entry(0, 2, 0)],
        vec![entry(0, 2, 1), FoldLore::new(2, sub(0, u32::MAX), sub(0, 1))],
        vec![entry(0, 2, 2)],
    ] {
        assert_eq!(fold(lore).0, 20000);
    }
}

#[test]
fn aps_need_one_generation() {
    for generations in [vec![], vec![0, 1]] {
        let state = State::Ap(Generations::Other(generations.clone().into()));
        let (code, message) = outcome("(ap 1 $s)", vec![state.clone()]);
        assert_eq!(code, 20000);
        let text = format!(
            "ApResult {{ res_generations: {generations:?} }} ap result contains inappropriate generation count in destination"
        );
        assert!(message.ends_with(&text), "{message}");
        let fold = State::Fold(vec![FoldLore::new(0, sub(2, 0), sub(2, 0))]);
        assert_eq!(outcome(FOLD, vec![state, fold]).0, 20000);
    }
}

#[test]
fn any_generation_number_is_taken_and_renumbered() {
    let mut p = session("(seq (ap 1 $s) (ap 2 $s))", "p");
    let trace = vec![ap(u32::MAX), ap(1 << 30)];
    let bytes = encode(&ParticleData { trace, ..ParticleData::default() }, None).unwrap();
    assert_eq!(step(&mut p, &bytes, vec![]).code, 0);
    assert_eq!(super::support::trace(&mut p), "ap 1 ap 0");
}

#[test]
fn sizes_of_par_must_fit_their_window() {
    let par = |left, right| outcome("(par (null) (null))", vec![State::Par { left, right }]);
    for (left, right) in [(1, 0), (0, 1), (u32::MAX, 1), (1, u32::MAX), (u32::MAX, u32::MAX)] {
        assert_eq!(par(left, right).0, 20000, "{left} {right}");
    }
    assert_eq!(par(0, 0).0, 0);
    let nested = vec![State::Par { left: 1, right: 1 }, State::Par { left: 1, right: 0 }, ap(0)];
    assert_eq!(outcome("(par (par (null) (null)) (null))", nested).0, 20000);
}

#[test]
fn states_behind_the_end_of_the_script_are_dropped() {
    let mut p = session("(ap 1 $s)", "p");
    let trace = vec![ap(0), ap(1), State::Par { left: 9, right: 9 }];
    let bytes = encode(&ParticleData { trace, ..ParticleData::default() }, None).unwrap();
    assert_eq!(step(&mut p, &bytes, vec![]).code, 0);
    assert_eq!(super::support::trace(&mut p), "ap 0");
}

/// Data with one executed call of `p`'s `s.f` whose value has the given text.
fn executed(text: &str, arguments: &[Value]) -> ParticleData {
    let mut data = ParticleData::default();
    let value_cid = Cid::of_json(text);
    data.stores.values.put(value_cid.clone(), StoredValue::from_text(text.into()));
    let tetraplet = Arc::new(Tetraplet::of_call("p".into(), "s".into(), "f".into()));
    let tetraplet_cid = data.stores.add_tetraplet(&tetraplet);
    let argument_hash = Cid::of_arguments(arguments);
    let result = ServiceResult { value_cid, argument_hash, tetraplet_cid };
    let cid = data.stores.add_service_result(result);
    data.trace.push(State::Call(CallState::Executed(ValueRef::Scalar(cid))));
    data
}

#[test]
fn a_result_must_be_that_of_this_very_call() {
    let call = r#"(call "p" ("s" "f") [1] x)"#;
    let one = [Value::from(1_u64)];
    assert_eq!(outcome_of(call, &executed("5", &one)).0, 0);

    let (code, message) = outcome_of(call, &executed("5", &[]));
    let (ours, theirs) = (Cid::of_arguments(&one), Cid::of_arguments(&[]));
    assert_eq!(code, 20017);
    let text = "call argument_hash doesn't match expected parameters:";
    assert_eq!(message, format!("{text} expected {ours}, got {theirs} "));

    let (code, message) = outcome_of(r#"(call "p" ("s" "g") [1] x)"#, &executed("5", &one));
    assert_eq!(code, 20017);
    let tetraplet = |function| {
        format!(
            "SecurityTetraplet {{ peer_pk: \"p\", service_id: \"s\", function_name: \"{function}\", lens: \"\" }}"
        )
    };
    let text = "call tetraplet doesn't match expected parameters:";
    assert_eq!(message, format!("{text} expected {}, got {} ", tetraplet("g"), tetraplet("f")));

    // Into a stream, or into nothing, it does not belong.
    for call in [r#"(call "p" ("s" "f") [1] $x)"#, r#"(call "p" ("s" "f") [1])"#] {
        let (code, message) = outcome_of(call, &executed("5", &one));
        assert_eq!(code, 20006);
        assert!(message.starts_with("call result value Scalar(CID(\""), "{message}");
    }
}

#[test]
fn a_result_although_the_arguments_are_not_there_is_refused() {
    let script = r#"(par (call "U" ("" "") [] a) (call "p" ("s" "f") [a] x))"#;
    let mut data = executed("5", &[]);
    data.trace.insert(0, State::Par { left: 0, right: 1 });
    assert_eq!(outcome_of(script, &data).0, 20017);
}

#[test]
fn cids_that_lead_nowhere_are_named() {
    let call = r#"(call "p" ("s" "f") [] x)"#;
    let cid = Cid::of_json("9");
    let state = State::Call(CallState::Executed(ValueRef::Scalar(cid.clone())));
    let text = format!("service result aggregate for CID {cid:?} not found");
    assert_eq!(outcome(call, vec![state]), (20010, text));
    let text = format!("canon result aggregate for CID {cid:?} not found");
    let state = State::Canon(CanonState::Executed(cid));
    assert_eq!(outcome(r#"(canon "p" $s #c)"#, vec![state]), (20010, text));

    let mut data = executed("5", &[]);
    data.stores.values = Default::default();
    assert!(outcome_of(call, &data).1.starts_with("value for CID"));
    let mut data = executed("5", &[]);
    data.stores.tetraplets = Default::default();
    assert!(outcome_of(call, &data).1.starts_with("tetraplet for CID"));
    let deep = "[".repeat(128) + &"]".repeat(128);
    for no_json in ["nope", "", "1e400", &deep] {
        assert_eq!(outcome_of(call, &executed(no_json, &[])).0, 20010, "{no_json}");
    }
}

#[test]
fn failures_must_say_how() {
    let failed = |text: &str| {
        let mut data = executed(text, &[]);
        let Some(State::Call(CallState::Executed(ValueRef::Scalar(cid)))) = data.trace.pop() else {
            panic!("no call")
        };
        data.trace.push(State::Call(CallState::Failed(cid)));
        outcome_of(r#"(call "p" ("s" "f") [] x)"#, &data)
    };
    let good = "Local service error, ret_code is -3, error message is 'm'";
    for text in [
        r#"{"message":"m","ret_code":-3}"#,
        r#"[-3,"m"]"#,
        r#"{"a":1,"message":"m","ret_code":-3}"#,
    ] {
        assert_eq!(failed(text), (10000, good.into()));
    }
    for (text, reason) in [
        ("\"error\"", "invalid type: string \"error\", expected struct CallServiceFailed"),
        (r#"{"message":"m"}"#, "missing field `ret_code`"),
        (r#"{"ret_code":1}"#, "missing field `message`"),
        (r#"{"message":1,"ret_code":1}"#, "invalid type: integer `1`, expected a string"),
        (
            r#"{"message":"","ret_code":4294967296}"#,
            "invalid value: integer `4294967296`, expected i32",
        ),
        ("[1]", "invalid length 1, expected struct CallServiceFailed with 2 elements"),
    ] {
        assert_eq!(
            failed(text),
            (20012, format!("failed to deserialize to CallServiceFailed: {reason}"))
        );
    }
}

/// Data with one canon of `p` with these values.
fn canon(values: &[&str]) -> ParticleData {
    let mut data = ParticleData::default();
    let tetraplet = Arc::new(Tetraplet::of_peer("p".into()));
    let tetraplet = data.stores.add_tetraplet(&tetraplet);
    let mut elements = Vec::new();
    for text in values {
        let value = Cid::of_json(text);
        data.stores.values.put(value.clone(), StoredValue::from_text((*text).into()));
        let provenance = Provenance::Literal;
        let element = CanonElement { value, tetraplet: tetraplet.clone(), provenance };
        elements.push(data.stores.add_canon_element(element));
    }
    let cid = data.stores.add_canon_result(CanonResult { tetraplet, values: elements });
    data.trace.push(State::Canon(CanonState::Executed(cid)));
    data
}

#[test]
fn canons_that_do_not_fit_are_refused() {
    let to_map = r#"(canon "p" %m #%c)"#;
    for (value, text) in [
        ("1", "the value must be an object with key and value fields"),
        (r#"{"key":1}"#, "there must be a \"value\" field in kvpair object"),
        (r#"{"value":1}"#, "unsupported kvpair object or map key type"),
        (r#"{"key":[],"value":1}"#, "unsupported kvpair object or map key type"),
    ] {
        assert_eq!(outcome_of(to_map, &canon(&[value])), (20014, text.into()));
    }
    let to_scalar = r#"(canon "p" %m x)"#;
    let text = "can not find JValue to produce scalar from";
    assert_eq!(outcome_of(to_scalar, &canon(&[])), (20016, text.into()));
    let (code, message) = outcome_of(r#"(canon "q" $s #c)"#, &canon(&["1"]));
    assert_eq!(code, 20017);
    assert!(message.starts_with("canon tetraplet doesn't match expected parameters: expected SecurityTetraplet { peer_pk: \"q\""), "{message}");
    let mut data = canon(&["1"]);
    data.stores.canon_elements = Default::default();
    assert!(outcome_of(r#"(canon "p" $s #c)"#, &data).1.starts_with("canon aggregate for CID"));
}

#[test]
fn the_last_number_of_a_request_is_the_end() {
    let sender = |id| {
        State::Call(CallState::RequestSentBy(Sender { peer_id: "p".into(), call_id: Some(id) }))
    };
    let script = r#"(par (call "p" ("s" "f") []) (call "p" ("s" "g") []))"#;
    let trace = |id| vec![State::Par { left: 1, right: 0 }, sender(id)];
    assert_eq!(outcome(script, trace(u32::MAX - 1)).0, 0);
    assert_eq!(outcome(script, trace(u32::MAX)).0, 20000);
}

#[test]
fn values_that_would_nest_too_deep_are_refused() {
    let deep = "[".repeat(127) + &"]".repeat(127);
    let script =
        r#"(seq (call "p" ("s" "f") [] x) (seq (ap x $s) (seq (canon "p" $s #c) (ap #c y))))"#;
    let (code, message) = outcome_of(script, &executed(&deep, &[]));
    assert_eq!(code, crate::exec::limits::DEPTH_EXCEEDED, "{message}");
}
