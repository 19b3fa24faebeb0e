//! `cargo xtask air`: the interpreter as a tool on the development host.

mod check;
mod fmt;
mod outcome;
mod parse;
mod request;
mod run;
mod script_file;
mod trace;

pub use outcome::{Answer, Field, decode_requests, readable_data, readable_requests};
pub use request::{CallAnswer, Request, encode_call_results};
pub use run::interpret;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Interprets, checks and shows AIR on this machine
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Options),
    Check(check::Options),
    Parse(parse::Options),
    Fmt(fmt::Options),
    Trace(trace::Options),
}

/// Performs the chosen verb.
///
/// # Errors
/// What the verb could not do, as it says.
pub fn run(options: &Options) -> Result<()> {
    match &options.verb {
        Verb::Run(options) => run::run(options),
        Verb::Check(options) => check::run(options),
        Verb::Parse(options) => parse::run(options),
        Verb::Fmt(options) => fmt::run(options),
        Verb::Trace(options) => trace::run(options),
    }
}
