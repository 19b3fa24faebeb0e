//! The kinds of boots: what boots, on what, and the floor below it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::peer::{self, Linux, Server};
use crate::bench::floor;
use crate::image::{BootCode, bzimage, disk, qcow2};
use crate::qemu::install::{self, OVMF, OVMF_PACKAGE};
use crate::qemu::{Accelerator, Disk, Guest, Machine, Writes};

const MEMORY: u32 = 64;
/// OVMF alone takes more than the node needs.
const EFI_MEMORY: u32 = 128;
/// Debian's kernel with its initial RAM disk, unpacked and once more as it is.
const PEER_MEMORY: u32 = 512;

/// One kind of boot.
#[derive(Clone, Debug)]
pub struct Way {
    /// What boots, and on what.
    pub name: String,
    /// Whether it is ours.
    pub is_ours: bool,
    /// The guest, without a network.
    pub guest: Guest,
    /// The same machine and firmware with a kernel that does nothing.
    pub floor: Guest,
    /// What the guest prints when it serves.
    pub ready: &'static str,
    /// What it is asked for then.
    pub path: &'static str,
}

/// What a node answers by itself, and what the others have a file for.
const PATH: &str = "/health";

/// The files that are made of one kernel.
struct Files {
    elf: PathBuf,
    bzimage: PathBuf,
    raw: PathBuf,
    qcow2: PathBuf,
}

/// Every artefact, on the machines that it is for. The files go into `folder`.
///
/// # Errors
/// When they cannot be made, or firmware is missing.
pub fn artefacts(folder: &Path, boot: &BootCode, kernel: &[u8]) -> Result<Vec<Way>> {
    install::ensure_file(OVMF, OVMF_PACKAGE)?;
    qcow2::ensure()?;
    let ours = files(&folder.join("ours"), boot, kernel)?;
    let floor = files(&folder.join("floor"), boot, &floor::image())?;
    let mut ways = Vec::new();
    let mut add = |name: &str, make: &dyn Fn(&Files) -> Guest| {
        let (name, is_ours, ready) = (name.to_owned(), true, "node: ready ");
        ways.push(Way {
            name,
            is_ours,
            guest: make(&ours),
            floor: make(&floor),
            ready,
            path: PATH,
        });
    };
    add("ELF, microvm", &|files| direct(&files.elf, Machine::Microvm));
    add("ELF, q35", &|files| direct(&files.elf, Machine::Q35));
    add("bzImage, q35", &|files| direct(&files.bzimage, Machine::Q35));
    add("raw disk, q35, SeaBIOS", &|files| from_disk(&files.raw, "raw", Machine::Q35));
    add("qcow2 disk, pc, SeaBIOS", &|files| from_disk(&files.qcow2, "qcow2", Machine::Pc));
    add("raw disk, q35, OVMF", &|files| {
        let firmware = Some(OVMF.to_owned());
        let guest = from_disk(&files.raw, "raw", Machine::Q35);
        Guest { firmware, memory_mib: EFI_MEMORY, ..guest }
    });
    Ok(ways)
}

/// What we are compared with, as far as it is wanted.
///
/// # Errors
/// When it cannot be had.
pub fn peers(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Vec<Way>> {
    let file = folder.join("floor.elf");
    fs::write(&file, floor::image())?;
    let mut ways = Vec::new();
    for (name, server) in [
        ("Debian's cloud kernel with busybox httpd, q35", Server::Busybox),
        ("Debian's cloud kernel with Python's http.server, q35", Server::Python),
    ] {
        if !wanted(name) {
            continue;
        }
        let Linux { kernel, module, ready } = peer::prepare(server)?;
        let guest = Guest {
            module: Some(module),
            memory_mib: PEER_MEMORY,
            command_line: ["console=ttyS0", "quiet", "panic=-1"].map(str::to_owned).to_vec(),
            ..direct(&kernel, Machine::Q35)
        };
        let floor = Guest { memory_mib: PEER_MEMORY, ..direct(&file, Machine::Q35) };
        ways.push(Way { name: name.to_owned(), is_ours: false, guest, floor, ready, path: PATH });
    }
    Ok(ways)
}

fn files(folder: &Path, boot: &BootCode, kernel: &[u8]) -> Result<Files> {
    fs::create_dir_all(folder)?;
    let file = |name| folder.join(name);
    let made = Files {
        elf: file("elf"),
        bzimage: file("bzimage"),
        raw: file("raw"),
        qcow2: file("qcow2"),
    };
    fs::write(&made.elf, kernel)?;
    let image = bzimage::bzimage(boot, kernel, "")?;
    fs::write(&made.bzimage, &image)?;
    let contents =
        disk::Contents { boot, kernel: &image, configuration: None, programs: None, volume_mib: 0 };
    disk::write(&mut File::create_new(&made.raw)?, &contents)?;
    qcow2::convert(&made.raw, &made.qcow2)?;
    Ok(made)
}

fn direct(kernel: &Path, machine: Machine) -> Guest {
    Guest { machine, memory_mib: MEMORY, ..Guest::new(kernel.to_owned(), Accelerator::Tcg) }
}

fn from_disk(file: &Path, format: &'static str, machine: Machine) -> Guest {
    let disk = Disk { file: file.to_owned(), format, writes: Writes::Dropped };
    Guest { machine, memory_mib: MEMORY, ..Guest::from_disk(disk, Accelerator::Tcg) }
}
