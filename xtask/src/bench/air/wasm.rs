//! The reference's wasm under node: one process that times all inputs.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::program::{Timed, timed};
use crate::reference;

/// What V8 is told: to optimise the module before it runs, so that no run is one of slower code.
const OPTIONS: [&str; 2] = ["--no-liftoff", "--no-wasm-lazy-compilation"];

/// A running node with the reference's module; it ends with this value.
#[derive(Debug)]
pub struct Wasm {
    process: Child,
    inputs: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Wasm {
    /// Gets the module and starts the process.
    pub fn start() -> Result<Self> {
        let mut command = Command::new("node");
        command.args(OPTIONS).arg(reference::prepare()?.join("time.mjs"));
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let inputs = process.stdin.take().context("node has no input")?;
        let answers = process.stdout.take().context("node has no output")?;
        Ok(Self { process, inputs, answers: BufReader::new(answers) })
    }

    /// Runs an input again and again, the first part of the time without timing.
    pub fn time(&mut self, input: &Path, time: Duration) -> Result<Timed> {
        writeln!(self.inputs, "{} {}", time.as_millis(), input.display())
            .context("node takes no inputs")?;
        let mut answer = String::new();
        if self.answers.read_line(&mut answer)? == 0 {
            bail!("node ended");
        }
        timed(&answer).with_context(|| format!("an odd answer: {answer}"))
    }
}

impl Drop for Wasm {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
