//! What a program leaves behind, as a tar file in gzip: the same files give the same bytes.
//!
//! Files are sorted by the bytes of their names, belong to nobody in particular and have no times;
//! directories are not written. The compression is that of one version of one library.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::{fmt, iter};

use miniz_oxide::deflate::core::{
    CompressorOxide, TDEFLFlush, TDEFLStatus, compress_to_output, create_comp_flags_from_zip_params,
};

use super::deflate::crc32_on;
use super::tar::{BLOCK, checksum};
use super::{FileTree, Name};

/// Magic, deflate, no flags, no time, no extra flags, system unknown (RFC 1952, section 2.3).
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// Between time and size, as everybody does.
const LEVEL: i32 = 6;
/// Neither head nor checksum of zlib.
const RAW: i32 = 0;
const DEFAULT_STRATEGY: i32 = 0;
/// Bytes of the archive that are packed at a time: well under a millisecond on machines of today.
pub const SLICE_BYTES: usize = 16 << 10;
/// What a name may have in the head alone.
const NAME_BYTES: usize = 100;
/// What the directories before it may have.
const PREFIX_BYTES: usize = 155;

/// All files as `tar.gzip`.
///
/// # Errors
/// [`OutOfMemory`].
pub fn tar_gzip(tree: &FileTree) -> Result<Vec<u8>, OutOfMemory> {
    let mut packer = Packer::new(tree);
    while packer.step()? {}
    Ok(packer.finish())
}

/// There is no memory for the package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no memory for the package")
    }
}

impl core::error::Error for OutOfMemory {}

/// Packs files slice by slice, so that others may go on in between. How it is sliced does not change the
/// bytes.
pub struct Packer<'a> {
    pieces: Pieces<'a>,
    /// What comes next, and how much of it is packed.
    piece: Cow<'a, [u8]>,
    done: usize,
    compressor: Box<CompressorOxide>,
    crc: u32,
    /// Meant modulo 2³².
    length: u32,
    out: Vec<u8>,
}

/// The archive, in the order of its bytes.
type Pieces<'a> = Box<dyn Iterator<Item = Cow<'a, [u8]>> + 'a>;

impl<'a> Packer<'a> {
    /// A packer that has packed nothing yet.
    #[must_use]
    pub fn new(tree: &'a FileTree) -> Self {
        let end = iter::once(Cow::Owned(vec![0; 2 * BLOCK]));
        let files = tree.iter().flat_map(|(name, bytes)| entry(name, bytes));
        let flags = create_comp_flags_from_zip_params(LEVEL, RAW, DEFAULT_STRATEGY);
        Self {
            pieces: Box::new(files.chain(end)),
            piece: Cow::Borrowed(&[]),
            done: 0,
            compressor: Box::new(CompressorOxide::new(flags)),
            crc: 0,
            length: 0,
            out: GZIP_HEAD.to_vec(),
        }
    }

    /// Packs the next [`SLICE_BYTES`]; false if that was the end, and then nothing more is to be packed.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn step(&mut self) -> Result<bool, OutOfMemory> {
        let mut left = SLICE_BYTES;
        while left > 0 {
            let rest = self.piece.get(self.done..).unwrap_or_default();
            let slice = rest.get(..left).unwrap_or(rest);
            if slice.is_empty() {
                let Some(piece) = self.pieces.next() else {
                    compress(&mut self.compressor, &[], TDEFLFlush::Finish, &mut self.out)?;
                    return Ok(false);
                };
                (self.piece, self.done) = (piece, 0);
                continue;
            }
            compress(&mut self.compressor, slice, TDEFLFlush::None, &mut self.out)?;
            self.crc = crc32_on(self.crc, slice);
            #[expect(clippy::cast_possible_truncation, reason = "a slice is shorter")]
            let length = slice.len() as u32;
            self.length = self.length.wrapping_add(length);
            self.done += slice.len();
            left -= slice.len();
        }
        Ok(true)
    }

    /// The package, when all is packed.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.out.extend_from_slice(&self.crc.to_le_bytes());
        self.out.extend_from_slice(&self.length.to_le_bytes());
        self.out
    }
}

impl fmt::Debug for Packer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packer").field("length", &self.length).finish_non_exhaustive()
    }
}

/// Compresses all of `bytes`.
fn compress(
    compressor: &mut CompressorOxide,
    bytes: &[u8],
    flush: TDEFLFlush,
    out: &mut Vec<u8>,
) -> Result<(), OutOfMemory> {
    let take = |packed: &[u8]| {
        let fits = out.try_reserve(packed.len()).is_ok();
        if fits {
            out.extend_from_slice(packed);
        }
        fits
    };
    match compress_to_output(compressor, bytes, flush, take).0 {
        TDEFLStatus::Okay | TDEFLStatus::Done => Ok(()),
        TDEFLStatus::BadParam | TDEFLStatus::PutBufFailed => Err(OutOfMemory),
    }
}

/// Head, content, and what fills the last block.
fn entry<'a>(name: &Name, bytes: &'a [u8]) -> [Cow<'a, [u8]>; 3] {
    let path = name.as_str();
    let mut heads = Vec::new();
    let (prefix, last) = split(path).unwrap_or_else(|| {
        let record = pax_path(path);
        heads.extend_from_slice(&head(b'x', "", "pax", record.len()));
        heads.extend_from_slice(&record);
        heads.resize(heads.len().next_multiple_of(BLOCK), 0);
        // Who does not know pax finds the beginning of the name.
        ("", path.get(..path.floor_char_boundary(NAME_BYTES)).unwrap_or_default())
    });
    heads.extend_from_slice(&head(b'0', prefix, last, bytes.len()));
    let filling = bytes.len().next_multiple_of(BLOCK) - bytes.len();
    [Cow::Owned(heads), Cow::Borrowed(bytes), Cow::Owned(vec![0; filling])]
}

/// Directories and name, if both fit the head.
fn split(path: &str) -> Option<(&str, &str)> {
    if path.len() <= NAME_BYTES {
        return Some(("", path));
    }
    path.match_indices('/')
        .map(|(index, _)| {
            (path.get(..index).unwrap_or_default(), path.get(index + 1..).unwrap_or_default())
        })
        .find(|(prefix, name)| prefix.len() <= PREFIX_BYTES && name.len() <= NAME_BYTES)
}

/// A record that counts its own digits.
fn pax_path(path: &str) -> Vec<u8> {
    let rest = format!(" path={path}\n");
    let mut length = rest.len();
    loop {
        let record = format!("{length}{rest}");
        if record.len() == length {
            return record.into_bytes();
        }
        length = record.len();
    }
}

fn head(kind: u8, prefix: &str, name: &str, length: usize) -> [u8; BLOCK] {
    let mut head = [0; BLOCK];
    put(&mut head, 0, name.as_bytes());
    put(&mut head, 100, b"0000644\0");
    put(&mut head, 108, b"0000000\0");
    put(&mut head, 116, b"0000000\0");
    put(&mut head, 124, format!("{length:011o}\0").as_bytes());
    put(&mut head, 136, b"00000000000\0");
    put(&mut head, 156, &[kind]);
    put(&mut head, 257, b"ustar\x0000");
    put(&mut head, 345, prefix.as_bytes());
    let sum = checksum(&head).unwrap_or(0);
    put(&mut head, 148, format!("{sum:06o}\0 ").as_bytes());
    head
}

fn put(head: &mut [u8; BLOCK], at: usize, bytes: &[u8]) {
    for (to, from) in head.iter_mut().skip(at).zip(bytes) {
        *to = *from;
    }
}
