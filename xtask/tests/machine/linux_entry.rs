//! The other entry of the image: the 64-bit Linux boot protocol, as Firecracker speaks it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use tempfile::NamedTempFile;
use xtask::build::Image;
use xtask::linux_loader::{self, Paging};
use xtask::qemu::{Guest, Network, Vm};

use crate::node::{Kind, MICROVM, Node, PORTS, Q35, guest};
use crate::trial;

const END_LIMIT: Duration = Duration::from_secs(90);
const EXCEPTION: i32 = 37;

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "starts_by_the_64_bit_linux_entry", |kind| {
            starts(kind, Paging::FourLevels)
        }));
        trials.push(trial(kind, "serves_by_the_64_bit_linux_entry", serves));
        trials.push(trial(kind, "starts_by_the_64_bit_linux_entry_under_5_level_paging", |kind| {
            starts(kind, Paging::FiveLevels)
        }));
    }
}

/// Gets memory map and command line: the command line orders a fault, the fault's code comes back.
fn starts(kind: Kind, paging: Paging) -> Result<()> {
    let mut guest = guest(kind, Image::FaultInjection)?;
    let words = "aerolith.debug_exit=0xf4 aerolith.fault=ud";
    let _wrapped = wrap(&mut guest, words, paging)?;
    let mut vm = Vm::start(&guest)?;
    let ended = vm.wait_exit(END_LIMIT)?;
    let report = vm.text();
    ensure!(ended == EXCEPTION, "exit code {ended}\n{}", vm.report());
    for mark in ["Linux 64-bit entry", "63103 KiB of memory", "invalid opcode"] {
        ensure!(report.contains(mark), "the report lacks {mark:?}\n{report}");
    }
    Ok(())
}

/// Gets what a whole node needs, ACPI's root pointer among it.
fn serves(kind: Kind) -> Result<()> {
    let mut guest = guest(kind, Image::Product)?;
    guest.network = Network::user(&PORTS);
    let _wrapped = wrap(&mut guest, "", Paging::FourLevels)?;
    let node = Node::start(guest)?;
    ensure!(node.vm.text().contains("Linux 64-bit entry"), "{}", node.vm.text());
    node.check_alive()
}

/// Makes the guest's kernel one that is started by its Linux entry; the file has to live as long.
fn wrap(guest: &mut Guest, words: &str, paging: Paging) -> Result<NamedTempFile> {
    let wrapped = linux_loader::wrap(
        &fs::read(guest.kernel.as_deref().context("a guest without a kernel")?)?,
        words,
        paging,
    )?;
    let file = NamedTempFile::new()?;
    fs::write(file.path(), wrapped)?;
    guest.kernel = Some(file.path().to_owned());
    guest.memory_mib = 64;
    Ok(file)
}
