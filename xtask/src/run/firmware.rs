//! The disk image in the place of the kernel, and the firmware that starts it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use object::LittleEndian;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader, ProgramHeader};

use crate::image::{BootCode, bzimage, disk};
use crate::qemu::install::{self, OVMF, OVMF_PACKAGE};
use crate::qemu::{Disk, Guest, Machine, Writes};

/// What an ELF file begins with.
const ELF: &[u8] = b"\x7fELF";
/// Name and type of the note that names an ELF file's PVH entry (Xen's `elfnote.h`).
const PVH_NOTE: (&[u8], u32) = (b"Xen", 18);
/// Images for QEMU's `-bios` are of whole blocks of this many bytes.
const BIOS_BLOCK: usize = 64 << 10;

/// Firmware that starts the disk image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Firmware {
    /// What QEMU takes by itself.
    Usual,
    /// What QEMU takes for a BIOS.
    Bios(String),
    /// An ELF file that is entered as a kernel and looks for a disk by itself.
    Kernel(PathBuf),
}

impl Firmware {
    /// The firmware that a person names: `seabios`, `ovmf`, or a file.
    ///
    /// # Errors
    /// When there is no such file, or QEMU would not start it.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "seabios" => Ok(Self::Usual),
            "ovmf" => {
                install::ensure_file(OVMF, OVMF_PACKAGE)?;
                Ok(Self::Bios(OVMF.to_owned()))
            }
            file => {
                let bytes = fs::read(file).with_context(|| {
                    format!(
                        "--firmware takes `seabios`, `ovmf` or a file, and {file} cannot be read"
                    )
                })?;
                if bytes.starts_with(ELF) {
                    ensure!(has_pvh_entry(&bytes), "{file} is an ELF file without a PVH entry");
                    return Ok(Self::Kernel(PathBuf::from(file)));
                }
                let is_bios = !bytes.is_empty() && bytes.len().is_multiple_of(BIOS_BLOCK);
                ensure!(
                    is_bios,
                    "{file} is no firmware: neither an ELF file nor a BIOS, which has whole blocks of \
                     64 KiB"
                );
                Ok(Self::Bios(file.to_owned()))
            }
        }
    }

    /// Makes a disk of the guest's kernel and command line in `folder` and has this firmware start it; what
    /// the guest writes to it is lost. microvm has no firmware that starts disks: then the machine is a q35.
    ///
    /// # Errors
    /// When the disk cannot be made.
    pub fn start_from_disk(self, guest: &mut Guest, boot: &BootCode, folder: &Path) -> Result<()> {
        let kernel = guest.kernel.take().context("a guest without a kernel")?;
        let image = bzimage::bzimage(boot, &fs::read(&kernel)?, &guest.command_line.join(" "))?;
        guest.command_line.clear();
        let file = folder.join("aerolith.img");
        let contents = disk::Contents {
            boot,
            kernel: &image,
            configuration: None,
            programs: None,
            volume_mib: 0,
        };
        disk::write(&mut File::create_new(&file)?, &contents)?;
        // Firmware tries the first one first.
        guest.disks.insert(0, Disk::raw(file, Writes::Dropped));
        if guest.machine == Machine::Microvm {
            guest.machine = Machine::Q35;
        }
        self.give(guest);
        Ok(())
    }

    fn give(self, guest: &mut Guest) {
        match self {
            Self::Usual => {}
            Self::Bios(file) => guest.firmware = Some(file),
            Self::Kernel(file) => {
                guest.kernel = Some(file);
                // Small firmware knows no devices from before virtio 1.
                let modern = ["-global", "virtio-blk-pci.disable-legacy=on"];
                guest.extra.extend(modern.map(str::to_owned));
            }
        }
    }
}

/// Whether QEMU's `-kernel` can enter a 64-bit ELF file.
fn has_pvh_entry(bytes: &[u8]) -> bool {
    let Ok(header) = FileHeader64::<LittleEndian>::parse(bytes) else { return false };
    let Ok(segments) = header.program_headers(LittleEndian, bytes) else { return false };
    let notes = segments.iter().filter_map(|part| part.notes(LittleEndian, bytes).ok().flatten());
    let mut notes = notes.flat_map(|notes| notes.map_while(Result::ok));
    notes.any(|note| (note.name(), note.n_type(LittleEndian).0) == PVH_NOTE)
}

#[cfg(test)]
mod tests {
    use tempfile::NamedTempFile;

    use super::*;
    use crate::bench::floor;
    use crate::qemu::Accelerator;

    fn words(firmware: &str) -> Result<String> {
        let disk = Disk::raw(PathBuf::from("d"), Writes::Dropped);
        let mut guest = Guest::from_disk(disk, Accelerator::Tcg);
        Firmware::named(firmware)?.give(&mut guest);
        Ok(guest.arguments().join(" "))
    }

    fn file(bytes: &[u8]) -> (NamedTempFile, String) {
        let file = NamedTempFile::new().unwrap();
        fs::write(file.path(), bytes).unwrap();
        let path = file.path().display().to_string();
        (file, path)
    }

    #[test]
    fn firmware_is_qemus_own_a_bios_or_a_kernel_that_starts_disks() {
        let usual = words("seabios").unwrap();
        assert!(!usual.contains("-bios") && !usual.contains("-kernel"), "{usual}");
        let (_bios, path) = file(&[0; 2 * BIOS_BLOCK]);
        assert!(words(&path).unwrap().contains(&format!("-bios {path}")));
        let (_elf, path) = file(&floor::image());
        assert!(words(&path).unwrap().contains(&format!("-kernel {path}")));
    }

    #[test]
    fn what_qemu_would_not_start_is_refused_with_the_reason() {
        let reason = |name: &str| format!("{:#}", Firmware::named(name).unwrap_err());
        let missing = reason("/no/such/file");
        assert!(missing.contains("`seabios`, `ovmf` or a file, and /no/such/file"), "{missing}");
        assert!(missing.contains("No such file"), "{missing}");
        assert!(reason("/").contains("directory"));
        for bytes in [0, 1, BIOS_BLOCK - 1, BIOS_BLOCK + 1] {
            let (_file, path) = file(&vec![0; bytes]);
            assert!(reason(&path).contains("neither an ELF file nor a BIOS"), "{bytes} bytes");
        }
        let mut elf = floor::image();
        let name = elf.windows(4).position(|bytes| bytes == b"Xen\0").unwrap();
        elf[name] = b'Y';
        for bytes in [&elf[..], ELF, &floor::image()[..150]] {
            let (_file, path) = file(bytes);
            assert!(reason(&path).contains("without a PVH entry"), "{} bytes", bytes.len());
        }
    }
}
