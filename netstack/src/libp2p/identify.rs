//! identify: what a peer says of itself (libp2p identify specification).
//!
//! One message, a length (unsigned varint) and Protocol Buffers: on [`PROTOCOL`] from who accepted the
//! stream to who opened it, on [`PUSH_PROTOCOL`] the other way.
//!
//! # Not supported
//!
//! Signed peer records (read over), messages in several parts.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::{Error as _, ErrorKind, Read, ReadExactError};

use super::protobuf::{Fields, Value, put_bytes, put_varint};
use super::{Multiaddr, PeerId};
use crate::Stream;

/// Asking a peer what it is.
pub const PROTOCOL: &str = "/ipfs/id/1.0.0";
/// Telling a peer what has changed.
pub const PUSH_PROTOCOL: &str = "/ipfs/id/push/1.0.0";
/// Bytes of a message: rust peers read no more.
pub const MAX_BYTES: usize = 4096;
/// Listen addresses of a peer that are kept.
pub const MAX_ADDRESSES: usize = 32;
/// Protocols of a peer that are kept.
pub const MAX_PROTOCOLS: usize = 64;

const PUBLIC_KEY: u32 = 1;
const LISTEN_ADDRESS: u32 = 2;
const SUPPORTED_PROTOCOL: u32 = 3;
const OBSERVED_ADDRESS: u32 = 4;
const PROTOCOL_VERSION: u32 = 5;
const AGENT_VERSION: u32 = 6;

/// What a peer says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    /// Its key. In a received message it is the one that the connection proved.
    pub peer_id: PeerId,
    /// The network it belongs to; any text.
    pub protocol_version: String,
    /// Its software; any text.
    pub agent_version: String,
    /// Where it can be reached. Addresses of kinds that this node cannot use are left out.
    pub listen_addresses: Vec<Multiaddr>,
    /// The address of the message's receiver, as its sender sees it.
    pub observed_address: Option<Multiaddr>,
    /// What it speaks.
    pub protocols: Vec<String>,
}

impl Info {
    /// Whether the peer speaks `protocol`.
    #[must_use]
    pub fn speaks(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|spoken| spoken == protocol)
    }
}

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The stream failed.
    Stream(ErrorKind),
    /// The stream ended before or within the message.
    Truncated,
    /// More than [`MAX_BYTES`].
    TooLong,
    /// Not Protocol Buffers, or text that is none.
    Malformed,
    /// Without a public key.
    NoKey,
    /// With another key than the connection's.
    WrongKey,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(kind) => write!(f, "the stream failed: {kind}"),
            Self::Truncated => f.write_str("the stream ended within the message"),
            Self::TooLong => f.write_str("message too long"),
            Self::Malformed => f.write_str("malformed message"),
            Self::NoKey => f.write_str("no public key"),
            Self::WrongKey => f.write_str("another key than the connection's"),
        }
    }
}

impl core::error::Error for Error {}

/// The message, without its length.
///
/// # Errors
/// [`Error::TooLong`].
pub fn encode(info: &Info) -> Result<Vec<u8>, Error> {
    let mut message = Vec::new();
    put_bytes(&mut message, PROTOCOL_VERSION, info.protocol_version.as_bytes());
    put_bytes(&mut message, AGENT_VERSION, info.agent_version.as_bytes());
    put_bytes(&mut message, PUBLIC_KEY, &info.peer_id.public_key_protobuf());
    for address in &info.listen_addresses {
        put_bytes(&mut message, LISTEN_ADDRESS, &address.to_bytes());
    }
    if let Some(address) = &info.observed_address {
        put_bytes(&mut message, OBSERVED_ADDRESS, &address.to_bytes());
    }
    for protocol in &info.protocols {
        put_bytes(&mut message, SUPPORTED_PROTOCOL, protocol.as_bytes());
    }
    if message.len() > MAX_BYTES { Err(Error::TooLong) } else { Ok(message) }
}

/// Reads a message from `peer`, whose key the connection has proved.
///
/// # Errors
/// [`Error`] but for those of streams.
pub fn decode(message: &[u8], peer: PeerId) -> Result<Info, Error> {
    if message.len() > MAX_BYTES {
        return Err(Error::TooLong);
    }
    let mut key = None;
    let mut info = Info {
        peer_id: peer,
        protocol_version: String::new(),
        agent_version: String::new(),
        listen_addresses: Vec::new(),
        observed_address: None,
        protocols: Vec::new(),
    };
    for field in Fields::new(message) {
        let (number, value) = field.map_err(|_| Error::Malformed)?;
        let bytes = match (number, value) {
            (PUBLIC_KEY..=AGENT_VERSION, Value::Bytes(bytes)) => bytes,
            (PUBLIC_KEY..=AGENT_VERSION, _) => return Err(Error::Malformed),
            _ => continue,
        };
        match number {
            PUBLIC_KEY => key = Some(bytes),
            LISTEN_ADDRESS if info.listen_addresses.len() < MAX_ADDRESSES => {
                info.listen_addresses.extend(Multiaddr::from_bytes(bytes));
            }
            SUPPORTED_PROTOCOL if info.protocols.len() < MAX_PROTOCOLS => {
                info.protocols.push(text(bytes)?);
            }
            OBSERVED_ADDRESS => info.observed_address = Multiaddr::from_bytes(bytes).ok(),
            PROTOCOL_VERSION => info.protocol_version = text(bytes)?,
            AGENT_VERSION => info.agent_version = text(bytes)?,
            _ => {}
        }
    }
    match PeerId::from_public_key_protobuf(key.ok_or(Error::NoKey)?) {
        Ok(named) if named == peer => Ok(info),
        _ => Err(Error::WrongKey),
    }
}

fn text(bytes: &[u8]) -> Result<String, Error> {
    core::str::from_utf8(bytes).map(String::from).map_err(|_| Error::Malformed)
}

/// Answers on an accepted stream of [`PROTOCOL`].
///
/// # Errors
/// [`Error::TooLong`] before anything is written, else that of the stream.
pub async fn answer<S: Stream>(stream: &mut S, info: &Info) -> Result<(), Error> {
    let message = encode(info)?;
    let mut framed = Vec::with_capacity(message.len() + 2);
    put_varint(&mut framed, message.len() as u64);
    framed.extend_from_slice(&message);
    stream.write_all(&framed).await.map_err(|error| Error::Stream(error.kind()))?;
    stream.shutdown().await.map_err(|error| Error::Stream(error.kind()))
}

/// Tells `info` on a stream opened for [`PUSH_PROTOCOL`].
///
/// # Errors
/// As [`answer`].
pub async fn push<S: Stream>(stream: &mut S, info: &Info) -> Result<(), Error> {
    answer(stream, info).await
}

/// Reads the answer on a stream opened for [`PROTOCOL`], or what was pushed on an accepted stream of
/// [`PUSH_PROTOCOL`]; `peer` is who the connection's other end proved to be.
///
/// # Errors
/// [`Error`].
pub async fn receive<S: Read>(stream: &mut S, peer: PeerId) -> Result<Info, Error> {
    let mut length = 0_usize;
    for index in 0..2 {
        let mut byte = [0];
        read_exact(stream, &mut byte).await?;
        let [byte] = byte;
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            break;
        }
        if index == 1 {
            return Err(Error::TooLong);
        }
    }
    if length > MAX_BYTES {
        return Err(Error::TooLong);
    }
    let mut message = alloc::vec![0; length];
    read_exact(stream, &mut message).await?;
    decode(&message, peer)
}

/// Asks on a stream opened for [`PROTOCOL`]: reads the answer and ends this side.
///
/// # Errors
/// [`Error`].
pub async fn ask<S: Stream>(stream: &mut S, peer: PeerId) -> Result<Info, Error> {
    let info = receive(stream, peer).await?;
    // The answer is here; that the peer has gone since does not matter.
    let _ = stream.shutdown().await;
    Ok(info)
}

async fn read_exact<S: Read>(stream: &mut S, buf: &mut [u8]) -> Result<(), Error> {
    stream.read_exact(buf).await.map_err(|error| match error {
        ReadExactError::UnexpectedEof => Error::Truncated,
        ReadExactError::Other(error) => Error::Stream(error.kind()),
    })
}
