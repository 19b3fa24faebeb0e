//! The sending half: plaintext in, messages out.

use alloc::vec::Vec;

use embedded_io_async::{ErrorType, Write};

use super::cipher::Cipher;
use super::{Error, LENGTH_BYTES, TAG_BYTES};
use crate::libp2p::limits::{NOISE_IDLE_WRITE_BYTES, NOISE_PLAINTEXT_BYTES};
use crate::stream;

/// Encrypts what is written to `W`.
///
/// What is written is gathered until [`Write::flush`], or until it fills a message: many small writes
/// make one message, which is encrypted where it was gathered. Nothing leaves before.
#[derive(Debug)]
pub struct Writer<W> {
    pub(super) inner: W,
    pub(super) cipher: Cipher,
    /// A message, from its length on: gathered, or sealed and leaving.
    message: Vec<u8>,
    /// Bytes of a sealed message that have left.
    leaving: Option<usize>,
}

impl<W> Writer<W> {
    pub(super) fn new(inner: W, cipher: Cipher) -> Self {
        Self { inner, cipher, message: Vec::new(), leaving: None }
    }

    /// Bytes of memory that the half holds beside itself.
    #[must_use]
    pub fn buffered_bytes(&self) -> usize {
        self.message.capacity()
    }

    fn gathered(&self) -> usize {
        self.message.len().saturating_sub(LENGTH_BYTES)
    }

    /// Encrypts what was gathered, if there is anything.
    fn seal<E>(&mut self) -> Result<(), Error<E>> {
        let Some((length, plain)) = self.message.split_first_chunk_mut() else { return Ok(()) };
        let sealed = u16::try_from(plain.len() + TAG_BYTES).map_err(|_| Error::Malformed)?;
        let tag = self.cipher.seal(plain).ok_or(Error::Exhausted)?;
        *length = sealed.to_be_bytes();
        self.message.extend_from_slice(&tag);
        self.leaving = Some(0);
        Ok(())
    }
}

impl<W: Write> Writer<W> {
    /// Writes what is left of a sealed message. Cancel-safe: goes on where it was.
    async fn drain(&mut self) -> Result<(), Error<W::Error>> {
        while let Some(sent) = self.leaving {
            let rest = self.message.get(sent..).unwrap_or_default();
            if rest.is_empty() {
                self.message.clear();
                self.leaving = None;
                return Ok(());
            }
            let written = self.inner.write(rest).await.map_err(Error::Stream)?;
            if written == 0 {
                return Err(Error::Truncated);
            }
            self.leaving = Some(sent + written);
        }
        Ok(())
    }
}

impl<W: ErrorType> ErrorType for Writer<W> {
    type Error = Error<W::Error>;
}

impl<W: Write> Write for Writer<W> {
    /// Cancel-safe. Gathers; waits only when a message is full.
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        if self.leaving.is_none() && self.gathered() == NOISE_PLAINTEXT_BYTES {
            self.seal()?;
        }
        self.drain().await?;
        if self.cipher.is_exhausted() {
            return Err(Error::Exhausted);
        }
        let room = NOISE_PLAINTEXT_BYTES - self.gathered();
        let taken = buf.get(..room).unwrap_or(buf);
        if self.message.is_empty() {
            self.message.reserve(LENGTH_BYTES + taken.len() + TAG_BYTES);
            self.message.extend_from_slice(&[0; LENGTH_BYTES]);
        }
        self.message.extend_from_slice(taken);
        Ok(taken.len())
    }

    /// Cancel-safe. Sends what was written, then gives the buffer back unless it is small.
    async fn flush(&mut self) -> Result<(), Self::Error> {
        if self.leaving.is_none() {
            self.seal()?;
        }
        self.drain().await?;
        if self.message.capacity() > NOISE_IDLE_WRITE_BYTES {
            self.message = Vec::new();
        }
        self.inner.flush().await.map_err(Error::Stream)
    }
}

impl<W: stream::Writer> stream::Writer for Writer<W> {
    async fn shutdown(&mut self) -> Result<(), Self::Error> {
        self.flush().await?;
        self.inner.shutdown().await.map_err(Error::Stream)
    }
}
