//! multistream-select 1.0: which protocol a stream speaks.
//!
//! Every message is a length (unsigned varint) and that many bytes, the last of which is a line feed.
//! The dialer sends the header and a proposal in one write; the listener answers each of them, or `na`
//! to what it does not speak. Nothing beyond the negotiation is read from the stream. Both sides may write
//! before they read, so the stream must hold a header and a proposal.
//!
//! # Not supported
//!
//! Proposing a second protocol after a refusal, simultaneous open.

use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::{Read, Write};
use futures_util::FutureExt;
use unsigned_varint::{decode, encode};

use super::limits::{MULTISTREAM_MESSAGE_BYTES, PROTOCOL_NAME_BYTES, PROTOCOL_PROPOSALS};

const HEADER: &[u8] = b"/multistream/1.0.0";
const NOT_AVAILABLE: &[u8] = b"na";
const LIST: &[u8] = b"ls";
/// Bytes of the longest length that is within the bound.
const LENGTH_BYTES: usize = 2;

/// Why no protocol was agreed on; `E` is the stream's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The stream failed.
    Stream(E),
    /// The stream ended before a protocol was agreed on.
    Closed,
    /// What came is not multistream-select 1.0, or not what was to come next.
    Malformed,
    /// A message longer than [`MULTISTREAM_MESSAGE_BYTES`].
    TooLong,
    /// More than [`PROTOCOL_PROPOSALS`] proposals, none of which is spoken here.
    TooManyProposals,
    /// The listener does not speak the protocol.
    Refused,
}

impl<E> Error<E> {
    /// The same with another error of the stream.
    pub fn map<F>(self, map: impl FnOnce(E) -> F) -> Error<F> {
        match self {
            Self::Stream(error) => Error::Stream(map(error)),
            Self::Closed => Error::Closed,
            Self::Malformed => Error::Malformed,
            Self::TooLong => Error::TooLong,
            Self::TooManyProposals => Error::TooManyProposals,
            Self::Refused => Error::Refused,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(error) => write!(f, "the stream failed: {error}"),
            Self::Closed => f.write_str("the stream ended before a protocol was agreed on"),
            Self::Malformed => f.write_str("no multistream-select message that belongs here"),
            Self::TooLong => f.write_str("a multistream-select message is too long"),
            Self::TooManyProposals => f.write_str("too many proposals of protocols"),
            Self::Refused => f.write_str("the peer does not speak the protocol"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for Error<E> {}

/// Answers a dialer until it proposes one of `protocols`; which one.
///
/// # Errors
/// [`Error`]; the stream is then of no more use.
pub async fn listen<'a, S: Read + Write>(
    stream: &mut S,
    protocols: &[&'a str],
) -> Result<&'a str, Error<S::Error>> {
    let mut talk = Talk::new(stream);
    if talk.receive().await? != Some(HEADER) {
        return Err(Error::Malformed);
    }
    put(&mut talk.answers, HEADER);
    for _ in 0..PROTOCOL_PROPOSALS {
        let text = talk.receive().await?;
        if text == Some(HEADER) {
            return Err(Error::Malformed);
        }
        let is_list = text == Some(LIST);
        let chosen = protocols.iter().find(|name| text == Some(name.as_bytes()));
        if let Some(chosen) = chosen {
            put(&mut talk.answers, chosen.as_bytes());
            talk.send().await?;
            return Ok(chosen);
        }
        if is_list {
            put(&mut talk.answers, &listing(protocols));
        } else {
            put(&mut talk.answers, NOT_AVAILABLE);
        }
    }
    Err(Error::TooManyProposals)
}

/// Proposes `protocol` and waits until the listener has agreed.
///
/// # Errors
/// [`Error::Refused`] when it does not speak it; others when the stream is of no more use.
pub async fn dial<S: Read + Write>(stream: &mut S, protocol: &str) -> Result<(), Error<S::Error>> {
    let mut talk = Talk::new(stream);
    put(&mut talk.answers, HEADER);
    put(&mut talk.answers, protocol.as_bytes());
    talk.send().await?;
    if talk.receive().await? != Some(HEADER) {
        return Err(Error::Malformed);
    }
    match talk.receive().await? {
        Some(NOT_AVAILABLE) => Err(Error::Refused),
        Some(text) if text == protocol.as_bytes() => Ok(()),
        _ => Err(Error::Malformed),
    }
}

/// Appends a message.
fn put(bytes: &mut Vec<u8>, text: &[u8]) {
    let mut buffer = encode::usize_buffer();
    bytes.extend_from_slice(encode::usize(text.len() + 1, &mut buffer));
    bytes.extend_from_slice(text);
    bytes.push(b'\n');
}

/// The text of the answer to `ls`: each protocol as a message of its own.
fn listing(protocols: &[&str]) -> Vec<u8> {
    let mut text = Vec::new();
    for protocol in protocols {
        put(&mut text, protocol.as_bytes());
    }
    text
}

/// One side of a negotiation.
struct Talk<'s, S> {
    stream: &'s mut S,
    /// Messages that leave before the next wait: answers to what came together leave together.
    answers: Vec<u8>,
    /// A received message. What is longer than any name spoken here is read past, not kept.
    message: [u8; PROTOCOL_NAME_BYTES + 1],
}

impl<'s, S: Read + Write> Talk<'s, S> {
    fn new(stream: &'s mut S) -> Self {
        Self { stream, answers: Vec::new(), message: [0; PROTOCOL_NAME_BYTES + 1] }
    }

    async fn send(&mut self) -> Result<(), Error<S::Error>> {
        self.stream.write_all(&self.answers).await.map_err(Error::Stream)?;
        self.answers.clear();
        self.stream.flush().await.map_err(Error::Stream)
    }

    /// Reads some bytes of the message into its place.
    async fn read(&mut self, from: usize, to: usize) -> Result<usize, Error<S::Error>> {
        let bytes = self.message.get_mut(from..to).unwrap_or_default();
        let ready = self.stream.read(bytes).now_or_never();
        let read = if let Some(read) = ready {
            read
        } else {
            self.send().await?;
            self.stream.read(self.message.get_mut(from..to).unwrap_or_default()).await
        };
        match read.map_err(Error::Stream)? {
            0 => Err(Error::Closed),
            read => Ok(read),
        }
    }

    /// The text of the next message, unless it is too long to be the name of anything spoken here.
    async fn receive(&mut self) -> Result<Option<&[u8]>, Error<S::Error>> {
        let length = self.receive_length().await?;
        let mut last = 0;
        let mut received = 0;
        while received < length {
            // The end of a long message overwrites its beginning, which nobody looks at.
            let from = if length <= self.message.len() { received } else { 0 };
            let to = self.message.len().min(from + length - received);
            let read = self.read(from, to).await?;
            last = self.message.get(from + read - 1).copied().unwrap_or_default();
            received += read;
        }
        if last == b'\n' { Ok(self.message.get(..length - 1)) } else { Err(Error::Malformed) }
    }

    async fn receive_length(&mut self) -> Result<usize, Error<S::Error>> {
        for have in 1..=LENGTH_BYTES {
            self.read(have - 1, have).await?;
            let bytes = self.message.get(..have).unwrap_or_default();
            if bytes.last().is_some_and(|byte| decode::is_last(*byte)) {
                let (length, _) = decode::usize(bytes).map_err(|_| Error::Malformed)?;
                return match length {
                    0 => Err(Error::Malformed),
                    1..=MULTISTREAM_MESSAGE_BYTES => Ok(length),
                    _ => Err(Error::TooLong),
                };
            }
        }
        Err(Error::TooLong)
    }
}
