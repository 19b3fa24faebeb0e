//! `cargo xtask lint`: format, clippy on every target, and the trust map.

use std::process::Command;

use anyhow::Result;

use crate::{build, external, unsafe_map, workspace};

/// Checks everything that can be checked without running it.
///
/// # Errors
/// At the first check that fails.
pub fn run() -> Result<()> {
    external::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    eprintln!("+ unsafe only where the trust map allows it");
    unsafe_map::check(&workspace::root())?;
    let deny = ["--", "-D", "warnings"];
    let host = ["clippy", "--workspace", "--all-targets", "--locked"];
    external::run(cargo(&host).args(deny))?;
    // The whole workspace here too: another selection would build dependencies with other features.
    let machine = ["clippy", "--workspace", "--test", "machine", "--locked"];
    external::run(cargo(&machine).args(deny))?;
    build::clippy()
}

/// Cargo in the workspace's folder.
#[must_use]
pub fn cargo(words: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(workspace::root()).args(words);
    command
}
