//! Peers as arguments and as results: their ids and where they can be reached.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use air_core::value::Value;
use netstack::libp2p::{Multiaddr, MultiaddrError, PeerId};

use super::arguments::FromValue;
use super::failure::Failure;
use super::{base58, multihash};

/// No peer id is longer: a multihash of 64 bytes.
const MAX_PEER_ID_TEXT_BYTES: usize = 96;
/// A key that is not longer than this stands in the peer id itself (libp2p peer id specification).
const MAX_INLINE_KEY_BYTES: usize = 42;
/// What stands before the bytes of an ed25519 key: the head of the protobuf (the same specification).
const ED25519_KEY_HEAD: [u8; 4] = [0x08, 0x01, 0x12, 0x20];

/// Reads a peer id; `None` if it is one of another kind of key, which no peer of this node has.
pub(super) fn parse_peer_id(text: &str) -> Result<Option<PeerId>, Failure> {
    let invalid = || Failure::error("invalid multihash", "InvalidMultihash");
    if text.len() > MAX_PEER_ID_TEXT_BYTES {
        return Err(invalid());
    }
    let bytes = base58::decode_as(text, "base-58 decode error", "B58")?;
    let (code, digest) = multihash::read(&bytes).ok_or_else(invalid)?;
    match code {
        multihash::IDENTITY if digest.starts_with(&ED25519_KEY_HEAD) => {
            PeerId::from_bytes(&bytes).map(Some).map_err(|_| invalid())
        }
        multihash::IDENTITY if digest.len() <= MAX_INLINE_KEY_BYTES => Ok(None),
        multihash::SHA256 => Ok(None),
        code => Err(Failure::error(
            &format!("unsupported multihash code '{code}'"),
            &format!("UnsupportedCode({code})"),
        )),
    }
}

/// A peer and its addresses, as an object.
pub(super) fn contact(peer: &PeerId, addresses: &[Multiaddr]) -> Result<Value, Failure> {
    let members = alloc::vec![
        ("peer_id".into(), Value::string(peer.to_string())),
        ("addresses".into(), address_list(addresses)?),
    ];
    Ok(Value::object(members)?)
}

/// Addresses as an array of texts.
pub(super) fn address_list(addresses: &[Multiaddr]) -> Result<Value, Failure> {
    let texts: Vec<Value> =
        addresses.iter().map(|address| Value::string(address.to_string())).collect();
    Ok(Value::array(texts)?)
}

/// An address in an argument; `None` if it is one that no connection can be made to from here.
pub(super) struct Address(pub(super) Option<Multiaddr>);

impl FromValue<'_> for Address {
    fn type_name() -> String {
        "multiaddr::Multiaddr".into()
    }
    fn from_value(value: &Value) -> Option<Self> {
        match value.as_str()?.parse() {
            Ok(address) => Some(Self(Some(address))),
            // Contacts of other nodes have such addresses beside those of use.
            Err(MultiaddrError::Unsupported) => Some(Self(None)),
            Err(MultiaddrError::Malformed | MultiaddrError::TooLong) => None,
        }
    }
}
