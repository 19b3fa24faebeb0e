//! The reference interpreter as a process that answers line by line.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::air::{Answer, Request};

/// A running reference interpreter; it ends with this value.
#[derive(Debug)]
pub struct Reference {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What the reference made of a request.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// An outcome.
    Answer(Answer),
    /// It crashed, with this text.
    Crash(String),
}

impl Reference {
    /// Starts the process of `command`, for example `node oracle.mjs run`.
    pub fn start(mut command: Command) -> Result<Self> {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let requests = process.stdin.take().context("the reference has no input")?;
        let answers = process.stdout.take().context("the reference has no output")?;
        Ok(Self { process, requests, answers: BufReader::new(answers) })
    }

    /// One interpretation.
    pub fn interpret(&mut self, request: &Request) -> Result<Verdict> {
        writeln!(self.requests, "{}", request.to_json())
            .context("the reference takes no requests")?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("the reference ended");
        }
        let value: serde_json::Value = serde_json::from_str(&line)?;
        if let Some(text) = value["panic"].as_str() {
            return Ok(Verdict::Crash(text.to_string()));
        }
        if let Some(text) = value["bad_request"].as_str() {
            bail!("the reference refuses the request: {text}");
        }
        Answer::from_value(&value).map(Verdict::Answer)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        // it may have ended already; then there is nothing to do
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
