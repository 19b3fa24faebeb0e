//! The receiving side of a connection: a buffer in front of the stream, with deadlines.

use alloc::vec::Vec;

use embedded_io_async::Read;

use super::{Limits, Refusal};
use crate::time::{Duration, Instant, Timer, after, until};

/// Bytes asked of the stream at a time.
const READ_BYTES: usize = 2048;
/// Empty lines before a request line that are passed over (RFC 9112 section 2.2).
const LEADING_EMPTY_LINES: usize = 4;

/// Why no more bytes came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Starved {
    /// The peer has closed its sending side.
    End,
    /// The deadline passed.
    Late,
    /// The connection is gone.
    Broken,
}

/// Bytes received and not yet used, and the stream that brings more.
pub(super) struct Incoming<S, T> {
    pub(super) stream: S,
    pub(super) timer: T,
    bytes: Vec<u8>,
    start: usize,
}

impl<S: Read, T: Timer> Incoming<S, T> {
    pub(super) fn new(stream: S, timer: T) -> Self {
        Self { stream, timer, bytes: Vec::new(), start: 0 }
    }

    /// Bytes received and not yet used.
    pub(super) fn buffered(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Marks the first `count` bytes as used.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
        if self.start == self.bytes.len() {
            self.bytes.clear();
            self.start = 0;
        }
    }

    /// Waits for more bytes until `deadline`.
    pub(super) async fn fill(&mut self, deadline: Instant) -> Result<(), Starved> {
        // Keep what is buffered at the front, so that the buffer grows only with what is unused.
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        let filled = self.bytes.len();
        self.bytes.resize(filled + READ_BYTES, 0);
        let space = self.bytes.get_mut(filled..).unwrap_or_default();
        let result = until(&self.timer, deadline, self.stream.read(space)).await;
        let read = match &result {
            Ok(Ok(read)) => *read,
            _ => 0,
        };
        self.bytes.truncate(filled + read);
        match result {
            Err(_) => Err(Starved::Late),
            Ok(Err(_)) => Err(Starved::Broken),
            Ok(Ok(0)) => Err(Starved::End),
            Ok(Ok(_)) => Ok(()),
        }
    }

    /// Reads into `buf`: buffered bytes first, else straight from the stream.
    pub(super) async fn read(
        &mut self,
        buf: &mut [u8],
        deadline: Instant,
    ) -> Result<usize, Starved> {
        let buffered = self.buffered();
        if !buffered.is_empty() {
            let count = buffered.len().min(buf.len());
            if let (Some(to), Some(from)) = (buf.get_mut(..count), buffered.get(..count)) {
                to.copy_from_slice(from);
            }
            self.consume(count);
            return Ok(count);
        }
        match until(&self.timer, deadline, self.stream.read(buf)).await {
            Err(_) => Err(Starved::Late),
            Ok(Err(_)) => Err(Starved::Broken),
            Ok(Ok(0)) => Err(Starved::End),
            Ok(Ok(read)) => Ok(read),
        }
    }

    /// Waits until something is buffered; `None` when the peer has ended or stays silent.
    pub(super) async fn wait(&mut self, patience: Duration) -> Result<(), Starved> {
        if self.buffered().is_empty() {
            let deadline = after(self.timer.now(), patience);
            self.fill(deadline).await?;
        }
        Ok(())
    }

    /// Waits for a whole head and gives its length; its bytes stay buffered.
    pub(super) async fn head(&mut self, limits: &Limits) -> Result<usize, NoHead> {
        let deadline = after(self.timer.now(), limits.head_timeout);
        let mut scan = HeadScan::default();
        loop {
            match scan.advance(self.buffered(), limits)? {
                Scanned::Complete { skip, length } => {
                    self.consume(skip);
                    return Ok(length);
                }
                Scanned::Partial => {}
            }
            match self.fill(deadline).await {
                Ok(()) => {}
                Err(Starved::Late) => {
                    return Err(Refusal::new(408, "the head came too slowly").into());
                }
                Err(Starved::End) if scan.begun => {
                    return Err(Refusal::bad("the head ended early").into());
                }
                Err(Starved::End) => return Err(NoHead::Ended),
                Err(Starved::Broken) => return Err(NoHead::Gone),
            }
        }
    }
}

/// Why there is no head.
pub(super) enum NoHead {
    /// It is none.
    Refused(Refusal),
    /// The peer has closed its sending side instead.
    Ended,
    /// The connection is gone.
    Gone,
}

impl From<Refusal> for NoHead {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// Looks for the end of a head, each byte once.
#[derive(Default)]
struct HeadScan {
    at: usize,
    line_start: usize,
    skip: usize,
    empty_lines: usize,
    lines: usize,
    begun: bool,
}

enum Scanned {
    Partial,
    Complete { skip: usize, length: usize },
}

impl HeadScan {
    fn advance(&mut self, bytes: &[u8], limits: &Limits) -> Result<Scanned, Refusal> {
        while let Some(byte) = bytes.get(self.at) {
            let before = self.at.checked_sub(1).and_then(|at| bytes.get(at));
            self.at += 1;
            if *byte != b'\n' {
                if before == Some(&b'\r') && self.at - 1 > self.line_start {
                    return Err(Refusal::bad("a carriage return without a line feed"));
                }
                self.begun |= *byte != b'\r';
                if self.lines == 0 && self.at - self.skip > limits.request_line_bytes + 1 {
                    return Err(Refusal::new(414, "the request line is too long"));
                }
                if self.at - self.skip > limits.head_bytes {
                    return Err(Refusal::new(431, "the head is too long"));
                }
                continue;
            }
            if before != Some(&b'\r') || self.at < self.line_start + 2 {
                return Err(Refusal::bad("a line feed without a carriage return"));
            }
            let empty = self.at == self.line_start + 2;
            self.line_start = self.at;
            if empty && self.lines == 0 {
                self.empty_lines += 1;
                if self.empty_lines > LEADING_EMPTY_LINES {
                    return Err(Refusal::bad("empty lines instead of a request"));
                }
                self.skip = self.at;
                continue;
            }
            if self.at - self.skip > limits.head_bytes {
                return Err(Refusal::new(431, "the head is too long"));
            }
            if empty {
                return Ok(Scanned::Complete { skip: self.skip, length: self.at - self.skip });
            }
            self.lines += 1;
        }
        Ok(Scanned::Partial)
    }
}
