//! Where things are on a volume.
//!
//! | sectors | content |
//! |---|---|
//! | 0 | what the volume is; written once, when it is made |
//! | 8 … 8 + n | first half |
//! | 8 + n … 8 + 2n | second half |
//!
//! The first sector:
//!
//! | offset | bytes | content, little-endian |
//! |---|---|---|
//! | 0 | 8 | `AEROVOLU` |
//! | 8 | 4 | version of the form: 1 |
//! | 12 | 4 | 0 |
//! | 16 | 16 | the volume's id |
//! | 32 | 8 | n: sectors of a half, a multiple of 8 |
//! | 496 | 16 | checksum of what stands above |
//!
//! The first sector of a half; without it, the half is not in use:
//!
//! | offset | bytes | content, little-endian |
//! |---|---|---|
//! | 0 | 8 | `AEROHALF` |
//! | 8 | 8 | generation of the log; the half with the higher one is in use |
//! | 16 | 16 | the volume's id |
//! | 32 | 8 | records that were in the log when this sector was written |
//! | 40 | 16 | salt of the generation: random, so that what an interrupted move left is none of it |
//! | 496 | 16 | checksum of what stands above |
//!
//! The log begins 8 sectors after the beginning of its half.

use super::record::{Check, Origin, at, check};
use crate::limits::{MAX_VOLUME_HALF_SECTORS, MIN_VOLUME_SECTORS};
use crate::store::SECTOR_BYTES;

/// Sectors that are written together by the disk below, whatever it says: writing one of them may spoil
/// the others when the power fails. What was flushed shares none with what is written later.
pub const BLOCK_SECTORS: u64 = 8;
/// The first bytes of a volume.
pub const MAGIC: &[u8; 8] = b"AEROVOLU";
const HALF_MAGIC: &[u8; 8] = b"AEROHALF";
const VERSION: u32 = 1;
const CHECK_AT: usize = 496;

/// One sector.
pub type Sector = [u8; SECTOR_BYTES];

/// What a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Its id.
    pub id: [u8; 16],
    /// Sectors of a half.
    pub half: u64,
}

/// Why the first sector is not that of a volume that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoVolume {
    /// It is something else.
    Other,
    /// It is one, of another version.
    Version(u32),
    /// It is one, and what stands there is not what was written, or does not fit the disk.
    Damaged,
}

impl Superblock {
    /// That of a volume on a disk of `sectors`, if it is large enough.
    pub fn for_disk(id: [u8; 16], sectors: u64) -> Option<Self> {
        if sectors < MIN_VOLUME_SECTORS {
            return None;
        }
        let half = (sectors - BLOCK_SECTORS) / 2 / BLOCK_SECTORS * BLOCK_SECTORS;
        Some(Self { id, half: half.min(MAX_VOLUME_HALF_SECTORS) })
    }

    /// Its sector.
    pub fn emit(&self) -> Sector {
        let mut sector = [0; SECTOR_BYTES];
        sector[..8].copy_from_slice(MAGIC);
        sector[8..12].copy_from_slice(&VERSION.to_le_bytes());
        sector[16..32].copy_from_slice(&self.id);
        sector[32..40].copy_from_slice(&self.half.to_le_bytes());
        seal(sector)
    }

    /// What the first sector of a disk of `sectors` says.
    pub fn parse(sector: &Sector, sectors: u64) -> Result<Self, NoVolume> {
        if !sector.starts_with(MAGIC) {
            return Err(NoVolume::Other);
        }
        let version = u32::from_le_bytes(at(sector, 8).ok_or(NoVolume::Damaged)?);
        if version != VERSION {
            return Err(NoVolume::Version(version));
        }
        let id = at(sector, 16).ok_or(NoVolume::Damaged)?;
        let half = u64::from_le_bytes(at(sector, 32).ok_or(NoVolume::Damaged)?);
        let least = Self::for_disk(id, MIN_VOLUME_SECTORS).map_or(u64::MAX, |least| least.half);
        let sound = is_sealed(sector)
            && (least..=MAX_VOLUME_HALF_SECTORS).contains(&half)
            && half.is_multiple_of(BLOCK_SECTORS)
            && BLOCK_SECTORS + 2 * half <= sectors;
        if sound { Ok(Self { id, half }) } else { Err(NoVolume::Damaged) }
    }

    /// The first sector of a half.
    pub fn start(&self, half: Half) -> u64 {
        match half {
            Half::First => BLOCK_SECTORS,
            Half::Second => BLOCK_SECTORS + self.half,
        }
    }
}

/// One of the two places of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// The one near the beginning.
    First,
    /// The other.
    Second,
}

impl Half {
    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }
}

/// The first sector of a half that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HalfHeader {
    /// Which generation its records are of.
    pub origin: Origin,
    /// Records that had been flushed when it was written.
    pub records: u64,
}

impl HalfHeader {
    /// Its sector, on the volume with this id.
    pub fn emit(&self, id: &[u8; 16]) -> Sector {
        let mut sector = [0; SECTOR_BYTES];
        sector[..8].copy_from_slice(HALF_MAGIC);
        sector[8..16].copy_from_slice(&self.origin.generation.to_le_bytes());
        sector[16..32].copy_from_slice(id);
        sector[32..40].copy_from_slice(&self.records.to_le_bytes());
        sector[40..56].copy_from_slice(&self.origin.salt);
        seal(sector)
    }

    /// What the first sector of a half says, if the half of this volume is in use.
    pub fn parse(sector: &Sector, id: [u8; 16]) -> Option<Self> {
        let found: [u8; 16] = at(sector, 16)?;
        if !sector.starts_with(HALF_MAGIC) || found != id || !is_sealed(sector) {
            return None;
        }
        let generation = u64::from_le_bytes(at(sector, 8)?);
        let records = u64::from_le_bytes(at(sector, 32)?);
        let salt = at(sector, 40)?;
        Some(Self { origin: Origin { salt, generation }, records })
    }
}

fn seal(mut sector: Sector) -> Sector {
    let check = check(&sector[..CHECK_AT]);
    sector[CHECK_AT..].copy_from_slice(&check);
    sector
}

fn is_sealed(sector: &Sector) -> bool {
    at::<16>(sector, CHECK_AT) == Some::<Check>(check(&sector[..CHECK_AT]))
}

/// The first sector at or after `sector` that begins a block.
pub fn aligned(sector: u64) -> u64 {
    sector.next_multiple_of(BLOCK_SECTORS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: [u8; 16] = [9; 16];

    #[test]
    fn halves_lie_side_by_side_within_the_disk() {
        for sectors in [MIN_VOLUME_SECTORS, MIN_VOLUME_SECTORS + 7, 2048, 1 << 40, u64::MAX] {
            let layout = Superblock::for_disk(ID, sectors).unwrap();
            assert!(layout.start(Half::First) >= BLOCK_SECTORS);
            assert_eq!(layout.start(Half::First) + layout.half, layout.start(Half::Second));
            assert!(layout.start(Half::Second) + layout.half <= sectors);
            assert!(layout.half <= MAX_VOLUME_HALF_SECTORS);
            assert_eq!(Superblock::parse(&layout.emit(), sectors), Ok(layout));
        }
        assert_eq!(Superblock::for_disk(ID, MIN_VOLUME_SECTORS - 1), None);
    }

    #[test]
    fn what_is_not_a_volume_of_this_version_and_disk_is_told_apart() {
        let layout = Superblock::for_disk(ID, 2048).unwrap();
        let sector = layout.emit();
        assert_eq!(Superblock::parse(&[0; SECTOR_BYTES], 2048), Err(NoVolume::Other));
        assert_eq!(Superblock::parse(&sector, 2039), Err(NoVolume::Damaged));
        let mut newer = sector;
        newer[8] = 2;
        assert_eq!(Superblock::parse(&newer, 2048), Err(NoVolume::Version(2)));
        for half in [0, 8, layout.half - 1, MAX_VOLUME_HALF_SECTORS + 8, u64::MAX] {
            let spoilt = Superblock { half, ..layout }.emit();
            assert_eq!(Superblock::parse(&spoilt, u64::MAX), Err(NoVolume::Damaged), "{half}");
        }
    }

    proptest! {
        #[test]
        fn a_changed_bit_of_a_half_is_noticed(
            generation: u64, records: u64, salt: [u8; 16], at in 0_usize..4096,
        ) {
            let header = HalfHeader { origin: Origin { salt, generation }, records };
            let mut sector = header.emit(&ID);
            prop_assert_eq!(HalfHeader::parse(&sector, ID), Some(header));
            prop_assert_eq!(HalfHeader::parse(&sector, [8; 16]), None);
            sector[at / 8] ^= 1 << (at % 8);
            prop_assert_eq!(HalfHeader::parse(&sector, ID), None);
        }
    }
}
