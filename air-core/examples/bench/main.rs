//! Times the interpreter on one input: our side of `cargo xtask bench air`.

#![forbid(unsafe_code)]
#![allow(clippy::expect_used, clippy::panic, reason = "a tool that is started by another tool")]

mod measure;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use air_core::data::{KeyPair, decode_call_results};
use air_core::step::{CallResult, Outcome, invoke};
use air_core::{Parameters, Progress, Script, Session, StepOutcome};
use measure::{Input, Task, perform};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [mode, folder, rest @ ..] = words.as_slice() else { panic!("MODE FOLDER [MILLISECONDS]") };
    let input = Input::read(Path::new(folder));
    let parameters = parameters(&input);
    let time = || Task::Time(Duration::from_millis(rest[0].parse().expect("milliseconds")));
    match mode.as_str() {
        "load" => step(&Task::Load, &input, &parameters),
        "once" => step(&Task::Once, &input, &parameters),
        "time" => step(&time(), &input, &parameters),
        "live-once" => live_step(&Task::Once, &input, &parameters),
        "live-time" => live_step(&time(), &input, &parameters),
        other => panic!("no mode {other}"),
    }
}

fn parameters(input: &Input) -> Parameters {
    let p = &input.parameters;
    let secret_key: [u8; 32] = p.secret_key.as_slice().try_into().expect("32 bytes of key");
    let mut parameters = Parameters::new(
        p.init_peer_id.as_str().into(),
        p.current_peer_id.as_str().into(),
        p.particle_id.as_str().into(),
        secret_key,
    );
    (parameters.timestamp, parameters.ttl) = (p.timestamp, p.ttl);
    parameters.hard_limit_enabled = false;
    // As a node does: its key does not change from step to step.
    parameters.key_pair = Some(Arc::new(KeyPair::from_secret(&secret_key)));
    parameters
}

/// A step from bytes to bytes.
fn step(task: &Task, input: &Input, parameters: &Parameters) {
    perform(
        task,
        || (),
        |()| {
            let outcome = measured_step(input, parameters);
            (outcome.ret_code, outcome)
        },
    );
}

/// A step of a session that is kept: the previous data are in memory, the results are new.
fn live_step(task: &Task, input: &Input, parameters: &Parameters) {
    let script = Arc::new(Script::parse(&input.script).expect("a script"));
    let results: Vec<(u32, CallResult)> = decode_call_results(&input.results)
        .expect("call results")
        .into_iter()
        .map(|(number, result)| (number.parse().expect("a request's number"), result))
        .collect();
    perform(
        task,
        || {
            let (script, parameters) = (script.clone(), parameters.clone());
            let session = Session::restore(script, parameters, &input.previous);
            let mut session = session.expect("stored data");
            // A kept session has met its data in steps before.
            whole_step(&mut session, Vec::new());
            (session, results.clone())
        },
        |(mut session, results)| {
            let outcome = measured_live_step(&mut session, results);
            (outcome.code, (session, outcome))
        },
    );
}

/// The name by which instruments find what is measured.
#[inline(never)]
fn measured_step(input: &Input, parameters: &Parameters) -> Outcome {
    invoke(&input.script, &input.previous, &input.current, parameters, &input.results)
}

/// The name by which instruments find what is measured.
#[inline(never)]
fn measured_live_step(session: &mut Session, results: Vec<(u32, CallResult)>) -> StepOutcome {
    whole_step(session, results)
}

fn whole_step(session: &mut Session, results: Vec<(u32, CallResult)>) -> StepOutcome {
    session.begin(&[], results);
    loop {
        if let Progress::Done(outcome) = session.run(u64::MAX) {
            return outcome;
        }
    }
}
