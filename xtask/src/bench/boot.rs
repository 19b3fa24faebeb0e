//! From entry to the first HTTP answer.
//!
//! Instructions are counted by QEMU itself: with `-icount shift=0,rr=record` it executes in lockstep
//! with a counter of guest instructions, which does not move while the guest halts and does not
//! depend on how busy the machine is. What the firmware executes before the guest is counted with a
//! guest that halts at its entry, and taken off.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use tempfile::TempDir;

use super::floor;
use crate::boot_log::{self, Phase};
use crate::build::{self, Image};
use crate::http::{self, Url};
use crate::qemu::monitor::Socket;
use crate::qemu::{self, Accelerator, Forward, Guest, Machine, Network, Vm};

/// Instructions from entry to the first answer.
pub const INSTRUCTIONS_AIM: u64 = 20_000_000;
/// Bytes of the stripped image.
pub const IMAGE_AIM: u64 = 2 << 20;
/// Memory in MiB with which the node serves.
const MEMORY_AIM: u32 = 16;

const BOOT_LIMIT: Duration = Duration::from_secs(120);
/// A guest that has too little memory says so at once; one that hangs is not waited for longer.
const SMALL_BOOT_LIMIT: Duration = Duration::from_secs(30);
const MEMORY: u32 = 64;
/// The bisection's ends in MiB.
const SMALLEST: u32 = 2;
const LARGEST: u32 = 64;

/// How boots are measured
#[derive(Args, Debug)]
pub struct Options {
    /// Boots that are counted on each machine; the smallest figure is printed
    #[arg(long, default_value_t = 3)]
    runs: u32,
    /// Fail when an aim is missed
    #[arg(long)]
    enforce: bool,
}

/// Measures and prints.
///
/// # Errors
/// When a guest does not answer, or an aim is missed and `--enforce` was given.
pub fn run(options: &Options) -> Result<()> {
    qemu::install::ensure()?;
    let kernel = build::build(Image::Product)?.stripped;
    let folder = TempDir::with_prefix("aerolith-bench-")?;
    let floor = folder.path().join("floor.elf");
    fs::write(&floor, floor::image())?;

    let mut report = Report::default();
    for machine in [Machine::Microvm, Machine::Q35] {
        let counts = (0..options.runs.max(1))
            .map(|_| instructions(machine, &kernel))
            .collect::<Result<Vec<u64>>>()?;
        let least = counts.iter().copied().min().unwrap_or_default();
        let name = format!("instructions to the first answer, {}", machine.name());
        report.row(&name, grouped(least), Some((INSTRUCTIONS_AIM, least)));
    }
    let size = fs::metadata(&kernel)?.len();
    report.row("image, stripped, bytes", grouped(size), Some((IMAGE_AIM, size)));
    for machine in [Machine::Microvm, Machine::Q35] {
        let memory = smallest_memory(machine, &kernel)?;
        let name = format!("smallest memory that serves, {}, MiB", machine.name());
        let aim = (u64::from(MEMORY_AIM), u64::from(memory));
        report.row(&name, memory.to_string(), Some(aim));
    }
    for machine in [Machine::Microvm, Machine::Q35] {
        let floor = time_floor(machine, &floor)?;
        let boot = time_boot(machine, &kernel)?;
        let name = machine.name();
        report.row(&format!("QEMU to the floor's entry, {name}, ms"), millis(floor), None);
        report.row(&format!("QEMU to the first answer, {name}, ms"), millis(boot.answer), None);
        report.phases.push((name, boot_log::table(&boot.phases)));
    }
    report.print();
    if options.enforce && report.missed > 0 {
        bail!("{} aims are missed", report.missed);
    }
    Ok(())
}

#[derive(Default)]
struct Report {
    rows: Vec<[String; 3]>,
    phases: Vec<(&'static str, String)>,
    missed: u32,
}

impl Report {
    /// Adds a row; with an aim, which the value has to stay below or at.
    fn row(&mut self, name: &str, shown: String, aim: Option<(u64, u64)>) {
        let judgement = match aim {
            None => String::new(),
            Some((aim, value)) if value <= aim => format!("aim {}: met", grouped(aim)),
            Some((aim, _)) => {
                self.missed += 1;
                format!("aim {}: MISSED", grouped(aim))
            }
        };
        self.rows.push([name.to_owned(), shown, judgement]);
    }

    fn print(&self) {
        for [name, value, judgement] in &self.rows {
            println!("{name:50} {value:>12}  {judgement}");
        }
        for (machine, table) in &self.phases {
            println!("\nphases of the boot on {machine}, emulated:\n{table}");
        }
    }
}

/// Instructions from entry to the first answer: the guest's count less the firmware's.
///
/// # Errors
/// When QEMU does not count, or the guest does not answer.
pub fn instructions(machine: Machine, kernel: &Path) -> Result<u64> {
    let folder = TempDir::with_prefix("aerolith-count-")?;
    let floor = folder.path().join("floor.elf");
    fs::write(&floor, floor::image())?;
    let recorded = |kernel: &Path| {
        let mut guest = network_guest(machine, kernel, MEMORY)?;
        let record = folder.path().join("record").display().to_string();
        guest.extra.extend(["-icount".to_owned(), format!("shift=0,rr=record,rrfile={record}")]);
        guest.extra.extend(["-object".to_owned(), "filter-replay,id=replay,netdev=net".to_owned()]);
        Ok::<_, anyhow::Error>(guest)
    };
    let mut guest = recorded(&floor)?;
    let socket = Socket::new()?;
    socket.attach(&mut guest);
    let mut vm = Vm::start(&guest)?;
    vm.wait_for("!", BOOT_LIMIT)?;
    let firmware = socket.connect()?.instructions()?;
    drop(vm);

    let mut guest = recorded(kernel)?;
    let socket = Socket::new()?;
    socket.attach(&mut guest);
    let mut vm = Vm::start(&guest)?;
    let mut monitor = socket.connect()?;
    vm.wait_for("node: ready ", BOOT_LIMIT)?;
    health(&guest, BOOT_LIMIT).with_context(|| vm.report())?;
    let total = monitor.instructions()?;
    total.checked_sub(firmware).context("the firmware alone executes more than all")
}

/// The least memory in MiB with which the node boots and answers.
fn smallest_memory(machine: Machine, kernel: &Path) -> Result<u32> {
    let (mut low, mut high) = (SMALLEST, LARGEST);
    ensure!(serves(machine, kernel, high)?, "does not even serve with {high} MiB");
    while low < high {
        let middle = u32::midpoint(low, high);
        if serves(machine, kernel, middle)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(high)
}

fn serves(machine: Machine, kernel: &Path, memory_mib: u32) -> Result<bool> {
    let guest = network_guest(machine, kernel, memory_mib)?;
    let mut vm = Vm::start(&guest)?;
    let ready = vm.wait_for("node: ready ", SMALL_BOOT_LIMIT).is_ok();
    Ok(ready && health(&guest, SMALL_BOOT_LIMIT).is_ok())
}

struct Timed {
    answer: Duration,
    phases: Vec<Phase>,
}

/// From the start of QEMU's process to the first answer.
fn time_boot(machine: Machine, kernel: &Path) -> Result<Timed> {
    let guest = network_guest(machine, kernel, MEMORY)?;
    let begun = Instant::now();
    let mut vm = Vm::start(&guest)?;
    vm.wait_for("node: ready ", BOOT_LIMIT)?;
    health(&guest, BOOT_LIMIT)?;
    let answer = begun.elapsed();
    let phases = vm.text().lines().filter_map(Phase::parse).collect();
    Ok(Timed { answer, phases })
}

fn time_floor(machine: Machine, floor: &Path) -> Result<Duration> {
    let guest = network_guest(machine, floor, MEMORY)?;
    let begun = Instant::now();
    Vm::start(&guest)?.wait_for("!", BOOT_LIMIT)?;
    Ok(begun.elapsed())
}

fn network_guest(machine: Machine, kernel: &Path, memory_mib: u32) -> Result<Guest> {
    let mut guest = Guest::new(PathBuf::from(kernel), Accelerator::Tcg);
    guest.machine = machine;
    guest.memory_mib = memory_mib;
    let host_port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    guest.network = Network::user(&[Forward::to(host_port, 80)]);
    Ok(guest)
}

fn health(guest: &Guest, limit: Duration) -> Result<()> {
    let Network::User { forwards, .. } = &guest.network else {
        bail!("a guest without a network");
    };
    let host_port = forwards.first().context("a guest without a forwarded port")?.host_port;
    let url = Url { authority: format!("127.0.0.1:{host_port}"), path: "/health".to_owned() };
    let answer = http::request(&url, "GET", b"", limit)?;
    ensure!(answer.status == 200, "/health answers {}", answer.status);
    Ok(())
}

fn millis(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}

/// A number with spaces between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_from_the_right() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1 000");
        assert_eq!(grouped(20_000_000), "20 000 000");
    }

    #[test]
    fn an_aim_is_met_at_its_limit_and_missed_beyond() {
        let mut report = Report::default();
        report.row("a", String::new(), Some((5, 5)));
        assert_eq!(report.missed, 0);
        report.row("b", String::new(), Some((5, 6)));
        assert_eq!(report.missed, 1);
    }
}
