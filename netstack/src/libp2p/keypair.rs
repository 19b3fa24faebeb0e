//! An ed25519 key pair: who this node is.

use core::fmt;

use ed25519_dalek::{Signer, SigningKey};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::PeerId;

/// An ed25519 signing key with its peer id. The secret is wiped when the pair is dropped, and no
/// formatting shows it.
#[derive(Clone)]
pub struct Keypair {
    signing: SigningKey,
    peer_id: PeerId,
}

impl Keypair {
    /// The pair of a secret (the seed of RFC 8032 section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let peer_id = PeerId::from_public_key(signing.verifying_key().to_bytes());
        Self { signing, peer_id }
    }

    /// A fresh pair.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        Self::from_seed(&seed)
    }

    /// The secret, to be kept or handed on; it is wiped when dropped.
    #[must_use]
    pub fn seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.signing.to_bytes())
    }

    /// The peer id.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// Signs; the signature of a message is always the same.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }
}

impl fmt::Debug for Keypair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keypair").field("peer_id", &self.peer_id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::ToString;

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    #[test]
    fn seeds_give_the_peer_ids_of_other_implementations() {
        for (byte, id) in [
            (1, "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"),
            (9, "12D3KooWSrKnMZUcSxK8G7wmBbXdU8nFEfWGhLu6H8xjn8LmCSJb"),
        ] {
            assert_eq!(Keypair::from_seed(&[byte; 32]).peer_id().to_string(), id);
        }
    }

    #[test]
    fn a_signature_is_the_one_that_other_implementations_make_and_is_verified() {
        let seed = BASE64_STANDARD.decode("7h48PQ/f1rS9TxacmgODxbD42Il9B3KC117jvOPppPE=");
        let seed = seed.ok().and_then(|seed| <[u8; 32]>::try_from(seed).ok()).unwrap_or_default();
        let pair = Keypair::from_seed(&seed);
        let signature = pair.sign(b"message");
        assert_eq!(
            BASE64_STANDARD.encode(signature),
            "sBW7H6/1fwAwF86ldwVm9BDu0YH3w30oFQjTWX0Tiu9yTVZHmxkV2OX4GL5jn0Iz0CrasGcOfozzkZwtJBPMBg=="
        );
        assert!(pair.peer_id().verify(b"message", &signature));
        assert!(!pair.peer_id().verify(b"messagf", &signature));
        assert!(!Keypair::from_seed(&[1; 32]).peer_id().verify(b"message", &signature));
        for length in 0..signature.len() {
            assert!(
                !pair.peer_id().verify(b"message", signature.get(..length).unwrap_or_default())
            );
        }
        // No point of the curve has this encoding.
        assert!(!PeerId::from_public_key([2; 32]).verify(b"message", &signature));
    }

    #[test]
    fn formatting_shows_no_secret() {
        let pair = Keypair::from_seed(&[0xAB; 32]);
        assert_eq!(format!("{pair:?}"), format!("Keypair {{ peer_id: {}, .. }}", pair.peer_id()));
        assert_eq!(pair.seed().as_slice(), [0xAB; 32]);
    }
}
