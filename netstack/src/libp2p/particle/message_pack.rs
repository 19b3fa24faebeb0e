//! MessagePack from a stream of bytes, value by value; lengths are those of the message around it.

use alloc::vec::Vec;

use embedded_io_async::{Error as _, Read};
use rmp::Marker;

use super::ReadError;

/// Bytes read ahead. What is longer goes from the stream to its place.
const BUFFER_BYTES: usize = 1024;
/// Bytes asked of the stream at once for what goes to its place.
const STEP_BYTES: usize = 16 * 1024;
/// Memory that an announced length gets before anything of it has arrived.
const FIRST_BYTES: usize = 64 * 1024;
/// How many times of what has arrived may be allocated for what is to come. Large, since growing copies:
/// an eighth more than the whole is the most that is held at once.
const GROWTH: usize = 8;

/// A value, up to its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// Nil, a boolean, a float: read over.
    Other,
    /// An integer; none when it is negative.
    Integer(Option<u64>),
    Str(usize),
    Bin(usize),
    /// Extension: type and content, in bytes.
    Ext(usize),
    Array(usize),
    Map(usize),
}

/// A message that arrives.
pub(super) struct Source<'a, R> {
    reader: &'a mut R,
    buffer: [u8; BUFFER_BYTES],
    start: usize,
    end: usize,
    /// Bytes of the message that were not taken yet.
    left: usize,
}

impl<'a, R: Read> Source<'a, R> {
    /// Reads from the stream, whose message has up to `left` bytes.
    pub(super) const fn new(reader: &'a mut R, left: usize) -> Self {
        Self { reader, buffer: [0; BUFFER_BYTES], start: 0, end: 0, left }
    }

    /// Says how many bytes there are from here on.
    pub(super) const fn set_left(&mut self, left: usize) {
        self.left = left;
    }

    /// What was read ahead of this message, filled when there is nothing.
    async fn ahead(&mut self) -> Result<&[u8], ReadError> {
        if self.left == 0 {
            return Err(ReadError::Malformed);
        }
        if self.start == self.end {
            self.end = receive(self.reader, &mut self.buffer).await?;
            self.start = 0;
        }
        let ahead = self.buffer.get(self.start..self.end).unwrap_or_default();
        Ok(ahead.get(..self.left.min(ahead.len())).unwrap_or_default())
    }

    const fn consume(&mut self, count: usize) {
        self.start += count;
        self.left -= count;
    }

    pub(super) async fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        for slot in &mut bytes {
            *slot = self.ahead().await?.first().copied().unwrap_or_default();
            self.consume(1);
        }
        Ok(bytes)
    }

    async fn length<const N: usize>(&mut self) -> Result<usize, ReadError> {
        let bytes = self.array::<N>().await?;
        let length = bytes.iter().fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
        usize::try_from(length).map_err(|_| ReadError::Malformed)
    }

    async fn unsigned<const N: usize>(&mut self) -> Result<Head, ReadError> {
        let bytes = self.array::<N>().await?;
        let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Ok(Head::Integer(Some(value)))
    }

    async fn signed<const N: usize>(&mut self) -> Result<Head, ReadError> {
        let bytes = self.array::<N>().await?;
        let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
        let value = bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Ok(Head::Integer((!negative).then_some(value)))
    }

    async fn other<const N: usize>(&mut self) -> Result<Head, ReadError> {
        self.array::<N>().await?;
        Ok(Head::Other)
    }

    /// The next value, up to its content.
    pub(super) async fn head(&mut self) -> Result<Head, ReadError> {
        let [first] = self.array().await?;
        let head = match Marker::from_u8(first) {
            Marker::Reserved => return Err(ReadError::Malformed),
            Marker::Null | Marker::True | Marker::False => Head::Other,
            Marker::FixPos(value) => Head::Integer(Some(u64::from(value))),
            Marker::FixNeg(_) => Head::Integer(None),
            Marker::U8 => self.unsigned::<1>().await?,
            Marker::U16 => self.unsigned::<2>().await?,
            Marker::U32 => self.unsigned::<4>().await?,
            Marker::U64 => self.unsigned::<8>().await?,
            Marker::I8 => self.signed::<1>().await?,
            Marker::I16 => self.signed::<2>().await?,
            Marker::I32 => self.signed::<4>().await?,
            Marker::I64 => self.signed::<8>().await?,
            Marker::F32 => self.other::<4>().await?,
            Marker::F64 => self.other::<8>().await?,
            Marker::FixStr(length) => Head::Str(usize::from(length)),
            Marker::Str8 => Head::Str(self.length::<1>().await?),
            Marker::Str16 => Head::Str(self.length::<2>().await?),
            Marker::Str32 => Head::Str(self.length::<4>().await?),
            Marker::Bin8 => Head::Bin(self.length::<1>().await?),
            Marker::Bin16 => Head::Bin(self.length::<2>().await?),
            Marker::Bin32 => Head::Bin(self.length::<4>().await?),
            Marker::FixExt1 => Head::Ext(1 + 1),
            Marker::FixExt2 => Head::Ext(1 + 2),
            Marker::FixExt4 => Head::Ext(1 + 4),
            Marker::FixExt8 => Head::Ext(1 + 8),
            Marker::FixExt16 => Head::Ext(1 + 16),
            Marker::Ext8 => Head::Ext(self.length::<1>().await?.saturating_add(1)),
            Marker::Ext16 => Head::Ext(self.length::<2>().await?.saturating_add(1)),
            Marker::Ext32 => Head::Ext(self.length::<4>().await?.saturating_add(1)),
            Marker::FixArray(count) => Head::Array(usize::from(count)),
            Marker::Array16 => Head::Array(self.length::<2>().await?),
            Marker::Array32 => Head::Array(self.length::<4>().await?),
            Marker::FixMap(count) => Head::Map(usize::from(count)),
            Marker::Map16 => Head::Map(self.length::<2>().await?),
            Marker::Map32 => Head::Map(self.length::<4>().await?),
        };
        Ok(head)
    }

    /// Reads over what follows `head`, however deep: counts values instead of nesting, and since each
    /// takes a byte at least, ends with the message.
    pub(super) async fn skip(&mut self, head: Head) -> Result<(), ReadError> {
        let mut head = head;
        let mut values = 0_usize;
        loop {
            match head {
                Head::Other | Head::Integer(_) => {}
                Head::Str(length) | Head::Bin(length) | Head::Ext(length) => {
                    self.skip_bytes(length).await?;
                }
                Head::Array(count) => values = values.saturating_add(count),
                Head::Map(count) => values = values.saturating_add(count.saturating_mul(2)),
            }
            if values > self.left {
                return Err(ReadError::Malformed);
            }
            if values == 0 {
                return Ok(());
            }
            values -= 1;
            head = self.head().await?;
        }
    }

    async fn skip_bytes(&mut self, mut count: usize) -> Result<(), ReadError> {
        while count > 0 {
            let now = self.ahead().await?.len().min(count);
            self.consume(now);
            count -= now;
        }
        Ok(())
    }

    /// The next `length` bytes.
    pub(super) async fn bytes(&mut self, length: usize) -> Result<Vec<u8>, ReadError> {
        if length > self.left {
            return Err(ReadError::Malformed);
        }
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let missing = length - bytes.len();
            if self.start < self.end || missing < BUFFER_BYTES {
                let ahead = self.ahead().await?;
                let now = ahead.get(..missing.min(ahead.len())).unwrap_or_default();
                make_room(&mut bytes, length);
                bytes.extend_from_slice(now);
                let count = now.len();
                self.consume(count);
                continue;
            }
            make_room(&mut bytes, length);
            let filled = bytes.len();
            bytes.resize(bytes.capacity().min(length).min(filled + STEP_BYTES), 0);
            let slots = bytes.get_mut(filled..).unwrap_or_default();
            let count = receive(self.reader, slots).await?;
            bytes.truncate(filled + count);
            self.left -= count;
        }
        Ok(bytes)
    }

    /// The next `count` values, which must be integers below 256, as bytes; none when one is not.
    pub(super) async fn integers(&mut self, count: usize) -> Result<Option<Vec<u8>>, ReadError> {
        if count > self.left {
            return Err(ReadError::Malformed);
        }
        let mut bytes = Vec::new();
        while bytes.len() < count {
            make_room(&mut bytes, count);
            let room = bytes.capacity().min(count) - bytes.len();
            let ahead = self.ahead().await?;
            let taken = unpack(ahead, room, &mut bytes);
            self.consume(taken);
            if taken == 0 {
                // Cut by the buffer's end, or in a form that is longer than need be.
                let Head::Integer(Some(value)) = self.head().await? else { return Ok(None) };
                let Ok(value) = u8::try_from(value) else { return Ok(None) };
                bytes.push(value);
            }
        }
        Ok(Some(bytes))
    }
}

/// Unpacks up to `most` integers in their shortest forms; returns the bytes that they took.
fn unpack(packed: &[u8], most: usize, out: &mut Vec<u8>) -> usize {
    let mut taken = 0;
    for _ in 0..most {
        match packed.get(taken..) {
            Some(&[value @ 0..=0x7f, ..]) => {
                out.push(value);
                taken += 1;
            }
            Some(&[0xcc, value, ..]) => {
                out.push(value);
                taken += 2;
            }
            _ => break,
        }
    }
    taken
}

/// Makes room for more of `total` bytes, in steps that what has arrived justifies.
fn make_room(bytes: &mut Vec<u8>, total: usize) {
    if bytes.len() == bytes.capacity() {
        let size = bytes.len().saturating_mul(GROWTH).max(FIRST_BYTES).min(total);
        bytes.reserve_exact(size - bytes.len());
    }
}

async fn receive<R: Read>(reader: &mut R, buf: &mut [u8]) -> Result<usize, ReadError> {
    match reader.read(buf).await {
        Ok(0) => Err(ReadError::Truncated),
        Ok(read) => Ok(read),
        Err(error) => Err(ReadError::Stream(error.kind())),
    }
}
