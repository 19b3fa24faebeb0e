//! A particle stream that reserves memory for what it announces.

use core::pin::pin;
use embedded_io_async::{Error as _, ErrorKind, ErrorType, Read};
use futures_util::future::{Either, select};

use super::budget::{Budget, Share};
use crate::libp2p::PeerId;

/// A stream that begins with a length (unsigned varint): as soon as that is known it waits until as much
/// is reserved, and reads no further before.
#[derive(Debug)]
pub(super) struct Metered<'a, S> {
    stream: &'a mut S,
    budget: &'a Budget,
    peer: PeerId,
    max_bytes: usize,
    prefix: Prefix,
    share: Option<Share>,
    crowded_out: bool,
    /// Bytes that came.
    bytes: usize,
}

/// How much of the length has come.
#[derive(Clone, Copy, Debug)]
struct Prefix {
    value: usize,
    shift: u32,
    complete: bool,
}

impl Prefix {
    /// Takes the bytes that belong to the length.
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.complete {
                return;
            }
            let bits = usize::from(byte & 0x7f).checked_shl(self.shift).unwrap_or(usize::MAX);
            self.value |= bits;
            self.shift = self.shift.saturating_add(7);
            self.complete = byte & 0x80 == 0 || self.shift > 35;
        }
    }
}

impl<'a, S> Metered<'a, S> {
    /// Reads a particle of `peer` from `stream`; more than `max_bytes` is never reserved, whatever is
    /// announced.
    pub(super) fn new(
        stream: &'a mut S,
        budget: &'a Budget,
        peer: PeerId,
        max_bytes: usize,
    ) -> Self {
        let prefix = Prefix { value: 0, shift: 0, complete: false };
        Self { stream, budget, peer, max_bytes, prefix, share: None, crowded_out: false, bytes: 0 }
    }

    /// Whether the reservation was lost to others.
    pub(super) fn is_crowded_out(&self) -> bool {
        self.crowded_out
    }

    /// Bytes that came, and the reservation.
    pub(super) fn finish(self) -> (usize, Option<Share>) {
        (self.bytes, self.share)
    }
}

impl<S> ErrorType for Metered<'_, S> {
    type Error = ErrorKind;
}

impl<S: Read> Read for Metered<'_, S> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let Some(share) = &self.share else {
            let read = self.stream.read(buf).await.map_err(|error| error.kind())?;
            self.bytes += read;
            self.prefix.take(buf.get(..read).unwrap_or_default());
            if self.prefix.complete {
                let announced = self.prefix.value.min(self.max_bytes);
                self.share = Some(self.budget.reserve(self.peer, announced).await);
            }
            return Ok(read);
        };
        let outcome = {
            let crowded_out = pin!(share.crowded_out());
            let reading = pin!(self.stream.read(buf));
            match select(crowded_out, reading).await {
                Either::Left(_) => None,
                Either::Right((read, _)) => Some(read),
            }
        };
        let read = outcome
            .transpose()
            .map_err(|error| error.kind())?
            .filter(|read| share.progress(*read).is_ok());
        self.crowded_out = read.is_none();
        let read = read.ok_or(ErrorKind::OutOfMemory)?;
        self.bytes += read;
        Ok(read)
    }
}
