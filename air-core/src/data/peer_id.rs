//! The text of a peer's id (air-data §6.2): its public key in base58.
//!
//! Every step of a particle makes the ids of all peers that have signed its data, and base58 digit by
//! digit takes microseconds; here five digits are made at a time.

use alloc::string::String;

/// What stands before the key: identity multihash of 36 bytes, protobuf of an Ed25519 key.
const PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
/// The number that the bytes are, in words of 32 bits; two bytes more than needed.
const WORDS: usize = 10;
const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// Digits that one pass over the number makes, and 58 to that power, which fits into 32 bits.
const DIGITS_A_PASS: usize = 5;
const DIVISOR: u64 = 58_u64.pow(5);
/// Digits of eleven passes. Prefix and key are below 58⁵¹ and above 58⁵⁰, so the first four are zeros;
/// the last of these stands for the prefix's zero byte.
const ALL_DIGITS: usize = 55;
const LEADING_ZEROS: usize = 3;

/// The id of the peer that has this public key.
pub(super) fn peer_id_of(key: &[u8; 32]) -> String {
    let mut bytes = [0; 4 * WORDS];
    let (_, tail) = bytes.split_at_mut(4 * WORDS - PREFIX.len() - key.len());
    let (prefix, rest) = tail.split_at_mut(PREFIX.len());
    prefix.copy_from_slice(&PREFIX);
    rest.copy_from_slice(key);
    let mut number = [0; WORDS];
    for (word, bytes) in number.iter_mut().zip(bytes.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }

    let mut digits = [0_u8; ALL_DIGITS];
    for pass in digits.rchunks_exact_mut(DIGITS_A_PASS) {
        let mut rest = divide(&mut number);
        for digit in pass.iter_mut().rev() {
            let index = usize::try_from(rest % 58).unwrap_or_default();
            *digit = DIGITS.get(index).copied().unwrap_or_default();
            rest /= 58;
        }
    }
    digits.iter().skip(LEADING_ZEROS).map(|&digit| char::from(digit)).collect()
}

/// Divides by [`DIVISOR`]; the rest.
fn divide(number: &mut [u32; WORDS]) -> u64 {
    let mut rest = 0_u64;
    for word in number {
        let part = rest << 32 | u64::from(*word);
        // The rest before was below the divisor, so the quotient is one word.
        *word = u32::try_from(part / DIVISOR).unwrap_or_default();
        rest = part % DIVISOR;
    }
    rest
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{PREFIX, peer_id_of};

    fn by_digits(key: &[u8; 32]) -> alloc::string::String {
        let bytes: Vec<u8> = PREFIX.iter().chain(key).copied().collect();
        bs58::encode(bytes).into_string()
    }

    #[test]
    fn the_least_and_the_greatest_key_have_ids_of_52_digits() {
        for key in [[0; 32], [0xff; 32]] {
            assert_eq!(peer_id_of(&key), by_digits(&key));
            assert_eq!(peer_id_of(&key).len(), 52);
        }
    }

    proptest::proptest! {
        #[test]
        fn ids_are_base58(key: [u8; 32]) {
            proptest::prop_assert_eq!(peer_id_of(&key), by_digits(&key));
        }
    }
}
