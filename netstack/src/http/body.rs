//! Request bodies as the handler reads them.

use alloc::vec::Vec;
use core::future::Future;

use embedded_io_async::{Error, ErrorKind, ErrorType, Read, Write};

use super::chunked::{Chunked, Step};
use super::head::Framing;
use super::incoming::{Incoming, Starved};
use super::{Limits, Refusal};
use crate::time::{Instant, Timer, after, until};

/// Bytes read at a time into a collected body.
const PIECE_BYTES: usize = 4096;

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than allowed.
    TooLarge,
    /// It is malformed, or ended early.
    Malformed(&'static str),
    /// It came too slowly.
    Late,
    /// The connection is gone.
    Broken,
}

impl core::fmt::Display for BodyError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::TooLarge => "the body is too large",
            Self::Malformed(what) => what,
            Self::Late => "the body came too slowly",
            Self::Broken => "the connection is gone",
        })
    }
}

impl core::error::Error for BodyError {}

impl Error for BodyError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::TooLarge => ErrorKind::OutOfMemory,
            Self::Malformed(_) => ErrorKind::InvalidData,
            Self::Late => ErrorKind::TimedOut,
            Self::Broken => ErrorKind::ConnectionReset,
        }
    }
}

impl BodyError {
    /// The answer that says so; `None` when nobody is there to hear it.
    pub(super) fn refusal(self) -> Option<Refusal> {
        match self {
            Self::TooLarge => Some(Refusal::new(413, "the body is too large")),
            Self::Malformed(what) => Some(Refusal::bad(what)),
            Self::Late => Some(Refusal::new(408, "the body came too slowly")),
            Self::Broken => None,
        }
    }
}

impl From<Refusal> for BodyError {
    fn from(refusal: Refusal) -> Self {
        Self::Malformed(refusal.text)
    }
}

/// A request's body: reading gives its bytes without their framing, then 0.
pub trait RequestBody: Read<Error = BodyError> {
    /// Bytes still to come, when that is known.
    fn remaining(&self) -> Option<u64>;

    /// Reads what is left, up to `limit` bytes.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] when there are more, or why reading failed.
    fn read_to_end(&mut self, limit: usize) -> impl Future<Output = Result<Vec<u8>, BodyError>>;
}

/// What is left of a body whose handler is done with it.
#[derive(Clone, Copy)]
pub(super) struct Rest {
    state: State,
    taken: u64,
    deadline: Instant,
}

/// What is left to read.
#[derive(Clone, Copy, Debug)]
enum State {
    Length(u64),
    Chunked(Chunked),
    /// Whatever comes before the end of the connection.
    UntilEnd,
    Failed(BodyError),
}

/// A body on a connection.
pub(super) struct Body<'a, S, T> {
    incoming: &'a mut Incoming<S, T>,
    limits: &'a Limits,
    state: State,
    /// Bytes given out so far.
    taken: u64,
    deadline: Instant,
    /// The client waits to be told to go on.
    continue_due: bool,
}

impl<'a, S: Read + Write, T: Timer> Body<'a, S, T> {
    pub(super) fn new(
        incoming: &'a mut Incoming<S, T>,
        limits: &'a Limits,
        framing: Framing,
        continue_due: bool,
    ) -> Self {
        let deadline = after(incoming.timer.now(), limits.body_total_timeout);
        let state = match framing {
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunked::Size),
            Framing::UntilEnd => State::UntilEnd,
        };
        // Who has sent part of the body already does not wait.
        let continue_due = continue_due && incoming.buffered().is_empty();
        Self { incoming, limits, state, taken: 0, deadline, continue_due }
    }

    /// Gives the connection back, to write the answer.
    pub(super) fn rest(self) -> Rest {
        Rest { state: self.state, taken: self.taken, deadline: self.deadline }
    }

    /// Goes on with a body.
    pub(super) fn resume(incoming: &'a mut Incoming<S, T>, limits: &'a Limits, rest: Rest) -> Self {
        let Rest { state, taken, deadline } = rest;
        Self { incoming, limits, state, taken, deadline, continue_due: false }
    }

    /// True when the next request begins right here.
    pub(super) fn is_finished(&self) -> bool {
        matches!(self.state, State::Length(0) | State::Chunked(Chunked::Done))
    }

    /// True when what is left may be worth reading for the sake of the connection.
    pub(super) fn is_drainable(&self) -> bool {
        match self.state {
            State::Length(left) => left <= self.limits.drain_bytes && !self.continue_due,
            State::Chunked(_) => !self.continue_due,
            State::UntilEnd | State::Failed(_) => false,
        }
    }

    /// Reads and throws away what is left, within bounds; true when the end was reached.
    pub(super) async fn drain(&mut self) -> bool {
        let mut scratch = [0; 1024];
        let mut drained = 0;
        while drained <= self.limits.drain_bytes {
            match self.read(&mut scratch).await {
                Ok(0) => return true,
                Ok(read) => drained += read as u64,
                Err(_) => return false,
            }
        }
        false
    }

    async fn next(&mut self, buf: &mut [u8]) -> Result<usize, BodyError> {
        loop {
            match self.state {
                State::Failed(error) => return Err(error),
                State::Length(0) => return Ok(0),
                State::Length(left) => {
                    let read = self.take(buf, left).await?;
                    self.state = State::Length(left.saturating_sub(read as u64));
                    return Ok(read);
                }
                State::UntilEnd => {
                    let deadline = self.piece_deadline();
                    let read = match self.incoming.read(buf, deadline).await {
                        Err(Starved::End) => {
                            self.state = State::Length(0);
                            return Ok(0);
                        }
                        read => read.map_err(starved)?,
                    };
                    return self.count(read);
                }
                State::Chunked(mut chunked) => {
                    let step = chunked.step(self.incoming.buffered())?;
                    self.state = State::Chunked(chunked);
                    match step {
                        Step::End => return Ok(0),
                        Step::Skip(count) => self.incoming.consume(count),
                        Step::Starved => self.fill().await?,
                        Step::Data(left) => {
                            let read = self.take(buf, left).await?;
                            self.count(read)?;
                            chunked.took(read as u64);
                            self.state = State::Chunked(chunked);
                            return Ok(read);
                        }
                    }
                }
            }
        }
    }

    /// Counts bytes of a body whose length nobody has said.
    fn count(&mut self, read: usize) -> Result<usize, BodyError> {
        self.taken += read as u64;
        if self.taken > self.limits.body_bytes { Err(BodyError::TooLarge) } else { Ok(read) }
    }

    /// Reads up to `most` bytes of data.
    async fn take(&mut self, buf: &mut [u8], most: u64) -> Result<usize, BodyError> {
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(buf.len());
        let part = buf.get_mut(..most).unwrap_or_default();
        self.go_on().await?;
        let deadline = self.piece_deadline();
        self.incoming.read(part, deadline).await.map_err(starved)
    }

    async fn fill(&mut self) -> Result<(), BodyError> {
        self.go_on().await?;
        let deadline = self.piece_deadline();
        self.incoming.fill(deadline).await.map_err(starved)
    }

    fn piece_deadline(&self) -> Instant {
        after(self.incoming.timer.now(), self.limits.body_timeout).min(self.deadline)
    }

    /// Tells a client that waits for it to send the body.
    async fn go_on(&mut self) -> Result<(), BodyError> {
        if !core::mem::take(&mut self.continue_due) {
            return Ok(());
        }
        let deadline = after(self.incoming.timer.now(), self.limits.write_timeout);
        let stream = &mut self.incoming.stream;
        let line = async {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
            stream.flush().await
        };
        match until(&self.incoming.timer, deadline, line).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(BodyError::Broken),
        }
    }
}

fn starved(starved: Starved) -> BodyError {
    match starved {
        Starved::End => BodyError::Malformed("the body ended early"),
        Starved::Late => BodyError::Late,
        Starved::Broken => BodyError::Broken,
    }
}

impl<S, T> ErrorType for Body<'_, S, T> {
    type Error = BodyError;
}

impl<S: Read + Write, T: Timer> Read for Body<'_, S, T> {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, BodyError> {
        if buf.is_empty() {
            return Ok(0);
        }
        let result = self.next(buf).await;
        if let Err(error) = result {
            self.state = State::Failed(error);
        }
        result
    }
}

impl<S: Read + Write, T: Timer> RequestBody for Body<'_, S, T> {
    fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            State::Chunked(Chunked::Done) => Some(0),
            _ => None,
        }
    }

    async fn read_to_end(&mut self, limit: usize) -> Result<Vec<u8>, BodyError> {
        let mut body = Vec::new();
        loop {
            if let Some(left) = self.remaining()
                && left > (limit - body.len()) as u64
            {
                return Err(BodyError::TooLarge);
            }
            let filled = body.len();
            // One byte beyond the limit is asked for, to see whether there is more.
            let piece = PIECE_BYTES.min(limit - filled + 1);
            body.resize(filled + piece, 0);
            let read = self.read(body.get_mut(filled..).unwrap_or_default()).await?;
            body.truncate(filled + read);
            if read == 0 {
                return Ok(body);
            }
            if body.len() > limit {
                return Err(BodyError::TooLarge);
            }
        }
    }
}
