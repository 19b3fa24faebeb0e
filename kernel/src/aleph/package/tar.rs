//! Tar: ustar (POSIX.1-1988), with the long names of GNU and of pax (POSIX.1-2001).

use alloc::vec::Vec;

use super::{FileTree, Limits, Name, PackageError, shown};
use crate::aleph::limits::MAX_FILE_NAME_BYTES;

pub(super) const BLOCK: usize = 512;
/// What a long name or a set of pax records may take.
const MAX_EXTENSION_BYTES: usize = MAX_FILE_NAME_BYTES + (8 << 10);

/// Where the fields of a head are.
mod at {
    use core::ops::Range;
    pub const NAME: Range<usize> = 0..100;
    pub const SIZE: Range<usize> = 124..136;
    pub const CHECKSUM: Range<usize> = 148..156;
    pub const KIND: usize = 156;
    pub const MAGIC: Range<usize> = 257..263;
    pub const PREFIX: Range<usize> = 345..500;
}

/// The most that an archive has within these limits: a head, its extension and padding for each entry.
pub(super) fn size_at_most(limits: &Limits) -> usize {
    let around = 2 * MAX_EXTENSION_BYTES + 6 * BLOCK;
    limits.unpacked_bytes.saturating_add(limits.files.saturating_mul(around))
}

pub(super) fn read(archive: &[u8], tree: &mut FileTree) -> Result<(), PackageError> {
    const HEAD: PackageError = PackageError::Malformed("head of an entry in the tar file");
    let mut rest = archive;
    let mut extension = Extension::default();
    while let Some((head, behind)) = rest.split_at_checked(BLOCK) {
        if head.iter().all(|byte| *byte == 0) {
            break;
        }
        if checksum(head) != octal(head.get(at::CHECKSUM).ok_or(HEAD)?) {
            return Err(PackageError::Checksum("head of an entry in the tar file"));
        }
        let kind = *head.get(at::KIND).ok_or(HEAD)?;
        let stated = number(head.get(at::SIZE).ok_or(HEAD)?).ok_or(HEAD)?;
        let size = match kind {
            b'x' | b'g' | b'L' | b'K' => stated,
            _ => extension.size.unwrap_or(stated),
        };
        let size = usize::try_from(size).map_err(|_| HEAD)?;
        let data =
            behind.get(..size).ok_or(PackageError::Malformed("last entry of the tar file"))?;
        rest = behind.get(size.checked_next_multiple_of(BLOCK).ok_or(HEAD)?..).unwrap_or_default();
        match kind {
            // What holds for all entries is of no interest here.
            b'g' | b'K' => continue,
            b'L' => {
                extension.name = Some(extension_bytes(data)?.to_vec());
                continue;
            }
            b'x' => {
                extension.read_pax(extension_bytes(data)?)?;
                continue;
            }
            _ => {}
        }
        let name = extension.name.take().map_or_else(|| short_name(head), Ok)?;
        extension = Extension::default();
        tree.count_entry()?;
        match kind {
            // Old archives mark directories by their names alone.
            b'0' | b'7' | 0 if name.last() != Some(&b'/') => {
                if size > tree.room() {
                    return Err(tree.no_room());
                }
                tree.add(Name::new(&name)?, data.to_vec())?;
            }
            b'5' | b'0' | 0 if Name::is_top(&name) => {}
            b'5' | b'0' | 0 => {
                Name::new(&name)?;
            }
            b'1' | b'2' => return Err(PackageError::Link(shown(&name))),
            _ => return Err(PackageError::Special(shown(&name))),
        }
    }
    Ok(())
}

/// What stands before an entry about it.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl Extension {
    /// Records of the form `LENGTH KEY=VALUE\n`, where the length counts all of it.
    fn read_pax(&mut self, mut records: &[u8]) -> Result<(), PackageError> {
        const RECORD: PackageError = PackageError::Malformed("pax record in the tar file");
        while !records.is_empty() {
            let space = records.iter().position(|byte| *byte == b' ').ok_or(RECORD)?;
            let length = decimal(records.get(..space).ok_or(RECORD)?).ok_or(RECORD)?;
            let length = usize::try_from(length).map_err(|_| RECORD)?;
            let record = records.get(space + 1..length).ok_or(RECORD)?;
            let record = record.strip_suffix(b"\n").ok_or(RECORD)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or(RECORD)?;
            let (key, value) = record.split_at(equals);
            let value = value.get(1..).unwrap_or_default();
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"size" => self.size = Some(decimal(value).ok_or(RECORD)?),
                _ => {}
            }
            records = records.get(length..).ok_or(RECORD)?;
        }
        Ok(())
    }
}

fn extension_bytes(data: &[u8]) -> Result<&[u8], PackageError> {
    if data.len() > MAX_EXTENSION_BYTES {
        return Err(PackageError::Malformed("long name in the tar file"));
    }
    // GNU's names end with a zero.
    Ok(data.strip_suffix(&[0]).unwrap_or(data))
}

/// Prefix and name of the head itself.
fn short_name(head: &[u8]) -> Result<Vec<u8>, PackageError> {
    let text = |range| {
        let field: &[u8] = head.get(range).unwrap_or_default();
        field.split(|byte| *byte == 0).next().unwrap_or_default()
    };
    let name = text(at::NAME);
    let is_posix = head.get(at::MAGIC) == Some(b"ustar\0".as_slice());
    let prefix = if is_posix { text(at::PREFIX) } else { b"" };
    if prefix.is_empty() { Ok(name.to_vec()) } else { Ok([prefix, b"/", name].concat()) }
}

/// The sum of a head's bytes, its checksum taken as spaces.
pub(super) fn checksum(head: &[u8]) -> Option<u64> {
    let byte = |(index, byte): (usize, &u8)| {
        if at::CHECKSUM.contains(&index) { u64::from(b' ') } else { u64::from(*byte) }
    };
    Some(head.iter().enumerate().map(byte).sum())
}

/// An octal number, or GNU's binary form for what has too many digits.
fn number(field: &[u8]) -> Option<u64> {
    match field.split_first()? {
        (0x80, rest) => rest
            .iter()
            .try_fold(0_u64, |number, byte| number.checked_mul(256)?.checked_add(u64::from(*byte))),
        _ => octal(field),
    }
}

/// Octal digits, with spaces in front and spaces or zeros behind.
fn octal(field: &[u8]) -> Option<u64> {
    let field = field.trim_ascii_start();
    let end = field.iter().position(|byte| matches!(byte, 0 | b' ')).unwrap_or(field.len());
    let (digits, behind) = field.split_at(end);
    if behind.iter().any(|byte| !matches!(byte, 0 | b' ')) {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        matches!(digit, b'0'..=b'7')
            .then(|| number.checked_mul(8))??
            .checked_add((digit - b'0').into())
    })
}

fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        digit.is_ascii_digit().then(|| number.checked_mul(10))??.checked_add((digit - b'0').into())
    })
}
