//! The EFI system partition: a FAT file system with one file, `EFI/BOOT/BOOTX64.EFI`.
//!
//! FAT16, which UEFI demands of every firmware beside FAT32 (UEFI 2.10, section 13.3) and which does not
//! need 33 MiB for two files' worth of bytes. The same file gives the same bytes: nothing in it is a
//! time, and what identifies it is computed from the file.

use std::io::{Cursor, Write};

use anyhow::{Context, Result, ensure};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};

use super::identity;

/// Bytes of a sector, and here of a cluster.
pub const SECTOR: usize = 512;
/// Where firmware without settings looks (UEFI 2.10, table 3.4).
pub const PATH: [&str; 3] = ["EFI", "BOOT", "BOOTX64.EFI"];
/// What the names, the tables and the alignment of the file take at most, and some room.
const SLACK: usize = 1 << 20;
/// FAT16 begins at 4085 clusters; this many bytes have more.
const LEAST: usize = 4 << 20;
const STEP: usize = 1 << 20;
const LABEL: [u8; 11] = *b"AEROLITH   ";

/// A partition's bytes.
#[derive(Debug)]
pub struct SystemPartition {
    /// The file system, whole MiB.
    pub bytes: Vec<u8>,
    /// The sector of it where the file begins; all of the file lies there in one piece.
    pub file_sector: u64,
}

/// Makes the partition.
///
/// # Errors
/// When the file does not fit a FAT16 file system of this cluster size.
pub fn make(file: &[u8]) -> Result<SystemPartition> {
    // Each of both tables has two bytes for each cluster.
    let tables = file.len() / SECTOR * 2 * 2;
    let size = (file.len() + tables + SLACK).next_multiple_of(STEP).max(LEAST);
    let mut bytes = vec![0; size];
    let [a, b, c, d, ..] = *identity::of("file system", &[file]).as_bytes();
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat16)
        .bytes_per_cluster(u32::try_from(SECTOR)?)
        .total_sectors(u32::try_from(size / SECTOR)?)
        .volume_id(u32::from_le_bytes([a, b, c, d]))
        .volume_label(LABEL);
    fatfs::format_volume(Cursor::new(&mut bytes), options)
        .with_context(|| format!("a file of {} bytes in FAT16", file.len()))?;
    write(&mut bytes, file)?;
    let file_sector = u64::try_from(find(&bytes, file).context("the file is not in one piece")?)?;
    Ok(SystemPartition { bytes, file_sector })
}

fn write(bytes: &mut [u8], file: &[u8]) -> Result<()> {
    let system = FileSystem::new(Cursor::new(bytes), FsOptions::new())?;
    ensure!(system.fat_type() == FatType::Fat16, "the file system became another one");
    {
        let [first, second, name] = PATH;
        let folder = system.root_dir().create_dir(first)?.create_dir(second)?;
        folder.create_file(name)?.write_all(file)?;
    }
    Ok(system.unmount()?)
}

/// The sector at which `file` lies in one piece.
fn find(bytes: &[u8], file: &[u8]) -> Option<usize> {
    let sectors = bytes.len() / SECTOR;
    (0..sectors).find(|sector| bytes[sector * SECTOR..].starts_with(file))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn read_back(partition: &SystemPartition) -> Vec<u8> {
        let bytes = Cursor::new(partition.bytes.clone());
        let system = FileSystem::new(bytes, FsOptions::new()).unwrap();
        let mut out = Vec::new();
        system.root_dir().open_file(&PATH.join("/")).unwrap().read_to_end(&mut out).unwrap();
        out
    }

    fn file(length: usize) -> Vec<u8> {
        (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap() | 1).collect()
    }

    #[test]
    fn the_file_is_read_back_by_its_path_and_lies_in_one_piece() {
        for length in [1, SECTOR, SECTOR + 1, 2_000_003, 7 << 20] {
            let file = file(length);
            let partition = make(&file).unwrap();
            assert_eq!(read_back(&partition), file);
            let at = usize::try_from(partition.file_sector).unwrap() * SECTOR;
            assert_eq!(partition.bytes[at..at + length], file);
            assert_eq!(partition.bytes.len() % STEP, 0);
        }
    }

    #[test]
    fn the_same_file_gives_the_same_bytes_and_another_one_another_identity() {
        let of = |file: &[u8]| make(file).unwrap().bytes;
        assert_eq!(of(&file(5000)), of(&file(5000)));
        // The volume's serial number (FAT specification, BS_VolID of FAT16).
        assert_ne!(of(&file(5000))[39..43], of(&file(5001))[39..43]);
    }

    #[test]
    fn no_entry_has_a_time() {
        let partition = make(&file(10)).unwrap();
        let system = FileSystem::new(Cursor::new(partition.bytes), FsOptions::new()).unwrap();
        let folder = system.root_dir();
        let entry = folder.iter().find_map(|e| e.ok().filter(|e| e.file_name() == "EFI")).unwrap();
        assert_eq!((entry.modified().date.year, entry.modified().time.hour), (1980, 0));
    }
}
