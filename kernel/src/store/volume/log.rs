//! The log of a volume: taken up, added to, read from, and moved to the other half.
//!
//! One operation at a time. One that fails while it writes, or whose future is dropped, leaves the log
//! failed: nothing more is written to it, and what was flushed is there when it is taken up again.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Bound;

use super::layout::{BLOCK_SECTORS, Half, HalfHeader, NoVolume, Sector, Superblock, aligned};
use super::record::{self, Check, HEADER_BYTES, Header, Kind, Origin};
use super::scan::{Found, Scan};
use super::{CHUNK_SECTORS, VolumeError};
use crate::limits::{MAX_STORE_KEYS, MAX_UNFLUSHED_RECORDS, VOLUME_SLACK_PART};
use crate::secret::{Secret, erase};
use crate::store::{BlockDevice, DeviceError, SECTOR_BYTES, StoreError, check_key, check_value};

/// Bytes before the first half.
const FIRST_BLOCK_BYTES: usize = 8 * SECTOR_BYTES;

/// Where a value is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// First sector of its record, from the beginning of the half.
    sector: u64,
    value_bytes: u32,
    value_check: Check,
}

/// What is to be done to a key.
#[derive(Clone, Copy)]
struct Change<'a> {
    key: &'a str,
    /// The value; `None` takes the key out.
    value: Option<&'a [u8]>,
}

/// The log of a volume.
pub struct Log {
    device: Rc<dyn BlockDevice>,
    layout: Superblock,
    half: Half,
    origin: Origin,
    /// Where the salts of later generations come from.
    seed: [u8; 32],
    session: u32,
    /// Whether records of this session may be written: a record says so, or the generation is new.
    mounted: bool,
    /// Where the next record goes, and its number.
    end: u64,
    sequence: u64,
    /// Records with lower numbers are flushed.
    flushed: u64,
    /// Whether something was written since the last flush, or may have been before.
    dirty: bool,
    /// Whether a write is under way, or did not end well.
    broken: bool,
    places: BTreeMap<String, Place>,
    /// Sectors of all records in `places`.
    live: u64,
    buffer: Buffer,
}

impl Log {
    /// Makes a volume of a disk; what is on it is lost.
    pub async fn format(device: &dyn BlockDevice, id: [u8; 16]) -> Result<(), VolumeError> {
        let layout = Superblock::for_disk(id, device.sectors()).ok_or(VolumeError::TooSmall)?;
        // First of all the disk is no longer what it was, by any mark that file systems have there; last of
        // all it becomes a volume.
        device.write(0, &[0; FIRST_BLOCK_BYTES]).await?;
        device.flush().await?;
        let header = HalfHeader { origin: Origin { salt: id, generation: 1 }, records: 0 };
        device.write(layout.start(Half::First), &header.emit(&id)).await?;
        device.write(layout.start(Half::Second), &[0; SECTOR_BYTES]).await?;
        device.flush().await?;
        device.write(0, &layout.emit()).await?;
        device.flush().await?;
        Ok(())
    }

    /// Takes up the log of a volume. `seed` is random, each time anew.
    pub async fn open(device: Rc<dyn BlockDevice>, seed: [u8; 32]) -> Result<Self, VolumeError> {
        let mut sector: Sector = [0; SECTOR_BYTES];
        device.read(0, &mut sector).await?;
        let layout =
            Superblock::parse(&sector, device.sectors()).map_err(|reason| match reason {
                NoVolume::Other => VolumeError::NoVolume,
                NoVolume::Version(version) => VolumeError::Version(version),
                NoVolume::Damaged => VolumeError::Damaged,
            })?;
        let mut headers = Vec::new();
        for half in [Half::First, Half::Second] {
            device.read(layout.start(half), &mut sector).await?;
            headers.extend(HalfHeader::parse(&sector, layout.id).map(|header| (half, header)));
        }
        let in_use = headers.into_iter().max_by_key(|(_, header)| header.origin.generation);
        let (half, header) = in_use.ok_or(VolumeError::Damaged)?;
        let mut places = BTreeMap::new();
        let mut live = 0;
        let scan = Scan::new(&*device, layout.start(half), layout.half, header.origin);
        let end = scan.run(&header, |found| take_up(&mut places, &mut live, found)).await?;
        let bytes = usize::try_from(CHUNK_SECTORS).unwrap_or(0) * SECTOR_BYTES;
        Ok(Self {
            device,
            layout,
            half,
            origin: header.origin,
            seed,
            session: end.session,
            mounted: false,
            end: end.sector,
            sequence: end.sequence,
            flushed: header.records.min(end.sequence),
            dirty: true,
            broken: false,
            places,
            live,
            buffer: Buffer { bytes: Secret::zeros(bytes), used: 0 },
        })
    }

    /// Whether nothing can be put.
    pub fn read_only(&self) -> bool {
        self.device.read_only()
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes that all records take, and those that they may take.
    pub fn room(&self) -> (u64, u64) {
        let bytes = |sectors: u64| sectors.saturating_mul(SECTOR_BYTES as u64);
        (bytes(self.live), bytes(self.capacity()))
    }

    /// The value of a key.
    pub async fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        let Some(place) = self.places.get(key).copied() else { return Ok(None) };
        let bytes = usize::try_from(place.value_bytes).map_err(|_| StoreError::Memory)?;
        let mut value = Vec::new();
        value.try_reserve_exact(bytes).map_err(|_| StoreError::Memory)?;
        let first = self.layout.start(self.half) + place.sector;
        let mut skip = HEADER_BYTES + key.len();
        let mut left = record::sectors(key, place.value_bytes);
        let mut at = first;
        while left > 0 {
            let count = left.min(CHUNK_SECTORS);
            let chunk = self.buffer.chunk(count)?;
            self.device.read(at, chunk).await?;
            let part = chunk.get(skip..).unwrap_or_default();
            value.extend_from_slice(part.get(..bytes - value.len()).unwrap_or(part));
            (skip, left, at) = (0, left - count, at + count);
        }
        if record::check(&value) != place.value_check {
            return Err(StoreError::Damaged);
        }
        Ok(Some(value))
    }

    /// Overwrites what the last operation has left of values in memory.
    pub fn forget_values(&mut self) {
        self.buffer.erase();
    }

    /// The keys that begin with `prefix`.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let keys = self.places.range::<str, _>(from).map(|(key, _)| key);
        keys.take_while(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// Gives a key a value.
    pub async fn put(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        check_key(key)?;
        check_value(value)?;
        if !self.places.contains_key(key) && self.places.len() >= MAX_STORE_KEYS {
            return Err(StoreError::Keys);
        }
        let change = Change { key, value: Some(value) };
        if self.live_after(&change) > self.capacity() {
            return Err(StoreError::Full);
        }
        self.change(change).await
    }

    /// Takes a key out.
    pub async fn delete(&mut self, key: &str) -> Result<(), StoreError> {
        check_key(key)?;
        if !self.places.contains_key(key) {
            return Ok(());
        }
        self.change(Change { key, value: None }).await
    }

    /// Makes what was written survive power-off.
    pub async fn flush(&mut self) -> Result<(), StoreError> {
        if self.broken {
            return Err(StoreError::Failed);
        }
        if !self.dirty || self.read_only() {
            return Ok(());
        }
        self.broken = true;
        self.sync().await?;
        self.broken = false;
        Ok(())
    }

    async fn change(&mut self, change: Change<'_>) -> Result<(), StoreError> {
        if self.broken {
            return Err(StoreError::Failed);
        }
        if self.read_only() {
            return Err(StoreError::ReadOnly);
        }
        self.broken = true;
        let mount = if self.mounted { 0 } else { BLOCK_SECTORS };
        if aligned(self.end) + mount + change.sectors() <= self.layout.half {
            if !self.mounted {
                self.mount().await?;
            }
            let place = self.append(change).await?;
            self.apply(&change, place);
            if self.sequence - self.flushed >= MAX_UNFLUSHED_RECORDS as u64 {
                self.sync().await?;
            }
        } else {
            self.move_to_other_half(change).await?;
        }
        self.broken = false;
        Ok(())
    }

    /// Begins a session, before whose records nothing is that could be taken for one of them.
    async fn mount(&mut self) -> Result<(), StoreError> {
        self.end = aligned(self.end);
        self.session = self.session.checked_add(1).ok_or(StoreError::Failed)?;
        self.write_record(Kind::Mount, "", &[]).await?;
        self.sync().await?;
        self.mounted = true;
        Ok(())
    }

    async fn sync(&mut self) -> Result<(), DeviceError> {
        self.device.flush().await?;
        self.flushed = self.sequence;
        self.end = aligned(self.end);
        self.dirty = false;
        Ok(())
    }

    async fn append(&mut self, change: Change<'_>) -> Result<Place, DeviceError> {
        match change.value {
            Some(value) => self.write_record(Kind::Put, change.key, value).await,
            None => self.write_record(Kind::Delete, change.key, &[]).await,
        }
    }

    /// What the keys come to by a change that was written to `place`.
    fn apply(&mut self, change: &Change<'_>, place: Place) {
        self.live = self.live_after(change);
        match change.value {
            Some(_) => self.places.insert(change.key.to_string(), place),
            None => self.places.remove(change.key),
        };
    }

    /// Sectors of all records after a change.
    fn live_after(&self, change: &Change<'_>) -> u64 {
        let older = self.places.get(change.key);
        let older = older.map_or(0, |place| record::sectors(change.key, place.value_bytes));
        let newer = change.value.map_or(0, |_| change.sectors());
        self.live.saturating_sub(older).saturating_add(newer)
    }

    /// Sectors that all records may take: less than fit a half, so that moving the log to the other one
    /// is always worth the work.
    fn capacity(&self) -> u64 {
        let sectors = self.layout.half - BLOCK_SECTORS;
        sectors - sectors / VOLUME_SLACK_PART
    }

    /// From here on records are of a generation that there never was.
    fn begin_generation(&mut self) -> Result<(), StoreError> {
        let generation = self.origin.generation.checked_add(1).ok_or(StoreError::Failed)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.seed).update(&generation.to_le_bytes());
        self.origin = Origin { salt: record::check_of(&hasher), generation };
        Ok(())
    }

    /// Writes a record at the end.
    async fn write_record(
        &mut self,
        kind: Kind,
        key: &str,
        value: &[u8],
    ) -> Result<Place, DeviceError> {
        let header = Header {
            kind,
            session: self.session,
            sequence: self.sequence,
            flushed: self.flushed,
            value_bytes: u32::try_from(value.len()).map_err(|_| DeviceError::Range)?,
            value_check: record::check(value),
        };
        let head = header.emit(&self.origin, key);
        let place = Place {
            sector: self.end,
            value_bytes: header.value_bytes,
            value_check: header.value_check,
        };
        let first = self.layout.start(self.half) + self.end;
        let mut left = record::sectors(key, header.value_bytes);
        let mut at = first;
        let mut offset = 0;
        self.dirty = true;
        while left > 0 {
            let count = left.min(CHUNK_SECTORS);
            let chunk = self.buffer.chunk(count)?;
            fill(chunk, [&head, key.as_bytes(), value], offset);
            self.device.write(at, chunk).await?;
            offset += chunk.len();
            (left, at) = (left - count, at + count);
        }
        self.end += at - first;
        self.sequence += 1;
        Ok(place)
    }

    /// Writes what is live, and a change, to the other half, which is the log from then on.
    async fn move_to_other_half(&mut self, change: Change<'_>) -> Result<(), StoreError> {
        let half = self.half;
        let older = core::mem::take(&mut self.places);
        let result = self.move_values(&older, change).await;
        if result.is_err() {
            // What can still be read is where it was.
            (self.half, self.places) = (half, older);
        }
        result
    }

    async fn move_values(
        &mut self,
        older: &BTreeMap<String, Place>,
        change: Change<'_>,
    ) -> Result<(), StoreError> {
        let (from, to) = (self.layout.start(self.half), self.layout.start(self.half.other()));
        // Whatever is there is not in use while it is written over.
        self.device.write(to, &[0; SECTOR_BYTES]).await?;
        self.begin_generation()?;
        self.half = self.half.other();
        (self.session, self.sequence, self.flushed) = (0, 0, 0);
        (self.end, self.live) = (BLOCK_SECTORS, 0);
        for (key, place) in older {
            if key == change.key {
                continue;
            }
            let sectors = record::sectors(key, place.value_bytes);
            let sector = self.end;
            self.copy_record(from + place.sector, sectors, key, place).await?;
            self.live += sectors;
            self.places.insert(key.clone(), Place { sector, ..*place });
        }
        if change.value.is_some() {
            let place = self.append(change).await?;
            self.apply(&change, place);
        }
        self.sync().await?;
        let header = HalfHeader { origin: self.origin, records: self.sequence };
        self.device.write(to, &header.emit(&self.layout.id)).await?;
        self.device.flush().await?;
        self.mounted = true;
        // So that the older generation does not come back if this header is ever damaged.
        self.device.write(from, &[0; SECTOR_BYTES]).await?;
        self.dirty = true;
        Ok(())
    }

    /// Copies the record of a value from a sector of the disk to the end.
    async fn copy_record(
        &mut self,
        from: u64,
        sectors: u64,
        key: &str,
        place: &Place,
    ) -> Result<(), DeviceError> {
        let header = Header {
            kind: Kind::Put,
            session: self.session,
            sequence: self.sequence,
            flushed: self.flushed,
            value_bytes: place.value_bytes,
            value_check: place.value_check,
        };
        let head = header.emit(&self.origin, key);
        let to = self.layout.start(self.half) + self.end;
        let mut done = 0;
        while done < sectors {
            let count = (sectors - done).min(CHUNK_SECTORS);
            let chunk = self.buffer.chunk(count)?;
            self.device.read(from + done, chunk).await?;
            if let Some(start) = chunk.first_chunk_mut::<HEADER_BYTES>().filter(|_| done == 0) {
                *start = head;
            }
            self.device.write(to + done, chunk).await?;
            done += count;
        }
        self.end += sectors;
        self.sequence += 1;
        Ok(())
    }
}

impl Change<'_> {
    fn sectors(&self) -> u64 {
        let bytes = self.value.map_or(0, <[u8]>::len);
        record::sectors(self.key, u32::try_from(bytes).unwrap_or(u32::MAX))
    }
}

/// What goes to the disk and comes from it, a chunk at a time.
struct Buffer {
    bytes: Secret,
    /// Bytes from the beginning that may be of a value.
    used: usize,
}

impl Buffer {
    /// So many sectors.
    fn chunk(&mut self, sectors: u64) -> Result<&mut [u8], DeviceError> {
        let bytes = usize::try_from(sectors).unwrap_or(usize::MAX).saturating_mul(SECTOR_BYTES);
        let chunk = self.bytes.get_mut(..bytes).ok_or(DeviceError::Range)?;
        self.used = self.used.max(bytes);
        Ok(chunk)
    }

    fn erase(&mut self) {
        erase(self.bytes.get_mut(..self.used).unwrap_or_default());
        self.used = 0;
    }
}

/// Takes a record that was found into account.
fn take_up(
    places: &mut BTreeMap<String, Place>,
    live: &mut u64,
    found: Found,
) -> Result<(), VolumeError> {
    let Found { sector, header: Header { kind, value_bytes, value_check, .. }, key } = found;
    let sectors_of = |value_bytes| record::sectors(&key, value_bytes);
    let older = places.get(&key).map_or(0, |older| sectors_of(older.value_bytes));
    *live = live.saturating_sub(older);
    match kind {
        Kind::Mount => {}
        Kind::Delete => {
            places.remove(&key);
        }
        Kind::Put => {
            *live += sectors_of(value_bytes);
            places.insert(key, Place { sector, value_bytes, value_check });
        }
    }
    if places.len() > MAX_STORE_KEYS { Err(VolumeError::Damaged) } else { Ok(()) }
}

/// Fills `to` with the parts one after the other, from an offset on, then with zeros.
fn fill(to: &mut [u8], parts: [&[u8]; 3], mut offset: usize) {
    let mut rest = to;
    for part in parts {
        let from = part.get(offset..).unwrap_or_default();
        offset = offset.saturating_sub(part.len());
        let (now, later) = rest.split_at_mut(from.len().min(rest.len()));
        now.copy_from_slice(from.get(..now.len()).unwrap_or_default());
        rest = later;
    }
    rest.fill(0);
}
