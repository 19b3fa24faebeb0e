//! Instructions and milliseconds until the first answer.
//!
//! Instructions are counted by QEMU itself: with `-icount shift=0,rr=record` it executes in lockstep
//! with a counter of guest instructions, which does not move while the guest halts and does not
//! depend on how busy the machine is. What is executed before the kernel is counted with a kernel that
//! halts at its entry, in the same file on the same machine, and taken off.

use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::BOOT_LIMIT;
use super::report::Timed;
use super::way::Way;
use crate::bench::floor;
use crate::http::{self, Url};
use crate::qemu::monitor::Socket;
use crate::qemu::{Accelerator, Forward, Guest, Machine, Network, Vm};

/// Instructions of one boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Of firmware and boot code.
    pub before: u64,
    /// From the kernel's entry to the first answer.
    pub kernel: u64,
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
    let count = |guest: &Guest, until: &str, answers: bool| -> Result<u64> {
        let (mut guest, port) = connected(guest)?;
        record(&mut guest, &folder.path().join("record"));
        let socket = Socket::new()?;
        socket.attach(&mut guest);
        let mut vm = Vm::start(&guest)?;
        let mut monitor = socket.connect()?;
        vm.wait_for(until, BOOT_LIMIT)?;
        if answers {
            ask(port, way.path).with_context(|| vm.report())?;
        }
        monitor.instructions()
    };
    let least = |guest, until, answers| {
        let counts = (0..runs.max(1)).map(|_| count(guest, until, answers));
        Ok::<_, anyhow::Error>(counts.collect::<Result<Vec<u64>>>()?.into_iter().min().unwrap_or(0))
    };
    let before = least(&way.floor, "!", false)?;
    let all = least(&way.guest, way.ready, true)?;
    let kernel = all.checked_sub(before).context("firmware alone executes more than all")?;
    Ok(Counted { before, kernel })
}

/// The medians of `runs` times, and what is spent before the kernel.
///
/// # Errors
/// When the guest does not answer.
pub fn timed(way: &Way, runs: u32) -> Result<Timed> {
    let time = |guest: &Guest, until: &str, answers: bool| -> Result<Duration> {
        let (guest, port) = connected(guest)?;
        let begun = Instant::now();
        let mut vm = Vm::start(&guest)?;
        vm.wait_for(until, BOOT_LIMIT)?;
        if answers {
            ask(port, way.path).with_context(|| vm.report())?;
        }
        Ok(begun.elapsed())
    };
    let median = |guest, until, answers| {
        let times = (0..runs.max(1)).map(|_| time(guest, until, answers));
        let mut times = times.collect::<Result<Vec<Duration>>>()?;
        times.sort();
        Ok::<_, anyhow::Error>(times[times.len() / 2])
    };
    let entry = median(&way.floor, "!", false)?;
    let answer = median(&way.guest, way.ready, true)?;
    Ok(Timed { entry, answer })
}

/// The guest with a user network that leads from a free port to its port 80.
pub fn connected(guest: &Guest) -> Result<(Guest, u16)> {
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
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
