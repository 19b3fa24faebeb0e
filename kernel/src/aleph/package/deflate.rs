//! Deflate (RFC 1951) and zlib (RFC 1950) into bounded memory, and CRC-32.

use alloc::vec::Vec;

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_COMPUTE_ADLER32, TINFL_FLAG_PARSE_ZLIB_HEADER,
    TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};
use miniz_oxide::inflate::core::{DecompressorOxide, decompress};

/// What the first guess at the size of the output is, in bytes.
const FIRST_GUESS: usize = 4 << 10;

/// Why nothing was unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InflateError {
    /// The output has more bytes than it may have.
    TooLong,
    /// The input is cut off or makes no sense.
    Malformed,
}

/// What is in front of the compressed data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Nothing.
    Raw,
    /// The head of zlib, and its checksum behind.
    Zlib,
}

/// Unpacks the first compressed stream of `input` to at most `most` bytes; with how much of the input it
/// took.
pub(super) fn inflate(
    input: &[u8],
    framing: Framing,
    most: usize,
) -> Result<(Vec<u8>, usize), InflateError> {
    let mut state = DecompressorOxide::new();
    let mut flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    if framing == Framing::Zlib {
        flags |= TINFL_FLAG_PARSE_ZLIB_HEADER | TINFL_FLAG_COMPUTE_ADLER32;
    }
    let mut out = alloc::vec![0; most.min(FIRST_GUESS.max(input.len().saturating_mul(2)))];
    let (mut taken, mut made) = (0, 0);
    loop {
        let rest = input.get(taken..).unwrap_or_default();
        let (status, read, written) = decompress(&mut state, rest, &mut out, made, flags);
        taken += read;
        made += written;
        match status {
            TINFLStatus::Done => {
                out.truncate(made);
                out.shrink_to_fit();
                return Ok((out, taken));
            }
            TINFLStatus::HasMoreOutput if out.len() < most => {
                out.resize(out.len().saturating_mul(2).clamp(1, most), 0);
            }
            TINFLStatus::HasMoreOutput => return Err(InflateError::TooLong),
            _ => return Err(InflateError::Malformed),
        }
    }
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0_u32; 256];
    let mut index = 0;
    let mut number = 0_u32;
    while index < table.len() {
        let mut value = number;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
        number += 1;
    }
    table
};

/// The CRC-32 of zip, gzip (RFC 1952, section 8) and partition tables.
#[must_use]
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32_on(0, bytes)
}

/// The CRC-32 of what `crc` is that of, with these bytes behind.
pub(crate) fn crc32_on(crc: u32, bytes: &[u8]) -> u32 {
    let on = |crc: u32, byte: &u8| CRC_TABLE[usize::from(crc.to_le_bytes()[0] ^ byte)] ^ (crc >> 8);
    !bytes.iter().fold(!crc, on)
}
