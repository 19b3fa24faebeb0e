//! The canonical text of a CID and the 32 bytes that it stands for.

use core::cmp::Ordering;

/// Length of the text of a canonical CID.
pub(super) const CANONICAL_TEXT_LEN: usize = 61;
/// Multibase code of base32, and in base32 the bytes 01 80 04 1e 20: version 1, codec json, BLAKE3,
/// 32 bytes. They are 40 bits, so that the digest begins with a digit of its own.
const CANONICAL_PREFIX: &[u8; 9] = b"bagaaihra";
const BASE32_DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// The canonical text of a digest.
pub(super) fn encode_canonical(digest: &[u8; 32]) -> [u8; CANONICAL_TEXT_LEN] {
    let mut text = [0; CANONICAL_TEXT_LEN];
    let (prefix, digits) = text.split_at_mut(CANONICAL_PREFIX.len());
    prefix.copy_from_slice(CANONICAL_PREFIX);
    // Five bytes make eight digits; the last two bytes make four, filled with zero bits.
    let (groups, rest) = digest.as_chunks::<5>();
    let (places, last) = digits.as_chunks_mut::<8>();
    for (group, place) in groups.iter().zip(places) {
        *place = eight_digits(group);
    }
    if let (&[high, low], Some(last)) = (rest, last.first_chunk_mut::<4>()) {
        let [a, b, c, d, ..] = eight_digits(&[high, low, 0, 0, 0]);
        *last = [a, b, c, d];
    }
    text
}

/// The digest of a canonical text; nothing for any other text.
pub(super) fn decode_canonical(text: &[u8]) -> Option<[u8; 32]> {
    let text: &[u8; CANONICAL_TEXT_LEN] = text.try_into().ok()?;
    let digits = text.strip_prefix(CANONICAL_PREFIX)?;
    let mut digest = [0; 32];
    let (groups, rest) = digits.as_chunks::<8>();
    let (places, last) = digest.as_chunks_mut::<5>();
    for (group, place) in groups.iter().zip(places) {
        *place = five_bytes(*group)?;
    }
    let (&[a, b, c, d], Some(last)) = (rest, last.first_chunk_mut::<2>()) else { return None };
    let zero = BASE32_DIGITS[0];
    // The zero bits that fill the last digit are part of the canonical form.
    let [high, low, 0, 0, 0] = five_bytes([a, b, c, d, zero, zero, zero, zero])? else {
        return None;
    };
    *last = [high, low];
    Some(digest)
}

/// The same byte in all eight places of a word.
const fn everywhere(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The digits of 40 bits, all eight at once: one in each byte of a word.
fn eight_digits(bytes: &[u8; 5]) -> [u8; 8] {
    let [a, b, c, d, e] = *bytes;
    let bits = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]);
    // Two halves of 20 bits, four quarters of 10, eight values of 5.
    let halves = (bits >> 20) << 32 | (bits & 0x000F_FFFF);
    let quarters = (halves & 0x000F_FC00_000F_FC00) << 6 | (halves & 0x0000_03FF_0000_03FF);
    let values = (quarters & 0x03E0_03E0_03E0_03E0) << 3 | (quarters & 0x001F_001F_001F_001F);
    // 1 in the bytes of the values from 26 up, which the figures from 2 on stand for.
    let figures = ((values + everywhere(0x80 - 26)) >> 7) & everywhere(1);
    let digits = values + everywhere(b'a') - figures * u64::from(b'a' + 26 - b'2');
    digits.to_be_bytes()
}

/// The 40 bits of eight digits, all at once; nothing if one of them is no digit.
fn five_bytes(digits: [u8; 8]) -> Option<[u8; 5]> {
    const HIGH: u64 = everywhere(0x80);
    let word = u64::from_be_bytes(digits);
    // The high bit of each byte tells whether the character is `from` or beyond; those of characters
    // that are not ASCII would run over.
    let at_least = |from: u8| (word + everywhere(0x80 - from)) & HIGH;
    if word & HIGH != 0 {
        return None;
    }
    let letters = at_least(b'a') & !at_least(b'z' + 1);
    let figures = at_least(b'2') & !at_least(b'7' + 1);
    if letters | figures != HIGH {
        return None;
    }
    let values = word - everywhere(b'2' - 26) - (letters >> 7) * u64::from(b'a' - (b'2' - 26));
    let quarters = (values & 0x1F00_1F00_1F00_1F00) >> 3 | (values & 0x001F_001F_001F_001F);
    let halves = (quarters & 0x03FF_0000_03FF_0000) >> 6 | (quarters & 0x0000_03FF_0000_03FF);
    let bits = (halves >> 32) << 20 | (halves & 0x000F_FFFF);
    let [_, _, _, a, b, c, d, e] = bits.to_be_bytes();
    Some([a, b, c, d, e])
}

/// The value of a digit of lower-case base32.
pub(in crate::data) fn base32_value(digit: u8) -> Option<u8> {
    let value = DIGIT_VALUES[usize::from(digit)];
    (value != NO_DIGIT).then_some(value)
}

const NO_DIGIT: u8 = 0x80;

const DIGIT_VALUES: [u8; 256] = {
    let mut values = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 32 {
        values[BASE32_DIGITS[value as usize] as usize] = value;
        value += 1;
    }
    values
};

/// The order of the texts of two digests, found without writing them out: that of the first digits that
/// differ.
pub(super) fn compare_canonical(one: &[u8; 32], two: &[u8; 32]) -> Ordering {
    let words = one.as_chunks::<8>().0.iter().zip(two.as_chunks::<8>().0);
    for (index, (a, b)) in words.enumerate() {
        let difference = u64::from_be_bytes(*a) ^ u64::from_be_bytes(*b);
        if difference != 0 {
            let digit = (64 * index + difference.leading_zeros() as usize) / 5;
            // The figures 2 to 7, which stand for 26 to 31, come before the letters.
            let rank = |digest: &[u8; 32]| (base32_digit(digest, digit) + 6) & 31;
            return rank(one).cmp(&rank(two));
        }
    }
    Ordering::Equal
}

/// The value of one base32 digit of a digest.
fn base32_digit(digest: &[u8; 32], digit: usize) -> u8 {
    let bit = 5 * digit;
    let high = digest.get(bit / 8).copied().unwrap_or(0);
    let low = digest.get(bit / 8 + 1).copied().unwrap_or(0);
    let [value, _] = (u16::from_be_bytes([high, low]) << (bit % 8)).to_be_bytes();
    value >> 3
}
