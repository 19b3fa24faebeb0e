//! `cargo xtask soak`, as both test programs run it.

use std::process::Command;

use anyhow::{Context, Result, ensure};

/// A soak of which the clients' decisions are always the same passes, and breaks connections.
pub fn soaks(words: &[&str]) -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["soak", "--seed", "7", "--resets", "30"]).args(words);
    let output = command.output()?;
    let (figures, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{}\n{figures}\n{errors}", output.status);
    let resets = figures.lines().find_map(|line| line.strip_prefix("connections reset"));
    let resets: u32 = resets.context("no such figure")?.trim().parse()?;
    ensure!(resets > 0, "no connection was reset\n{figures}");
    Ok(())
}
