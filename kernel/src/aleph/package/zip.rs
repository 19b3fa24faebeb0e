//! Zip (PKWARE's APPNOTE): the central directory, stored and deflated entries.
//!
//! Only the central directory says what is there; the local heads say where the data begin. Not supported:
//! ZIP64, encryption, several disks, other methods than 0 and 8.

use alloc::vec::Vec;

use super::deflate::{Framing, InflateError, crc32, inflate};
use super::{FileTree, Name, PackageError, shown};

const END_MAGIC: [u8; 4] = *b"PK\x05\x06";
const ENTRY_MAGIC: [u8; 4] = *b"PK\x01\x02";
const LOCAL_MAGIC: [u8; 4] = *b"PK\x03\x04";
const END_BYTES: usize = 22;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: usize = 30;
/// What may stand behind the end of the directory.
const MAX_COMMENT_BYTES: usize = u16::MAX as usize;
const ENCRYPTED: u16 = 1;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// The system on which an entry's attributes are a Unix mode.
const UNIX: u8 = 3;
/// The part of a mode that says what it is of.
const KIND: u32 = 0o170_000;
const LINK: u32 = 0o120_000;
const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;

const DIRECTORY_DAMAGED: PackageError = PackageError::Malformed("directory of the zip file");
const ENTRY_DAMAGED: PackageError = PackageError::Malformed("entry of the zip file");

pub(super) fn read(archive: &[u8], tree: &mut FileTree) -> Result<(), PackageError> {
    let end = find_end(archive).ok_or(PackageError::Malformed("end of the zip file"))?;
    let (disk, first_disk, here, count) = (end.u16(4)?, end.u16(6)?, end.u16(8)?, end.u16(10)?);
    let (size, offset) = (end.u32(12)?, end.u32(16)?);
    if count == u16::MAX || offset == u32::MAX || size == u32::MAX {
        return Err(PackageError::Unsupported("a ZIP64 file"));
    }
    if disk != 0 || first_disk != 0 || here != count {
        return Err(PackageError::Unsupported("a zip file on several disks"));
    }
    let mut directory = Part(archive).from(offset)?;
    for _ in 0..count {
        tree.count_entry()?;
        let entry = Entry::read(directory)?;
        directory = directory.from(entry.length)?;
        let is_directory = entry.name.last() == Some(&b'/');
        match entry.mode.map(|mode| mode & KIND) {
            Some(LINK) => return Err(PackageError::Link(shown(entry.name))),
            None | Some(0 | FILE | DIRECTORY) => {}
            Some(_) => return Err(PackageError::Special(shown(entry.name))),
        }
        let name = Name::new(entry.name)?;
        if !is_directory {
            let bytes = entry.unpack(archive, tree)?;
            tree.add(name, bytes)?;
        }
    }
    Ok(())
}

/// The end of the directory, which is the last thing but for a comment.
fn find_end(archive: &[u8]) -> Option<Part<'_>> {
    let last = archive.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(MAX_COMMENT_BYTES);
    (first..=last).rev().find_map(|start| {
        let end = archive.get(start..).filter(|end| end.starts_with(&END_MAGIC))?;
        let comment = Part(end).u16(20).ok()?;
        (END_BYTES + usize::from(comment) == end.len()).then_some(Part(end))
    })
}

struct Entry<'a> {
    name: &'a [u8],
    /// The Unix mode, where there is one.
    mode: Option<u32>,
    flags: u16,
    method: u16,
    crc: u32,
    packed: u32,
    unpacked: u32,
    local: u32,
    /// Bytes of the entry in the directory.
    length: u32,
}

impl<'a> Entry<'a> {
    fn read(part: Part<'a>) -> Result<Self, PackageError> {
        if !part.0.starts_with(&ENTRY_MAGIC) {
            return Err(DIRECTORY_DAMAGED);
        }
        let (name, extra, comment) = (part.u16(28)?, part.u16(30)?, part.u16(32)?);
        let system = part.0.get(5).copied();
        let name_end = ENTRY_BYTES + usize::from(name);
        let length = name_end + usize::from(extra) + usize::from(comment);
        Ok(Self {
            name: part.0.get(ENTRY_BYTES..name_end).ok_or(DIRECTORY_DAMAGED)?,
            mode: if system == Some(UNIX) { Some(part.u32(38)? >> 16) } else { None },
            flags: part.u16(8)?,
            method: part.u16(10)?,
            crc: part.u32(16)?,
            packed: part.u32(20)?,
            unpacked: part.u32(24)?,
            local: part.u32(42)?,
            length: u32::try_from(length).map_err(|_| DIRECTORY_DAMAGED)?,
        })
    }

    fn unpack(&self, archive: &[u8], tree: &FileTree) -> Result<Vec<u8>, PackageError> {
        if self.flags & ENCRYPTED != 0 {
            return Err(PackageError::Unsupported("an encrypted zip file"));
        }
        if self.packed == u32::MAX || self.unpacked == u32::MAX || self.local == u32::MAX {
            return Err(PackageError::Unsupported("a ZIP64 file"));
        }
        let local = Part(archive).from(self.local)?;
        if !local.0.starts_with(&LOCAL_MAGIC) {
            return Err(ENTRY_DAMAGED);
        }
        let start = LOCAL_BYTES + usize::from(local.u16(26)?) + usize::from(local.u16(28)?);
        let packed = usize::try_from(self.packed).map_err(|_| ENTRY_DAMAGED)?;
        let unpacked = usize::try_from(self.unpacked).map_err(|_| ENTRY_DAMAGED)?;
        let data = local.0.get(start..).and_then(|data| data.get(..packed)).ok_or(ENTRY_DAMAGED)?;
        if unpacked > tree.room() {
            return Err(tree.no_room());
        }
        let bytes = match self.method {
            STORED => data.to_vec(),
            DEFLATED => match inflate(data, Framing::Raw, unpacked) {
                Ok((bytes, _)) => bytes,
                Err(InflateError::TooLong | InflateError::Malformed) => return Err(ENTRY_DAMAGED),
            },
            _ => return Err(PackageError::Unsupported("a method of compression in the zip file")),
        };
        if bytes.len() != unpacked {
            return Err(ENTRY_DAMAGED);
        }
        if crc32(&bytes) != self.crc {
            return Err(PackageError::Checksum("entry of the zip file"));
        }
        Ok(bytes)
    }
}

/// A part of the archive, read at offsets from its beginning, little-endian.
#[derive(Clone, Copy)]
struct Part<'a>(&'a [u8]);

impl<'a> Part<'a> {
    fn from(self, offset: u32) -> Result<Self, PackageError> {
        let offset = usize::try_from(offset).map_err(|_| DIRECTORY_DAMAGED)?;
        self.0.get(offset..).map(Part).ok_or(DIRECTORY_DAMAGED)
    }

    fn bytes<const N: usize>(self, offset: usize) -> Result<[u8; N], PackageError> {
        let bytes = self.0.get(offset..).and_then(|rest| rest.first_chunk());
        bytes.copied().ok_or(DIRECTORY_DAMAGED)
    }

    fn u16(self, offset: usize) -> Result<u16, PackageError> {
        self.bytes(offset).map(u16::from_le_bytes)
    }

    fn u32(self, offset: usize) -> Result<u32, PackageError> {
        self.bytes(offset).map(u32::from_le_bytes)
    }
}
