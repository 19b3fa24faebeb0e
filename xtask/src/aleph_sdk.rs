//! The Aleph network's published Python client as a test: installs it, publishes with it, reads back.
//!
//! The scripts are in `xtask/clients/aleph_sdk`. The packages are installed below cargo's target folder,
//! once for each version of their requirements.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::process::Process;
use crate::{python, workspace};

/// Installed and ready to run.
#[derive(Clone, Debug)]
pub struct AlephSdk {
    python: PathBuf,
    scripts: PathBuf,
}

impl AlephSdk {
    /// Installs the packages, if that has not been done.
    ///
    /// # Errors
    /// When there is no Python, or the packages cannot be had.
    pub fn prepare() -> Result<Self> {
        let scripts = workspace::root().join("xtask/clients/aleph_sdk");
        let folder = workspace::target().join("aleph-sdk");
        let python = python::install(&folder, &scripts.join("requirements.txt"))?;
        Ok(Self { python, scripts })
    }

    /// Publishes to the node at `url`, in this channel, and reads back; gives how many checks passed.
    ///
    /// # Errors
    /// When a check fails, or the script does not end in time.
    pub fn publish(&self, url: &str, channel: &str, limit: Duration) -> Result<usize> {
        self.passed("publish.py", &[url, channel], limit)
    }

    /// Has the network's own classes read these messages; gives how many there were.
    ///
    /// # Errors
    /// When one is refused, or the script does not end in time.
    pub fn parse(&self, messages: &[&str], limit: Duration) -> Result<usize> {
        self.passed("parse.py", messages, limit)
    }

    /// How many checks of a script passed, which have to be all.
    fn passed(&self, script: &str, words: &[&str], limit: Duration) -> Result<usize> {
        let mut command = Command::new(&self.python);
        command.arg(self.scripts.join(script)).args(words);
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
