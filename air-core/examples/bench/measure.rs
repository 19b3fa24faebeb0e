//! What both sides of `cargo xtask bench air` share: reading an input, timing, the answer's line.
//!
//! Standard library only: this file is also compiled into the process that times the reference.
//!
//! An input is a folder: the files `script`, `previous`, `current` and `results` hold the bytes that
//! go in, `parameters` one value a line in the order of [`Parameters`]. So a process that reads it
//! allocates nothing but the input itself.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs before the timed ones.
const WARM_UP_RUNS: usize = 2;
/// Timed runs at least and at most, however long they take.
const MIN_RUNS: usize = 5;
const MAX_RUNS: usize = 20_000;

/// What one interpretation takes.
#[derive(Clone)]
pub struct Input {
    pub script: String,
    pub previous: Vec<u8>,
    pub current: Vec<u8>,
    pub results: Vec<u8>,
    pub parameters: Parameters,
}

#[derive(Clone)]
pub struct Parameters {
    pub init_peer_id: String,
    pub current_peer_id: String,
    pub particle_id: String,
    pub timestamp: u64,
    pub ttl: u32,
    /// Hexadecimal digits in the file.
    pub secret_key: Vec<u8>,
}

impl Input {
    pub fn read(folder: &Path) -> Self {
        let bytes = |name: &str| {
            let path = folder.join(name);
            fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        };
        let text = |name: &str| String::from_utf8(bytes(name)).expect("UTF-8");
        let parameters = text("parameters");
        let mut lines = parameters.split('\n');
        let mut line = || lines.next().expect("a line for each parameter").to_owned();
        let parameters = Parameters {
            init_peer_id: line(),
            current_peer_id: line(),
            particle_id: line(),
            timestamp: line().parse().expect("a timestamp"),
            ttl: line().parse().expect("a time to live"),
            secret_key: from_hex(&line()),
        };
        Self {
            script: text("script"),
            previous: bytes("previous"),
            current: bytes("current"),
            results: bytes("results"),
            parameters,
        }
    }
}

fn from_hex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}

/// What a process is asked to do: `MODE FOLDER [MILLISECONDS]`.
pub enum Task {
    /// Only reads the input: what that takes is subtracted from the peak of memory.
    Load,
    /// One run, under an instrument.
    Once,
    /// Runs for so long, and prints `CODE RUNS MIN MEDIAN` in nanoseconds.
    Time(Duration),
}

/// Performs a task: `prepare` makes what a run consumes, `run` is what is measured and gives a code.
/// Neither the preparation nor the dropping of the outcome is timed.
pub fn perform<P, O>(task: &Task, prepare: impl Fn() -> P, run: impl Fn(P) -> (i64, O)) {
    match task {
        Task::Load => {}
        Task::Once => {
            let (code, _outcome) = run(prepare());
            println!("{code}");
        }
        Task::Time(limit) => {
            let mut code = 0;
            for _ in 0..WARM_UP_RUNS {
                code = run(prepare()).0;
            }
            let mut times = Vec::new();
            let until = Instant::now() + *limit;
            while times.len() < MIN_RUNS || (times.len() < MAX_RUNS && Instant::now() < until) {
                let prepared = prepare();
                let begun = Instant::now();
                let outcome = run(prepared);
                times.push(begun.elapsed());
                drop(outcome);
            }
            times.sort();
            let (least, median) = (times[0].as_nanos(), times[times.len() / 2].as_nanos());
            println!("{code} {} {least} {median}", times.len());
        }
    }
}
