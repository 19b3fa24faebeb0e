//! `air run`: requests in, outcomes out, line by line.

use std::io::{BufRead, Write, stdin, stdout};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use super::{Answer, Request};

/// Interprets the requests on standard input, one JSON line each, and answers each with a line
#[derive(Debug, Args)]
pub struct Options {
    /// Adds the data in readable form to each outcome
    #[arg(long)]
    decode: bool,
    /// Accepted for likeness with the reference's tool: every interpretation here is a fresh one
    #[arg(long)]
    fresh: bool,
}

pub(super) fn run(options: &Options) -> Result<()> {
    let mut out = stdout().lock();
    for line in stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = match Request::from_json(&line) {
            Ok(request) => interpret(&request).to_json(options.decode),
            Err(error) => json!({ "bad_request": format!("{error:#}") }).to_string(),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

/// Our interpreter on a request.
#[must_use]
pub fn interpret(request: &Request) -> Answer {
    air_core::step::invoke(
        &request.air,
        &request.prev_data,
        &request.data,
        &request.parameters,
        &request.call_results,
    )
    .into()
}
