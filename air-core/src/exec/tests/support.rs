//! Peers that run a script, and a short form of traces to compare with.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;

use crate::ast::Script;
use crate::data::{
    CallState, CanonState, Envelope, ParticleData, Sender, State, SubTrace, SubTraces, ValueRef,
};
use crate::exec::limits::ExecutionLimits;
use crate::session::{Progress, Session};
use crate::step::{CallRequest, CallResult, Parameters, Signatures, StepOutcome};
use crate::value::Value;

/// The initial peer of all tests.
pub(super) const INIT: &str = "I";

/// Parameters whose bounds keep a runaway script small.
pub(super) fn parameters(peer: &str) -> Parameters {
    Parameters {
        limits: ExecutionLimits { max_frames: 100_000, max_trace_len: 2_000, memory: 2 << 20 },
        timestamp: 11,
        ttl: 22,
        signatures: Signatures::Unchecked,
        ..Parameters::new(INIT.into(), peer.into(), "particle".into(), [7; 32])
    }
}

pub(super) fn session(script: &str, peer: &str) -> Session {
    Session::new(Arc::new(Script::parse(script).unwrap()), parameters(peer))
}

/// One step of a session to its end.
pub(super) fn step(
    session: &mut Session,
    current: &[u8],
    results: Vec<(u32, CallResult)>,
) -> StepOutcome {
    session.begin(current, results);
    match session.run(u64::MAX) {
        Progress::Done(outcome) => outcome,
        Progress::OutOfFuel => panic!("all the fuel there is was not enough"),
    }
}

/// What services answer here: `echo` its first argument, `fail` a failure, else the function's name as
/// JSON text, which must not contain quotes.
pub(super) fn answer(request: &CallRequest) -> CallResult {
    match &*request.function_name {
        "echo" => CallResult::success(request.arguments.first().unwrap_or(&Value::Null)),
        "fail" => CallResult { ret_code: 7, result: "\"boom\"".into() },
        json => CallResult { ret_code: 0, result: json.replace('\'', "\"") },
    }
}

/// Runs a step and then all requests that come of it, until there are none; the last outcome.
pub(super) fn settle(session: &mut Session, current: &[u8]) -> StepOutcome {
    let mut outcome = step(session, current, Vec::new());
    while !outcome.requests.is_empty() {
        let results = outcome.requests.iter().map(|r| (r.id, answer(r))).collect();
        outcome = step(session, &[], results);
    }
    outcome
}

/// A script on one peer, all its calls answered: the session, the last outcome, and the arguments of
/// the calls to `out` in their order.
pub(super) fn run(script: &str) -> (Session, StepOutcome, Vec<String>) {
    let mut session = session(script, "p");
    let mut printed = Vec::new();
    let mut outcome = step(&mut session, &[], Vec::new());
    while !outcome.requests.is_empty() {
        for request in &outcome.requests {
            if &*request.service_id == "out" {
                let arguments: Vec<String> =
                    request.arguments.iter().map(ToString::to_string).collect();
                printed.push(arguments.join(" "));
            }
        }
        let results = outcome.requests.iter().map(|r| (r.id, answer(r))).collect();
        outcome = step(&mut session, &[], results);
    }
    (session, outcome, printed)
}

/// What a script printed by `out` on one peer; it must succeed.
pub(super) fn printed(script: &str) -> Vec<String> {
    let (_, outcome, printed) = run(script);
    assert_eq!((outcome.code, outcome.message.as_str()), (0, ""), "{script}");
    printed
}

/// The code and message of a script that fails on one peer.
pub(super) fn error(script: &str) -> (i64, String) {
    let (_, outcome, _) = run(script);
    (outcome.code, outcome.message)
}

pub(super) fn data(session: &mut Session) -> ParticleData {
    Envelope::open(&session.data()).unwrap().read().unwrap()
}

/// The trace of a session in short form.
pub(super) fn trace(session: &mut Session) -> String {
    short(&data(session).trace)
}

/// `par(1,2)`, `sent A`, `sent A:1`, `scalar`, `stream 0`, `unused`, `failed`, `ap 0`,
/// `canon A`, `canon`, `fold[0:(2,1)(3,0)]`, joined by blanks.
pub(super) fn short(trace: &[State]) -> String {
    let mut text = String::new();
    for state in trace {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&short_state(state));
    }
    text
}

fn short_state(state: &State) -> String {
    match state {
        State::Par { left, right } => format!("par({left},{right})"),
        State::Call(CallState::RequestSentBy(Sender { peer_id, call_id: None })) => {
            format!("sent {peer_id}")
        }
        State::Call(CallState::RequestSentBy(Sender { peer_id, call_id: Some(id) })) => {
            format!("sent {peer_id}:{id}")
        }
        State::Call(CallState::Executed(ValueRef::Scalar(_))) => "scalar".into(),
        State::Call(CallState::Executed(ValueRef::Stream { generation, .. })) => {
            format!("stream {generation}")
        }
        State::Call(CallState::Executed(ValueRef::Unused(_))) => "unused".into(),
        State::Call(CallState::Failed(_)) => "failed".into(),
        State::Ap(generations) => format!("ap {}", generations.single().unwrap()),
        State::Canon(CanonState::RequestSentBy(peer)) => format!("canon {peer}"),
        State::Canon(CanonState::Executed(_)) => "canon".into(),
        State::Fold(lore) => {
            let mut text = String::from("fold[");
            for (index, entry) in lore.iter().enumerate() {
                let SubTraces::Pair(before, after) = &entry.subtraces else { panic!("no pair") };
                let gap = if index > 0 { " " } else { "" };
                let pair = |s: &SubTrace| format!("({},{})", s.begin, s.len);
                write!(text, "{gap}{}:{}{}", entry.value_pos, pair(before), pair(after)).unwrap();
            }
            text + "]"
        }
    }
}
