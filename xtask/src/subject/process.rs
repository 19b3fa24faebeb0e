//! A node as a process of this machine.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;

use super::{Running, Subject, addresses_in, parsed};
use crate::boot_log;
use crate::http::Url;
use crate::process::Process;

const START_LIMIT: Duration = Duration::from_secs(30);
/// The node has 4 s for answers and 2 s to take leave of its peers.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Starts `cargo xtask run --host` with free ports and this configuration.
pub(super) fn start(
    program: &Path,
    memory: u32,
    toml: &str,
    programs: &[PathBuf],
) -> Result<Subject> {
    let mut config = NamedTempFile::with_prefix("aerolith-node-")?;
    config.write_all(toml.as_bytes())?;
    let mut command = Command::new(program);
    // The note for `send` is for nodes that people start.
    command.args(["run", "--host", "--unrecorded", "--port", "0", "--peer-port", "0"]);
    command.args(["--memory", &memory.to_string(), "--config"]).arg(config.path());
    for folder in programs {
        command.arg("--program").arg(folder);
    }
    let mut process = Process::start(&command)?;
    let ready = process.wait_for("node: ready ", START_LIMIT)?;
    let url = Url::parse(boot_log::ready(&ready).context("a ready line without a URL")?)?;
    let addresses = parsed(addresses_in(&process.text())?)?;
    let running = Running::Process(process);
    Ok(Subject { running, addresses, url: Some(url), _config: Some(config) })
}

pub(super) fn interrupt(process: &mut Process) -> Result<()> {
    process.interrupt()?;
    let code = process.wait_exit(END_LIMIT)?;
    ensure!(code == 0, "the node ended with code {code}\n{}", process.report());
    Ok(())
}
