//! multistream-select 1.0: which protocol a stream speaks.
//!
//! Every message is a length (unsigned varint) and that many bytes, the last of which is a line feed.
//! The dialer sends the header and a proposal in one write; the listener answers each of them, or `na`
//! to what it does not speak. Nothing beyond the negotiation is read from the stream.
//!
//! # Not supported
//!
//! Proposing a second protocol after a refusal, simultaneous open.

use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::{Read, Write};
use futures_util::FutureExt;

use super::limits::{MULTISTREAM_MESSAGE_BYTES, PROTOCOL_NAME_BYTES, PROTOCOL_PROPOSALS};

const HEADER: &[u8] = b"/multistream/1.0.0";
const NOT_AVAILABLE: &[u8] = b"na";
const LIST: &[u8] = b"ls";

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

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(error) => error.fmt(f),
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
    let mut message = Message::default();
    message.receive(stream).await?;
    if message.text() != Some(HEADER) {
        return Err(Error::Malformed);
    }
    send(stream, HEADER).await?;
    for _ in 0..PROTOCOL_PROPOSALS {
        message.receive(stream).await?;
        let text = message.text();
        let chosen = protocols.iter().find(|name| text == Some(name.as_bytes()));
        if let Some(chosen) = chosen {
            send(stream, chosen.as_bytes()).await?;
            stream.flush().await.map_err(Error::Stream)?;
            return Ok(chosen);
        }
        match text {
            Some(HEADER) => return Err(Error::Malformed),
            Some(LIST) => send(stream, &listing(protocols)).await?,
            _ => send(stream, NOT_AVAILABLE).await?,
        }
    }
    Err(Error::TooManyProposals)
}

/// Proposes `protocol` and waits until the listener has agreed.
///
/// # Errors
/// [`Error::Refused`] when it does not speak it; others when the stream is of no more use.
pub async fn dial<S: Read + Write>(stream: &mut S, protocol: &str) -> Result<(), Error<S::Error>> {
    let mut proposal = Vec::with_capacity(HEADER.len() + protocol.len() + 5);
    put(&mut proposal, HEADER);
    put(&mut proposal, protocol.as_bytes());
    stream.write_all(&proposal).await.map_err(Error::Stream)?;
    stream.flush().await.map_err(Error::Stream)?;
    let mut message = Message::default();
    message.receive(stream).await?;
    if message.text() != Some(HEADER) {
        return Err(Error::Malformed);
    }
    message.receive(stream).await?;
    match message.text() {
        Some(NOT_AVAILABLE) => Err(Error::Refused),
        Some(text) if text == protocol.as_bytes() => Ok(()),
        _ => Err(Error::Malformed),
    }
}

/// Appends a message.
fn put(bytes: &mut Vec<u8>, text: &[u8]) {
    let mut buffer = unsigned_varint::encode::usize_buffer();
    bytes.extend_from_slice(unsigned_varint::encode::usize(text.len() + 1, &mut buffer));
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

async fn send<S: Read + Write>(stream: &mut S, text: &[u8]) -> Result<(), Error<S::Error>> {
    let mut message = Vec::with_capacity(text.len() + 3);
    put(&mut message, text);
    stream.write_all(&message).await.map_err(Error::Stream)
}

/// Reads some bytes. What was written leaves before that has to wait: answers to messages that came
/// together leave together.
async fn read_some<S: Read + Write>(
    stream: &mut S,
    bytes: &mut [u8],
) -> Result<usize, Error<S::Error>> {
    let ready = stream.read(bytes).now_or_never();
    let read = match ready {
        Some(read) => read,
        None => {
            stream.flush().await.map_err(Error::Stream)?;
            stream.read(bytes).await
        }
    };
    match read.map_err(Error::Stream)? {
        0 => Err(Error::Closed),
        read => Ok(read),
    }
}

/// A received message. What is longer than any name spoken here is read past, not kept.
struct Message {
    bytes: [u8; PROTOCOL_NAME_BYTES + 1],
    length: usize,
}

impl Default for Message {
    fn default() -> Self {
        Self { bytes: [0; PROTOCOL_NAME_BYTES + 1], length: 0 }
    }
}

impl Message {
    /// The text without its line feed, unless it is too long to be the name of anything spoken here.
    fn text(&self) -> Option<&[u8]> {
        self.bytes.get(..self.length)?.strip_suffix(b"\n")
    }

    async fn receive<S: Read + Write>(&mut self, stream: &mut S) -> Result<(), Error<S::Error>> {
        let length = receive_length(stream).await?;
        let mut last = 0;
        let mut received = 0;
        while received < length {
            // The end of a long message overwrites its beginning, which nobody looks at.
            let kept = if length <= self.bytes.len() { received } else { 0 };
            let room = self.bytes.get_mut(kept..).unwrap_or_default();
            let wanted = room.len().min(length - received);
            let room = room.get_mut(..wanted).unwrap_or_default();
            let read = read_some(stream, room).await?;
            last = room.get(read - 1).copied().unwrap_or_default();
            received += read;
        }
        self.length = length;
        if last == b'\n' { Ok(()) } else { Err(Error::Malformed) }
    }
}

async fn receive_length<S: Read + Write>(stream: &mut S) -> Result<usize, Error<S::Error>> {
    let mut varint = [0; 2];
    for have in 1..=varint.len() {
        let byte = varint.get_mut(have - 1..have).unwrap_or_default();
        read_some(stream, byte).await?;
        if byte.first().is_some_and(|byte| unsigned_varint::decode::is_last(*byte)) {
            let bytes = varint.get(..have).unwrap_or_default();
            let (length, _) =
                unsigned_varint::decode::usize(bytes).map_err(|_| Error::Malformed)?;
            return match length {
                0 => Err(Error::Malformed),
                1..=MULTISTREAM_MESSAGE_BYTES => Ok(length),
                _ => Err(Error::TooLong),
            };
        }
    }
    Err(Error::TooLong)
}
