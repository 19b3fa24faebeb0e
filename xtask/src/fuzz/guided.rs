//! `fuzz TARGET`: coverage-guided search by libFuzzer, on a stable toolchain.
//!
//! The targets are in `xtask/fuzz`, a workspace of its own. What `cargo fuzz` asks a nightly compiler for,
//! sanitizers, is left out; coverage is LLVM's own pass, which every compiler has.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use crate::{external, workspace};

/// Coverage counters, the table that says where they are, and the operands of comparisons.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";
/// Named so that the flags do not reach build scripts.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
const TARGET_VARIABLE: &str = "AEROLITH_FUZZ_TARGET";
/// An input that takes longer counts as a hang, in seconds.
const TIMEOUT: u32 = 10;
/// Memory of the whole fuzzer, in MiB; the bound of one input is the target's.
const MEMORY_MIB: u32 = 2048;

/// What a C++ compiler is needed for, and how to get one.
pub const REMEDY: &str = "sudo apt-get install g++ (only `cargo xtask fuzz TARGET` needs it)";

/// How long, and from what.
#[derive(Debug, Args)]
pub struct Options {
    /// How long to search
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Longest input, in bytes
    #[arg(long, default_value_t = 4096)]
    max_bytes: u32,
    /// Seed of the search; without one, each search is another
    #[arg(long)]
    seed: Option<u32>,
    /// Tries this input alone, such as one that a search left behind
    #[arg(long, value_name = "FILE")]
    replay: Option<PathBuf>,
}

/// What to search, guided by coverage.
#[derive(Debug, Subcommand)]
pub enum Target {
    /// ACPI tables
    Acpi(Options),
    /// What the code before the kernel reads: boot parameters, EFI's memory map and options, the ELF file
    BootCode(Options),
    /// PVH start info, Linux boot parameters, memory map, command line
    BootInfo(Options),
    /// Bundles of programs
    Bundle(Options),
    /// Call results and call requests
    CallResults(Options),
    /// The configuration's bytes
    Config(Options),
    /// Schedules of five fields
    Cron(Options),
    /// Interpreter data: envelope, archive, verification
    Data(Options),
    /// Ethernet frames
    Frames(Options),
    /// Partition tables of disks
    Gpt(Options),
    /// Packages of Aleph programs as gzip files
    Gzip(Options),
    /// What the host of an Aleph program says: configuration, runs
    Host(Options),
    /// HTTP requests
    Http(Options),
    /// Answers to an HTTP client
    HttpAnswer(Options),
    /// What a peer says of itself (libp2p identify)
    Identify(Options),
    /// Which protocol a stream speaks: multistream-select, both sides
    Multistream(Options),
    /// What cloud-init tells: ISO 9660, network-config, meta-data
    Nocloud(Options),
    /// Noise: a handshake and what follows, with messages changed on the way
    Noise(Options),
    /// Particles as peers send them
    Particle(Options),
    /// Aleph messages and documents
    Message(Options),
    /// AIR scripts: parser and printer
    Script(Options),
    /// Packages of Aleph programs as squashfs images
    Squashfs(Options),
    /// The interpreter: scripts, data and results
    Step(Options),
    /// Volumes: any use, cuts of the power, changed bytes
    Volume(Options),
    /// Virtio sockets: packets of the host, and any use of the streams
    Vsock(Options),
    /// WebSocket: handshakes and frames, both roles
    Websocket(Options),
    /// yamux frames, and any use of the streams
    Yamux(Options),
    /// Messages for programs: posted, polled, and over the WebSocket of a message node
    Subscription(Options),
    /// Packages of Aleph programs as tar files
    Tar(Options),
    /// Packages of Aleph programs as zip files
    Zip(Options),
}

impl Target {
    /// Its name in the fuzzer, and the options given.
    fn parts(&self) -> (&'static str, &Options) {
        match self {
            Self::Acpi(options) => ("acpi", options),
            Self::BootCode(options) => ("boot-code", options),
            Self::BootInfo(options) => ("boot-info", options),
            Self::Bundle(options) => ("bundle", options),
            Self::CallResults(options) => ("call-results", options),
            Self::Config(options) => ("config", options),
            Self::Cron(options) => ("cron", options),
            Self::Data(options) => ("data", options),
            Self::Frames(options) => ("frames", options),
            Self::Gpt(options) => ("gpt", options),
            Self::Gzip(options) => ("gzip", options),
            Self::Host(options) => ("host", options),
            Self::Http(options) => ("http", options),
            Self::HttpAnswer(options) => ("http-answer", options),
            Self::Identify(options) => ("identify", options),
            Self::Multistream(options) => ("multistream", options),
            Self::Nocloud(options) => ("nocloud", options),
            Self::Noise(options) => ("noise", options),
            Self::Particle(options) => ("particle", options),
            Self::Message(options) => ("message", options),
            Self::Script(options) => ("script", options),
            Self::Squashfs(options) => ("squashfs", options),
            Self::Step(options) => ("step", options),
            Self::Volume(options) => ("volume", options),
            Self::Vsock(options) => ("vsock", options),
            Self::Websocket(options) => ("websocket", options),
            Self::Yamux(options) => ("yamux", options),
            Self::Subscription(options) => ("subscription", options),
            Self::Tar(options) => ("tar", options),
            Self::Zip(options) => ("zip", options),
        }
    }
}

/// The C++ compiler that builds libFuzzer.
#[must_use]
pub fn compiler() -> Option<String> {
    let name = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    external::output(&name, &["--version"])
}

pub(super) fn run(target: &Target) -> Result<()> {
    let (name, options) = target.parts();
    let fuzzer = build()?;
    let home = workspace::target().join("fuzz").join(name);
    let (found, crashes) = (home.join("corpus"), home.join("crashes"));
    for folder in [&found, &crashes] {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut command = Command::new(fuzzer);
    command
        .env(TARGET_VARIABLE, name)
        .arg(format!("-timeout={TIMEOUT}"))
        .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
        .arg(format!("-artifact_prefix={}/", crashes.display()));
    if let Some(file) = &options.replay {
        command.arg(file);
        return external::run(&mut command);
    }
    command
        .arg(format!("-max_total_time={}", options.seconds))
        .arg(format!("-max_len={}", options.max_bytes))
        .arg("-print_final_stats=1")
        .args(options.seed.map(|seed| format!("-seed={seed}")))
        .arg(&found)
        .arg(workspace::root().join("xtask/fuzz/corpus").join(name));
    external::run(&mut command).with_context(|| {
        format!(
            "an input fails; it is in {0}\nto try it again: cargo xtask fuzz {name} --replay {0}FILE\n\
             once it is fixed, the file belongs in xtask/fuzz/corpus/{name}",
            format_args!("{}/", crashes.display())
        )
    })
}

/// Builds the fuzzer; where it is.
fn build() -> Result<PathBuf> {
    if compiler().is_none() {
        bail!("libFuzzer needs a C++ compiler: {REMEDY}");
    }
    let folder = workspace::target().join("fuzz/build");
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(workspace::root().join("xtask/fuzz"))
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", &folder)
        .args(["build", "--release", "--target", TRIPLE]);
    external::run(&mut cargo)?;
    Ok(folder.join(TRIPLE).join("release/fuzz"))
}
