//! The sending half: bytes in, binary frames out.

use alloc::rc::Rc;
use core::fmt;

use embedded_io_async::{ErrorType, Write};

use super::Error;
use super::outbox::Shared;
use crate::stream;

/// The status of an end that nobody is to blame for (RFC 6455 section 7.4.1).
const NORMAL: u16 = 1000;

/// Sends what is written to it in binary frames.
///
/// What is written is gathered until [`Write::flush`], or until it fills a frame. Nothing leaves before.
pub struct Writer<W> {
    shared: Rc<Shared<W>>,
}

impl<W> Writer<W> {
    pub(super) fn new(shared: Rc<Shared<W>>) -> Self {
        Self { shared }
    }
}

impl<W> fmt::Debug for Writer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl<W: ErrorType> ErrorType for Writer<W> {
    type Error = Error<W::Error>;
}

impl<W: Write> Writer<W> {
    /// Bytes of memory that the connection holds for sending, beside its halves.
    pub async fn buffered_bytes(&self) -> usize {
        self.shared.outbox.lock().await.buffered_bytes()
    }
}

impl<W: Write> Write for Writer<W> {
    /// Cancel-safe.
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Self::Error> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.shared.outbox.lock().await.write(buf, &self.shared.signals).await
    }

    /// Cancel-safe.
    async fn flush(&mut self) -> Result<(), Self::Error> {
        self.shared.outbox.lock().await.flush(&self.shared.signals).await
    }
}

impl<W: stream::Writer> stream::Writer for Writer<W> {
    async fn shutdown(&mut self) -> Result<(), Self::Error> {
        self.shared.outbox.lock().await.shutdown(&self.shared.signals, NORMAL).await
    }
}
