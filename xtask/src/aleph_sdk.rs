//! The Aleph network's published Python client as a test: installs it, publishes with it, reads back.
//!
//! The script is `xtask/clients/aleph_sdk/publish.py`. The packages are installed below cargo's target folder,
//! once for each version of its requirements.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process::Process;
use crate::{external, workspace};

/// The interpreter that is looked for.
const PYTHON: &str = "python3";
/// The oldest that the packages work with.
const OLDEST: (u32, u32) = (3, 9);

/// Installed and ready to run.
#[derive(Clone, Debug)]
pub struct AlephSdk {
    folder: PathBuf,
    script: PathBuf,
}

impl AlephSdk {
    /// Installs the packages, if that has not been done.
    ///
    /// # Errors
    /// When there is no Python, or the packages cannot be had.
    pub fn prepare() -> Result<Self> {
        ensure!(external::exists(PYTHON), "no {PYTHON}");
        let version = external::output(PYTHON, &["--version"]).unwrap_or_default();
        ensure!(is_recent(&version), "{version} is too old: 3.9 is needed");
        let from = workspace::root().join("xtask").join("clients").join("aleph_sdk");
        let folder = workspace::target().join("aleph-sdk");
        fs::create_dir_all(&folder)?;
        // Several test programs may come here at the same time.
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        install(&folder, &from.join("requirements.txt"))?;
        Ok(Self { folder, script: from.join("publish.py") })
    }

    /// Publishes to the node at `url`, in this channel, and reads back; gives how many checks passed.
    ///
    /// # Errors
    /// When a check fails, or the script does not end in time.
    pub fn publish(&self, url: &str, channel: &str, limit: Duration) -> Result<usize> {
        let mut command = Command::new(self.folder.join("venv").join("bin").join("python"));
        command.arg(&self.script).args([url, channel]);
        let mut process = Process::start(&command)?;
        let code = process.wait_exit(limit)?;
        let text = process.text();
        let passed = text.lines().find_map(|line| line.strip_suffix(" passed")?.parse().ok());
        match passed {
            Some(passed) if code == 0 => Ok(passed),
            _ => bail!("the Aleph client ended with code {code}\n{}", process.report()),
        }
    }
}

/// Whether `Python 3.11.7` is recent enough.
fn is_recent(version: &str) -> bool {
    let numbers = version.strip_prefix("Python ").unwrap_or_default();
    let mut numbers = numbers.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        _ => false,
    }
}

fn install(folder: &Path, requirements: &Path) -> Result<()> {
    let wanted = fs::read(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    let done = folder.join("installed.txt");
    if fs::read(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let venv = folder.join("venv");
    if venv.exists() {
        fs::remove_dir_all(&venv)?;
    }
    external::run(Command::new(PYTHON).args(["-m", "venv"]).arg(&venv))?;
    let mut pip = Command::new(venv.join("bin").join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    external::run(pip.arg(requirements))?;
    fs::write(done, wanted)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_recent;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, recent) in
            [("Python 3.11.7", true), ("Python 3.9.0", true), ("Python 3.8.10", false), ("", false)]
        {
            assert_eq!(is_recent(version), recent, "{version}");
        }
    }
}
