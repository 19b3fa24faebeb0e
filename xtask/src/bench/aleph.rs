//! Aleph programs: from power-on and from the host's configuration to their answers, and how many answers
//! a second.
//!
//! The peer is Python's own web server on Debian's kernel in the same QEMU in the same run, what programs
//! in Python have below them at the least. Rates of an emulated machine say little alone: what counts is
//! how the columns compare.

use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use tempfile::TempDir;

use super::boot::{BOOT_LIMIT, Way, connected, counted, grouped, peers, timed};
use super::floor;
use crate::aleph_host::{AlephHost, Job};
use crate::build::{self, Image};
use crate::http::Connection;
use crate::qemu::{self, Accelerator, Guest, Machine, Vm};
use crate::{program_folder, workspace};

/// The program that is measured: one call of a service, and the answer.
const PROGRAM: &str = "examples/hello";
/// Where it is when it is the only one.
const PATH: &str = "/world";
/// Where a node answers by itself, and the peer has a file.
const PLAIN_PATH: &str = "/health";
const CONNECTIONS: [usize; 2] = [1, 50];
const ANSWER_LIMIT: Duration = Duration::from_mins(1);

/// How programs are measured
#[derive(Args, Debug)]
pub struct Options {
    /// Boots of each kind; the least count and the median time are printed
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

    println!("| from power-on, with a program | instructions to its first answer | ms |");
    println!("|---|---|---|");
    for machine in [Machine::Microvm, Machine::Q35] {
        let way = way(machine, &kernel, bundle.path(), folder.path())?;
        let count = counted(&way, options.runs)?.kernel;
        let time = timed(&way, options.runs)?.answer;
        println!("| {} | {} | {} |", machine.name(), grouped(count), time.as_millis());
    }

    if !options.no_host {
        println!(
            "\n| host's protocol | ms from start to ready | from configuration to its reply |"
        );
        println!("|---|---|---|");
        let host = AlephHost::prepare()?;
        for machine in [Machine::Microvm, Machine::Q35] {
            let guest = Guest { machine, ..Guest::new(kernel.clone(), Accelerator::Tcg) };
            let job = Job { guest, cases: vec!["echo"], words: Vec::new() };
            let (report, text) = host.play(&job)?;
            report.expect_all_right().context(text)?;
            let (ready, configured) = (report.ready.as_millis(), report.configured.as_millis());
            println!("| {} | {ready} | {configured} |", machine.name());
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
    let (guest, port) = connected(&way.guest)?;
    let mut vm = Vm::start(&guest)?;
    vm.wait_for(way.ready, BOOT_LIMIT)?;
    let authority = format!("127.0.0.1:{port}");
    let rate = |connections| rate(&authority, path, connections, time).with_context(|| vm.report());
    let [one, many] = CONNECTIONS.map(rate);
    println!("| {name} | {:.0} | {:.0} |", one?, many?);
    Ok(())
}

/// Answers a second over so many connections at once, each kept for as long as the other side keeps it.
fn rate(authority: &str, path: &str, connections: usize, time: Duration) -> Result<f64> {
    let begin = Barrier::new(connections);
    let counts = thread::scope(|scope| {
        let clients: Vec<_> = (0..connections)
            .map(|_| {
                scope.spawn(|| {
                    begin.wait();
                    answers(authority, path, Instant::now() + time)
                })
            })
            .collect();
        let ends = clients.into_iter().map(|client| client.join());
        ends.map(|end| end.unwrap_or_else(|_| anyhow::bail!("a client has panicked")))
            .collect::<Result<Vec<u32>>>()
    })?;
    Ok(f64::from(counts.iter().sum::<u32>()) / time.as_secs_f64())
}

/// How many requests are answered until then.
fn answers(authority: &str, path: &str, end: Instant) -> Result<u32> {
    let mut open = None;
    let mut count = 0;
    while Instant::now() < end {
        let mut connection = match open.take() {
            Some(connection) => connection,
            None => Connection::open(authority, ANSWER_LIMIT)?,
        };
        let answer = connection.request("GET", path, b"")?;
        ensure!(answer.status == 200, "{path} answers {}: {}", answer.status, answer.text());
        count += 1;
        open = Some(connection).filter(Connection::is_kept);
    }
    Ok(count)
}
