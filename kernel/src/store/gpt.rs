//! The partitions of a disk by GUID partition table (UEFI 2.10, section 5.3).
//!
//! Both tables have checksums; the second one, at the end of the disk, is read when the first is not
//! sound.
//!
//! Not supported: tables of more than [`MAX_GPT_BYTES`], partitions of the older kind (MBR).

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::volume::bytes_at as at;
use super::{BlockDevice, DeviceError, SECTOR_BYTES};
use crate::aleph::package::crc32;
use crate::limits::{MAX_GPT_BYTES, MAX_GPT_PARTITIONS};

/// A GUID as it is on the disk: the first three groups little-endian, the others as written.
pub type Guid = [u8; 16];

/// Type of the partition that holds the node's configuration: the blob of
/// [`Config::encode`](crate::config::Config::encode) at its beginning, the rest zeros.
/// `AE201170-C0F1-4A1E-8E55-0A11D15C0001`.
pub const CONFIGURATION: Guid = guid(0xAE20_1170, 0xC0F1, 0x4A1E, 0x8E55_0A11_D15C_0001);

/// Type of the partition that holds programs: a bundle at its beginning, the rest zeros.
/// `AE201170-C0F1-4A1E-8E55-0A11D15C0002`.
pub const PROGRAMS: Guid = guid(0xAE20_1170, 0xC0F1, 0x4A1E, 0x8E55_0A11_D15C_0002);

/// Type of the partition that is a volume of the node.
/// `AE201170-C0F1-4A1E-8E55-0A11D15C0003`.
pub const VOLUME: Guid = guid(0xAE20_1170, 0xC0F1, 0x4A1E, 0x8E55_0A11_D15C_0003);

/// A GUID from its groups, the last two together.
#[must_use]
pub const fn guid(first: u32, second: u16, third: u16, last: u64) -> Guid {
    let (a, b, c, d) =
        (first.to_le_bytes(), second.to_le_bytes(), third.to_le_bytes(), last.to_be_bytes());
    [a[0], a[1], a[2], a[3], b[0], b[1], c[0], c[1], d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]]
}

const MAGIC: &[u8; 8] = b"EFI PART";
/// Where the first table is; the second is in the last sector.
const FIRST: u64 = 1;
/// Lengths of a header: what is defined of it, and its sector.
const HEADER_BYTES: core::ops::RangeInclusive<usize> = 92..=SECTOR_BYTES;
/// The least length of an entry; all are this times a power of two.
const ENTRY_BYTES: usize = 128;

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub kind: Guid,
    /// Its place in the table, from 1.
    pub number: usize,
    /// Its first sector.
    pub first: u64,
    /// Number of its sectors.
    pub sectors: u64,
}

/// Why a disk has no partitions that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GptError {
    /// There is no table.
    None,
    /// The table is damaged, and so is its copy.
    Damaged,
    /// The table is longer than is read.
    TooLong,
    /// The disk does not do its work.
    Device(DeviceError),
}

impl fmt::Display for GptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("there is no partition table"),
            Self::Damaged => f.write_str("both partition tables are damaged"),
            Self::TooLong => write!(f, "the partition table is longer than {MAX_GPT_BYTES} bytes"),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for GptError {}

impl From<DeviceError> for GptError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// Sectors that partitions may have.
    usable: (u64, u64),
    /// First sector of the entries.
    entries: u64,
    count: usize,
    entry_bytes: usize,
    entries_check: u32,
}

/// Whether a disk with these bytes in its second sector has a table.
#[must_use]
pub fn is_header(sector: &[u8]) -> bool {
    sector.starts_with(MAGIC)
}

/// The partitions of a disk, in the order of the table; unused entries are left out.
///
/// # Errors
/// [`GptError`]
pub async fn read(device: &dyn BlockDevice) -> Result<Vec<Partition>, GptError> {
    let last = device.sectors().checked_sub(1).ok_or(GptError::None)?;
    let mut worst = GptError::None;
    for place in [FIRST, last] {
        match read_table(device, place).await {
            Ok(partitions) => return Ok(partitions),
            Err(GptError::None) => {}
            Err(error) => worst = error,
        }
    }
    Err(worst)
}

async fn read_table(device: &dyn BlockDevice, place: u64) -> Result<Vec<Partition>, GptError> {
    let mut sector = [0; SECTOR_BYTES];
    device.read(place, &mut sector).await?;
    let header = Header::parse(&sector, place, device.sectors())?;
    let mut entries = vec![0; (header.count * header.entry_bytes).next_multiple_of(SECTOR_BYTES)];
    device.read(header.entries, &mut entries).await.map_err(|error| match error {
        DeviceError::Range => GptError::Damaged,
        error => GptError::Device(error),
    })?;
    header.partitions(&entries)
}

impl Header {
    fn parse(sector: &[u8; SECTOR_BYTES], place: u64, sectors: u64) -> Result<Self, GptError> {
        if !is_header(sector) {
            return Err(GptError::None);
        }
        let word = |offset| at(sector, offset).map(u32::from_le_bytes).ok_or(GptError::Damaged);
        let long = |offset| at(sector, offset).map(u64::from_le_bytes).ok_or(GptError::Damaged);
        let size = |offset| word(offset).map(|value| usize::try_from(value).unwrap_or(usize::MAX));
        let bytes = size(12)?;
        if !HEADER_BYTES.contains(&bytes) {
            return Err(GptError::Damaged);
        }
        let mut checked = *sector;
        checked[16..20].fill(0);
        let sound = checked.get(..bytes).map(crc32) == Some(word(16)?) && long(24)? == place;
        let header = Self {
            usable: (long(40)?, long(48)?),
            entries: long(72)?,
            count: size(80)?,
            entry_bytes: size(84)?,
            entries_check: word(88)?,
        };
        let (first, last) = header.usable;
        let sizes = header.entry_bytes.is_power_of_two() && header.entry_bytes >= ENTRY_BYTES;
        if !sound || !sizes || first > last || last >= sectors || header.entries >= sectors {
            return Err(GptError::Damaged);
        }
        match header.count.checked_mul(header.entry_bytes) {
            Some(bytes) if bytes <= MAX_GPT_BYTES => Ok(header),
            _ => Err(GptError::TooLong),
        }
    }

    fn partitions(&self, entries: &[u8]) -> Result<Vec<Partition>, GptError> {
        let entries = entries.get(..self.count * self.entry_bytes).ok_or(GptError::Damaged)?;
        if crc32(entries) != self.entries_check {
            return Err(GptError::Damaged);
        }
        let mut partitions = Vec::new();
        for (number, entry) in (1..).zip(entries.chunks_exact(self.entry_bytes)) {
            let kind: Guid = at(entry, 0).ok_or(GptError::Damaged)?;
            if kind == [0; 16] {
                continue;
            }
            let first = at(entry, 32).map(u64::from_le_bytes).ok_or(GptError::Damaged)?;
            let last = at(entry, 40).map(u64::from_le_bytes).ok_or(GptError::Damaged)?;
            if first > last || first < self.usable.0 || last > self.usable.1 {
                return Err(GptError::Damaged);
            }
            if partitions.len() >= MAX_GPT_PARTITIONS {
                return Err(GptError::TooLong);
            }
            partitions.push(Partition { kind, number, first, sectors: last - first + 1 });
        }
        Ok(partitions)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::testing::RamDisk;
    use futures_util::FutureExt;
    use proptest::prelude::*;

    /// The bytes of a disk with these partitions (type, first sector, number of sectors), which are
    /// within 34 … `sectors` - 34.
    pub fn disk(sectors: u64, partitions: &[(Guid, u64, u64)]) -> Vec<u8> {
        let mut entries = vec![0; 128 * ENTRY_BYTES];
        for ((kind, first, count), entry) in
            partitions.iter().zip(entries.chunks_exact_mut(ENTRY_BYTES))
        {
            entry[..16].copy_from_slice(kind);
            entry[16..32].copy_from_slice(&[1; 16]);
            entry[32..40].copy_from_slice(&first.to_le_bytes());
            entry[40..48].copy_from_slice(&(first + count - 1).to_le_bytes());
        }
        let mut bytes = vec![0; usize::try_from(sectors).unwrap() * SECTOR_BYTES];
        let last = sectors - 1;
        for (place, other, table) in [(1, last, 2), (last, 1, last - 32)] {
            let mut header = [0; SECTOR_BYTES];
            header[..8].copy_from_slice(MAGIC);
            header[8..12].copy_from_slice(&[0, 0, 1, 0]);
            header[12..16].copy_from_slice(&92_u32.to_le_bytes());
            for (offset, value) in
                [(24, place), (32, other), (40, 34), (48, last - 33), (72, table)]
            {
                header[offset..offset + 8].copy_from_slice(&u64::to_le_bytes(value));
            }
            header[80..84].copy_from_slice(&128_u32.to_le_bytes());
            header[84..88].copy_from_slice(&128_u32.to_le_bytes());
            header[88..92].copy_from_slice(&crc32(&entries).to_le_bytes());
            let check = crc32(&header[..92]);
            header[16..20].copy_from_slice(&check.to_le_bytes());
            let at = |sector: u64| usize::try_from(sector).unwrap() * SECTOR_BYTES;
            bytes[at(place)..at(place) + SECTOR_BYTES].copy_from_slice(&header);
            bytes[at(table)..at(table) + entries.len()].copy_from_slice(&entries);
        }
        bytes
    }

    fn read_now(bytes: Vec<u8>) -> Result<Vec<Partition>, GptError> {
        read(&RamDisk::of(bytes)).now_or_never().unwrap()
    }

    /// Changes bytes of the first header and makes its checksum good again.
    fn patched(bytes: &[u8], offset: usize, value: &[u8]) -> Vec<u8> {
        let mut bytes = bytes[..bytes.len() - SECTOR_BYTES].to_vec();
        bytes.extend([0; SECTOR_BYTES]);
        let header = &mut bytes[SECTOR_BYTES..2 * SECTOR_BYTES];
        header[offset..offset + value.len()].copy_from_slice(value);
        header[16..20].fill(0);
        let check = crc32(&header[..92]);
        header[16..20].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    #[test]
    fn guids_have_their_groups_in_the_order_of_the_disk() {
        assert_eq!(VOLUME[..8], [0x70, 0x11, 0x20, 0xae, 0xf1, 0xc0, 0x1e, 0x4a]);
        assert_eq!(VOLUME[8..], [0x8e, 0x55, 0x0a, 0x11, 0xd1, 0x5c, 0, 3]);
    }

    #[test]
    fn partitions_are_read_from_either_table() {
        let whole = disk(2048, &[(VOLUME, 64, 100), ([0; 16], 0, 1), (PROGRAMS, 200, 1)]);
        let expected = [
            Partition { kind: VOLUME, number: 1, first: 64, sectors: 100 },
            Partition { kind: PROGRAMS, number: 3, first: 200, sectors: 1 },
        ];
        assert_eq!(read_now(whole.clone()).unwrap(), expected);
        for spoilt in [SECTOR_BYTES + 60, 2 * SECTOR_BYTES + 5] {
            let mut bytes = whole.clone();
            bytes[spoilt] ^= 1;
            assert_eq!(read_now(bytes.clone()).unwrap(), expected);
            let last = bytes.len() - SECTOR_BYTES + 60;
            bytes[last] ^= 1;
            assert_eq!(read_now(bytes), Err(GptError::Damaged));
        }
        assert_eq!(read_now(vec![0; 2048 * SECTOR_BYTES]), Err(GptError::None));
        assert_eq!(read_now(Vec::new()), Err(GptError::None));
    }

    #[test]
    fn headers_that_say_what_cannot_be_are_damage() {
        let whole = disk(2048, &[(VOLUME, 64, 100)]);
        let spoils: [(usize, &[u8]); 8] = [
            (12, &91_u32.to_le_bytes()),
            (12, &513_u32.to_le_bytes()),
            (24, &2_u64.to_le_bytes()),
            (40, &65_u64.to_le_bytes()),
            (48, &2048_u64.to_le_bytes()),
            (72, &2040_u64.to_le_bytes()),
            (72, &u64::MAX.to_le_bytes()),
            (84, &192_u32.to_le_bytes()),
        ];
        for (offset, value) in spoils {
            assert_eq!(
                read_now(patched(&whole, offset, value)),
                Err(GptError::Damaged),
                "{offset}"
            );
        }
    }

    #[test]
    fn long_tables_are_refused_at_the_bound() {
        let whole = disk(2048, &[(VOLUME, 64, 100)]);
        let most = u32::try_from(MAX_GPT_BYTES / ENTRY_BYTES).unwrap();
        let count = |count: u32| read_now(patched(&whole, 80, &count.to_le_bytes()));
        assert_eq!(count(most), Err(GptError::Damaged), "read, and found to be another");
        assert_eq!(count(most + 1), Err(GptError::TooLong));
        assert_eq!(count(u32::MAX), Err(GptError::TooLong));
        let many: Vec<_> = (0..100).map(|n| (VOLUME, 64 + n, 1)).collect();
        assert_eq!(read_now(disk(2048, &many[..MAX_GPT_PARTITIONS])).unwrap().len(), 64);
        assert_eq!(read_now(disk(2048, &many[..=MAX_GPT_PARTITIONS])), Err(GptError::TooLong));
    }

    proptest! {
        #[test]
        fn any_table_is_read_or_refused(
            changes in prop::collection::vec((0_usize..34 * SECTOR_BYTES, any::<u8>()), 0..8),
            offset in prop::sample::select(&[12_usize, 24, 40, 48, 72, 80, 84][..]),
            value: u64,
        ) {
            let mut bytes = disk(256, &[(VOLUME, 64, 100), (PROGRAMS, 170, 5)]);
            for (at, value) in changes {
                bytes[at] = value;
            }
            for bytes in [patched(&bytes, offset, &value.to_le_bytes()[..4]), bytes] {
                for partition in read_now(bytes).unwrap_or_default() {
                    prop_assert!(partition.first + partition.sectors <= 256);
                }
            }
        }
    }
}
