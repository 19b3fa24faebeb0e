//! Peer ids: an ed25519 public key (libp2p peer id specification).

use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use ed25519_dalek::{Signature, VerifyingKey};

use super::limits::PEER_ID_TEXT_BYTES;

/// `PublicKey { type: Ed25519, data: 32 bytes }` in Protocol Buffers, up to the data.
const KEY_PREFIX: [u8; 4] = [0x08, 0x01, 0x12, 0x20];
/// The identity multihash of 36 bytes, up to the bytes.
const MULTIHASH_PREFIX: [u8; 2] = [0x00, 0x24];
const KEY_BYTES: usize = 32;
const PROTOBUF_BYTES: usize = KEY_PREFIX.len() + KEY_BYTES;
const ID_BYTES: usize = MULTIHASH_PREFIX.len() + PROTOBUF_BYTES;

/// Who a peer is: its ed25519 public key.
///
/// The identity multihash of the key's Protocol Buffers form, so that the id holds the key itself; in
/// text base58btc, always `12D3KooW…`. Ids of other key types are refused. That the bytes are a point of
/// the curve is checked where a signature is, not here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId([u8; KEY_BYTES]);

/// The bytes or the text are not the id of an ed25519 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidPeerId;

impl fmt::Display for InvalidPeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the peer id of an ed25519 key")
    }
}

impl core::error::Error for InvalidPeerId {}

impl PeerId {
    /// The id of a public key.
    #[must_use]
    pub const fn from_public_key(key: [u8; KEY_BYTES]) -> Self {
        Self(key)
    }

    /// The public key.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Reads the public key's Protocol Buffers form, 36 bytes.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_public_key_protobuf(bytes: &[u8]) -> Result<Self, InvalidPeerId> {
        let key = bytes.strip_prefix(&KEY_PREFIX).ok_or(InvalidPeerId)?;
        key.try_into().map(Self).map_err(|_| InvalidPeerId)
    }

    /// The public key in Protocol Buffers.
    #[must_use]
    pub fn public_key_protobuf(&self) -> [u8; PROTOBUF_BYTES] {
        let mut bytes = [0; PROTOBUF_BYTES];
        let parts = KEY_PREFIX.iter().chain(&self.0);
        bytes.iter_mut().zip(parts).for_each(|(slot, byte)| *slot = *byte);
        bytes
    }

    /// Reads the binary form, 38 bytes.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidPeerId> {
        let key = bytes.strip_prefix(&MULTIHASH_PREFIX).ok_or(InvalidPeerId)?;
        Self::from_public_key_protobuf(key)
    }

    /// The binary form.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; ID_BYTES] {
        let mut bytes = [0; ID_BYTES];
        let parts = MULTIHASH_PREFIX.iter().chain(&KEY_PREFIX).chain(&self.0);
        bytes.iter_mut().zip(parts).for_each(|(slot, byte)| *slot = *byte);
        bytes
    }

    /// True when `signature` (64 bytes) is this peer's over `message`.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        use ed25519_dalek::Verifier;
        let Ok(signature) = Signature::from_slice(signature) else { return false };
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify(message, &signature).is_ok())
    }
}

impl FromStr for PeerId {
    type Err = InvalidPeerId;

    fn from_str(text: &str) -> Result<Self, InvalidPeerId> {
        // Reading base58 takes quadratic time: the length is checked first.
        if text.len() != PEER_ID_TEXT_BYTES {
            return Err(InvalidPeerId);
        }
        let bytes: Vec<u8> = bs58::decode(text).into_vec().map_err(|_| InvalidPeerId)?;
        Self::from_bytes(&bytes)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&bs58::encode(self.to_bytes()).into_string())
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use proptest::prelude::*;

    use super::*;

    const TEXT: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";
    const KEY: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";

    fn hex(text: &str) -> Vec<u8> {
        let pairs = text.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap_or("x"), 16);
        pairs.map(|pair| byte(pair).unwrap_or_default()).collect()
    }

    #[test]
    fn all_forms_of_an_id_say_the_same() {
        let id: PeerId = TEXT.parse().unwrap_or(PeerId([0; 32]));
        assert_eq!(id.public_key().as_slice(), hex(KEY));
        assert_eq!(id.to_string(), TEXT);
        assert_eq!(PeerId::from_bytes(&id.to_bytes()), Ok(id));
        assert_eq!(PeerId::from_public_key_protobuf(&id.public_key_protobuf()), Ok(id));
    }

    #[test]
    fn ids_of_other_keys_are_refused() {
        for text in [
            "",
            "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
            "16Uiu2HAmPLe7Mzm8TsYUubgCAW1aJoeFScxrLj8ppHFivPo97bUZ",
            "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH",
            "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH55",
            "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKP0l",
            "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
        ] {
            assert_eq!(text.parse::<PeerId>(), Err(InvalidPeerId), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_key_has_a_text_of_52_characters_that_reads_back(key: [u8; 32]) {
            let id = PeerId::from_public_key(key);
            let text = id.to_string();
            prop_assert_eq!(text.len(), PEER_ID_TEXT_BYTES);
            prop_assert!(text.starts_with("12D3KooW"));
            prop_assert_eq!(text.parse(), Ok(id));
        }

        #[test]
        fn bytes_that_are_an_id_are_its_only_form(bytes in prop::collection::vec(any::<u8>(), 30..45)) {
            if let Ok(id) = PeerId::from_bytes(&bytes) {
                prop_assert_eq!(id.to_bytes().to_vec(), bytes);
            }
        }

        #[test]
        fn a_changed_byte_of_an_id_is_another_id_or_none(key: [u8; 32], at in 0usize..38, by in 1u8..) {
            let id = PeerId::from_public_key(key);
            let mut bytes = id.to_bytes();
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= by;
            }
            prop_assert_ne!(PeerId::from_bytes(&bytes), Ok(id));
        }
    }
}
