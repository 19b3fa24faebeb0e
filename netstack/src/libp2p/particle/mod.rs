//! `/fluence/particle/2.0.0`: the message and its framing.
//!
//! One stream carries one particle: its length (unsigned varint), the multicodec of MessagePack
//! (`81 04`, part of the length) and a map with [`Field`]s as keys, in any order, among others that mean
//! nothing here. Nobody answers; the receiver ends its side, and the sender must end its own after
//! [`write`].
//!
//! Bytes, the two last fields, come as MessagePack arrays of integers from JavaScript clients, which
//! themselves take `bin` only: [`read`] takes both, [`write`] gives `bin`.

mod message_pack;
mod read;
#[cfg(test)]
mod tests;
mod write;

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::ErrorKind;

use super::{Keypair, PeerId};

pub use read::read;
pub use write::{encoded_bytes, write};

/// The protocol's name in multistream-select.
pub const PROTOCOL: &str = "/fluence/particle/2.0.0";
/// Message that JavaScript clients still take; one byte more and they lose the particle.
pub const CLIENT_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of the text that names a particle.
pub const MAX_ID_BYTES: usize = 1024;
/// Bytes of a signature.
pub const SIGNATURE_BYTES: usize = 64;

/// Multicodec 0x0201, MessagePack, as an unsigned varint.
const CODEC: [u8; 2] = [0x81, 0x04];
/// What the field `action` says of every particle.
const ACTION: &[u8] = b"Particle";

/// A particle as it travels.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Its name; whoever made it chose it.
    pub id: String,
    /// Who made and signed it.
    pub init_peer_id: PeerId,
    /// When it was made, in Unix milliseconds.
    pub timestamp: u64,
    /// How long it lives from then on, in milliseconds.
    pub ttl: u32,
    /// AIR text.
    pub script: String,
    /// Of `init_peer_id` over [`Message::signed_bytes`].
    pub signature: [u8; SIGNATURE_BYTES],
    /// Interpreter data: all that changes on the way. Each peer signs its own part.
    pub data: Vec<u8>,
}

impl Message {
    /// A particle made by the owner of `author`.
    #[must_use]
    pub fn new(
        author: &Keypair,
        id: String,
        timestamp: u64,
        ttl: u32,
        script: String,
        data: Vec<u8>,
    ) -> Self {
        let signature = author.sign(&signed_bytes(&id, timestamp, ttl, &script));
        Self { id, init_peer_id: author.peer_id(), timestamp, ttl, script, signature, data }
    }

    /// What the author signs: id, timestamp and ttl (little-endian), script, one after the other.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        signed_bytes(&self.id, self.timestamp, self.ttl, &self.script)
    }

    /// Whether the signature is the author's.
    #[must_use]
    pub fn verify(&self) -> bool {
        self.init_peer_id.verify(&self.signed_bytes(), &self.signature)
    }

    /// When it ends, in Unix milliseconds; none beyond the end of time.
    #[must_use]
    pub const fn deadline(&self) -> Option<u64> {
        self.timestamp.checked_add(self.ttl as u64)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("id", &self.id)
            .field("init_peer_id", &self.init_peer_id)
            .field("timestamp", &self.timestamp)
            .field("ttl", &self.ttl)
            .field("script_bytes", &self.script.len())
            .field("data_bytes", &self.data.len())
            .finish_non_exhaustive()
    }
}

fn signed_bytes(id: &str, timestamp: u64, ttl: u32, script: &str) -> Vec<u8> {
    let (timestamp, ttl) = (timestamp.to_le_bytes(), ttl.to_le_bytes());
    [id.as_bytes(), &timestamp, &ttl, script.as_bytes()].concat()
}

/// The entries of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// `"Particle"`.
    Action,
    /// Text of at most [`MAX_ID_BYTES`].
    Id,
    /// The text of an ed25519 peer id.
    InitPeerId,
    /// Unsigned, 64 bits.
    Timestamp,
    /// Unsigned, 32 bits.
    Ttl,
    /// Text.
    Script,
    /// [`SIGNATURE_BYTES`] bytes.
    Signature,
    /// Bytes.
    Data,
}

impl Field {
    /// All of them, in the order in which every known peer writes them.
    const ALL: [Self; 8] = [
        Self::Action,
        Self::Id,
        Self::InitPeerId,
        Self::Timestamp,
        Self::Ttl,
        Self::Script,
        Self::Signature,
        Self::Data,
    ];

    /// Its key in the map.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Id => "id",
            Self::InitPeerId => "init_peer_id",
            Self::Timestamp => "timestamp",
            Self::Ttl => "ttl",
            Self::Script => "script",
            Self::Signature => "signature",
            Self::Data => "data",
        }
    }
}

/// Why no particle could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The stream failed.
    Stream(ErrorKind),
    /// The stream ended in the middle.
    Truncated,
    /// The message has more bytes than the reader wants.
    TooLong,
    /// Encoded in something else than MessagePack.
    Codec,
    /// Not a MessagePack map of the length announced.
    Malformed,
    /// Something else than a particle.
    Action,
    /// A field has the wrong type or a value that it cannot have, or is there twice.
    Field(Field),
    /// A field is not there.
    Missing(Field),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(kind) => write!(f, "the stream failed: {kind}"),
            Self::Truncated => f.write_str("the stream ended within a particle"),
            Self::TooLong => f.write_str("particle too long"),
            Self::Codec => f.write_str("not MessagePack"),
            Self::Malformed => f.write_str("malformed MessagePack"),
            Self::Action => f.write_str("not a particle"),
            Self::Field(field) => write!(f, "invalid field: {}", field.name()),
            Self::Missing(field) => write!(f, "missing field: {}", field.name()),
        }
    }
}

impl core::error::Error for ReadError {}

/// Why a particle was not written, or not all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The stream failed.
    Stream(ErrorKind),
    /// It has more bytes than the receiver takes. Nothing was written.
    TooLong,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(kind) => write!(f, "the stream failed: {kind}"),
            Self::TooLong => f.write_str("particle too long for its receiver"),
        }
    }
}

impl core::error::Error for WriteError {}
