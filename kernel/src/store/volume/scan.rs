//! Reading a log from its beginning: what is in it, and where it ends.
//!
//! The log ends before the first record that is not whole. Of a record that had been flushed when a
//! later one was written only the header is read here; the others may have been cut off by the end of
//! power, in any order, so that their values are checked too. A record that is not whole although it had
//! been flushed is damage: what comes after it cannot be trusted to be all there was.

use alloc::collections::VecDeque;
use alloc::string::String;

use zeroize::Zeroizing;

use super::layout::{BLOCK_SECTORS, HalfHeader, Sector, aligned};
use super::record::{self, HEADER_BYTES, Header, Kind, Origin};
use super::{CHUNK_SECTORS, VolumeError};
use crate::limits::{MAX_UNFLUSHED_RECORDS, VOLUME_DAMAGE_LOOK_SECTORS};
use crate::secret::Secret;
use crate::store::{BlockDevice, DeviceError, SECTOR_BYTES};

/// A record that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its first sector, from the beginning of the half.
    pub sector: u64,
    /// Its header.
    pub header: Header,
    /// Its key.
    pub key: String,
}

/// Where the log goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// The sector after the last record.
    pub sector: u64,
    /// The number of the next record.
    pub sequence: u64,
    /// The session of the last record.
    pub session: u32,
}

/// One half, read forwards.
pub struct Scan<'a> {
    device: &'a dyn BlockDevice,
    /// Where the half begins on the disk, and how many sectors it has.
    start: u64,
    sectors: u64,
    origin: Origin,
    window: Secret,
    /// Sectors of the half that are in the window.
    held: core::ops::Range<u64>,
}

impl<'a> Scan<'a> {
    /// Of a half that begins at `start` and has so many `sectors`.
    pub fn new(device: &'a dyn BlockDevice, start: u64, sectors: u64, origin: Origin) -> Self {
        let bytes = usize::try_from(CHUNK_SECTORS).unwrap_or(0) * SECTOR_BYTES;
        Self { device, start, sectors, origin, window: Secret::zeros(bytes), held: 0..0 }
    }

    /// Reads the whole log and gives its records to `apply`, in order.
    pub async fn run(
        mut self,
        header: &HalfHeader,
        mut apply: impl FnMut(Found) -> Result<(), VolumeError>,
    ) -> Result<End, VolumeError> {
        let mut end = End { sector: BLOCK_SECTORS, sequence: 0, session: 0 };
        let mut flushed = header.records;
        // Records that nothing yet says to have been flushed.
        let mut open: VecDeque<(Found, End)> = VecDeque::new();
        while let Some(found) = self.next(&end).await? {
            let sectors = record::sectors(&found.key, found.header.value_bytes);
            let before = end;
            end = End {
                sector: found.sector + sectors,
                sequence: end.sequence + 1,
                session: found.header.session,
            };
            // What a record says of itself and of later ones is no news.
            flushed = flushed.max(found.header.flushed.min(before.sequence));
            open.push_back((found, before));
            while let Some((found, _)) =
                open.pop_front_if(|(found, _)| found.header.sequence < flushed)
            {
                apply(found)?;
            }
            if open.len() > MAX_UNFLUSHED_RECORDS {
                return Err(VolumeError::Damaged);
            }
        }
        if end.sequence < flushed {
            return Err(VolumeError::Damaged);
        }
        for (found, before) in open {
            if !self.is_whole(&found).await? {
                end = before;
                break;
            }
            apply(found)?;
        }
        if self.goes_on(&end).await? {
            return Err(VolumeError::Damaged);
        }
        Ok(end)
    }

    /// The record after `end`: there, or at the next block, where one stands that was written after a
    /// flush or in a later session.
    async fn next(&mut self, end: &End) -> Result<Option<Found>, DeviceError> {
        let here = self.successor(end.sector, end).await?;
        let block = aligned(end.sector);
        if block == end.sector {
            return Ok(here);
        }
        let there = self.successor(block, end).await?;
        // What a later session wrote says that nothing was there.
        let later = match (&here, &there) {
            (Some(here), Some(there)) => there.header.session > here.header.session,
            _ => here.is_none(),
        };
        Ok(if later { there } else { here })
    }

    /// The record at `sector`, if it is the one that comes after `end`.
    async fn successor(&mut self, sector: u64, end: &End) -> Result<Option<Found>, DeviceError> {
        let Some(found) = self.record(sector).await? else { return Ok(None) };
        let header = &found.header;
        let session = if header.kind == Kind::Mount {
            header.session > end.session
        } else {
            header.session == end.session
        };
        Ok((session && header.sequence == end.sequence).then_some(found))
    }

    /// The record whose header is at `sector`, if it ends in this half.
    async fn record(&mut self, sector: u64) -> Result<Option<Found>, DeviceError> {
        let origin = self.origin;
        let Some(bytes) = self.sector(sector).await? else { return Ok(None) };
        let Some((header, key)) = Header::parse(&origin, bytes) else { return Ok(None) };
        let fits = sector + record::sectors(&key, header.value_bytes) <= self.sectors;
        Ok(fits.then_some(Found { sector, header, key }))
    }

    /// Whether the value is what the header says.
    async fn is_whole(&mut self, found: &Found) -> Result<bool, DeviceError> {
        // It holds what it was given last, in the memory of whoever waits for the disk here.
        let mut hasher = Zeroizing::new(blake3::Hasher::new());
        let mut skip = HEADER_BYTES + found.key.len();
        let mut left = usize::try_from(found.header.value_bytes).unwrap_or(usize::MAX);
        let mut sector = found.sector;
        while left > 0 {
            let Some(bytes) = self.sector(sector).await? else { return Ok(false) };
            let part = bytes.get(skip..).unwrap_or_default();
            let part = part.get(..left).unwrap_or(part);
            hasher.update(part);
            left -= part.len();
            (skip, sector) = (0, sector + 1);
        }
        Ok(record::check_of(&hasher) == found.header.value_check)
    }

    /// Whether there are records after the end that were written after the missing one was flushed.
    async fn goes_on(&mut self, end: &End) -> Result<bool, DeviceError> {
        let until = self.sectors.min(end.sector.saturating_add(VOLUME_DAMAGE_LOOK_SECTORS));
        for sector in end.sector..until {
            if let Some(found) = self.record(sector).await?
                && found.header.session >= end.session
                && found.header.sequence >= end.sequence
                && found.header.flushed > end.sequence
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The bytes of a sector of the half; `None` beyond its end.
    async fn sector(&mut self, sector: u64) -> Result<Option<&Sector>, DeviceError> {
        if sector >= self.sectors {
            return Ok(None);
        }
        if !self.held.contains(&sector) {
            let end = self.sectors.min(sector + CHUNK_SECTORS);
            let bytes = usize::try_from(end - sector).unwrap_or(0) * SECTOR_BYTES;
            let window = self.window.get_mut(..bytes).ok_or(DeviceError::Range)?;
            self.held = 0..0;
            self.device.read(self.start + sector, window).await?;
            self.held = sector..end;
        }
        let offset = usize::try_from(sector - self.held.start).unwrap_or(0) * SECTOR_BYTES;
        let bytes = self.window.get(offset..).and_then(<[u8]>::first_chunk);
        Ok(Some(bytes.ok_or(DeviceError::Range)?))
    }
}
