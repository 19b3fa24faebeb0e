//! The chunked transfer coding, decoded byte by byte of a buffer (RFC 9112 section 7.1).

use super::Refusal;
use super::head::is_token_byte;
use crate::limits;

/// Most digits of a chunk size that can be counted with.
const MAX_SIZE_DIGITS: usize = 16;

/// Where the decoder is in the coded body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chunked {
    /// Before or in a chunk-size line.
    Size,
    /// In a chunk, of which this many bytes are left.
    Data(u64),
    /// Before the line end after a chunk.
    DataEnd,
    /// In the trailer section, of which this many bytes have been read.
    Trailer(usize),
    /// After the end.
    Done,
}

/// What the decoder found at the front of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The buffer does not hold enough to go on.
    Starved,
    /// These many bytes at the front are used up and no data.
    Skip(usize),
    /// Up to this many bytes at the front are data; tell [`Chunked::took`] how many were taken.
    Data(u64),
    /// The body has ended.
    End,
}

impl Chunked {
    /// Makes one step over the bytes at the front of the buffer.
    pub(super) fn step(&mut self, bytes: &[u8]) -> Result<Step, Refusal> {
        match *self {
            Self::Size => {
                let Some(line) = line(bytes, limits::HTTP_CHUNK_LINE_BYTES)? else {
                    return Ok(Step::Starved);
                };
                let size = chunk_size(line)?;
                *self = if size == 0 { Self::Trailer(0) } else { Self::Data(size) };
                Ok(Step::Skip(line.len() + 2))
            }
            Self::Data(left) => Ok(Step::Data(left)),
            Self::DataEnd => match bytes {
                [b'\r', b'\n', ..] => {
                    *self = Self::Size;
                    Ok(Step::Skip(2))
                }
                [] | [b'\r'] => Ok(Step::Starved),
                _ => Err(Refusal::bad("a chunk is longer than its size")),
            },
            Self::Trailer(read) => {
                let Some(line) = line(bytes, limits::HTTP_TRAILER_BYTES - read)? else {
                    return Ok(Step::Starved);
                };
                if line.is_empty() {
                    *self = Self::Done;
                } else {
                    check_field(line)?;
                    *self = Self::Trailer((read + line.len() + 2).min(limits::HTTP_TRAILER_BYTES));
                }
                Ok(Step::Skip(line.len() + 2))
            }
            Self::Done => Ok(Step::End),
        }
    }

    /// Says that `count` bytes of the chunk's data were taken.
    pub(super) fn took(&mut self, count: u64) {
        if let Self::Data(left) = *self {
            let left = left.saturating_sub(count);
            *self = if left == 0 { Self::DataEnd } else { Self::Data(left) };
        }
    }
}

/// The first line, without its line end, of at most `limit` bytes with it; `None` when it is not whole.
fn line(bytes: &[u8], limit: usize) -> Result<Option<&[u8]>, Refusal> {
    const TOO_LONG: Refusal = Refusal::bad("a line of the chunked body is too long");
    for (at, byte) in bytes.iter().enumerate() {
        if at + 1 > limit {
            return Err(TOO_LONG);
        }
        let after_return = at.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'\r');
        match (*byte, after_return) {
            (b'\n', true) => return Ok(bytes.get(..at - 1)),
            (b'\n', false) | (_, true) => {
                return Err(Refusal::bad("malformed line end in the chunked body"));
            }
            _ => {}
        }
    }
    if bytes.len() >= limit { Err(TOO_LONG) } else { Ok(None) }
}

/// Reads a chunk size; extensions after a semicolon are passed over.
fn chunk_size(line: &[u8]) -> Result<u64, Refusal> {
    const MALFORMED: Refusal = Refusal::bad("malformed chunk size");
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let rest = line.get(digits..).unwrap_or_default();
    let extension = rest.trim_ascii_start();
    let ends_well = rest.is_empty() || extension.first() == Some(&b';');
    let printable = rest.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    if digits == 0 || digits > MAX_SIZE_DIGITS || !ends_well || !printable {
        return Err(MALFORMED);
    }
    let text = line.get(..digits).and_then(|digits| core::str::from_utf8(digits).ok());
    text.and_then(|text| u64::from_str_radix(text, 16).ok()).ok_or(MALFORMED)
}

/// A trailer field has the form of a header field.
fn check_field(line: &[u8]) -> Result<(), Refusal> {
    let name = line.iter().take_while(|byte| is_token_byte(**byte)).count();
    let value = line.get(name + 1..).unwrap_or_default();
    let printable = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..));
    if name == 0 || line.get(name) != Some(&b':') || !printable {
        return Err(Refusal::bad("malformed trailer field"));
    }
    Ok(())
}
