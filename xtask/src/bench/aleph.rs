//! Aleph programs: from power-on and from the host's configuration to their answers, and how many answers
//! a second.
//!
//! The peer is Python's own web server on Debian's kernel in the same QEMU in the same run, what programs
//! in Python have below them at the least. Rates of an emulated machine say little alone: what counts is
//! how the columns compare.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use tempfile::TempDir;

use super::boot::{BOOT_LIMIT, Way, booted, counted, grouped, millis, peers, timed};
use super::{floor, rate};
use crate::aleph_host::{AlephHost, Job};
use crate::build::{self, Image};
use crate::qemu::{self, Accelerator, Guest, Machine};
use crate::{program_folder, workspace};

/// The program that is measured: one call of a service, and the answer.
const PROGRAM: &str = "examples/hello";
/// Where it is when it is the only one.
const PATH: &str = "/world";
/// Where a node answers by itself, and the peer has a file.
const PLAIN_PATH: &str = "/health";
const CONNECTIONS: [usize; 2] = [1, 50];

/// How programs are measured
#[derive(Args, Debug)]
pub struct Options {
    /// Boots of each kind, for each figure; the least is printed
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// How long each rate is measured
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Leave out Debian's kernel, which is fetched by apt
    #[arg(long)]
    no_peer: bool,
    /// Leave out the host's protocol, which needs vhost-device-vsock and Python
    #[arg(long)]
    no_host: bool,
}

/// Measures and prints.
///
/// # Errors
/// When a guest does not answer, or what is measured with cannot be had.
pub fn run(options: &Options) -> Result<()> {
    qemu::install::ensure()?;
    let kernel = build::build(Image::Product)?.stripped;
    let folder = TempDir::with_prefix("aerolith-bench-")?;
    let bundle = program_folder::bundle_file(&[workspace::root().join(PROGRAM)])?;
    let bundle = bundle.context("no program")?;

    println!(
        "| with a program | instructions from power-on to ready | to its first answer | ms from power-on to ready | to its first answer |"
    );
    println!("|---|---|---|---|---|");
    for machine in [Machine::Microvm, Machine::Q35] {
        let way = way(machine, &kernel, bundle.path(), folder.path())?;
        let (count, time) = (counted(&way, options.runs)?, timed(&way, options.runs)?);
        let [ready, answer] = [count.ready, count.kernel].map(|part| grouped(count.before + part));
        let name = machine.name();
        println!(
            "| {name} | {ready} | {answer} | {} | {} |",
            millis(time.ready),
            millis(time.answer)
        );
    }

    if !options.no_host {
        println!(
            "\n| host's protocol | ms from power-on to ready | from configuration to its reply |"
        );
        println!("|---|---|---|");
        let host = AlephHost::prepare()?;
        for machine in [Machine::Microvm, Machine::Q35] {
            let (ready, configured) = by_host(&host, machine, &kernel, options.runs)?;
            println!("| {} | {} | {} |", machine.name(), millis(ready), millis(configured));
        }
    }

    println!("\n| answers a second | 1 connection | 50 connections |");
    println!("|---|---|---|");
    let time = Duration::from_secs(options.seconds.max(1));
    let ours = way(Machine::Q35, &kernel, bundle.path(), folder.path())?;
    rates("the program, q35", &ours, PATH, time)?;
    rates("the node itself, q35", &ours, PLAIN_PATH, time)?;
    if !options.no_peer {
        for peer in peers(folder.path(), |name| name.contains("Python"))? {
            rates(&peer.name, &peer, PLAIN_PATH, time)?;
        }
    }
    Ok(())
}

/// The least times of `runs` guests of a host: to the ready message, and from the configuration to its reply.
fn by_host(
    host: &AlephHost,
    machine: Machine,
    kernel: &Path,
    runs: u32,
) -> Result<(Duration, Duration)> {
    let mut least = (Duration::MAX, Duration::MAX);
    for _ in 0..runs.max(1) {
        let guest = Guest { machine, ..Guest::new(kernel.to_owned(), Accelerator::Tcg) };
        let job = Job { guest, cases: vec!["echo"], words: Vec::new() };
        let (report, text) = host.play(&job)?;
        report.expect_all_right().context(text)?;
        least = (least.0.min(report.ready), least.1.min(report.configured));
    }
    Ok(least)
}

/// The boot of a machine with the program, to the program's first answer.
fn way(machine: Machine, kernel: &Path, bundle: &Path, folder: &Path) -> Result<Way> {
    let floor = folder.join("floor.elf");
    std::fs::write(&floor, floor::image())?;
    let guest = |kernel: PathBuf| Guest { machine, ..Guest::new(kernel, Accelerator::Tcg) };
    let guest_with = |kernel: PathBuf| Guest { programs: Some(bundle.to_owned()), ..guest(kernel) };
    Ok(Way {
        name: machine.name().to_owned(),
        is_ours: true,
        guest: guest_with(kernel.to_owned()),
        floor: guest_with(floor),
        ready: "node: ready ",
        path: PATH,
    })
}

/// Prints how many answers a second there are.
fn rates(name: &str, way: &Way, path: &str, time: Duration) -> Result<()> {
    let (vm, port) = booted(&way.guest, way.ready, BOOT_LIMIT)?;
    let authority = format!("127.0.0.1:{port}");
    let measure = |connections| {
        rate::measure(&authority, path, connections, time).with_context(|| vm.report())
    };
    let (one, many) = (measure(CONNECTIONS[0])?, measure(CONNECTIONS[1])?);
    println!("| {name} | {one:.0} | {many:.0} |");
    Ok(())
}
