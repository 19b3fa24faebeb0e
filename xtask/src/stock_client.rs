//! The published Fluence client as a test: installs it, runs its checks, reads what they say.
//!
//! The checks are `xtask/client/client.mjs`. Everything is copied below cargo's target folder and
//! the packages are installed there, once for each version of the lock file.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process::Process;
use crate::{external, workspace};

/// The runtime's program.
pub const NODE: &str = "node";
/// Its package installer.
pub const NPM: &str = "npm";
/// What to do when one of them is missing.
pub const REMEDY: &str = "sudo apt-get install nodejs npm";
/// The oldest runtime that the client works with.
const OLDEST_NODE: u32 = 20;

/// The checks that run against any node, in order; [`Job::second`] and [`Job::cut`] add one each.
pub const CHECKS: [&str; 21] = [
    "connect",
    "echo",
    "strings",
    "numbers",
    "arrays",
    "jsons",
    "fan_out",
    "race",
    "unknown_service",
    "caught",
    "div_zero",
    "ping_pong",
    "clock",
    "am_i_connected",
    "parallel_particles",
    "big",
    "raw_air",
    "two_clients",
    "bad_signature",
    "timeout",
    "reconnect",
];
/// The last check, which is always there.
const LAST_CHECK: &str = "disconnect";

const FILES: [&str; 6] = [
    "client.mjs",
    "mock-host.mjs",
    "package-lock.json",
    "package.json",
    "programs.json",
    "wire.mjs",
];

/// Installed and ready to run.
#[derive(Clone, Debug)]
pub struct StockClient {
    folder: PathBuf,
}

/// What the client is run against.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// The node's multiaddress, with `/ws` and `/p2p/`.
    pub relay: String,
    /// The peer id of a second node that the first is connected to: adds the check `two_hosts`.
    pub second: Option<String>,
    /// A port that resets the relay's connections when it is connected to: adds the check `cut`.
    pub cut: Option<u16>,
    /// Further words for `client.mjs`.
    pub words: Vec<String>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// How long it took.
    pub time: Duration,
    /// What was wrong, if something was.
    pub failure: Option<String>,
}

/// What the client said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The checks in order.
    pub checks: Vec<Check>,
    /// The closing line: how many passed, how many failed.
    pub summary: Option<(usize, usize)>,
}

impl StockClient {
    /// The version of node, if node and npm are there and will do.
    ///
    /// # Errors
    /// What is missing, and how it is got.
    pub fn found() -> Result<String> {
        for program in [NODE, NPM] {
            ensure!(external::exists(program), "no {program}: {REMEDY}");
        }
        let version = external::output(NODE, &["--version"]).unwrap_or_default();
        ensure!(
            major(&version).is_some_and(|major| major >= OLDEST_NODE),
            "{NODE} {version} is too old: the stock client needs {OLDEST_NODE}"
        );
        Ok(version)
    }

    /// Copies the client below the target folder and installs its packages, if that has not been done.
    ///
    /// # Errors
    /// When there is no node or npm, or the packages cannot be had.
    pub fn prepare() -> Result<Self> {
        Self::found()?;
        let from = workspace::root().join("xtask").join("client");
        let folder = workspace::target().join("stock-client");
        fs::create_dir_all(&folder)?;
        // Several test programs may come here at the same time.
        let lock = File::create(folder.join("lock"))?;
        lock.lock()?;
        for file in FILES {
            let text = fs::read(from.join(file)).with_context(|| format!("cannot read {file}"))?;
            fs::write(folder.join(file), text)?;
        }
        install(&folder)?;
        Ok(Self { folder })
    }

    /// Runs the checks and waits for their end; after `limit` the client is ended.
    ///
    /// # Errors
    /// When the client cannot be started, does not end in time, or ends without its closing line.
    pub fn run(&self, job: &Job, limit: Duration) -> Result<Report> {
        let mut command = self.node("client.mjs");
        command.args(["--relay", &job.relay]);
        if let Some(peer) = &job.second {
            command.args(["--peer", peer]);
        }
        if let Some(port) = job.cut {
            command.args(["--cut", &port.to_string()]);
        }
        let mut process = Process::start(command.args(&job.words))?;
        process.wait_exit(limit)?;
        let report = Report::parse(&process.text());
        ensure!(
            report.summary.is_some(),
            "the client said nothing at its end\n{}",
            process.report()
        );
        Ok(report)
    }

    /// Starts the small host that nodes are compared with, with these words; gives its multiaddress.
    ///
    /// # Errors
    /// When it does not start.
    pub fn mock_host(&self, words: &[&str]) -> Result<(Process, String)> {
        let mut process = Process::start(self.node("mock-host.mjs").args(words))?;
        let line = process.wait_for("/p2p/", Duration::from_mins(1))?;
        Ok((process, line.trim().to_owned()))
    }

    fn node(&self, file: &str) -> Command {
        let mut command = Command::new(NODE);
        command.arg(file).current_dir(&self.folder);
        command
    }
}

impl Job {
    /// The names of the checks that have to be there.
    #[must_use]
    pub fn checks(&self) -> Vec<&'static str> {
        let mut names = CHECKS.to_vec();
        let before = |name| names.iter().position(|check| *check == name).unwrap_or_default();
        let place = before("bad_signature");
        if self.cut.is_some() {
            names.insert(place, "cut");
        }
        if self.second.is_some() {
            names.insert(place, "two_hosts");
        }
        names.push(LAST_CHECK);
        names
    }
}

impl Report {
    /// Reads the client's lines: `ok   NAME TIMEms`, `FAIL NAME TIMEms: WHY`, `N passed, N failed`.
    /// Other lines are not of interest.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            report.checks.extend(Check::parse(line));
            report.summary = summary(line).or(report.summary);
        }
        report
    }

    /// Nothing, if exactly these checks ran and every one passed.
    ///
    /// # Errors
    /// The checks that failed, or that did not run.
    pub fn expect_all(&self, names: &[&str]) -> Result<()> {
        let failed: Vec<String> = self
            .checks
            .iter()
            .filter_map(|check| Some(format!("{}: {}", check.name, check.failure.as_ref()?)))
            .collect();
        ensure!(failed.is_empty(), "the stock client's checks failed:\n{}", failed.join("\n"));
        let ran: Vec<&str> = self.checks.iter().map(|check| check.name.as_str()).collect();
        ensure!(ran == names, "checks ran that are not those that had to:\n{ran:?}\n{names:?}");
        if self.summary != Some((names.len(), 0)) {
            bail!("{} checks passed, and the client counts {:?}", names.len(), self.summary);
        }
        Ok(())
    }
}

impl Check {
    fn parse(line: &str) -> Option<Self> {
        let (passed, rest) = match line.strip_prefix("ok   ") {
            Some(rest) => (true, rest),
            None => (false, line.strip_prefix("FAIL ")?),
        };
        let (head, failure) = match rest.split_once(": ") {
            Some((head, why)) if !passed => (head, Some(why.to_owned())),
            _ => (rest, (!passed).then(String::new)),
        };
        let (name, time) = head.split_once(' ')?;
        let millis = time.strip_suffix("ms")?.parse().ok()?;
        Some(Self { name: name.to_owned(), time: Duration::from_millis(millis), failure })
    }
}

fn summary(line: &str) -> Option<(usize, usize)> {
    let (passed, failed) = line.split_once(" passed, ")?;
    Some((passed.parse().ok()?, failed.strip_suffix(" failed")?.parse().ok()?))
}

/// The first number of `v20.20.2`.
fn major(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Installs what the lock file names; nothing if that has been done for this very lock file.
fn install(folder: &Path) -> Result<()> {
    let lock = fs::read(folder.join("package-lock.json"))?;
    let done = folder.join("installed-lock.json");
    if fs::read(&done).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    let mut npm = Command::new(NPM);
    npm.args(["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]);
    external::run(npm.current_dir(folder)).context("npm cannot get the client's packages")?;
    fs::write(&done, lock)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, millis: u64, failure: Option<&str>) -> Check {
        let (name, failure) = (name.to_owned(), failure.map(str::to_owned));
        Check { name, time: Duration::from_millis(millis), failure }
    }

    #[test]
    fn lines_of_the_client_are_read_and_other_lines_left() {
        let text = "a warning: 3 passed\nok   echo 155ms\nFAIL two 3002ms: why: not\nok   x 1s\n\
                    1 passed, 1 failed\n";
        let report = Report::parse(text);
        let checks = vec![check("echo", 155, None), check("two", 3002, Some("why: not"))];
        assert_eq!(report, Report { checks, summary: Some((1, 1)) });
        assert!(report.expect_all(&["echo", "two"]).unwrap_err().to_string().contains("why: not"));
    }

    #[test]
    fn a_check_that_did_not_run_is_noticed() {
        let report = Report::parse("ok   echo 155ms\n1 passed, 0 failed\n");
        report.expect_all(&["echo"]).unwrap();
        assert!(report.expect_all(&["echo", "strings"]).is_err());
        assert!(Report::parse("ok   echo 155ms\n").expect_all(&["echo"]).is_err());
        assert!(Report::parse("0 passed, 1 failed\n").expect_all(&[]).is_err());
    }

    #[test]
    fn the_wanted_checks_follow_the_job() {
        let job = Job { second: Some("p".to_owned()), cut: Some(1), ..Job::default() };
        let names = job.checks();
        assert_eq!(names.len(), CHECKS.len() + 3);
        assert_eq!(&names[18..21], ["two_hosts", "cut", "bad_signature"]);
        assert_eq!(Job::default().checks().last(), Some(&"disconnect"));
    }

    #[test]
    fn the_major_version_of_node_is_read() {
        assert_eq!(major("v20.20.2"), Some(20));
        assert_eq!(major("20"), None);
    }
}
