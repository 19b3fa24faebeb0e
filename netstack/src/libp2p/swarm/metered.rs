//! A particle stream that reserves memory for what it announces.

use core::pin::pin;
use embedded_io_async::{Error as _, ErrorKind, ErrorType, Read};
use futures_util::future::{Either, select};

use super::budget::{Budget, Share};
use super::clock::Clock;
use super::limits::extra_time;
use crate::libp2p::PeerId;
use crate::time::{Elapsed, Instant, after, until};

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
    failure: Option<Failure>,
    clock: &'a Clock,
    deadline: Instant,
    /// Bytes that came.
    bytes: usize,
}

/// Why a particle does not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// Others needed its memory.
    CrowdedOut,
    /// It was too slow.
    Late,
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
    /// Reads a particle of `peer` from `stream`, of at most `max_bytes`: more is never reserved, whatever
    /// is announced. It has until `deadline`, and longer when it is long.
    pub(super) fn new(
        stream: &'a mut S,
        (budget, clock): (&'a Budget, &'a Clock),
        (peer, max_bytes): (PeerId, usize),
        deadline: Instant,
    ) -> Self {
        let prefix = Prefix { value: 0, shift: 0, complete: false };
        let (share, failure, bytes) = (None, None, 0);
        Self { stream, budget, peer, max_bytes, prefix, share, failure, clock, deadline, bytes }
    }

    /// Why it failed, if it was not the stream.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Bytes that came, and the reservation.
    pub(super) fn finish(self) -> (usize, Option<Share>) {
        (self.bytes, self.share)
    }
}

impl<S> ErrorType for Metered<'_, S> {
    type Error = ErrorKind;
}

impl<S: Read> Metered<'_, S> {
    /// Reads until the length is known, and then waits for its reservation.
    async fn begin(&mut self, buf: &mut [u8]) -> Result<usize, S::Error> {
        let read = self.stream.read(buf).await?;
        self.prefix.take(buf.get(..read).unwrap_or_default());
        if self.prefix.complete {
            let announced = self.prefix.value.min(self.max_bytes);
            self.share = Some(self.budget.reserve(self.peer, announced).await);
            self.deadline = after(self.deadline, extra_time(announced));
        }
        Ok(read)
    }

    async fn go_on(&mut self, buf: &mut [u8]) -> Result<Option<usize>, S::Error> {
        let Some(share) = &self.share else { return self.begin(buf).await.map(Some) };
        let crowded_out = pin!(share.crowded_out());
        let reading = pin!(self.stream.read(buf));
        match select(crowded_out, reading).await {
            Either::Left(_) => Ok(None),
            Either::Right((read, _)) => read.map(|read| share.progress(read).ok().map(|()| read)),
        }
    }
}

impl<S: Read> Read for Metered<'_, S> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, ErrorKind> {
        let (clock, deadline) = (self.clock, self.deadline);
        let failure = match until(clock, deadline, self.go_on(buf)).await {
            Ok(Ok(Some(read))) => {
                self.bytes += read;
                return Ok(read);
            }
            Ok(Err(error)) => return Err(error.kind()),
            Ok(Ok(None)) => Failure::CrowdedOut,
            Err(Elapsed) => Failure::Late,
        };
        self.failure = Some(failure);
        Err(ErrorKind::TimedOut)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announced_length_is_read_however_it_is_cut_and_whatever_it_is() {
        let cases: [(&[u8], usize, bool); 6] = [
            (&[0x05, 0xff], 5, true),
            (&[0x80, 0x01, 0xff], 128, true),
            (&[0x80], 0, false),
            (&[0xff, 0xff, 0xff, 0x01], 0x3f_ffff, true),
            (&[0x80, 0x00], 0, true),
            (&[0xff; 40], 0x7_ffff_ffff | 0x7f << 35, true),
        ];
        for (bytes, value, complete) in cases {
            let (mut whole, mut parts) = (
                Prefix { value: 0, shift: 0, complete: false },
                Prefix { value: 0, shift: 0, complete: false },
            );
            whole.take(bytes);
            bytes.iter().for_each(|byte| parts.take(&[*byte]));
            for prefix in [whole, parts] {
                assert_eq!((prefix.value, prefix.complete), (value, complete), "{bytes:x?}");
            }
        }
    }
}
