//! Who the node is: its ed25519 key and the peer id that follows from it.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use air_core::data::KeyPair;

use crate::config::Seed;
use crate::machine::Machine;

/// What stands before the key in the bytes of a peer id: the identity multihash (`00`, 36 bytes) of
/// the protobuf form of an ed25519 public key (fluence-network.md §1.4).
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The node's key and peer id. The secret half is never shown.
#[derive(Clone)]
pub struct Identity {
    seed: Seed,
    key_pair: Arc<KeyPair>,
    public_key: [u8; 32],
    peer_id: Arc<str>,
}

impl Identity {
    /// The identity that belongs to `seed`.
    #[must_use]
    pub fn from_seed(seed: &Seed) -> Self {
        let key_pair = Arc::new(KeyPair::from_secret(seed.expose()));
        let mut public_key = [0; 32];
        // What stands before the key is the byte of its format.
        for (to, from) in public_key.iter_mut().zip(key_pair.public_key().iter().skip(1)) {
            *to = *from;
        }
        let peer_id = peer_id_text(&public_key).into();
        Self { seed: seed.clone(), key_pair, public_key, peer_id }
    }

    /// A new identity from the randomness of `machine`; it is lost at power-off.
    #[must_use]
    pub fn generate(machine: &dyn Machine) -> Self {
        let mut bytes = [0; 32];
        machine.fill_random(&mut bytes);
        Self::from_seed(&Seed::new(bytes))
    }

    /// The secret from which the key is made.
    #[must_use]
    pub fn seed(&self) -> &Seed {
        &self.seed
    }

    /// The key pair, which takes as long to derive from the seed as a signature.
    #[must_use]
    pub fn key_pair(&self) -> &Arc<KeyPair> {
        &self.key_pair
    }

    /// The ed25519 public key.
    #[must_use]
    pub fn public_key(&self) -> &[u8; 32] {
        &self.public_key
    }

    /// The peer id as text, `12D3KooW…`.
    #[must_use]
    pub fn peer_id(&self) -> &Arc<str> {
        &self.peer_id
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("peer_id", &self.peer_id).finish_non_exhaustive()
    }
}

fn peer_id_text(public_key: &[u8; 32]) -> String {
    let mut bytes = [0; 38];
    let (prefix, key) = bytes.split_at_mut(PEER_ID_PREFIX.len());
    prefix.copy_from_slice(&PEER_ID_PREFIX);
    key.copy_from_slice(public_key);
    bs58::encode(bytes).into_string()
}

/// Whether `text` is a peer id of an ed25519 key.
#[must_use]
pub fn is_peer_id(text: &str) -> bool {
    // 38 bytes make at most 52 characters; a longer text is not worth decoding.
    let mut bytes = [0; 38];
    text.len() <= 52
        && bs58::decode(text).onto(&mut bytes) == Ok(bytes.len())
        && bytes.starts_with(&PEER_ID_PREFIX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Simulated;
    use alloc::format;

    /// The three keys of fluence-network.md §1.4.
    #[test]
    fn peer_ids_are_those_of_the_specification() {
        let known = [
            ("01".repeat(32), "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"),
            ("09".repeat(32), "12D3KooWSrKnMZUcSxK8G7wmBbXdU8nFEfWGhLu6H8xjn8LmCSJb"),
            (
                "ee1e3c3d0fdfd6b4bd4f169c9a0383c5b0f8d8897d077282d75ee3bce3e9a4f1".into(),
                "12D3KooWANqfCDrV79MZdMnMqTvDdqSAPSxdgFY1L6DCq2DVGB4D",
            ),
        ];
        for (seed, peer_id) in known {
            let identity = Identity::from_seed(&seed.parse().unwrap());
            assert_eq!(&**identity.peer_id(), peer_id);
            assert!(is_peer_id(peer_id));
        }
    }

    #[test]
    fn a_made_identity_is_one_of_the_machine_and_hides_its_seed() {
        let identity = Identity::generate(&Simulated::new(3));
        assert_ne!(identity.peer_id(), Identity::generate(&Simulated::new(4)).peer_id());
        let shown = format!("{identity:?}");
        assert!(shown.contains("12D3KooW") && !shown.contains("seed"), "{shown}");
    }

    #[test]
    fn other_texts_are_no_peer_ids() {
        for text in ["", "12D3KooW", "not base58: 0OIl", &"1".repeat(52), &"1".repeat(5000)] {
            assert!(!is_peer_id(text), "{text}");
        }
    }
}
