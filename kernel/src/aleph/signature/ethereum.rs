//! Ethereum's personal messages (EIP-191, version 0x45) and addresses.

use alloc::format;
use core::fmt;

use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sha3::{Digest, Keccak256};

use super::SignatureError;
use crate::aleph::item_hash::lower_hex;

/// Bytes of an address.
const ADDRESS_BYTES: usize = 20;
/// r, s and v.
const SIGNATURE_BYTES: usize = 65;

/// The last 20 bytes of the Keccak-256 of a public key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address([u8; ADDRESS_BYTES]);

impl Address {
    /// Reads `0x` and 40 hexadecimal digits in any case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        hex(text.strip_prefix("0x")?).map(Self)
    }

    /// The address of a public key.
    #[must_use]
    pub fn of(key: &VerifyingKey) -> Self {
        let point = key.to_sec1_point(false);
        // The first byte says that the point is not compressed.
        let digest = Keccak256::digest(point.as_bytes().get(1..).unwrap_or_default());
        let mut address = [0; ADDRESS_BYTES];
        for (to, from) in address.iter_mut().rev().zip(digest.iter().rev()) {
            *to = *from;
        }
        Self(address)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", lower_hex(&self.0))
    }
}

pub(super) fn verify(message: &[u8], sender: &str, signature: &str) -> Result<(), SignatureError> {
    let sender = Address::parse(sender).ok_or(SignatureError::BadSender)?;
    if recover(message, signature)? == sender { Ok(()) } else { Err(SignatureError::NotTheSenders) }
}

/// The address whose key signed a personal message; the signature is r, s and v in hexadecimal, v being
/// 27 or 28, or 0 or 1. The larger of the two values that s may have is taken too, as the network does.
///
/// # Errors
/// [`SignatureError::Malformed`], or [`SignatureError::NotTheSenders`] where no key fits.
pub fn recover(message: &[u8], signature: &str) -> Result<Address, SignatureError> {
    let digits = signature.strip_prefix("0x").unwrap_or(signature);
    let bytes: [u8; SIGNATURE_BYTES] = hex(digits).ok_or(SignatureError::Malformed)?;
    let (scalars, v) = bytes.split_at(SIGNATURE_BYTES - 1);
    let is_y_odd = match v {
        [0 | 27] => false,
        [1 | 28] => true,
        _ => return Err(SignatureError::Malformed),
    };
    let signature = Signature::from_slice(scalars).map_err(|_| SignatureError::Malformed)?;
    let normal = signature.normalize_s();
    let id = RecoveryId::new(is_y_odd != (normal != signature), false);
    VerifyingKey::recover_from_prehash(&digest(message), &normal, id)
        .map(|key| Address::of(&key))
        .map_err(|_| SignatureError::NotTheSenders)
}

/// What is signed for a personal message.
pub(super) fn digest(message: &[u8]) -> [u8; 32] {
    let head = format!("\x19Ethereum Signed Message:\n{}", message.len());
    Keccak256::new().chain_update(head).chain_update(message).finalize().into()
}

/// Exactly so many bytes in hexadecimal digits.
fn hex<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let digits = digits.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    let value =
        |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}
