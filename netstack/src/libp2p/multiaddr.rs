//! Multiaddresses: text and binary forms (multiformats multiaddr).
//!
//! Only those by which a peer of this network can be reached are one here:
//!
//! ```text
//! /(ip4|ip6)/ADDRESS/tcp/PORT[/ws|/wss][/p2p/PEER-ID]
//! /(dns|dns4|dns6)/NAME/tcp/PORT[/ws|/wss][/p2p/PEER-ID]
//! ```
//!
//! Everything else (QUIC, circuits, `/dnsaddr`, zones …) is well-formed elsewhere and unsupported here.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use smoltcp::wire::{IpAddress, Ipv4Address, Ipv6Address};
use unsigned_varint::{decode, encode};

use super::PeerId;
use super::limits::MULTIADDR_BYTES;
use crate::limits::MAX_DNS_NAME_BYTES;

// Codes of the multicodec table.
const IP4: u32 = 4;
const TCP: u32 = 6;
const IP6: u32 = 41;
const DNS: u32 = 53;
const DNS4: u32 = 54;
const DNS6: u32 = 55;
const P2P: u32 = 421;
const WS: u32 = 477;
const WSS: u32 = 478;

/// Where a peer listens, and perhaps who it is.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Multiaddr {
    host: Host,
    port: u16,
    transport: Transport,
    peer_id: Option<PeerId>,
}

/// The host part of an address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// An address.
    Ip(IpAddress),
    /// A name, to be resolved to addresses of the family.
    Dns(Family, Box<str>),
}

/// Which addresses of a name count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// All (`/dns`).
    Any,
    /// IPv4 (`/dns4`).
    V4,
    /// IPv6 (`/dns6`).
    V6,
}

/// What runs over the TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// The peer protocols themselves.
    Tcp,
    /// WebSocket.
    WebSocket,
    /// WebSocket over TLS.
    SecureWebSocket,
}

/// Why something is no multiaddress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultiaddrError {
    /// Longer than [`MULTIADDR_BYTES`].
    TooLong,
    /// Not of the form, or one of its values is not.
    Malformed,
    /// A protocol, or a combination of them, that is not supported.
    Unsupported,
}

impl fmt::Display for MultiaddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooLong => "the multiaddress is too long",
            Self::Malformed => "the multiaddress is malformed",
            Self::Unsupported => "the multiaddress has a protocol that is not supported",
        })
    }
}

impl core::error::Error for MultiaddrError {}

impl Multiaddr {
    /// The address of a TCP port.
    #[must_use]
    pub fn new(address: IpAddress, port: u16) -> Self {
        Self { host: Host::Ip(address), port, transport: Transport::Tcp, peer_id: None }
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What runs over TCP.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The same host and port with another protocol over TCP.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport;
        self
    }

    /// True when WebSocket runs over TCP, with TLS or without.
    #[must_use]
    pub fn is_websocket(&self) -> bool {
        self.transport != Transport::Tcp
    }

    /// Who listens there.
    #[must_use]
    pub fn peer_id(&self) -> Option<PeerId> {
        self.peer_id
    }

    /// The same place with that peer there.
    #[must_use]
    pub fn with_peer_id(mut self, peer_id: PeerId) -> Self {
        self.peer_id = Some(peer_id);
        self
    }

    /// The same place without saying who listens.
    #[must_use]
    pub fn without_peer_id(mut self) -> Self {
        self.peer_id = None;
        self
    }

    /// Reads the binary form.
    ///
    /// # Errors
    /// [`MultiaddrError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MultiaddrError> {
        if bytes.len() > MULTIADDR_BYTES {
            return Err(MultiaddrError::TooLong);
        }
        let mut rest = Binary(bytes);
        let host = match rest.code()? {
            IP4 => Host::Ip(IpAddress::Ipv4(Ipv4Address::from(rest.array::<4>()?))),
            IP6 => Host::Ip(IpAddress::Ipv6(Ipv6Address::from(rest.array::<16>()?))),
            DNS => Host::Dns(Family::Any, rest.name()?),
            DNS4 => Host::Dns(Family::V4, rest.name()?),
            DNS6 => Host::Dns(Family::V6, rest.name()?),
            _ => return Err(MultiaddrError::Unsupported),
        };
        if rest.code()? != TCP {
            return Err(MultiaddrError::Unsupported);
        }
        let port = u16::from_be_bytes(rest.array()?);
        let mut address = Self { host, port, transport: Transport::Tcp, peer_id: None };
        let mut next = rest.next_code()?;
        if let Some(code @ (WS | WSS)) = next {
            address.transport =
                if code == WS { Transport::WebSocket } else { Transport::SecureWebSocket };
            next = rest.next_code()?;
        }
        if next == Some(P2P) {
            let peer_id = PeerId::from_bytes(rest.sized()?);
            address.peer_id = Some(peer_id.map_err(|_| MultiaddrError::Malformed)?);
            next = rest.next_code()?;
        }
        if next.is_some() { Err(MultiaddrError::Unsupported) } else { Ok(address) }
    }

    /// The binary form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match &self.host {
            Host::Ip(IpAddress::Ipv4(address)) => {
                put(&mut bytes, IP4);
                bytes.extend_from_slice(&address.octets());
            }
            Host::Ip(IpAddress::Ipv6(address)) => {
                put(&mut bytes, IP6);
                bytes.extend_from_slice(&address.octets());
            }
            Host::Dns(family, name) => {
                put(&mut bytes, family.code());
                put_sized(&mut bytes, name.as_bytes());
            }
        }
        put(&mut bytes, TCP);
        bytes.extend_from_slice(&self.port.to_be_bytes());
        match self.transport {
            Transport::Tcp => {}
            Transport::WebSocket => put(&mut bytes, WS),
            Transport::SecureWebSocket => put(&mut bytes, WSS),
        }
        if let Some(peer_id) = self.peer_id {
            put(&mut bytes, P2P);
            put_sized(&mut bytes, &peer_id.to_bytes());
        }
        bytes
    }
}

impl Family {
    fn code(self) -> u32 {
        match self {
            Self::Any => DNS,
            Self::V4 => DNS4,
            Self::V6 => DNS6,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Any => "dns",
            Self::V4 => "dns4",
            Self::V6 => "dns6",
        }
    }
}

fn put(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend_from_slice(encode::u32(value, &mut encode::u32_buffer()));
}

fn put_sized(bytes: &mut Vec<u8>, value: &[u8]) {
    bytes.extend_from_slice(encode::usize(value.len(), &mut encode::usize_buffer()));
    bytes.extend_from_slice(value);
}

/// A host name in its text form: letters, digits, hyphens, underscores and dots.
fn host_name(text: &str) -> Result<Box<str>, MultiaddrError> {
    let fits = !text.is_empty() && text.len() <= MAX_DNS_NAME_BYTES;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if fits && text.bytes().all(plain) { Ok(text.into()) } else { Err(MultiaddrError::Malformed) }
}

/// Binary components not read yet.
struct Binary<'a>(&'a [u8]);

impl<'a> Binary<'a> {
    /// The next component's code; an address that ends here is too short.
    fn code(&mut self) -> Result<u32, MultiaddrError> {
        let (code, rest) = decode::u32(self.0).map_err(|_| MultiaddrError::Malformed)?;
        self.0 = rest;
        Ok(code)
    }

    fn next_code(&mut self) -> Result<Option<u32>, MultiaddrError> {
        if self.0.is_empty() { Ok(None) } else { self.code().map(Some) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], MultiaddrError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(MultiaddrError::Malformed)?;
        self.0 = rest;
        Ok(*bytes)
    }

    fn sized(&mut self) -> Result<&'a [u8], MultiaddrError> {
        let (length, rest) = decode::usize(self.0).map_err(|_| MultiaddrError::Malformed)?;
        let (bytes, rest) = rest.split_at_checked(length).ok_or(MultiaddrError::Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn name(&mut self) -> Result<Box<str>, MultiaddrError> {
        host_name(core::str::from_utf8(self.sized()?).map_err(|_| MultiaddrError::Malformed)?)
    }
}

impl FromStr for Multiaddr {
    type Err = MultiaddrError;

    fn from_str(text: &str) -> Result<Self, MultiaddrError> {
        use MultiaddrError::{Malformed, TooLong, Unsupported};
        if text.len() > MULTIADDR_BYTES {
            return Err(TooLong);
        }
        let mut parts = text.strip_prefix('/').ok_or(Malformed)?.split('/');
        let protocol = parts.next().unwrap_or_default();
        let value = parts.next();
        let value = || value.ok_or(Malformed);
        let host = match protocol {
            "ip4" => Host::Ip(IpAddress::Ipv4(value()?.parse().map_err(|_| Malformed)?)),
            "ip6" => Host::Ip(IpAddress::Ipv6(value()?.parse().map_err(|_| Malformed)?)),
            "dns" => Host::Dns(Family::Any, host_name(value()?)?),
            "dns4" => Host::Dns(Family::V4, host_name(value()?)?),
            "dns6" => Host::Dns(Family::V6, host_name(value()?)?),
            "" => return Err(Malformed),
            _ => return Err(Unsupported),
        };
        match parts.next() {
            Some("tcp") => {}
            None | Some("") => return Err(Malformed),
            Some(_) => return Err(Unsupported),
        }
        let port = port(parts.next().ok_or(Malformed)?)?;
        let mut address = Self { host, port, transport: Transport::Tcp, peer_id: None };
        let mut next = parts.next();
        if let Some(protocol @ ("ws" | "wss")) = next {
            address.transport =
                if protocol == "ws" { Transport::WebSocket } else { Transport::SecureWebSocket };
            next = parts.next();
        }
        if next == Some("p2p") {
            let peer_id = parts.next().and_then(|text| text.parse().ok());
            address.peer_id = Some(peer_id.ok_or(Malformed)?);
            next = parts.next();
        }
        match next {
            None => Ok(address),
            Some("") => Err(Malformed),
            Some(_) => Err(Unsupported),
        }
    }
}

/// A port in decimal, without sign or leading zeros.
fn port(text: &str) -> Result<u16, MultiaddrError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| plain).ok_or(MultiaddrError::Malformed)
}

impl fmt::Display for Multiaddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddress::Ipv4(address)) => write!(f, "/ip4/{address}")?,
            Host::Ip(IpAddress::Ipv6(address)) => write!(f, "/ip6/{address}")?,
            Host::Dns(family, name) => write!(f, "/{}/{name}", family.name())?,
        }
        write!(f, "/tcp/{}", self.port)?;
        f.write_str(match self.transport {
            Transport::Tcp => "",
            Transport::WebSocket => "/ws",
            Transport::SecureWebSocket => "/wss",
        })?;
        match self.peer_id {
            Some(peer_id) => write!(f, "/p2p/{peer_id}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Multiaddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
