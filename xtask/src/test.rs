//! `cargo xtask test`: every check there is, in the order in which they fail fastest.

use std::time::Instant;

use anyhow::Result;
use clap::Args;

use crate::lint::{self, cargo};
use crate::{build, external, qemu};

/// Runs the lints, the tests on this machine, and the tests in QEMU
#[derive(Args, Debug)]
pub struct Options {
    /// Leave out format, clippy and trust map
    #[arg(long)]
    skip_lints: bool,
    /// Leave out the tests that boot machines
    #[arg(long)]
    skip_machines: bool,
    /// How many machines run at the same time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    machines: u32,
}

/// Runs everything. Prints nothing after the last test runner's own closing lines.
///
/// # Errors
/// At the first part that fails.
pub fn run(options: &Options) -> Result<()> {
    if !options.skip_lints {
        timed("lints", lint::run)?;
    }
    if !options.skip_machines {
        timed("images", || {
            qemu::install::ensure()?;
            build::build_all()
        })?;
    }
    timed("tests on this machine", || {
        external::run(&mut cargo(&["test", "--workspace", "--locked"]))
    })?;
    if !options.skip_machines {
        let threads = options.machines.to_string();
        let words = ["test", "--workspace", "--test", "machine", "--locked", "--"];
        eprintln!("== tests in QEMU");
        external::run(cargo(&words).args(["--test-threads", &threads]))?;
    }
    Ok(())
}

fn timed(name: &str, part: impl FnOnce() -> Result<()>) -> Result<()> {
    let start = Instant::now();
    eprintln!("== {name}");
    part()?;
    eprintln!("== {name}: {} s", start.elapsed().as_secs());
    Ok(())
}
