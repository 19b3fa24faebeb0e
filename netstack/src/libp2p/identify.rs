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

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use alloc::vec;

    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;
    use crate::libp2p::Keypair;
    use crate::libp2p::protobuf::put_integer;
    use crate::pipe;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        let byte = |pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    fn host() -> PeerId {
        Keypair::from_seed(&[1; 32]).peer_id()
    }

    /// Recorded: what a host says to a client.
    const FROM_HOST: &str =
        "2a172f666c75656e63652f7061727469636c652f322e302e3032066d6f636b2f300a24080112208a88e3dd7409f195
         fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c120a047f000001064e1fdd03220a047f00000106ddb8dd
         031a172f666c75656e63652f7061727469636c652f322e302e301a0e2f697066732f69642f312e302e301a102f6970
         66732f70696e672f312e302e30";
    /// Recorded: what a JavaScript client says of itself.
    const FROM_CLIENT: &str =
        "2a0a697066732f302e312e30321f6c69627032702f312e322e3020557365724167656e743d7632302e32302e320a24
         08011220fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f6182233047f000001064e1fdd
         03a503260024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c1a172f666c
         75656e63652f7061727469636c652f322e302e301a0e2f697066732f69642f312e302e301a132f697066732f69642f
         707573682f312e302e301a102f697066732f70696e672f312e302e30";

    fn info() -> Info {
        Info {
            peer_id: host(),
            protocol_version: "/fluence/particle/2.0.0".to_string(),
            agent_version: "mock/0".to_string(),
            listen_addresses: vec!["/ip4/127.0.0.1/tcp/19999/ws".parse().unwrap()],
            observed_address: Some("/ip4/127.0.0.1/tcp/56760/ws".parse().unwrap()),
            protocols: ["/fluence/particle/2.0.0", "/ipfs/id/1.0.0", "/ipfs/ping/1.0.0"]
                .map(String::from)
                .into(),
        }
    }

    #[test]
    fn a_recorded_message_is_written_and_read_byte_for_byte() {
        assert_eq!(encode(&info()), Ok(hex(FROM_HOST)));
        assert_eq!(decode(&hex(FROM_HOST), host()), Ok(info()));
    }

    #[test]
    fn a_javascript_client_is_understood() {
        let client = Keypair::from_seed(&[9; 32]).peer_id();
        let info = decode(&hex(FROM_CLIENT), client).unwrap();
        assert_eq!(info.agent_version, "libp2p/1.2.0 UserAgent=v20.20.2");
        assert_eq!(info.protocol_version, "ipfs/0.1.0");
        assert!(info.listen_addresses.is_empty());
        assert_eq!(info.observed_address.unwrap().peer_id(), Some(host()));
        assert_eq!(info.protocols.len(), 4);
        assert!(info.protocols.iter().any(|it| it == "/ipfs/id/push/1.0.0"));
    }

    #[test]
    fn speaking_is_told_by_the_whole_name() {
        assert!(info().speaks("/ipfs/id/1.0.0"));
        assert!(!info().speaks("/ipfs/id/1.0.") && !info().speaks(PUSH_PROTOCOL));
    }

    #[test]
    fn the_key_must_be_there_and_the_one_of_the_connection() {
        let other = Keypair::from_seed(&[2; 32]).peer_id();
        assert_eq!(decode(&hex(FROM_HOST), other), Err(Error::WrongKey));
        assert_eq!(decode(b"", host()), Err(Error::NoKey));
        let mut rsa = Vec::new();
        put_bytes(&mut rsa, PUBLIC_KEY, &[8, 0, 0x12, 1, 0]);
        assert_eq!(decode(&rsa, host()), Err(Error::WrongKey));
        let mut number = Vec::new();
        put_integer(&mut number, PUBLIC_KEY, 1);
        assert_eq!(decode(&number, host()), Err(Error::Malformed));
    }

    #[test]
    fn unknown_fields_and_addresses_of_other_kinds_are_read_over() {
        let mut message = hex(FROM_HOST);
        put_bytes(&mut message, 8, b"signed peer record");
        put_integer(&mut message, 99, u64::MAX);
        // /ip4/127.0.0.1/udp/1/quic-v1, and bytes that are no address.
        put_bytes(&mut message, LISTEN_ADDRESS, &hex("047f000001910200 01cd03"));
        put_bytes(&mut message, LISTEN_ADDRESS, b"\xff");
        assert_eq!(decode(&message, host()), Ok(info()));
        put_bytes(&mut message, AGENT_VERSION, b"\xff");
        assert_eq!(decode(&message, host()), Err(Error::Malformed));
    }

    #[test]
    fn what_is_kept_of_a_message_has_bounds() {
        let mut message = hex(FROM_HOST);
        for _ in 0..100 {
            put_bytes(&mut message, LISTEN_ADDRESS, &hex("047f000001064e1f"));
            put_bytes(&mut message, SUPPORTED_PROTOCOL, b"/p");
        }
        let info = decode(&message, host()).unwrap();
        assert_eq!(info.listen_addresses.len(), MAX_ADDRESSES);
        assert_eq!(info.protocols.len(), MAX_PROTOCOLS);
    }

    /// A message of exactly `bytes`.
    fn of_length(bytes: usize) -> Info {
        let mut info = info();
        let rest = bytes - encode(&info).unwrap().len();
        // One more byte of length once the text is longer than 127.
        info.agent_version.extend(core::iter::repeat_n('x', rest - 1));
        info
    }

    #[test]
    fn messages_have_a_bound_both_ways() {
        let message = encode(&of_length(MAX_BYTES)).unwrap();
        assert_eq!(message.len(), MAX_BYTES);
        assert_eq!(decode(&message, host()), Ok(of_length(MAX_BYTES)));
        assert_eq!(encode(&of_length(MAX_BYTES + 1)), Err(Error::TooLong));
        let framed = |length: u64| {
            let mut framed = Vec::new();
            put_varint(&mut framed, length);
            framed.extend_from_slice(&message);
            receive(&mut &framed[..], host()).now_or_never().unwrap()
        };
        assert_eq!(framed(MAX_BYTES as u64), Ok(of_length(MAX_BYTES)));
        assert_eq!(framed(MAX_BYTES as u64 + 1), Err(Error::TooLong));
        assert_eq!(framed(1 << 14), Err(Error::TooLong), "three bytes of length");
    }

    #[test]
    fn a_message_goes_over_a_stream_whole_or_not_at_all() {
        let (mut ours, mut theirs) = pipe::pair(10_000);
        answer(&mut ours, &info()).now_or_never().unwrap().unwrap();
        assert_eq!(ask(&mut theirs, host()).now_or_never().unwrap(), Ok(info()));
        let mut rest = [0];
        assert_eq!(theirs.read(&mut rest).now_or_never(), Some(Ok(0)), "ended");

        let framed = [&[156, 1], &hex(FROM_HOST)[..]].concat();
        for end in 0..framed.len() {
            let received = receive(&mut &framed[..end], host()).now_or_never().unwrap();
            assert_eq!(received, Err(Error::Truncated));
        }
        let (mut ours, mut theirs) = pipe::pair(10_000);
        push(&mut ours, &info()).now_or_never().unwrap().unwrap();
        assert_eq!(receive(&mut theirs, host()).now_or_never().unwrap(), Ok(info()));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes, host());
            let _ = decode(&[&hex(FROM_HOST), &bytes[..]].concat(), host());
            let _ = receive(&mut &bytes[..], host()).now_or_never().unwrap();
        }

        #[test]
        fn what_is_read_is_written_the_same_way(
            agent in ".{0,50}", version in ".{0,50}", ports in prop::collection::vec(any::<u16>(), 0..20),
            protocols in prop::collection::vec("/[a-z]{1,20}", 0..30),
        ) {
            let address = |port| Multiaddr::new(crate::IpAddress::v4(10, 0, 0, 1), port);
            let said = Info {
                peer_id: host(),
                protocol_version: version,
                agent_version: agent,
                observed_address: ports.first().copied().map(address),
                listen_addresses: ports.into_iter().map(address).collect(),
                protocols,
            };
            prop_assert_eq!(decode(&encode(&said).unwrap(), host()), Ok(said));
        }
    }
}
