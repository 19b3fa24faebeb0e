//! `cargo xtask fuzz`: long searches for differences and crashes.

pub mod air;

use anyhow::Result;
use clap::{Args, Subcommand};

/// Searches at random for differences from the reference
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    target: Target,
}

#[derive(Debug, Subcommand)]
enum Target {
    Air(air::Options),
}

/// Performs the chosen search.
///
/// # Errors
/// When a difference was found, or the search could not go on.
pub fn run(options: &Options) -> Result<()> {
    match &options.target {
        Target::Air(options) => air::run(options),
    }
}
