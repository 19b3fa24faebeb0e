//! Firmware that starts the node from a disk: a BIOS by the boot sector, EFI by the same file as Linux'
//! boot loaders.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use tempfile::TempDir;
use xtask::build::{self, Image};
use xtask::external;
use xtask::http::{Url, request};
use xtask::image::{BootCode, disk};
use xtask::process::Process;
use xtask::qemu::install::{self, OVMF, OVMF_PACKAGE};
use xtask::qemu::monitor;
use xtask::qemu::{Disk, Guest, Network, PROGRAM, Vm, Writes};
use xtask::small_firmware;

use crate::loaders::{damage, write};
use crate::node::{ANSWER_LIMIT, BOOT_LIMIT, Kind, Node, PC, PORTS, Q35, guest, started};
use crate::trial;

const END_LIMIT: Duration = Duration::from_secs(90);
const EXCEPTION: i32 = 37;
const CANNOT_BOOT: i32 = 43;
/// OVMF takes more than the node.
const EFI_MEMORY: u32 = 128;
/// The BIOS that QEMU takes by itself, as a file.
const SEABIOS: &str = "/usr/share/seabios/bios-256k.bin";
const GRUB_EFI_MODULES: &str = "/usr/lib/grub/x86_64-efi/linux.mod";

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [PC, Q35] {
        trials.push(trial(kind, "serves_from_a_disk_by_bios", by_bios));
    }
    trials.push(trial(PC, "serves_from_a_qcow2_overlay_by_bios", by_overlay));
    trials.push(trial(PC, "serves_and_goes_off_as_an_instance_of_aleph", as_instance));
    trials.push(trial(PC, "says_so_when_the_disk_cannot_be_read", |kind| {
        bios_fails(kind, "disk read error", |disk| {
            // The boot sector is there, and most of the kernel is not.
            let end = kernel_at(disk)? + 64 * 512;
            Ok(fs::File::options().write(true).open(disk)?.set_len(end)?)
        })
    }));
    trials.push(trial(PC, "says_so_when_the_disk_has_no_kernel", |kind| {
        bios_fails(kind, "no kernel where it should be", |disk| {
            let file = fs::File::options().write(true).open(disk)?;
            Ok(file.write_all_at(&[0; 4096], kernel_at(disk)?)?)
        })
    }));
    trials.push(trial(Q35, "serves_by_efi", by_efi));
    for (name, firmware, package) in [("seabios", SEABIOS, "seabios"), ("ovmf", OVMF, OVMF_PACKAGE)]
    {
        let name = format!("serves_by_run_with_the_firmware_file_{name}");
        trials.push(trial(Q35, &name, move |_| by_run_command(firmware, package)));
    }
    trials.push(crate::plain("run::refuses_what_is_no_firmware_before_it_builds", no_firmware));
    for kind in [PC, Q35] {
        trials.push(trial(kind, "serves_by_efi_that_has_interrupts_off", by_small_firmware));
    }
    trials.push(trial(Q35, "serves_by_grub_under_efi", by_grub_under_efi));
    trials.push(trial(Q35, "takes_the_command_line_of_efi", efi_command_line));
    trials.push(trial(Q35, "says_so_when_efi_starts_a_damaged_kernel", efi_fails));
}

/// A disk as it is deployed, without anything on it but the node.
fn make_disk(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("disk.img");
    let kernel = fs::read(build::paths(Image::Product).bzimage)?;
    let contents = disk::Contents {
        boot: &BootCode::built()?,
        kernel: &kernel,
        configuration: None,
        programs: None,
        volume_mib: 0,
    };
    disk::write(&mut fs::File::create_new(&path)?, &contents)?;
    Ok(path)
}

/// Where the boot sector of a disk looks for the kernel, in bytes.
fn kernel_at(disk: &Path) -> Result<u64> {
    let mut sector = [0; 8];
    fs::File::open(disk)?.read_exact_at(&mut sector, 432)?;
    Ok(u64::from_le_bytes(sector) * 512)
}

fn disk_guest(kind: Kind, disk: Disk) -> Result<Guest> {
    let mut guest = guest(kind, Image::Product)?;
    guest.kernel = None;
    guest.command_line.clear();
    guest.disks.push(disk);
    guest.network = Network::user(&PORTS);
    Ok(guest)
}

fn by_bios(kind: Kind) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-bios-")?;
    let disk = Disk::raw(make_disk(folder.path())?, Writes::Dropped);
    let node = Node::start(disk_guest(kind, disk)?)?;
    finds_tables(&node)?;
    node.check_alive()
}

/// ACPI's tables are found the way this firmware leaves them: one of them counts the processors.
fn finds_tables(node: &Node) -> Result<()> {
    ensure!(node.vm.text().contains("boot: one processor"), "{}", node.vm.text());
    Ok(())
}

/// As clouds start many guests from one image.
fn by_overlay(kind: Kind) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-overlay-")?;
    let disk = Disk { file: overlay(folder.path())?, format: "qcow2", writes: Writes::Kept };
    Node::start(disk_guest(kind, disk)?)?.check_alive()
}

fn overlay(folder: &Path) -> Result<PathBuf> {
    install::ensure_program("qemu-img", "qemu-utils")?;
    let parent = make_disk(folder)?;
    let overlay = folder.join("rootfs.qcow2");
    let mut command = Command::new("qemu-img");
    command.args(["create", "-q", "-f", "qcow2", "-F", "raw", "-b"]).arg(&parent);
    external::run(command.arg(&overlay).arg("64M"))?;
    Ok(overlay)
}

/// The words that compute nodes of the Aleph network start instances with, but for the accelerator and
/// the network: an overlay, a guest agent's channel, a balloon, two disks more, an old machine type. No
/// way out but the power button, and no source of random numbers but the CPU.
fn as_instance(_kind: Kind) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-instance-")?;
    let at = |name: &str| folder.path().join(name).display().to_string();
    overlay(folder.path())?;
    fs::write(at("cloud-init.img"), vec![0; 376_832])?;
    fs::write(at("volume"), vec![0; 1 << 20])?;
    let with_port = |port| {
        let words = format!(
            "-machine pc -nodefaults -m 488 -smp 1 \
             -drive file={rootfs},media=disk,if=virtio,file.locking=off \
             -display none -monitor unix:{monitor},server,nowait \
             -device virtio-serial -chardev socket,path={agent},server=on,wait=off,id=qga0 \
             -device virtserialport,chardev=qga0,name=org.qemu.guest_agent.0 \
             -qmp unix:{qmp},server,nowait -serial stdio -nographic -boot order=c,reboot-timeout=1 \
             -device virtio-net-pci,netdev=net0,rombar=0 \
             -netdev user,id=net0,hostfwd=tcp:127.0.0.1:{port}-:80 \
             -drive file={init},media=cdrom,readonly=on,if=virtio \
             -device virtio-balloon-pci,free-page-reporting=on \
             -drive file={volume},format=raw,readonly=off,media=disk,if=virtio \
             -machine pc-i440fx-6.2 -accel tcg -cpu max,migratable=on",
            rootfs = at("rootfs.qcow2"),
            monitor = at("monitor"),
            agent = at("agent"),
            qmp = at("qmp"),
            init = at("cloud-init.img"),
            volume = at("volume"),
        );
        let mut command = Command::new(PROGRAM);
        command.args(words.split_whitespace());
        command
    };
    let mut process = started(with_port)?;
    monitor::connect(&folder.path().join("qmp"))?.ask("system_powerdown")?;
    let code = process.wait_exit(END_LIMIT)?;
    ensure!(code == 0 && process.text().contains("power: off"), "{}", process.report());
    Ok(())
}

/// The firmware goes on with its next device; there is none, so it resets, and QEMU ends.
fn bios_fails(kind: Kind, mark: &str, change: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-bios-")?;
    let path = make_disk(folder.path())?;
    change(&path)?;
    let mut guest = disk_guest(kind, Disk::raw(path, Writes::Dropped))?;
    guest.network = Network::None;
    guest.extra.extend(["-boot".to_owned(), "reboot-timeout=1".to_owned()]);
    let mut vm = Vm::start(&guest)?;
    let code = vm.wait_exit(END_LIMIT)?;
    let line = format!("aerolith: cannot boot: {mark}");
    ensure!(vm.text().contains(&line), "no {line:?}\n{}", vm.report());
    ensure!(code == 0, "exit code {code}\n{}", vm.report());
    Ok(())
}

fn as_efi(guest: &mut Guest) -> Result<()> {
    install::ensure_file(OVMF, OVMF_PACKAGE)?;
    guest.firmware = Some(OVMF.to_owned());
    guest.memory_mib = EFI_MEMORY;
    Ok(())
}

fn efi_guest(kind: Kind) -> Result<Guest> {
    let mut guest = guest(kind, Image::Product)?;
    as_efi(&mut guest)?;
    Ok(guest)
}

/// From the place where firmware looks on a disk that it knows nothing about.
fn by_efi(kind: Kind) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-efi-")?;
    let disk = Disk::raw(make_disk(folder.path())?, Writes::Dropped);
    let mut guest = disk_guest(kind, disk)?;
    as_efi(&mut guest)?;
    let node = Node::start(guest)?;
    ensure!(node.vm.text().contains("BdsDxe: starting"), "{}", node.vm.text());
    finds_tables(&node)?;
    node.check_alive()
}

/// `cargo xtask run --firmware FILE`, up to Ctrl-C.
fn by_run_command(firmware: &str, package: &str) -> Result<()> {
    install::ensure_file(firmware, package)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["run", "--no-build", "--firmware", firmware, "--accel", "tcg"]);
    command.args(["--headless", "--unrecorded"]);
    let mut process = Process::start(command.args(["--port", "0", "--peer-port", "0"]))?;
    let url = Url::parse(&process.wait_for("http://127.0.0.1:", BOOT_LIMIT)?)?;
    let health = request(&Url { path: "/health".to_owned(), ..url }, "GET", b"", ANSWER_LIMIT)?;
    ensure!(health.status == 200, "{health:?}\n{}", process.report());
    process.interrupt()?;
    let code = process.wait_exit(END_LIMIT)?;
    ensure!(code == 0, "exit code {code}\n{}", process.report());
    Ok(())
}

fn no_firmware() -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let output = command.args(["run", "--firmware", "/no/such/file"]).output()?;
    let words = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.code() == Some(1), "{}: {words}", output.status);
    let expected =
        "error: --firmware takes `seabios`, `ovmf` or a file, and /no/such/file cannot be read";
    ensure!(words.starts_with(expected), "{words}");
    Ok(())
}

/// As rust-hypervisor-firmware starts it; there a single call with interrupts on resets the machine.
fn by_small_firmware(kind: Kind) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-small-firmware-")?;
    let wrapped = small_firmware::wrap(&fs::read(build::paths(Image::Product).bzimage)?)?;
    let mut guest = guest(kind, Image::Product)?;
    guest.kernel = Some(write(folder.path(), "firmware.elf", &wrapped)?);
    guest.command_line.clear();
    guest.memory_mib = 64;
    guest.network = Network::user(&PORTS);
    let node = Node::start(guest)?;
    finds_tables(&node)?;
    node.check_alive()
}

/// GRUB as EFI's boot loader: it takes over the machine, and leaves it to the kernel to find ACPI.
fn by_grub_under_efi(kind: Kind) -> Result<()> {
    install::ensure_file(GRUB_EFI_MODULES, "grub-efi-amd64-bin")?;
    let folder = TempDir::with_prefix("aerolith-grub-efi-")?;
    let place = folder.path().join("disk/EFI/BOOT");
    fs::create_dir_all(&place)?;
    fs::copy(build::paths(Image::Product).bzimage, folder.path().join("disk/kernel"))?;
    let script = write(folder.path(), "early.cfg", b"linux ($root)/kernel\nboot\n")?;
    let mut command = Command::new("grub-mkimage");
    command.args(["--format=x86_64-efi", "--prefix=/", "--config"]).arg(&script);
    command.arg("--output").arg(place.join("BOOTX64.EFI"));
    external::run(command.args(["part_msdos", "fat", "linux"]))?;
    let mut guest = efi_guest(kind)?;
    guest.kernel = None;
    guest.command_line.clear();
    guest.network = Network::user(&PORTS);
    // QEMU makes a file system of the folder.
    let drive =
        format!("if=virtio,format=raw,file=fat:rw:{}", folder.path().join("disk").display());
    guest.extra.extend(["-drive".to_owned(), drive]);
    let node = Node::start(guest)?;
    finds_tables(&node)?;
    node.check_alive()
}

/// QEMU gives OVMF kernel and command line, and OVMF starts it with them as load options.
fn efi_command_line(kind: Kind) -> Result<()> {
    let mut guest = efi_guest(kind)?;
    guest.kernel = Some(build::paths(Image::FaultInjection).bzimage);
    guest.command_line.push("aerolith.fault=ud".to_owned());
    let mut vm = Vm::start(&guest)?;
    let code = vm.wait_exit(END_LIMIT)?;
    ensure!(code == EXCEPTION, "exit code {code}\n{}", vm.report());
    Ok(())
}

fn efi_fails(kind: Kind) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-efi-")?;
    let mut file = fs::read(build::paths(Image::Product).bzimage)?;
    damage(&mut file)?;
    let mut guest = efi_guest(kind)?;
    guest.kernel = Some(write(folder.path(), "damaged.efi", &file)?);
    let mut vm = Vm::start(&guest)?;
    let code = vm.wait_exit(END_LIMIT)?;
    let line = "aerolith: cannot boot: the kernel in the image is damaged or cut off";
    ensure!(vm.text().contains(line), "no {line:?}\n{}", vm.report());
    ensure!(code == CANNOT_BOOT, "exit code {code}\n{}", vm.report());
    Ok(())
}
