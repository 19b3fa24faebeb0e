//! What is on the machine's disks. Disks are known by their content: their order is the hypervisor's.
//!
//! | a disk that begins with | is |
//! |---|---|
//! | `AEROVOLU` | a volume |
//! | `AEROCF` | a configuration |
//! | `AEROPROG` | a bundle of programs |
//! | a partition table (GPT) | a configuration, programs, a volume in partitions of these [types](super::gpt) |
//! | an ISO 9660 file system with the label `cidata` | what cloud-init tells an instance |
//! | zeros, in its first MiB and its last 64 KiB | blank: a volume, if the configuration says so |
//! | an ext4 file system that was never used | the same |
//!
//! A partition of the type of volumes that begins with zeros becomes a volume without being asked for.
//! Everything else is left alone.

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use log::{info, warn};

use super::gpt::{self, Partition};
use super::iso9660::Root;
use super::part::Part;
use super::volume::bytes_at as at;
use super::{BlockDevice, DeviceError, SECTOR_BYTES, nocloud, volume};
use crate::limits::{BLANK_LOOK_SECTORS, BLANK_LOOK_SECTORS_AT_END, MAX_DISKS};
use crate::program::bundle;
use crate::secret::Secret;

/// Sectors from the beginning of a disk that say what it is.
const HEAD_SECTORS: usize = 8;
/// Sectors that are compared with zeros at a time.
const LOOK_SECTORS: u64 = 64;

/// The machine's disks, by number. Clones are the same disks.
#[derive(Clone)]
pub struct Disks(Rc<[Rc<dyn BlockDevice>]>);

/// A place on the disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Number of the disk, from 0.
    pub disk: usize,
    /// Number of the partition, from 1; none for the whole disk.
    pub partition: Option<usize>,
}

/// What is in a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A volume.
    Volume,
    /// A configuration.
    Configuration,
    /// A bundle of programs.
    Programs,
    /// What cloud-init tells, in the files of this directory.
    Nocloud(Root),
    /// Nothing yet, but it was made for a volume.
    MadeForVolume,
    /// Nothing: zeros, or an empty file system.
    Blank,
}

/// A place whose content is of use.
#[derive(Clone)]
pub struct Area {
    /// Where.
    pub place: Place,
    /// What.
    pub content: Content,
    /// Its sectors.
    pub device: Rc<dyn BlockDevice>,
}

/// Why what is in an area cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AreaError {
    /// It does not say how long it is, or it is longer than the node takes.
    Length,
    /// There is no memory for it.
    Memory,
    /// The disk does not do its work, or ends before.
    Device(DeviceError),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "disk {}", self.disk)?;
        match self.partition {
            Some(partition) => write!(f, ", partition {partition}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Volume => "a volume",
            Self::Configuration => "a configuration",
            Self::Programs => "programs",
            Self::Nocloud(_) => "cloud-init's data",
            Self::MadeForVolume => "room for a volume",
            Self::Blank => "nothing",
        })
    }
}

impl fmt::Display for AreaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length => f.write_str("it does not say how long it is, or is too long"),
            Self::Memory => f.write_str("there is no memory for it"),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for AreaError {}

impl Disks {
    /// These disks, the first [`MAX_DISKS`] of them.
    #[must_use]
    pub fn new(mut disks: Vec<Rc<dyn BlockDevice>>) -> Self {
        if disks.len() > MAX_DISKS {
            warn!(target: "disk", "{} disks, of which {MAX_DISKS} are looked at", disks.len());
            disks.truncate(MAX_DISKS);
        }
        Self(disks.into())
    }

    /// Number of disks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The disk of a name as Linux gives them, in the order in which the machine has them: `vda` is the
    /// first.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Rc<dyn BlockDevice>> {
        match name.strip_prefix("vd")?.as_bytes() {
            [letter @ b'a'..=b'z'] => self.0.get(usize::from(letter - b'a')).cloned(),
            _ => None,
        }
    }

    /// Looks at all disks. What is of no use, or cannot be read, is left out, with a line in the log.
    pub async fn survey(&self) -> Vec<Area> {
        let mut areas = Vec::new();
        for (disk, device) in self.0.iter().enumerate() {
            let place = Place { disk, partition: None };
            let found = look_at_disk(place, device, &mut areas).await;
            if let Err(error) = found {
                warn!(target: "disk", "{place}: not used: {error}");
            }
        }
        for Area { place, content, device } in &areas {
            let mode = if device.read_only() { ", read-only" } else { "" };
            let bytes = u128::from(device.sectors()) * SECTOR_BYTES as u128;
            info!(target: "disk", "{place}: {content}, {bytes} bytes{mode}");
        }
        areas
    }
}

impl fmt::Debug for Disks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Disks").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, content, .. } = self;
        f.debug_struct("Area")
            .field("place", place)
            .field("content", content)
            .finish_non_exhaustive()
    }
}

/// The first bytes of a device, which may be those of a configuration; zeros where it is shorter.
async fn head(device: &dyn BlockDevice) -> Result<Secret, DeviceError> {
    let mut head = Secret::zeros(HEAD_SECTORS * SECTOR_BYTES);
    let sectors = usize::try_from(device.sectors()).unwrap_or(usize::MAX).min(HEAD_SECTORS);
    device.read(0, head.get_mut(..sectors * SECTOR_BYTES).unwrap_or_default()).await?;
    Ok(head)
}

async fn look_at_disk(
    place: Place,
    device: &Rc<dyn BlockDevice>,
    areas: &mut Vec<Area>,
) -> Result<(), DeviceError> {
    let head = head(&**device).await?;
    let content = match by_magic(&head) {
        None if gpt::is_header(head.get(SECTOR_BYTES..).unwrap_or_default()) => {
            return look_at_partitions(place, device, areas).await;
        }
        None => by_file_system(&**device, &head).await?,
        known => known,
    };
    match content {
        Some(content) => areas.push(Area { place, content, device: device.clone() }),
        None => info!(target: "disk", "{place}: nothing that is known"),
    }
    Ok(())
}

async fn look_at_partitions(
    place: Place,
    device: &Rc<dyn BlockDevice>,
    areas: &mut Vec<Area>,
) -> Result<(), DeviceError> {
    let partitions = match gpt::read(&**device).await {
        Ok(partitions) => partitions,
        Err(error) => {
            warn!(target: "disk", "{place}: not used: {error}");
            return Ok(());
        }
    };
    for Partition { kind, number, first, sectors } in partitions {
        let place = Place { partition: Some(number), ..place };
        let part: Rc<dyn BlockDevice> = Rc::new(Part::new(device.clone(), first, sectors));
        let wanted = match kind {
            gpt::CONFIGURATION => Content::Configuration,
            gpt::PROGRAMS => Content::Programs,
            gpt::VOLUME => Content::Volume,
            _ => continue,
        };
        let head = head(&*part).await?;
        let content = match by_magic(&head) {
            Some(content) if content == wanted => content,
            _ if head.iter().all(|byte| *byte == 0) => match wanted {
                Content::Volume => Content::MadeForVolume,
                // Nothing was written there yet.
                _ => continue,
            },
            _ => {
                warn!(target: "disk", "{place}: not used: made for {wanted}, which is not there");
                continue;
            }
        };
        areas.push(Area { place, content, device: part });
    }
    Ok(())
}

/// What begins with these bytes, of what the node's own tools write.
fn by_magic(head: &[u8]) -> Option<Content> {
    if head.starts_with(volume::MAGIC) {
        Some(Content::Volume)
    } else if head.starts_with(crate::config::MAGIC) {
        Some(Content::Configuration)
    } else if head.starts_with(bundle::MAGIC) {
        Some(Content::Programs)
    } else {
        None
    }
}

/// What a disk is that has no mark of ours.
async fn by_file_system(
    device: &dyn BlockDevice,
    head: &[u8],
) -> Result<Option<Content>, DeviceError> {
    if let Ok(root) = Root::read(device).await {
        let is_nocloud = root.label().eq_ignore_ascii_case(nocloud::LABEL);
        return Ok(is_nocloud.then_some(Content::Nocloud(root)));
    }
    if is_unused_ext4(head) || is_blank(device).await? {
        return Ok(Some(Content::Blank));
    }
    Ok(None)
}

/// Whether there is an ext4 file system that was made and never mounted, and has nothing in it but
/// `lost+found` (fields of the superblock, which begins at byte 1024).
fn is_unused_ext4(head: &[u8]) -> bool {
    let word = |offset: usize| at(head, 1024 + offset).map(u32::from_le_bytes);
    let half = |offset: usize| at(head, 1024 + offset).map(u16::from_le_bytes);
    let (Some(inodes), Some(free), Some(first)) = (word(0), word(16), word(84)) else {
        return false;
    };
    let is_ext4 = half(56) == Some(0xef53);
    let never_mounted = half(52) == Some(0) && word(44) == Some(0);
    // Inodes below the first are reserved, and `lost+found` has the first.
    is_ext4 && never_mounted && inodes.checked_sub(free).is_some_and(|used| used <= first)
}

/// Whether a disk has only zeros where file systems and others leave their marks.
async fn is_blank(device: &dyn BlockDevice) -> Result<bool, DeviceError> {
    let sectors = device.sectors();
    let begin = 0..sectors.min(BLANK_LOOK_SECTORS);
    let end = sectors.saturating_sub(BLANK_LOOK_SECTORS_AT_END)..sectors;
    let mut buffer = vec![0; usize::try_from(LOOK_SECTORS).unwrap_or(1) * SECTOR_BYTES];
    for range in [begin, end] {
        let mut sector = range.start;
        while sector < range.end {
            let count = (range.end - sector).min(LOOK_SECTORS);
            let bytes = usize::try_from(count).unwrap_or(1) * SECTOR_BYTES;
            let chunk = buffer.get_mut(..bytes).ok_or(DeviceError::Range)?;
            device.read(sector, chunk).await?;
            if chunk.iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            sector += count;
        }
    }
    Ok(sectors > 0)
}

impl Area {
    /// The bytes at the beginning of the area, as many as `length` says from the first sector.
    ///
    /// # Errors
    /// [`AreaError`]
    pub async fn read_front(
        &self,
        length: impl FnOnce(&[u8]) -> Option<usize>,
    ) -> Result<Secret, AreaError> {
        let mut first = Secret::zeros(SECTOR_BYTES);
        self.device.read(0, &mut first).await.map_err(AreaError::Device)?;
        let length = length(&first).ok_or(AreaError::Length)?;
        let mut bytes = Vec::new();
        let whole = length.next_multiple_of(SECTOR_BYTES);
        bytes.try_reserve_exact(whole).map_err(|_| AreaError::Memory)?;
        bytes.resize(whole, 0);
        let mut bytes = Secret::from(bytes);
        self.device.read(0, &mut bytes).await.map_err(AreaError::Device)?;
        bytes.truncate(length);
        Ok(bytes)
    }
}
