//! Keys of peers and the ids made of them (air-data §6.1, §6.2).

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

use super::SignatureEntry;
use super::peer_id::peer_id_of;

/// The byte of the one format of keys and signatures in use.
pub(super) const FORMAT_ED25519: u8 = 0;
/// Known, but not allowed.
pub(super) const FORMAT_SECP256K1: u8 = 2;
/// A public key in data: the byte of its format and 32 bytes.
pub(super) const PUBLIC_KEY_LEN: usize = 33;

/// A peer's ed25519 key pair.
pub struct KeyPair {
    signing: SigningKey,
}

impl KeyPair {
    /// The key pair of a 32-byte secret.
    #[must_use]
    pub fn from_secret(secret: &[u8; 32]) -> Self {
        Self { signing: SigningKey::from_bytes(secret) }
    }

    /// The key pair of a run's parameters: `format` must be 0 and `secret` 32 bytes (air-data §6.1).
    pub fn from_parameters(format: u8, secret: &[u8]) -> Result<Self, KeyPairError> {
        match format {
            FORMAT_ED25519 => {
                secret.try_into().map(Self::from_secret).map_err(|_| KeyPairError::InvalidLength)
            }
            FORMAT_SECP256K1 => Err(KeyPairError::NotAllowed),
            _ => Err(KeyPairError::UnknownFormat),
        }
    }

    /// Whether this is the key pair of a run's parameters.
    pub(crate) fn is_of_parameters(&self, format: u8, secret: &[u8]) -> bool {
        format == FORMAT_ED25519 && secret == self.signing.as_bytes()
    }

    /// The id of the peer that has this key pair.
    #[must_use]
    pub fn peer_id(&self) -> String {
        peer_id_of(self.signing.verifying_key().as_bytes())
    }

    /// The public key as it lies in data, with the byte of its format.
    #[must_use]
    pub fn public_key(&self) -> Box<[u8]> {
        with_format(self.signing.verifying_key().as_bytes())
    }

    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> SignatureEntry {
        SignatureEntry {
            public_key: self.public_key(),
            signature: with_format(&self.signing.sign(message).to_bytes()),
        }
    }
}

impl fmt::Debug for KeyPair {
    /// Names the public half only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KeyPair").field(&self.peer_id()).finish()
    }
}

/// Why the key of a run's parameters is refused (code 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyPairError {
    /// The secret is not 32 bytes.
    InvalidLength,
    /// A known format that is not allowed.
    NotAllowed,
    /// A format that is not known.
    UnknownFormat,
}

impl KeyPairError {
    /// What is wrong, without saying what with.
    pub(super) fn cause(self) -> &'static str {
        match self {
            Self::InvalidLength => {
                "invalid key data: Failed to decode, invalid length: could not convert slice to array"
            }
            Self::NotAllowed => "signature algorithm Secp256k1 not whitelisted",
            Self::UnknownFormat => "invalid key data: Invalid type prefix",
        }
    }
}

impl fmt::Display for KeyPairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed keypair format: {}", self.cause())
    }
}

/// A public key out of data, checked to be a point of the curve.
#[derive(Clone, Debug)]
pub(super) struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads format and key.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        VerifyingKey::from_bytes(without_format(bytes)?).ok().map(Self)
    }

    /// Checks that `signature` (format and signature) is by this key over the message.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), WrongSignature> {
        use ed25519_dalek::Verifier;
        // The reference also lets another known format byte stand before an ed25519 signature.
        let Some((&(FORMAT_ED25519 | FORMAT_SECP256K1), signature)) = signature.split_first()
        else {
            return Err(WrongSignature::Format);
        };
        let signature = Signature::from_slice(signature).map_err(|_| WrongSignature::Length)?;
        if !signature.s_bytes().iter().rev().lt(GROUP_ORDER.iter()) {
            return Err(WrongSignature::Scalar);
        }
        self.0.verify(message, &signature).map_err(|_| WrongSignature::Equation)
    }
}

/// The order of the group that ed25519 works in, big-endian (RFC 8032 §5.1): the number in a signature
/// is below it.
const GROUP_ORDER: [u8; 32] = [
    0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0xde, 0xf9, 0xde, 0xa2, 0xf7, 0x9c,
    0xd6, 0x58, 0x12, 0x63, 0x1a, 0x5c, 0xf5, 0xd3, 0xed,
];

/// How a signature is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrongSignature {
    /// Of a format that is not known, or nothing at all.
    Format,
    /// Not 64 bytes.
    Length,
    /// Its number is not reduced.
    Scalar,
    /// Not by that key over that message.
    Equation,
}

/// The id of the peer that has this public key, given with its format. Whether it is a point of the
/// curve is not asked, which takes far longer.
pub(super) fn peer_id_of_public_key(bytes: &[u8]) -> Option<String> {
    without_format(bytes).map(peer_id_of)
}

fn without_format(bytes: &[u8]) -> Option<&[u8; 32]> {
    let (format, key) = bytes.split_first()?;
    (*format == FORMAT_ED25519).then(|| key.try_into().ok())?
}

fn with_format(bytes: &[u8]) -> Box<[u8]> {
    core::iter::once(FORMAT_ED25519).chain(bytes.iter().copied()).collect()
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::{KeyPair, KeyPairError, PublicKey, WrongSignature};

    /// Test keys of air-data §0.
    #[test]
    fn peer_ids_are_those_of_the_specification() {
        for (secret, peer_id) in [
            (1, "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"),
            (2, "12D3KooWJWoaqZhDaoEFshF7Rh1bpY9ohihFhzcW6d69Lr2NASuq"),
            (3, "12D3KooWRndVhVZPCiQwHBBBdg769GyrPUW13zxwqQyf9r3ANaba"),
            (4, "12D3KooWPT98FXMfDQYavZm66EeVjTqP9Nnehn1gyaydqV8L8BQw"),
        ] {
            let key_pair = KeyPair::from_secret(&[secret; 32]);
            assert_eq!(key_pair.peer_id(), peer_id);
        }
    }

    #[test]
    fn only_ed25519_secrets_of_32_bytes_are_taken() {
        assert!(KeyPair::from_parameters(0, &[7; 32]).is_ok());
        for (format, secret, error) in [
            (0, &[7; 31][..], KeyPairError::InvalidLength),
            (0, &[7; 33], KeyPairError::InvalidLength),
            (0, &[], KeyPairError::InvalidLength),
            (1, &[7; 32], KeyPairError::UnknownFormat),
            (2, &[7; 32], KeyPairError::NotAllowed),
            (255, &[7; 32], KeyPairError::UnknownFormat),
        ] {
            assert_eq!(KeyPair::from_parameters(format, secret).unwrap_err(), error);
        }
        assert_eq!(
            KeyPairError::NotAllowed.to_string(),
            "malformed keypair format: signature algorithm Secp256k1 not whitelisted"
        );
    }

    #[test]
    fn signatures_verify_with_their_key_message_and_length_only() {
        let signer = KeyPair::from_secret(&[1; 32]);
        let entry = signer.sign(b"message");
        let key = PublicKey::from_bytes(&entry.public_key).unwrap();
        assert_eq!(key.verify(b"message", &entry.signature), Ok(()));
        let mut not_reduced = entry.signature.clone();
        not_reduced[64] |= 0xf0;
        for (message, signature, wrong) in [
            (&b"massage"[..], &entry.signature[..], WrongSignature::Equation),
            (b"message", &entry.signature[..64], WrongSignature::Length),
            (b"message", &[0], WrongSignature::Length),
            (b"message", &not_reduced, WrongSignature::Scalar),
            (b"message", &[1; 65], WrongSignature::Format),
            (b"message", &[], WrongSignature::Format),
        ] {
            assert_eq!(key.verify(message, signature), Err(wrong));
        }
        let other = KeyPair::from_secret(&[2; 32]).public_key();
        let other = PublicKey::from_bytes(&other).unwrap();
        assert_eq!(other.verify(b"message", &entry.signature), Err(WrongSignature::Equation));
    }

    #[test]
    fn malformed_public_keys_are_refused() {
        let good = KeyPair::from_secret(&[1; 32]).public_key();
        assert!(PublicKey::from_bytes(&good).is_some());
        let mut other_format = good.clone();
        other_format[0] = 2;
        let mut no_point = good.clone();
        no_point[1..].fill(0xff);
        no_point[1] = 2;
        for bad in [&other_format[..], &no_point, &good[..32], &good[1..], &[]] {
            assert!(PublicKey::from_bytes(bad).is_none(), "{bad:x?}");
        }
    }
}
