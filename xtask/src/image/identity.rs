//! Identities that follow from what they name, so that the same content is the same bytes.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// The identity of `parts` in the role `purpose`: a UUID of version 8 (RFC 9562, section 5.8) from SHA-256.
#[must_use]
pub fn of(purpose: &str, parts: &[&[u8]]) -> Uuid {
    let mut whole = Sha256::new();
    whole.update(purpose.as_bytes());
    for part in parts {
        whole.update(Sha256::digest(part));
    }
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&whole.finalize()[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_follows_from_role_and_parts() {
        let one = of("a", &[b"x", b"y"]);
        assert_eq!(one, of("a", &[b"x", b"y"]));
        assert_eq!(one.get_version_num(), 8);
        for other in [of("b", &[b"x", b"y"]), of("a", &[b"xy"]), of("a", &[b"xy", b""])] {
            assert_ne!(one, other);
        }
    }
}
