//! The bzImage: started by what loads Linux, by each of its entries, and what it says when it cannot boot.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use tempfile::TempDir;
use xtask::build::{self, Image};
use xtask::external;
use xtask::image::BootCode;
use xtask::image::bzimage::bzimage;
use xtask::linux_loader::{self, Paging};
use xtask::qemu::install;
use xtask::qemu::{Disk, Guest, Network, Vm, Writes};

use crate::node::{Kind, Node, PC, PORTS, Q35, guest};
use crate::trial;

const END_LIMIT: Duration = Duration::from_secs(90);
const EXCEPTION: i32 = 37;
const CANNOT_BOOT: i32 = 43;
const SECTOR: usize = 512;
/// The protected-mode part in the file, and where it is loaded to.
const PROTECTED_AT: usize = 4096;
const LOADED_AT: u64 = 0x10_0000;

const GRUB: &str = "grub-mkimage";
const GRUB_PACKAGE: &str = "grub-pc-bin";
const GRUB_MODULES: &str = "/usr/lib/grub/i386-pc";

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [PC, Q35] {
        trials.push(trial(kind, "serves_as_a_bzimage_by_its_16_bit_entry", by_16_bit_entry));
        trials.push(trial(kind, "serves_as_a_bzimage_by_its_64_bit_entry", by_64_bit_entry));
        trials.push(trial(kind, "serves_as_a_bzimage_by_grub_and_its_32_bit_entry", by_grub));
    }
    let said = [
        (
            "too_little_memory",
            "too little memory",
            too_little_memory as fn(&mut Guest, &Path) -> Result<()>,
        ),
        ("a_damaged_kernel", "the kernel in the image is damaged or cut off", damaged),
        ("a_cpu_without_64_bits", "the CPU has no 64-bit mode", without_long_mode),
    ];
    for (name, mark, change) in said {
        let name = format!("says_so_as_a_bzimage_that_finds_{name}");
        trials.push(trial(PC, &name, move |kind| cannot_boot(kind, mark, change)));
    }
    trials.push(trial(
        PC,
        "takes_the_bzimages_own_command_line_where_there_is_no_other",
        own_words,
    ));
}

/// A bzImage of this image with words of its own.
fn bzimage_with(image: Image, words: &str) -> Result<Vec<u8>> {
    let elf = fs::read(build::paths(image).stripped)?;
    bzimage(&BootCode::built()?, &elf, words)
}

/// A guest with a user network that QEMU starts with the product's bzImage.
fn linux_guest(kind: Kind) -> Result<Guest> {
    let mut guest = guest(kind, Image::Product)?;
    guest.kernel = Some(build::paths(Image::Product).bzimage);
    guest.network = Network::user(&PORTS);
    Ok(guest)
}

fn serves(guest: Guest) -> Result<()> {
    let node = Node::start(guest)?;
    ensure!(node.vm.text().contains("Linux 64-bit entry"), "{}", node.vm.text());
    node.check_alive()
}

/// QEMU puts the 16-bit part below 1 MiB and enters it in real mode.
fn by_16_bit_entry(kind: Kind) -> Result<()> {
    serves(linux_guest(kind)?)
}

/// As monitors that speak the 64-bit protocol do: what is loaded is the protected-mode part alone.
fn by_64_bit_entry(kind: Kind) -> Result<()> {
    const INIT_SIZE: usize = 0x260;
    let folder = TempDir::with_prefix("aerolith-linux64-")?;
    let mut guest = linux_guest(kind)?;
    let file = fs::read(build::paths(Image::Product).bzimage)?;
    let field = file.get(INIT_SIZE..).and_then(<[u8]>::first_chunk).context("no header")?;
    let memory = u64::from(u32::from_le_bytes(*field));
    let protected = file.get(PROTECTED_AT..).context("no protected-mode part")?;
    let kernel = linux_loader::kernel(LOADED_AT, LOADED_AT + 0x200, memory, protected);
    let path = folder.path().join("wrapped.elf");
    let words = guest.command_line.join(" ");
    fs::write(&path, linux_loader::wrap(&kernel, &words, Paging::FourLevels)?)?;
    guest.kernel = Some(path);
    guest.memory_mib = 64;
    serves(guest)
}

/// GRUB in the gap before the first partition, the bzImage where it is told by sector numbers.
fn by_grub(kind: Kind) -> Result<()> {
    install::ensure_program(GRUB, GRUB_PACKAGE)?;
    const KERNEL_SECTOR: usize = 2048;
    let folder = TempDir::with_prefix("aerolith-grub-")?;
    let file = fs::read(build::paths(Image::Product).bzimage)?;
    let core = grub(folder.path(), KERNEL_SECTOR, file.len() / SECTOR)?;
    let boot = fs::read(Path::new(GRUB_MODULES).join("boot.img"))?;
    let disk = folder.path().join("grub.img");
    write_disk(&disk, &[(0, &boot), (1, &core), (KERNEL_SECTOR, &file)])?;
    let mut guest = linux_guest(kind)?;
    guest.kernel = None;
    guest.command_line.clear();
    guest.disks.push(Disk::raw(disk, Writes::Dropped));
    serves(guest)
}

fn grub(folder: &Path, first: usize, sectors: usize) -> Result<Vec<u8>> {
    let (script, core) = (folder.join("early.cfg"), folder.join("core.img"));
    fs::write(&script, format!("linux (hd0){first}+{sectors} aerolith.debug_exit=0xf4\nboot\n"))?;
    let mut command = Command::new(GRUB);
    command.args(["--format=i386-pc", "--prefix=/", "--config"]).arg(&script);
    command.arg("--output").arg(&core).args(["biosdisk", "linux"]);
    external::run(&mut command)?;
    Ok(fs::read(&core)?)
}

/// A disk of these pieces, by their first sectors, with the mark of a boot sector.
fn write_disk(path: &Path, pieces: &[(usize, &[u8])]) -> Result<()> {
    let end = pieces.iter().map(|(sector, bytes)| sector * SECTOR + bytes.len()).max();
    let mut disk = vec![0; end.unwrap_or(SECTOR).next_multiple_of(1 << 20)];
    for (sector, bytes) in pieces {
        disk[sector * SECTOR..][..bytes.len()].copy_from_slice(bytes);
    }
    disk[510..512].copy_from_slice(&[0x55, 0xAA]);
    fs::write(path, disk)?;
    Ok(())
}

fn cannot_boot(
    kind: Kind,
    mark: &str,
    change: impl FnOnce(&mut Guest, &Path) -> Result<()>,
) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-bzimage-")?;
    let mut guest = linux_guest(kind)?;
    guest.network = Network::None;
    change(&mut guest, folder.path())?;
    let mut vm = Vm::start(&guest)?;
    let code = vm.wait_exit(END_LIMIT)?;
    let line = format!("aerolith: cannot boot: {mark}");
    ensure!(vm.text().contains(&line), "no {line:?}\n{}", vm.report());
    ensure!(code == CANNOT_BOOT, "exit code {code}\n{}", vm.report());
    Ok(())
}

fn too_little_memory(guest: &mut Guest, _folder: &Path) -> Result<()> {
    guest.memory_mib = 4;
    Ok(())
}

fn without_long_mode(guest: &mut Guest, _folder: &Path) -> Result<()> {
    guest.extra.extend(["-cpu".to_owned(), "qemu32".to_owned()]);
    Ok(())
}

/// The ELF file's magic number is gone.
fn damaged(guest: &mut Guest, folder: &Path) -> Result<()> {
    let mut file = fs::read(build::paths(Image::Product).bzimage)?;
    damage(&mut file)?;
    guest.kernel = Some(write(folder, "damaged.bzimage", &file)?);
    Ok(())
}

/// Damages the kernel within a bzImage.
pub fn damage(file: &mut [u8]) -> Result<()> {
    const PAYLOAD_OFFSET: usize = 0x248;
    let offset = file.get(PAYLOAD_OFFSET..).and_then(<[u8]>::first_chunk).context("no header")?;
    let start = PROTECTED_AT + usize::try_from(u32::from_le_bytes(*offset))?;
    let magic = file.get_mut(start..start + 4).context("no kernel")?;
    ensure!(magic == b"\x7fELF", "the header does not say where the kernel is: {magic:x?}");
    magic.fill(0);
    Ok(())
}

pub fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = folder.join(name);
    fs::write(&path, bytes)?;
    Ok(path)
}

fn own_words(kind: Kind) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-words-")?;
    let file = bzimage_with(Image::FaultInjection, "aerolith.debug_exit=0xf4 aerolith.fault=ud")?;
    let mut guest = guest(kind, Image::FaultInjection)?;
    guest.kernel = Some(write(folder.path(), "words.bzimage", &file)?);
    guest.command_line.clear();
    let mut vm = Vm::start(&guest)?;
    let code = vm.wait_exit(END_LIMIT)?;
    ensure!(code == EXCEPTION, "exit code {code}\n{}", vm.report());
    Ok(())
}
