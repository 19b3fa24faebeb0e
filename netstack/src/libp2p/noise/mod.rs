//! Noise XX: both sides prove who they are, then everything is encrypted (libp2p noise specification).
//!
//! `Noise_XX_25519_ChaChaPoly_SHA256`. The pattern is the `snow` crate's, over the ciphers of this
//! workspace; the payloads of its second and third message bind the peer's ed25519 key
//! to its noise key. Every message, during the handshake and after, is a length (two bytes, big-endian)
//! and that many bytes.
//!
//! After the handshake each direction has its key, and a half of its own: [`Reader`], [`Writer`].
//!
//! # Memory
//!
//! An idle connection keeps [`limits::NOISE_IDLE_READ_BYTES`](super::limits::NOISE_IDLE_READ_BYTES) for
//! reading and at most
//! [`limits::NOISE_IDLE_WRITE_BYTES`](super::limits::NOISE_IDLE_WRITE_BYTES) for writing. While a
//! message is on its way in, or out, its direction takes as much as the message has, 64 KiB at most.
//!
//! # Not supported
//!
//! Extensions of the payload (they are skipped), payloads in the first message, rekeying.

mod cipher;
mod handshake;
mod primitives;
mod reader;
mod writer;

use core::fmt;

use embedded_io_async::ErrorKind;

pub use handshake::{Ephemeral, Identity, Session, dial, listen};
pub use reader::Reader;
pub use writer::Writer;

/// Bytes of a message's length.
const LENGTH_BYTES: usize = 2;
/// Bytes of a message's authentication tag.
const TAG_BYTES: usize = 16;

/// What ends a noise connection; `E` is the error of the stream below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error<E> {
    /// The stream below failed.
    Stream(E),
    /// The stream ended within a message, or before the handshake was over.
    Truncated,
    /// A message is too short or, in the handshake, too long, or its content is not what belongs there.
    Malformed,
    /// A message was not made with the keys agreed on.
    Forged,
    /// The peer has not proved that it holds its ed25519 key.
    Unproven,
    /// As many messages as a key is good for were sent or received.
    Exhausted,
}

impl<E> Error<E> {
    /// The same with another error of the stream.
    pub fn map<F>(self, map: impl FnOnce(E) -> F) -> Error<F> {
        match self {
            Self::Stream(error) => Error::Stream(map(error)),
            Self::Truncated => Error::Truncated,
            Self::Malformed => Error::Malformed,
            Self::Forged => Error::Forged,
            Self::Unproven => Error::Unproven,
            Self::Exhausted => Error::Exhausted,
        }
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stream(error) => return write!(f, "the stream failed: {error}"),
            Self::Truncated => "the stream ended within a noise message",
            Self::Malformed => "a noise message is malformed",
            Self::Forged => "a noise message cannot be decrypted",
            Self::Unproven => "the peer has not proved its identity",
            Self::Exhausted => "a noise key has served its time",
        })
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for Error<E> {}

impl<E: embedded_io_async::Error> embedded_io_async::Error for Error<E> {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Stream(error) => error.kind(),
            Self::Truncated => ErrorKind::ConnectionAborted,
            Self::Malformed | Self::Forged => ErrorKind::InvalidData,
            Self::Unproven => ErrorKind::PermissionDenied,
            Self::Exhausted => ErrorKind::Other,
        }
    }
}

#[cfg(test)]
mod tests;
