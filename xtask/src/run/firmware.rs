//! The disk image in the place of the kernel, and the firmware that starts it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::image::{BootCode, bzimage, disk};
use crate::qemu::install::{self, OVMF, OVMF_PACKAGE};
use crate::qemu::{Disk, Guest, Machine, Writes};

/// What an ELF file begins with.
const ELF: &[u8] = b"\x7fELF";

/// Makes a disk of the guest's kernel in `folder` and has the firmware start it; what the guest writes to
/// it is lost. microvm has no firmware that starts disks: then the machine is a q35.
///
/// # Errors
/// When the disk cannot be made, or there is no such firmware.
pub fn start_from_disk(guest: &mut Guest, firmware: &str, folder: &Path) -> Result<()> {
    let kernel = guest.kernel.take().context("a guest without a kernel")?;
    let boot = BootCode::build()?;
    let image = bzimage::bzimage(&boot, &fs::read(&kernel)?, &guest.command_line.join(" "))?;
    guest.command_line.clear();
    let file = folder.join("aerolith.img");
    let contents = disk::Contents {
        boot: &boot,
        kernel: &image,
        configuration: None,
        programs: None,
        volume_mib: 0,
    };
    disk::write(&mut File::create_new(&file)?, &contents)?;
    guest.disks.push(Disk::raw(file, Writes::Dropped));
    if guest.machine == Machine::Microvm {
        guest.machine = Machine::Q35;
    }
    choose(guest, firmware)
}

/// Gives the guest the firmware that a person names.
fn choose(guest: &mut Guest, firmware: &str) -> Result<()> {
    match firmware {
        // What QEMU takes by itself.
        "seabios" => {}
        "ovmf" => {
            install::ensure_file(OVMF, OVMF_PACKAGE)?;
            guest.firmware = Some(OVMF.to_owned());
        }
        file => {
            let bytes = fs::read(file).with_context(|| format!("no firmware: {file}"))?;
            ensure!(!bytes.is_empty(), "{file} is empty");
            if bytes.starts_with(ELF) {
                guest.kernel = Some(PathBuf::from(file));
                // Small firmware knows no devices from before virtio 1.
                let modern = ["-global", "virtio-blk-pci.disable-legacy=on"];
                guest.extra.extend(modern.map(str::to_owned));
            } else {
                guest.firmware = Some(file.to_owned());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::NamedTempFile;

    use super::*;
    use crate::qemu::Accelerator;

    fn words(firmware: &str) -> Result<String> {
        let disk = Disk::raw(PathBuf::from("d"), Writes::Dropped);
        let mut guest = Guest::from_disk(disk, Accelerator::Tcg);
        choose(&mut guest, firmware)?;
        Ok(guest.arguments().join(" "))
    }

    fn file(bytes: &[u8]) -> NamedTempFile {
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        file
    }

    #[test]
    fn firmware_is_qemus_own_a_bios_or_a_kernel_that_starts_disks() {
        let usual = words("seabios").unwrap();
        assert!(!usual.contains("-bios") && !usual.contains("-kernel"), "{usual}");
        let (elf, bios) = (file(b"\x7fELF\x02"), file(&[0; 16]));
        let path = |file: &NamedTempFile| file.path().display().to_string();
        assert!(words(&path(&elf)).unwrap().contains(&format!("-kernel {}", path(&elf))));
        assert!(words(&path(&bios)).unwrap().contains(&format!("-bios {}", path(&bios))));
        assert!(words("/no/such/file").is_err());
        assert!(words(&path(&file(b""))).is_err());
    }
}
