//! `cargo xtask fuzz`: long searches for differences and crashes.

pub mod air;
pub mod guided;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Searches for inputs that break something
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Target {
    Air(air::Options),
    #[command(flatten)]
    Guided(guided::Target),
}

/// Performs the chosen search.
///
/// # Errors
/// When a difference or a failing input was found, or the search could not go on.
pub fn run(options: &Options) -> Result<()> {
    match &options.target {
        Target::Air(options) => air::run(options),
        Target::Guided(target) => guided::run(target),
    }
}
