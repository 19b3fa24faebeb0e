//! The command line of `cargo xtask`.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::build::{self, Image};
use xtask::node_config::NodeConfig;
use xtask::{
    air, aleph_host, bench, doctor, fuzz, image, lint, message, run, send, sizes, soak, symbolize,
    test,
};

#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", about = "Builds, runs and tests Aerolith")]
struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Run(run::Options),
    /// Builds the image and prints where it is
    Build,
    Image(image::Options),
    Send(send::Options),
    Test(test::Options),
    /// Checks format, clippy, and where unsafe code stands
    Lint,
    Sizes(sizes::Options),
    Air(air::Options),
    AlephHost(aleph_host::Options),
    Fuzz(fuzz::Options),
    Message(message::Options),
    /// Checks a configuration and prints it as the word that a command line or cloud-init's user-data take
    Config {
        /// TOML
        file: PathBuf,
    },
    Symbolize(symbolize::Options),
    Soak(soak::Options),
    #[command(subcommand)]
    Bench(bench::What),
    /// Says what this machine lacks
    Doctor,
}

fn main() -> ExitCode {
    match perform(CommandLine::parse().verb) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(verb: Verb) -> Result<ExitCode> {
    match verb {
        Verb::Run(options) => return run::run(&options),
        Verb::Send(options) => return send::run(&options),
        Verb::Doctor => return Ok(doctor::run()),
        Verb::Build => {
            build::build_all()?;
            println!("{}", build::paths(Image::Product).stripped.display());
        }
        Verb::Config { file } => {
            println!("{}", NodeConfig::read(Some(&file))?.command_line_word()?);
        }
        Verb::Image(options) => image::run(&options)?,
        Verb::Test(options) => test::run(&options)?,
        Verb::Soak(options) => soak::run(&options)?,
        Verb::Bench(what) => bench::run(&what)?,
        Verb::Lint => lint::run()?,
        Verb::Air(options) => air::run(&options)?,
        Verb::AlephHost(options) => aleph_host::run(&options)?,
        Verb::Fuzz(options) => fuzz::run(&options)?,
        Verb::Message(options) => message::run(&options)?,
        Verb::Sizes(options) => sizes::run(&options)?,
        Verb::Symbolize(options) => symbolize::run(&options)?,
    }
    Ok(ExitCode::SUCCESS)
}
