//! Instructions and milliseconds until the first answer.
//!
//! Instructions are counted by QEMU itself: with `-icount shift=0,rr=record` it executes in lockstep
//! with a counter of guest instructions, which does not move while the guest halts and does not
//! depend on how busy the machine is. What is executed before the kernel is counted with a kernel that
//! halts at its entry, in the same file on the same machine, and taken off.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::BOOT_LIMIT;
use super::way::Way;
use crate::bench::floor;
use crate::http::{self, Url};
use crate::qemu::monitor::Socket;
use crate::qemu::{Accelerator, Forward, Guest, Machine, Network, Vm, ports};

/// What a kernel that halts at its entry prints.
const FLOOR_READY: &str = "!";

/// Instructions of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Of firmware and boot code.
    pub before: u64,
    /// From the kernel's entry until it says that it serves.
    pub ready: u64,
    /// From the kernel's entry to the first answer.
    pub kernel: u64,
}

/// Times of one boot, since QEMU was started.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timed {
    /// Until the kernel's first instruction.
    pub entry: Duration,
    /// Until it says that it serves.
    pub ready: Duration,
    /// Until the first answer.
    pub answer: Duration,
}

/// Instructions from entry to the first answer of a kernel that QEMU loads.
///
/// # Errors
/// When QEMU does not count, or the guest does not answer.
pub fn instructions(machine: Machine, kernel: &Path) -> Result<u64> {
    let folder = TempDir::with_prefix("aerolith-count-")?;
    let floor = folder.path().join("floor.elf");
    std::fs::write(&floor, floor::image())?;
    let guest =
        |kernel: &Path| Guest { machine, ..Guest::new(kernel.to_owned(), Accelerator::Tcg) };
    let (guest, floor) = (guest(kernel), guest(&floor));
    let (name, ready, path) = (machine.name().to_owned(), "node: ready ", "/health");
    Ok(counted(&Way { name, is_ours: true, guest, floor, ready, path }, 1)?.kernel)
}

/// The least of `runs` counts.
///
/// # Errors
/// When QEMU does not count, or the guest does not answer.
pub fn counted(way: &Way, runs: u32) -> Result<Counted> {
    let folder = TempDir::with_prefix("aerolith-count-")?;
    let boot = |guest: &Guest, until: &str, path: Option<&str>| -> Result<[u64; 2]> {
        let (mut guest, port) = connected(guest)?;
        record(&mut guest, &folder.path().join("record"));
        let socket = Socket::new()?;
        socket.attach(&mut guest);
        let mut vm = Vm::start(&guest)?;
        let mut monitor = socket.connect()?;
        reached(&mut vm, port, until, path, || monitor.instructions())
    };
    let [before, _] = least(runs, || boot(&way.floor, FLOOR_READY, None))?;
    let [ready, answer] = least(runs, || boot(&way.guest, way.ready, Some(way.path)))?;
    let kernel =
        |all: u64| all.checked_sub(before).context("firmware alone executes more than all");
    Ok(Counted { before, ready: kernel(ready)?, kernel: kernel(answer)? })
}

/// The least of `runs` times: what else the machine does only makes them longer.
///
/// # Errors
/// When the guest does not answer.
pub fn timed(way: &Way, runs: u32) -> Result<Timed> {
    let boot = |guest: &Guest, until: &str, path: Option<&str>| -> Result<[Duration; 2]> {
        let (guest, port) = connected(guest)?;
        let begun = Instant::now();
        let mut vm = Vm::start(&guest)?;
        reached(&mut vm, port, until, path, || Ok(begun.elapsed()))
    };
    let [entry, _] = least(runs, || boot(&way.floor, FLOOR_READY, None))?;
    let [ready, answer] = least(runs, || boot(&way.guest, way.ready, Some(way.path)))?;
    Ok(Timed { entry, ready, answer })
}

/// What a measure shows when a guest has printed `until`, and when it has answered for `path`.
fn reached<T: Copy>(
    vm: &mut Vm,
    port: u16,
    until: &str,
    path: Option<&str>,
    mut measure: impl FnMut() -> Result<T>,
) -> Result<[T; 2]> {
    vm.wait_for(until, BOOT_LIMIT)?;
    let ready = measure()?;
    let Some(path) = path else { return Ok([ready; 2]) };
    ask(port, path).with_context(|| vm.report())?;
    Ok([ready, measure()?])
}

/// The least that was measured of each, in at least one boot.
fn least<T: Ord>(runs: u32, mut boot: impl FnMut() -> Result<[T; 2]>) -> Result<[T; 2]> {
    let mut least = ports::retried(&mut boot)?;
    for _ in 1..runs {
        let [ready, answer] = ports::retried(&mut boot)?;
        let [least_ready, least_answer] = least;
        least = [least_ready.min(ready), least_answer.min(answer)];
    }
    Ok(least)
}

/// The guest, when it has printed `until`, and the port of 127.0.0.1 that leads to its port 80.
///
/// # Errors
/// When it does not in time.
pub fn booted(guest: &Guest, until: &str, limit: Duration) -> Result<(Vm, u16)> {
    ports::retried(|| {
        let (guest, port) = connected(guest)?;
        let mut vm = Vm::start(&guest)?;
        vm.wait_for(until, limit)?;
        Ok((vm, port))
    })
}

/// The guest with a user network that leads from a free port to its port 80.
fn connected(guest: &Guest) -> Result<(Guest, u16)> {
    let port = ports::free()?;
    let network = Network::user(&[Forward::to(port, 80)]);
    Ok((Guest { network, ..guest.clone() }, port))
}

/// Has QEMU count. What comes from disks is recorded too, by a driver between them and the guest.
fn record(guest: &mut Guest, file: &Path) {
    let mut pair = |option: &str, value: String| guest.extra.extend([option.to_owned(), value]);
    pair("-icount", format!("shift=0,rr=record,rrfile={}", file.display()));
    pair("-object", "filter-replay,id=replay,netdev=net".to_owned());
    for (number, disk) in std::mem::take(&mut guest.disks).into_iter().enumerate() {
        let (path, format) = (disk.file.display(), disk.format);
        let direct = format!("if=none,id=direct{number},format={format},file={path},snapshot=on");
        let recorded = format!("driver=blkreplay,if=none,id=disk{number},image=direct{number}");
        let device = format!("virtio-blk-pci,drive=disk{number},bootindex={}", number + 1);
        guest.extra.extend(["-drive".to_owned(), direct, "-drive".to_owned(), recorded]);
        guest.extra.extend(["-device".to_owned(), device]);
    }
}

/// One request, which has to be answered with status 200.
pub fn ask(port: u16, path: &str) -> Result<()> {
    let url = Url { authority: format!("127.0.0.1:{port}"), path: path.to_owned() };
    let answer = http::request(&url, "GET", b"", BOOT_LIMIT)?;
    ensure!(answer.status == 200, "{path} answers {}", answer.status);
    Ok(())
}
