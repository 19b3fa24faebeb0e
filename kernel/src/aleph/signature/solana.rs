//! Solana's keys: ed25519 in base58, the signature in a JSON object beside its key.

use air_core::value::{Object, Value};
use ed25519_dalek::{Signature, VerifyingKey};

use super::SignatureError;

/// The longest JSON that is looked at.
const MAX_SIGNATURE_BYTES: usize = 1 << 10;
/// The longest base58 of a key or a signature.
const MAX_BASE58_BYTES: usize = 96;

pub(super) fn verify(message: &[u8], sender: &str, signature: &str) -> Result<(), SignatureError> {
    if signature.len() > MAX_SIGNATURE_BYTES {
        return Err(SignatureError::Malformed);
    }
    let json = Value::parse(signature).map_err(|_| SignatureError::Malformed)?;
    let members = json.as_object().ok_or(SignatureError::Malformed)?;
    let is_first_version = match members.get("version") {
        None => true,
        Some(version) => version.as_number().and_then(|version| version.as_u64()) == Some(1),
    };
    if !is_first_version {
        return Err(SignatureError::Malformed);
    }
    let sender: [u8; 32] = base58(sender).ok_or(SignatureError::BadSender)?;
    let key: [u8; 32] = base58(text(members, "publicKey")?).ok_or(SignatureError::Malformed)?;
    let signature: [u8; 64] =
        base58(text(members, "signature")?).ok_or(SignatureError::Malformed)?;
    if key != sender {
        return Err(SignatureError::NotTheSenders);
    }
    let key = VerifyingKey::from_bytes(&key).map_err(|_| SignatureError::BadSender)?;
    key.verify_strict(message, &Signature::from_bytes(&signature))
        .map_err(|_| SignatureError::NotTheSenders)
}

fn text<'a>(members: &'a Object, name: &str) -> Result<&'a str, SignatureError> {
    members.get(name).and_then(Value::as_str).ok_or(SignatureError::Malformed)
}

fn base58<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() > MAX_BASE58_BYTES {
        return None;
    }
    bs58::decode(text).into_vec().ok()?.try_into().ok()
}
