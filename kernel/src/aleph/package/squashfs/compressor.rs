//! How the parts of an image are compressed.

use alloc::vec;
use alloc::vec::Vec;

use ruzstd::decoding::FrameDecoder;

use super::PackageError;
use crate::aleph::limits::MAX_SQUASHFS_BLOCK_BYTES;
use crate::aleph::package::deflate::{Framing, inflate};

/// What unpacks the parts of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compressor {
    /// zlib, as `mksquashfs` has it by itself.
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Compressor {
    /// The compressor of this number in the superblock.
    pub(super) fn of_number(number: u16, unknown: PackageError) -> Result<Self, PackageError> {
        let name = match number {
            1 => return Ok(Self::Gzip),
            6 => return Ok(Self::Zstd),
            2 => "squashfs compressed with lzma",
            3 => "squashfs compressed with lzo",
            4 => "squashfs compressed with xz",
            5 => "squashfs compressed with lz4",
            _ => return Err(unknown),
        };
        Err(PackageError::Unsupported(name))
    }

    /// What `data` unpacks to, at most so many bytes; nothing if it makes no sense or has more.
    pub(super) fn unpack(self, data: &[u8], most: usize) -> Option<Vec<u8>> {
        match self {
            Self::Gzip => inflate(data, Framing::Zlib, most).ok().map(|(unpacked, _)| unpacked),
            Self::Zstd => {
                let mut decoder = FrameDecoder::new();
                // Memory for the window is taken before anything is decoded.
                decoder.set_max_window_size(MAX_SQUASHFS_BLOCK_BYTES as u64);
                let mut unpacked = vec![0; most];
                let length = decoder.decode_all(data, &mut unpacked).ok()?;
                unpacked.truncate(length);
                Some(unpacked)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_of_zstd_takes_a_block_and_no_larger_window() {
        let unpack = |frame: &[u8], most| Compressor::Zstd.unpack(frame, most);
        // Magic, descriptor of a window of its own, the window, one last block of so many equal bytes.
        let frame = |window: u8, bytes: u32| {
            let head = bytes << 3 | 0b011;
            [&[0x28, 0xb5, 0x2f, 0xfd, 0, window][..], &head.to_le_bytes()[..3], b"x"].concat()
        };
        // Windows of 2^(10 + exponent) bytes; the exponent has the upper five bits.
        let window = |log: u8| (log - 10) << 3;
        assert_eq!(unpack(&frame(window(20), 1000), 1000), Some(vec![b'x'; 1000]));
        assert_eq!(unpack(&frame(window(20), 1001), 1000), None);
        assert_eq!(unpack(&frame(window(20) + 1, 1000), 1000), None, "over a MiB");
        assert_eq!(unpack(&frame(window(41), 1000), 1000), None);
    }
}
