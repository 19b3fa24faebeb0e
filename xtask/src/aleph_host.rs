//! `cargo xtask aleph-host`: plays an Aleph host against the unikernel in QEMU, and checks every answer.
//!
//! The host is `xtask/clients/aleph-host/aleph_host.py`. What it needs is installed below cargo's target
//! folder, once: its Python package, and `vhost-device-vsock`, by which QEMU's virtio sockets end in Unix
//! sockets as those of the hosts' own hypervisors do.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;

use crate::build::{self, Image};
use crate::external;
use crate::process::{Process, bound_to_us};
use crate::qemu::accelerator::{self, Wanted};
use crate::qemu::{Guest, Machine, PROGRAM, install};
use crate::{python, workspace};

/// The other end of QEMU's virtio sockets.
const VSOCK: &str = "vhost-device-vsock";
const VSOCK_VERSION: &str = "0.3.0";
/// How long it has to be there.
const VSOCK_LIMIT: Duration = Duration::from_secs(20);
/// How long the host has for everything.
const LIMIT: Duration = Duration::from_mins(10);
/// All cases that there are.
pub const ALL_CASES: [&str; 3] = ["echo", "large", "guest_api"];

/// Plays an Aleph host against the unikernel in QEMU
#[derive(Debug, clap::Args)]
pub struct Options {
    /// Machine type
    #[arg(long, default_value = "microvm")]
    machine: Machine,
    /// Take the image that is there
    #[arg(long)]
    no_build: bool,
    /// Further words for the host, such as --late-listen 2000 or --hexdump
    #[arg(last = true)]
    words: Vec<String>,
}

/// Installed and ready to run.
#[derive(Clone, Debug)]
pub struct AlephHost {
    python: PathBuf,
    vsock: PathBuf,
}

/// What the host is to do.
#[derive(Clone, Debug)]
pub struct Job {
    /// The guest; its virtio sockets are added.
    pub guest: Guest,
    /// Names of files with cases: see [`ALL_CASES`].
    pub cases: Vec<&'static str>,
    /// Further words for the host.
    pub words: Vec<String>,
}

/// What the host says of its guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Its exit status: 0 where all is right.
    pub status: i64,
    /// Names of cases with a right answer.
    pub right: Vec<String>,
    /// Names of the others, and what was wrong.
    pub wrong: Vec<(String, String)>,
    /// From the start of the guest to its ready message.
    pub ready: Duration,
    /// From the configuration to its reply.
    pub configured: Duration,
}

/// `cargo xtask aleph-host`.
///
/// # Errors
/// When something is missing, or an answer is wrong.
pub fn run(options: &Options) -> Result<()> {
    install::ensure()?;
    if !options.no_build {
        build::build(Image::Product)?;
    }
    let kernel = build::paths(Image::Product).stripped;
    let mut guest = Guest::new(kernel, accelerator::choose(Wanted::Auto)?);
    guest.machine = options.machine;
    let job = Job { guest, cases: ALL_CASES.to_vec(), words: options.words.clone() };
    let (report, text) = AlephHost::prepare()?.play(&job)?;
    println!("{text}");
    report.expect_all_right()
}

impl AlephHost {
    /// Installs what the host needs below the target folder, if that has not been done.
    ///
    /// # Errors
    /// When there is no Python, or something cannot be had.
    pub fn prepare() -> Result<Self> {
        let folder = workspace::target().join("aleph-host");
        let python = python::install(&folder, &client().join("requirements.txt"))?;
        let vsock = install_vsock(&folder)?;
        Ok(Self { python, vsock })
    }

    /// Starts the guest and plays the host's part to the end: what was found, and the text of it.
    ///
    /// # Errors
    /// When a program cannot be started, or does not end in time.
    pub fn play(&self, job: &Job) -> Result<(Report, String)> {
        let folder = TempDir::new()?;
        let path = |name: &str| folder.path().join(name);
        let (user, vhost) = (path("v.sock"), path("vhost.sock"));
        let vm = format!("guest-cid=3,uds-path={},socket={}", user.display(), vhost.display());
        let mut device = Process::start(Command::new(&self.vsock).args(["--vm", &vm]))?;
        wait_until_there(&vhost, &mut device)?;
        let guest = Guest { vsock: Some(vhost), ..job.guest.clone() };
        let mut qemu = Command::new(PROGRAM);
        qemu.args(guest.arguments());
        let qemu = bound_to_us(&qemu);
        let report = path("report.json");
        let client = client();
        let mut command = Command::new(&self.python);
        command.arg(client.join("aleph_host.py"));
        command.arg("--uds").arg(&user).args(["--ack-first", "--strict", "--expect-exit"]);
        command.arg("--spawn").arg(external::shown(&qemu));
        command.arg("--report").arg(&report);
        command.arg("--code").arg(workspace::root().join("examples/echo/main.air"));
        command.args(["--encoding", "plain", "--entrypoint", "main", "--init-timeout", "60"]);
        for name in &job.cases {
            command.arg("--cases").arg(client.join("cases").join(format!("{name}.json")));
            if *name == "guest_api" {
                command.arg("--guest-api");
            }
        }
        let mut host = Process::start(command.args(&job.words))?;
        host.wait_exit(LIMIT)?;
        let text = host.report();
        let json = fs::read_to_string(&report).with_context(|| text.clone())?;
        Ok((Report::read(&json).with_context(|| text.clone())?, text))
    }
}

impl Report {
    fn read(json: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(json)?;
        let mut report = Self { status: value["status"].as_i64().unwrap_or(2), ..Self::default() };
        let timing = |name: &str| {
            let millis = value["timings"][name].as_f64().unwrap_or_default();
            Duration::from_secs_f64(millis.max(0.0) / 1000.0)
        };
        report.ready = timing("spawn_to_ready_ms");
        report.configured = timing("configure_ms");
        for result in value["results"].as_array().context("no results")? {
            let name = result["name"].as_str().context("a result without a name")?.to_owned();
            if result["ok"] == Value::Bool(true) {
                report.right.push(name);
            } else {
                report.wrong.push((name, result["why"].as_str().unwrap_or_default().to_owned()));
            }
        }
        Ok(report)
    }

    /// Nothing, if every answer was right, the last one that to `halt`.
    ///
    /// # Errors
    /// The answers that were wrong.
    pub fn expect_all_right(&self) -> Result<()> {
        let wrong: Vec<String> =
            self.wrong.iter().map(|(name, why)| format!("{name}: {why}")).collect();
        ensure!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
        ensure!(self.status == 0, "the guest was never usable: status {}", self.status);
        ensure!(self.right.last().is_some_and(|name| name == "halt"), "no answer to halt");
        Ok(())
    }
}

/// The folder of the host's program.
fn client() -> PathBuf {
    workspace::root().join("xtask/clients/aleph-host")
}

fn wait_until_there(socket: &Path, device: &mut Process) -> Result<()> {
    let begun = Instant::now();
    while !socket.exists() {
        if device.ended()?.is_some() || begun.elapsed() > VSOCK_LIMIT {
            bail!("{VSOCK} is not there\n{}", device.report());
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// The program that has the other end of QEMU's virtio sockets, of the version that was tried.
fn install_vsock(folder: &Path) -> Result<PathBuf> {
    // Several test programs may come here at the same time.
    let lock = File::create(folder.join("vsock-lock"))?;
    lock.lock()?;
    let root = folder.join(format!("{VSOCK}-{VSOCK_VERSION}"));
    let program = root.join("bin").join(VSOCK);
    if !program.exists() {
        let mut cargo = Command::new("cargo");
        cargo.args(["install", "--quiet", "--locked", VSOCK, "--version", VSOCK_VERSION, "--root"]);
        // Flags for the unikernel are none for this.
        cargo.arg(&root).env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        external::run(&mut cargo).with_context(|| format!("cargo cannot get {VSOCK}"))?;
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_the_host_is_read() {
        let right = "{\"status\":0,\"timings\":{\"spawn_to_ready_ms\":12.5,\"configure_ms\":2},\"results\":\
                     [{\"name\":\"ping\",\"ok\":true},{\"name\":\"halt\",\"ok\":true}]}";
        let report = Report::read(right).unwrap();
        assert_eq!(report.right, ["ping", "halt"]);
        assert_eq!(report.ready, Duration::from_micros(12_500));
        assert_eq!(report.configured, Duration::from_millis(2));
        report.expect_all_right().unwrap();
        let wrong = right.replace("\"ping\",\"ok\":true", "\"ping\",\"ok\":false,\"why\":\"no\"");
        let error = Report::read(&wrong).unwrap().expect_all_right().unwrap_err().to_string();
        assert!(error.contains("ping: no"), "{error}");
    }

    #[test]
    fn a_guest_that_never_came_is_no_success() {
        let report = Report::read("{\"status\":3,\"timings\":{},\"results\":[]}").unwrap();
        assert!(report.expect_all_right().is_err());
        let silent = Report::read("{\"status\":0,\"timings\":{},\"results\":[]}").unwrap();
        assert!(silent.expect_all_right().is_err(), "halt is part of it");
        assert!(Report::read("{}").is_err() && Report::read("").is_err());
    }
}
