//! `bench net`: what a node does for peers, measured with the native client.
//!
//! The unikernel in QEMU, the node as a process, and the comparison host under node are asked the same
//! by the same client, one after the other in one run, so that the ratios do not depend on the machine.
//! The client has this machine's other core, if there is one.

mod measure;

use std::future::Future;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use netstack::libp2p::Multiaddr;

use crate::build::{self, Image};
use crate::host::Ground;
use crate::lint::cargo;
use crate::qemu::{self, Machine};
use crate::stock_client::StockClient;
use crate::subject::Subject;
use crate::{external, workspace};

/// Memory of the nodes in MiB.
const MEMORY: u32 = 256;
/// Idle connections whose memory is measured.
const IDLE_CONNECTIONS: usize = 200;

/// How the network is measured
#[derive(Args, Debug)]
pub struct Options {
    /// Seconds that each figure is measured for
    #[arg(long, default_value_t = 8)]
    seconds: u32,
    /// Leave out the guest in QEMU
    #[arg(long)]
    skip_qemu: bool,
    /// Leave out the comparison host
    #[arg(long)]
    skip_comparison: bool,
}

/// What was measured of one host, in the order of [`ROWS`].
type Column = [f64; ROWS.len()];

const ROWS: [&str; 8] = [
    "round trip, half within, ms",
    "round trip, 99 of 100 within, ms",
    "round trips/s, 1 connection",
    "round trips/s, 50 connections",
    "handshakes/s",
    "3 MB particle, MiB/s (both ways)",
    "the same over WebSocket",
    "memory per idle connection, KiB",
];

pub(super) fn run(options: &Options) -> Result<()> {
    if cfg!(debug_assertions) {
        return optimised(options);
    }
    let mut columns: Vec<(&str, Column)> = Vec::new();
    if !options.skip_qemu {
        qemu::install::ensure()?;
        build::build(Image::Product)?;
        let subject = Subject::in_qemu(Machine::Microvm, MEMORY, "")?;
        columns.push(("QEMU", column(&subject, options, true).context("in QEMU")?));
    }
    let program = std::env::current_exe().context("cannot say where this program is")?;
    let subject = Subject::on_this_machine(&program, MEMORY, "")?;
    columns.push(("process", column(&subject, options, false).context("the process")?));
    drop(subject);
    if !options.skip_comparison {
        match StockClient::prepare() {
            Ok(client) => {
                let subject = Subject::comparison(&client)?;
                let measured = column(&subject, options, false).context("the comparison host")?;
                columns.push(("comparison", measured));
            }
            Err(reason) => eprintln!("SKIPPED: the comparison host: {reason:#}"),
        }
    }
    print!("{}", table(&columns));
    Ok(())
}

/// The same by this program as it is when it is optimised: it is client, and one of the nodes.
fn optimised(options: &Options) -> Result<()> {
    external::run(&mut cargo(&["build", "--release", "--locked", "--package", "xtask"]))?;
    let mut command = Command::new(workspace::target().join("release").join("xtask"));
    command.args(["bench", "net", "--seconds", &options.seconds.to_string()]);
    let flags =
        [(options.skip_qemu, "--skip-qemu"), (options.skip_comparison, "--skip-comparison")];
    command.args(flags.iter().filter_map(|(wanted, flag)| wanted.then_some(*flag)));
    external::run(&mut command)
}

fn column(subject: &Subject, options: &Options, exact_memory: bool) -> Result<Column> {
    let time = Duration::from_secs(options.seconds.into());
    let plain = subject.address(false)?;
    eprintln!("measuring {plain}");
    let latency = on(plain, move |ground, at| measure::latency(ground, at, time))?;
    let one = on(plain, move |ground, at| measure::throughput(ground, at, 1, 16, time))?;
    let many = on(plain, move |ground, at| measure::throughput(ground, at, 50, 1, time))?;
    let handshakes = on(plain, move |ground, at| measure::handshakes(ground, at, time))?;
    let large = on(plain, measure::large)?;
    let framed = on(subject.address(true)?, measure::large)?;
    // What is resident of a process moves in steps larger than this.
    let memory = if exact_memory { memory_per_connection(subject, plain)? } else { f64::NAN };
    let millis = |percent| latency.percentile(percent).as_secs_f64() * 1000.0;
    Ok([millis(50), millis(99), one, many, handshakes, large, framed, memory])
}

/// Measures in an event loop of its own.
fn on<T: 'static, F: Future<Output = Result<T>> + 'static>(
    address: &Multiaddr,
    measure: impl FnOnce(Ground, Multiaddr) -> F,
) -> Result<T> {
    let address = address.clone();
    Ground::run(move |ground| measure(ground, address))?
}

fn memory_per_connection(subject: &Subject, address: &Multiaddr) -> Result<f64> {
    // What the measurements before left behind goes first, and what the first connections need.
    std::thread::sleep(measure::TTL);
    on(address, |ground, at| measure::idle(ground, at, 8, || Ok(0.0)))?;
    let memory = subject.memory();
    let before = memory.in_use()?;
    let full = on(address, move |ground, at| {
        measure::idle(ground, at, IDLE_CONNECTIONS, move || memory.in_use())
    })?;
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    Ok((full - before) / IDLE_CONNECTIONS as f64 / 1024.0)
}

fn table(columns: &[(&str, Column)]) -> String {
    let mut text = format!("{:34}", "");
    for (name, _) in columns {
        text += &format!(" {name:>11}");
    }
    for pair in columns.windows(2) {
        text += &format!(" {:>22}", format!("{} : {}", pair[0].0, pair[1].0));
    }
    text.push('\n');
    for (row, name) in ROWS.iter().enumerate() {
        text += &format!("{name:34}");
        for (_, column) in columns {
            text += &format!(" {:>11}", figure(column[row]));
        }
        for pair in columns.windows(2) {
            let ratio = pair[0].1[row] / pair[1].1[row];
            text += &format!(
                " {:>22}",
                if ratio.is_nan() { "-".to_owned() } else { format!("{ratio:.2}") }
            );
        }
        text.push('\n');
    }
    text
}

/// Three digits or a little more; a dash for what was not measured.
fn figure(value: f64) -> String {
    if value.is_nan() {
        return "-".to_owned();
    }
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_row_for_each_figure_and_ratios_between_neighbours() {
        let text = table(&[("a", [2.0; ROWS.len()]), ("b", [40.0; ROWS.len()])]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), ROWS.len() + 1);
        assert!(lines[0].ends_with("a : b"), "{text}");
        let words: Vec<&str> = lines[5].split_whitespace().collect();
        assert_eq!(words, ["handshakes/s", "2.00", "40.0", "0.05"]);
        let unknown = table(&[("a", [f64::NAN; ROWS.len()]), ("b", [1.0; ROWS.len()])]);
        assert!(unknown.contains("handshakes/s                                 -        1.00"));
        assert!(!unknown.contains("NaN"), "{unknown}");
    }
}
