//! The reading half: messages in, plaintext out.

use alloc::vec;
use alloc::vec::Vec;

use chacha20poly1305::aead::inout::InOutBuf;
use embedded_io_async::{BufRead, ErrorType, Read};
use futures_util::FutureExt;

use super::cipher::Cipher;
use super::{Error, LENGTH_BYTES, TAG_BYTES};
use crate::libp2p::limits::{EMPTY_MESSAGES_IN_A_ROW, NOISE_IDLE_READ_BYTES};
use crate::time::yield_now;

/// The largest message with its length.
const LARGEST: usize = LENGTH_BYTES + u16::MAX as usize;

/// Decrypts what `R` reads.
///
/// A message is decrypted where it was received; [`BufRead`] gives it out from there. A read into a
/// buffer that has room for all of it decrypts into that buffer instead.
///
/// The end of the stream between two messages is the end of file: noise has no message that says so.
#[derive(Debug)]
pub struct Reader<R> {
    inner: R,
    pub(super) cipher: Cipher,
    /// Plaintext, then bytes as received, then room.
    buffer: Vec<u8>,
    /// Where plaintext that is not given out yet begins and ends.
    plain: (usize, usize),
    /// Where bytes as received begin and end.
    raw: (usize, usize),
}

impl<R> Reader<R> {
    pub(super) fn new(inner: R, cipher: Cipher) -> Self {
        Self { inner, cipher, buffer: Vec::new(), plain: (0, 0), raw: (0, 0) }
    }

    /// Bytes of memory that the half holds beside itself.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.buffer.capacity()
    }

    fn raw_bytes(&self) -> usize {
        self.raw.1 - self.raw.0
    }

    /// Bytes of the message that comes next, with its length, once that has come.
    fn next_bytes(&self) -> Option<usize> {
        let length = self.buffer.get(self.raw.0..self.raw.1)?.first_chunk()?;
        Some(LENGTH_BYTES + usize::from(u16::from_be_bytes(*length)))
    }

    /// Where the next message is, without its length, when all of it has come.
    fn take_message(&mut self) -> Option<(usize, usize)> {
        let length = self.next_bytes()?;
        if length > self.raw_bytes() {
            return None;
        }
        let start = self.raw.0;
        self.raw.0 += length;
        Some((start + LENGTH_BYTES, start + length))
    }

    /// Makes room for more bytes of the next message, for all of it if its length is known.
    fn make_room(&mut self) {
        let needed = self.next_bytes().unwrap_or(LENGTH_BYTES).max(self.raw_bytes() + 1);
        if self.raw.0 + needed > self.buffer.len() || self.raw_bytes() == 0 {
            self.buffer.copy_within(self.raw.0..self.raw.1, 0);
            self.raw = (0, self.raw_bytes());
        }
        if needed > self.buffer.len() {
            let size = needed.next_power_of_two().clamp(NOISE_IDLE_READ_BYTES, LARGEST);
            self.buffer.reserve_exact(size - self.buffer.len());
            self.buffer.resize(size, 0);
        }
    }
}

impl<R: Read> Reader<R> {
    /// Receives some bytes; false at the end of the stream.
    async fn fill(&mut self) -> Result<bool, Error<R::Error>> {
        self.make_room();
        let mut read = None;
        if self.raw_bytes() == 0 && self.buffer.len() > NOISE_IDLE_READ_BYTES {
            // The buffer has served a large message. If nothing else is there, it goes.
            read = self.inner.read(&mut self.buffer).now_or_never();
            if read.is_none() {
                self.buffer = vec![0; NOISE_IDLE_READ_BYTES];
            }
        }
        let read = match read {
            Some(read) => read,
            None => self.inner.read(self.buffer.get_mut(self.raw.1..).unwrap_or_default()).await,
        };
        let read = read.map_err(Error::Stream)?;
        self.raw.1 += read;
        match read {
            0 if self.raw_bytes() > 0 => Err(Error::Truncated),
            read => Ok(read > 0),
        }
    }

    /// Opens the next message: into `target` when it has room for all of it, else in place. How many
    /// bytes went into `target`; nothing at the end of the stream. No message without content counts.
    async fn next(&mut self, target: &mut [u8]) -> Result<Option<usize>, Error<R::Error>> {
        let mut empty = 0;
        loop {
            let Some((start, end)) = self.take_message() else {
                if !self.fill().await? {
                    return Ok(None);
                }
                continue;
            };
            if let Some(opened) = self.open(start, end, target)? {
                return Ok(Some(opened));
            }
            empty += 1;
            if empty % EMPTY_MESSAGES_IN_A_ROW == 0 {
                yield_now().await;
            }
        }
    }

    /// Nothing when the message had no content.
    fn open(
        &mut self,
        start: usize,
        end: usize,
        target: &mut [u8],
    ) -> Result<Option<usize>, Error<R::Error>> {
        if self.cipher.is_exhausted() {
            return Err(Error::Exhausted);
        }
        let message = self.buffer.get_mut(start..end).unwrap_or_default();
        let (sealed, tag) = message.split_last_chunk_mut::<TAG_BYTES>().ok_or(Error::Malformed)?;
        let length = sealed.len();
        let direct = target.get_mut(..length);
        let direct_bytes = direct.as_ref().map_or(0, |target| target.len());
        let buffer = match direct {
            Some(target) => InOutBuf::new(sealed, target).map_err(|_| Error::Malformed)?,
            None => sealed.into(),
        };
        if !self.cipher.open(buffer, *tag) {
            // The message stays where it is: whoever reads again gets the same answer.
            self.raw.0 = start - LENGTH_BYTES;
            return Err(Error::Forged);
        }
        if direct_bytes < length {
            self.plain = (start, start + length);
        }
        Ok((length > 0).then_some(direct_bytes))
    }
}

impl<R: ErrorType> ErrorType for Reader<R> {
    type Error = Error<R::Error>;
}

impl<R: Read> Read for Reader<R> {
    /// Cancel-safe.
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Self::Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        if self.plain.0 == self.plain.1 {
            match self.next(buf).await? {
                None => return Ok(0),
                Some(0) => {}
                Some(direct) => return Ok(direct),
            }
        }
        let plain = self.buffer.get(self.plain.0..self.plain.1).unwrap_or_default();
        let read = plain.len().min(buf.len());
        if let (Some(target), Some(plain)) = (buf.get_mut(..read), plain.get(..read)) {
            target.copy_from_slice(plain);
        }
        self.plain.0 += read;
        Ok(read)
    }
}

impl<R: Read> BufRead for Reader<R> {
    /// Cancel-safe.
    async fn fill_buf(&mut self) -> Result<&[u8], Self::Error> {
        if self.plain.0 == self.plain.1 && self.next(&mut []).await?.is_none() {
            return Ok(&[]);
        }
        Ok(self.buffer.get(self.plain.0..self.plain.1).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.plain.0 = self.plain.0.saturating_add(amount).min(self.plain.1);
    }
}
