//! The files in the root directory of an ISO 9660 disk (ECMA-119).
//!
//! As much of the format as a disk with a handful of small files needs. Names are compared as such disks
//! hold them: in capitals, shortened, with a version.
//!
//! Not supported: other directories, long names (Joliet, Rock Ridge), files in several parts.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::volume::bytes_at as at;
use super::{BlockDevice, DeviceError, SECTOR_BYTES};
use crate::limits::{MAX_CIDATA_DIRECTORY_BYTES, MAX_CIDATA_FILE_BYTES};

/// A logical block, as nearly all such disks have it.
const BLOCK_BYTES: usize = 2048;
const BLOCK_SECTORS: u64 = (BLOCK_BYTES / SECTOR_BYTES) as u64;
/// The block of the primary volume descriptor (section 8.4).
const DESCRIPTOR: u64 = 16;
/// The part of a descriptor that says what it is: primary, of version 1.
const PRIMARY: &[u8; 7] = b"\x01CD001\x01";
/// Flags of a directory record: it is a directory, or the file goes on in another record.
const OTHER_THAN_A_FILE: u8 = 1 << 1 | 1 << 7;

/// Why a disk, or a file of it, cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsoError {
    /// It is no such disk.
    None,
    /// It says what cannot be.
    Damaged,
    /// The directory or the file is larger than is read.
    TooLong,
    /// The disk does not do its work.
    Device(DeviceError),
}

impl fmt::Display for IsoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("it is no ISO 9660 disk"),
            Self::Damaged => f.write_str("its directory is damaged"),
            Self::TooLong => f.write_str("its directory or a file is too long"),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for IsoError {}

impl From<DeviceError> for IsoError {
    fn from(error: DeviceError) -> Self {
        match error {
            DeviceError::Range => Self::Damaged,
            error => Self::Device(error),
        }
    }
}

/// Where something is on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    block: u64,
    bytes: usize,
}

/// The root directory of a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    label: String,
    files: Vec<(String, Extent)>,
}

impl Root {
    /// Reads the directory.
    ///
    /// # Errors
    /// [`IsoError`]
    pub async fn read(device: &dyn BlockDevice) -> Result<Self, IsoError> {
        if device.sectors() < (DESCRIPTOR + 1) * BLOCK_SECTORS {
            return Err(IsoError::None);
        }
        let mut block = [0; BLOCK_BYTES];
        device.read(DESCRIPTOR * BLOCK_SECTORS, &mut block).await?;
        if !block.starts_with(PRIMARY) {
            return Err(IsoError::None);
        }
        let label = block.get(40..72).unwrap_or_default();
        let label = String::from_utf8_lossy(label).trim_end_matches([' ', '\0']).into();
        let size = at(&block, 128).map(u16::from_le_bytes).ok_or(IsoError::Damaged)?;
        if usize::from(size) != BLOCK_BYTES {
            return Err(IsoError::Damaged);
        }
        let record = block.get(156..190).ok_or(IsoError::Damaged)?;
        let extent = extent(record)?;
        let directory = extent.read(device, MAX_CIDATA_DIRECTORY_BYTES).await?;
        Ok(Self { label, files: files(&directory)? })
    }

    /// The name of the disk.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// The content of the first file whose name, in small letters, with `-` for `_` and without
    /// version, begins with `start`. `None` if there is none.
    ///
    /// # Errors
    /// [`IsoError`]
    pub async fn file(
        &self,
        device: &dyn BlockDevice,
        start: &str,
    ) -> Result<Option<Vec<u8>>, IsoError> {
        let Some((_, extent)) = self.files.iter().find(|(name, _)| name.starts_with(start)) else {
            return Ok(None);
        };
        extent.read(device, MAX_CIDATA_FILE_BYTES).await.map(Some)
    }
}

impl Extent {
    async fn read(&self, device: &dyn BlockDevice, most: usize) -> Result<Vec<u8>, IsoError> {
        if self.bytes > most {
            return Err(IsoError::TooLong);
        }
        let mut bytes = vec![0; self.bytes.next_multiple_of(SECTOR_BYTES)];
        let sector = self.block.checked_mul(BLOCK_SECTORS).ok_or(IsoError::Damaged)?;
        device.read(sector, &mut bytes).await?;
        bytes.truncate(self.bytes);
        Ok(bytes)
    }
}

/// Where the content is that a directory record (section 9.1) is about.
fn extent(record: &[u8]) -> Result<Extent, IsoError> {
    let word = |offset| at(record, offset).map(u32::from_le_bytes).ok_or(IsoError::Damaged);
    let bytes = usize::try_from(word(10)?).map_err(|_| IsoError::Damaged)?;
    Ok(Extent { block: word(2)?.into(), bytes })
}

/// The files of a directory.
fn files(directory: &[u8]) -> Result<Vec<(String, Extent)>, IsoError> {
    let mut files = Vec::new();
    // No record crosses the end of a block; what is left of one is zeros.
    for block in directory.chunks(BLOCK_BYTES) {
        let mut rest = block;
        while let Some(&length) = rest.first().filter(|length| **length != 0) {
            let (record, after) = rest.split_at_checked(length.into()).ok_or(IsoError::Damaged)?;
            rest = after;
            let name_bytes = usize::from(*record.get(32).ok_or(IsoError::Damaged)?);
            let name = record.get(33..33 + name_bytes).ok_or(IsoError::Damaged)?;
            if record[25] & OTHER_THAN_A_FILE == 0 {
                files.push((plain(name), extent(record)?));
            }
        }
    }
    Ok(files)
}

/// A name in small letters, with `-` for `_`, without version.
fn plain(name: &[u8]) -> String {
    let end = name.iter().position(|byte| *byte == b';').unwrap_or(name.len());
    let letters = name.iter().take(end).map(|byte| match byte {
        b'_' => '-',
        byte => char::from(byte.to_ascii_lowercase()),
    });
    letters.collect::<String>().trim_end_matches('.').into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::testing::RamDisk;
    use futures_util::FutureExt;
    use proptest::prelude::*;

    /// A disk with these files in its root directory.
    pub fn disk(label: &str, files: &[(&str, &[u8])]) -> Vec<u8> {
        fn record(name: &[u8], flags: u8, block: u32, bytes: u32) -> Vec<u8> {
            let mut record = vec![0; (33 + name.len()).next_multiple_of(2)];
            record[0] = u8::try_from(record.len()).unwrap();
            record[2..6].copy_from_slice(&block.to_le_bytes());
            record[6..10].copy_from_slice(&block.to_be_bytes());
            record[10..14].copy_from_slice(&bytes.to_le_bytes());
            record[14..18].copy_from_slice(&bytes.to_be_bytes());
            record[25] = flags;
            record[32] = u8::try_from(name.len()).unwrap();
            record[33..33 + name.len()].copy_from_slice(name);
            record
        }
        let mut directory = record(&[0], 2, 18, 2048);
        directory.extend(record(&[1], 2, 18, 2048));
        let mut content = Vec::new();
        for (name, bytes) in files {
            let block = 19 + u32::try_from(content.len() / BLOCK_BYTES).unwrap();
            directory.extend(record(name.as_bytes(), 0, block, bytes.len().try_into().unwrap()));
            content.extend_from_slice(bytes);
            content.resize(content.len().next_multiple_of(BLOCK_BYTES), 0);
        }
        let mut disk = vec![0; 19 * BLOCK_BYTES];
        let descriptor = &mut disk[16 * BLOCK_BYTES..17 * BLOCK_BYTES];
        descriptor[..7].copy_from_slice(PRIMARY);
        descriptor[40..72].fill(b' ');
        descriptor[40..40 + label.len()].copy_from_slice(label.as_bytes());
        descriptor[128..130].copy_from_slice(&2048_u16.to_le_bytes());
        descriptor[156..190].copy_from_slice(&record(&[0], 2, 18, 2048));
        disk[17 * BLOCK_BYTES..17 * BLOCK_BYTES + 7].copy_from_slice(b"\xffCD001\x01");
        disk[18 * BLOCK_BYTES..18 * BLOCK_BYTES + directory.len()].copy_from_slice(&directory);
        disk.extend(content);
        disk
    }

    fn root(bytes: Vec<u8>) -> (RamDisk, Result<Root, IsoError>) {
        let disk = RamDisk::of(bytes);
        let root = Root::read(&disk).now_or_never().unwrap();
        (disk, root)
    }

    #[test]
    fn files_are_found_by_their_short_names() {
        let long = vec![b'x'; 5000];
        let bytes = disk("cidata", &[("META_DAT.;1", b"meta"), ("USER_DAT.;1", &long)]);
        let (disk, root) = root(bytes);
        let root = root.unwrap();
        assert_eq!(root.label(), "cidata");
        let file = |start| root.file(&disk, start).now_or_never().unwrap();
        assert_eq!(file("meta-dat"), Ok(Some(b"meta".to_vec())));
        assert_eq!(file("user-dat"), Ok(Some(long.clone())));
        assert_eq!(file("network-"), Ok(None));
    }

    #[test]
    fn other_disks_are_none_and_long_files_refused() {
        assert_eq!(root(vec![0; 100 * BLOCK_BYTES]).1, Err(IsoError::None));
        assert_eq!(root(vec![0; 16 * BLOCK_BYTES]).1, Err(IsoError::None));
        let longest = vec![1; MAX_CIDATA_FILE_BYTES];
        let longer = vec![1; MAX_CIDATA_FILE_BYTES + 1];
        let (disk, root) = root(disk("cidata", &[("A.;1", &longest), ("B.;1", &longer)]));
        let root = root.unwrap();
        assert_eq!(root.file(&disk, "a").now_or_never().unwrap(), Ok(Some(longest)));
        assert_eq!(root.file(&disk, "b").now_or_never().unwrap(), Err(IsoError::TooLong));
    }

    #[test]
    fn a_directory_is_read_up_to_the_bound() {
        let with_size = |bytes: usize| {
            let mut disk = disk("cidata", &[("A.;1", b"a")]);
            let at = 16 * BLOCK_BYTES + 156 + 10;
            disk[at..at + 4].copy_from_slice(&u32::try_from(bytes).unwrap().to_le_bytes());
            disk.resize(disk.len() + MAX_CIDATA_DIRECTORY_BYTES, 0);
            root(disk).1
        };
        assert!(with_size(MAX_CIDATA_DIRECTORY_BYTES).is_ok());
        assert_eq!(with_size(MAX_CIDATA_DIRECTORY_BYTES + 1), Err(IsoError::TooLong));
    }

    proptest! {
        #[test]
        fn any_directory_is_read_or_refused(
            changes in prop::collection::vec((0_usize..2 * BLOCK_BYTES, any::<u8>()), 0..20),
        ) {
            let mut bytes = disk("cidata", &[("META_DAT.;1", b"meta"), ("NETWORK_.;1", b"net")]);
            for (at, value) in changes {
                let at = if at < BLOCK_BYTES { at } else { at + BLOCK_BYTES };
                bytes[16 * BLOCK_BYTES + at] = value;
            }
            let (disk, root) = root(bytes);
            if let Ok(root) = root {
                for start in ["meta-dat", "network-"] {
                    let _ = root.file(&disk, start).now_or_never().unwrap();
                }
            }
        }
    }
}
