//! Multihashes, as peer ids and keys of Kademlia are written (multiformats multihash).

use sha2::{Digest, Sha256};

/// The code of the hash that is the input itself.
pub(super) const IDENTITY: u64 = 0x00;
/// The code of SHA-256.
pub(super) const SHA256: u64 = 0x12;
/// What stands before a SHA-256 digest: the code and the digest's length.
const SHA256_PREFIX: [u8; 2] = [0x12, 0x20];
/// Digests are at most so long.
const MAX_DIGEST_BYTES: u64 = 64;

/// The multihash of `bytes` by SHA-256.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 34] {
    let mut multihash = [0; 34];
    let (prefix, digest) = multihash.split_at_mut(SHA256_PREFIX.len());
    prefix.copy_from_slice(&SHA256_PREFIX);
    digest.copy_from_slice(&Sha256::digest(bytes));
    multihash
}

/// The digest of a multihash that [`sha256`] made.
pub(super) fn digest(multihash: &[u8; 34]) -> &[u8] {
    multihash.get(SHA256_PREFIX.len()..).unwrap_or_default()
}

/// The code and the digest, if `bytes` are a multihash and nothing more.
pub(super) fn read(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (code, rest) = read_varint(bytes)?;
    let (length, digest) = read_varint(rest)?;
    (length <= MAX_DIGEST_BYTES && digest.len() as u64 == length).then_some((code, digest))
}

/// An unsigned varint of the multiformats: at most nine bytes, the shortest form only.
fn read_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value: u64 = 0;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let shortest = index == 0 || *byte != 0;
            return shortest.then_some((value, bytes.get(index + 1..).unwrap_or_default()));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let written = sha256(b"hello");
        assert_eq!(read(&written), Some((SHA256, &written[2..])));
        assert_eq!(read(&[0, 0]), Some((IDENTITY, &[][..])));
        assert_eq!(read(&[0x81, 1, 1, 7]), Some((129, &[7][..])));
    }

    #[test]
    fn other_bytes_are_not_read() {
        for bytes in [
            &[][..],
            &[0x12],
            &[0x12, 2, 1],
            &[0x12, 0, 1],
            // Longer than it need be, without an end, beyond 63 bits.
            &[0x80, 0, 0],
            &[0x80; 20],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0],
        ] {
            assert_eq!(read(bytes), None, "{bytes:?}");
        }
        let mut long = [1; 67];
        (long[0], long[1]) = (0x13, 65);
        assert_eq!(read(&long), None);
        long[1] = 64;
        assert!(read(&long[..66]).is_some());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some((_, digest)) = read(&bytes) {
                prop_assert!(bytes.ends_with(digest));
            }
        }
    }
}
