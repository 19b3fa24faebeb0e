//! Reads an archive, accepting what the reference's validation accepts (air-data §3.6).
//!
//! Objects must lie in the order in which they are visited, inside a shrinking window; references to a
//! shared object that was visited before are free of that. The types do not recurse, so neither does
//! the reader.

mod types;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use hashbrown::HashMap;

use super::layout;
use crate::data::{CanonElement, CanonResult, Cid, ParticleData, ServiceResult, Store, Tetraplet};

/// Why an archive is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveError {
    /// An object lies outside the archive, or outside the part of it where it must lie.
    OutOfBounds,
    /// A structure begins at a position that is not a multiple of its alignment.
    Unaligned,
    /// An unknown variant of an enumeration.
    InvalidTag(u8),
    /// A string is not UTF-8.
    NotUtf8,
    /// A short string claims to be longer than its place.
    InlineStringTooLong(u8),
    /// Two references to one place disagree about what is there.
    SharedDifferently,
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfBounds => f.write_str("an object is out of bounds"),
            Self::Unaligned => f.write_str("an object is not aligned"),
            Self::InvalidTag(tag) => write!(f, "{tag} is not a variant"),
            Self::NotUtf8 => f.write_str("a string is not UTF-8"),
            Self::InlineStringTooLong(len) => write!(f, "an inline string of {len} bytes"),
            Self::SharedDifferently => f.write_str("references to one place disagree"),
        }
    }
}

/// How long an archive is for each shared object in it, about, and for how many of them room is made
/// beforehand at most: an archive of one big value has few.
const BYTES_PER_SHARED_OBJECT: usize = 80;
const MAX_SHARED_EXPECTED: usize = 4096;

type Read<T> = Result<T, ArchiveError>;

/// Reads a whole archive.
///
/// `on_reference` is told, for each reference to a shared string in the order of visiting, the place of
/// that string: the pattern of sharing, which has no meaning but is part of the bytes.
pub fn read(archive: &[u8], on_reference: &mut dyn FnMut(usize)) -> Read<ParticleData> {
    let mut reader = Reader {
        bytes: archive,
        low: 0,
        high: archive.len(),
        shared: HashMap::with_capacity(
            (archive.len() / BYTES_PER_SHARED_OBJECT).min(MAX_SHARED_EXPECTED),
        ),
        strings: RecentStrings::default(),
        on_reference,
    };
    let root = archive.len().checked_sub(layout::ROOT).ok_or(ArchiveError::OutOfBounds)?;
    let window = reader.enter(root, layout::ROOT, layout::ALIGNMENT)?;
    let data = reader.root(root)?;
    reader.leave(window);
    Ok(data)
}

/// A shared object that was visited before, by the place where it lies.
enum Shared {
    Cid { cid: Cid, len: u32 },
    Peer(Arc<str>),
    Value(Arc<str>),
    Tetraplet(Arc<Tetraplet>),
    CanonElement(Arc<CanonElement>),
    CanonResult(Arc<CanonResult>),
    ServiceResult(Arc<ServiceResult>),
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// The window in which objects that were not visited before must lie.
    low: usize,
    high: usize,
    shared: HashMap<u32, Shared>,
    strings: RecentStrings,
    on_reference: &'a mut dyn FnMut(usize),
}

/// What the window becomes when an object has been read.
#[derive(Clone, Copy)]
struct Window {
    low: usize,
    high: usize,
}

impl<'a> Reader<'a> {
    // Windows and raw fields.

    /// Checks that an object may lie at `target` and narrows the window to what lies before it.
    fn enter(&mut self, target: usize, size: usize, alignment: usize) -> Read<Window> {
        if !target.is_multiple_of(alignment) {
            return Err(ArchiveError::Unaligned);
        }
        let end = target.checked_add(size).ok_or(ArchiveError::OutOfBounds)?;
        // The window never reaches beyond the archive.
        if target < self.low || end > self.high {
            return Err(ArchiveError::OutOfBounds);
        }
        let after = Window { low: end, high: self.high };
        self.high = target;
        Ok(after)
    }

    fn leave(&mut self, after: Window) {
        self.low = after.low;
        self.high = after.high;
    }

    /// The bytes of an object without references, taken out of the window.
    fn leaf(&mut self, target: usize, size: usize) -> Read<&'a [u8]> {
        let after = self.enter(target, size, 1)?;
        self.leave(after);
        self.bytes.get(target..target + size).ok_or(ArchiveError::OutOfBounds)
    }

    fn array<const N: usize>(&self, at: usize) -> Read<[u8; N]> {
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
        bytes.copied().ok_or(ArchiveError::OutOfBounds)
    }

    fn u32(&self, at: usize) -> Read<u32> {
        Ok(u32::from_be_bytes(self.array(at)?))
    }

    fn len(&self, at: usize) -> Read<usize> {
        Ok(self.u32(at)? as usize)
    }

    fn tag(&self, at: usize) -> Read<u8> {
        self.bytes.get(at).copied().ok_or(ArchiveError::OutOfBounds)
    }

    /// The place that the offset at `at` points to.
    fn target(&self, at: usize) -> Read<usize> {
        Self::resolve(at, i32::from_be_bytes(self.array(at)?))
    }

    fn resolve(from: usize, offset: i32) -> Read<usize> {
        // Positions in a slice fit isize.
        let target = from.checked_add_signed(offset as isize);
        target.ok_or(ArchiveError::OutOfBounds)
    }

    // Building blocks.

    /// A vector of elements of `size` bytes.
    fn vec<T>(
        &mut self,
        at: usize,
        size: usize,
        mut element: impl FnMut(&mut Self, usize) -> Read<T>,
    ) -> Read<Vec<T>> {
        let target = self.target(at)?;
        let count = self.len(at + 4)?;
        let total = count.checked_mul(size).ok_or(ArchiveError::OutOfBounds)?;
        let after = self.enter(target, total, layout::ALIGNMENT)?;
        // The elements lie inside the archive, so its length bounds the count.
        let mut elements = Vec::with_capacity(count);
        for index in 0..count {
            elements.push(element(self, target + index * size)?);
        }
        self.leave(after);
        Ok(elements)
    }

    fn boxed_bytes(&mut self, at: usize) -> Read<Box<[u8]>> {
        let target = self.target(at)?;
        let len = self.len(at + 4)?;
        self.leaf(target, len).map(Box::from)
    }

    fn boxed_text(&mut self, at: usize) -> Read<Arc<str>> {
        let target = self.target(at)?;
        let len = self.len(at + 4)?;
        text(self.leaf(target, len)?).map(Arc::from)
    }

    /// A string that is not shared, short ones inside their 8 bytes.
    fn string(&mut self, at: usize) -> Read<Arc<str>> {
        let image: [u8; layout::STRING] = self.array(at)?;
        let last = image[layout::STRING - 1];
        let bytes = if last & 0x80 == 0 {
            let inline = self.bytes.get(at..at + usize::from(last));
            let fits = usize::from(last) <= layout::INLINE_STRING;
            inline.filter(|_| fits).ok_or(ArchiveError::InlineStringTooLong(last))?
        } else {
            // The one little-endian number of the format.
            let [_, _, _, _, a, b, c, d] = image;
            let target = Self::resolve(at, i32::from_le_bytes([a, b, c, d]))?;
            let len = self.len(at)?;
            self.leaf(target, len)?
        };
        text(bytes).map(|text| self.strings.get(text))
    }

    /// The place that the offset at `at` points to, as shared objects are known by. Such an object lies
    /// before its first reference, so one beyond 32 bits cannot be.
    fn shared_target(&mut self, at: usize) -> Read<(usize, u32)> {
        let target = self.target(at)?;
        let place = u32::try_from(target).map_err(|_| ArchiveError::OutOfBounds)?;
        Ok((target, place))
    }

    /// A shared text that stands for a CID.
    fn cid(&mut self, at: usize) -> Read<Cid> {
        let (target, place) = self.shared_target(at)?;
        let len = self.u32(at + 4)?;
        (self.on_reference)(target);
        match self.shared.get(&place) {
            Some(Shared::Cid { cid, len: known }) if *known == len => return Ok(cid.clone()),
            Some(_) => return Err(ArchiveError::SharedDifferently),
            None => {}
        }
        let text = self.leaf(target, len as usize)?;
        let cid = Cid::from_utf8(text).map_err(|_| ArchiveError::NotUtf8)?;
        self.shared.insert(place, Shared::Cid { cid: cid.clone(), len });
        Ok(cid)
    }

    fn peer(&mut self, at: usize) -> Read<Arc<str>> {
        let (target, place) = self.shared_target(at)?;
        (self.on_reference)(target);
        match self.shared.get(&place) {
            Some(Shared::Peer(peer)) => return Ok(peer.clone()),
            Some(_) => return Err(ArchiveError::SharedDifferently),
            None => {}
        }
        let after = self.enter(target, layout::STRING, layout::ALIGNMENT)?;
        let peer = self.string(target)?;
        self.leave(after);
        self.shared.insert(place, Shared::Peer(peer.clone()));
        Ok(peer)
    }

    /// A shared structure of `size` bytes: read when it is first met, known afterwards.
    fn structure<T: Clone>(
        &mut self,
        at: usize,
        size: usize,
        known: impl Fn(&Shared) -> Option<&T>,
        read: impl Fn(&mut Self, usize) -> Read<T>,
        remember: impl Fn(T) -> Shared,
    ) -> Read<T> {
        let (target, place) = self.shared_target(at)?;
        if let Some(shared) = self.shared.get(&place) {
            return known(shared).cloned().ok_or(ArchiveError::SharedDifferently);
        }
        let after = self.enter(target, size, layout::ALIGNMENT)?;
        let object = read(self, target)?;
        self.leave(after);
        self.shared.insert(place, remember(object.clone()));
        Ok(object)
    }

    fn store<T>(
        &mut self,
        at: usize,
        value: impl Fn(&mut Self, usize) -> Read<T>,
    ) -> Read<Store<T>> {
        let target = self.target(at)?;
        let count = self.len(at + 4)?;
        let total = count.checked_mul(layout::ENTRY).ok_or(ArchiveError::OutOfBounds)?;
        let after = self.enter(target, total, layout::ALIGNMENT)?;
        let mut store = Store::default();
        store.reserve(count);
        for index in 0..count {
            let entry = target + index * layout::ENTRY;
            let key = self.cid(entry)?;
            let value = value(self, entry + layout::CID)?;
            store.put(key, value);
        }
        self.leave(after);
        Ok(store)
    }
}

fn text(bytes: &[u8]) -> Read<&str> {
    core::str::from_utf8(bytes).map_err(|_| ArchiveError::NotUtf8)
}

/// The last strings that were read: peers, services and functions repeat.
#[derive(Default)]
struct RecentStrings {
    recent: [Arc<str>; 8],
    next: usize,
}

impl RecentStrings {
    fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.recent.iter().find(|known| ***known == *text) {
            return known.clone();
        }
        let fresh: Arc<str> = Arc::from(text);
        let place = self.next % self.recent.len();
        if let Some(slot) = self.recent.get_mut(place) {
            *slot = fresh.clone();
        }
        self.next = place + 1;
        fresh
    }
}
