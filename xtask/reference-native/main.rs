//! Times the reference interpreter, built from its published crates: a process of its own, written
//! into a folder of build products by `cargo xtask bench air` and never part of the workspace.

mod measure;

use std::path::Path;
use std::time::Duration;

use air::InterpreterOutcome;
use air_interpreter_interface::{RunParameters, SerializedCallResults};
use measure::{perform, Input, Task};

const AIR_SIZE_LIMIT: u64 = 16 << 20;
const PARTICLE_SIZE_LIMIT: u64 = 64 << 20;
const CALL_RESULT_SIZE_LIMIT: u64 = 32 << 20;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [mode, folder, rest @ ..] = words.as_slice() else { panic!("MODE FOLDER [MILLISECONDS]") };
    let input = Input::read(Path::new(folder));
    let task = match mode.as_str() {
        "load" => Task::Load,
        "once" => Task::Once,
        "time" => Task::Time(Duration::from_millis(rest[0].parse().expect("milliseconds"))),
        other => panic!("no mode {other}"),
    };
    perform(
        &task,
        || (input.clone(), run_parameters(&input)),
        |(input, parameters)| {
            let outcome = measured_step(input, parameters);
            (outcome.ret_code, outcome)
        },
    );
}

fn run_parameters(input: &Input) -> RunParameters {
    let p = input.parameters.clone();
    RunParameters::new(
        p.init_peer_id,
        p.current_peer_id,
        p.timestamp,
        p.ttl,
        0,
        p.secret_key,
        p.particle_id,
        AIR_SIZE_LIMIT,
        PARTICLE_SIZE_LIMIT,
        CALL_RESULT_SIZE_LIMIT,
        false,
    )
}

/// The name by which instruments find what is measured.
#[inline(never)]
fn measured_step(input: Input, parameters: RunParameters) -> InterpreterOutcome {
    let results = SerializedCallResults::from(input.results);
    air::execute_air(input.script, input.previous, input.current, parameters, results)
}
