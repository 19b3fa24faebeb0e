//! Content identifiers: which bytes hash to what, in 32 bytes of memory.
//!
//! A CID travels as text, and two texts are two CIDs even where they mean the same digest
//! (air-data §5.1). The one text form that is ever produced (CIDv1, codec json, BLAKE3-256, lower-case
//! base32) is kept as its digest; any other text, also one that is no CID at all, is kept as it came.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::Utf8Error;

use super::{CanonElement, CanonResult, Provenance, ServiceResult, Tetraplet};
use crate::value::{JsonSink, Value};

/// Length of the text of a canonical CID.
const CANONICAL_TEXT_LEN: usize = 61;
/// Multibase code of base32, and in base32 the bytes 01 80 04 1e 20: version 1, codec json, BLAKE3,
/// 32 bytes. They are 40 bits, so that the digest begins with a digit of its own.
const CANONICAL_PREFIX: &[u8; 9] = b"bagaaihra";
const BASE32_DIGITS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A content identifier. Equality and order are those of the texts.
#[derive(Clone, PartialEq, Eq)]
pub struct Cid(Repr);

/// Invariant: `Text` is never the text of a `Canonical`, so that derived equality is that of texts.
#[derive(Clone, PartialEq, Eq)]
enum Repr {
    Canonical([u8; 32]),
    Text(Arc<str>),
}

impl Cid {
    /// The CID with this text. Every text is taken; whether it is the CID of something is asked when
    /// that is at hand.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self(match decode_canonical(text.as_bytes()) {
            Some(digest) => Repr::Canonical(digest),
            None => Repr::Text(text.into()),
        })
    }

    /// The CID with this text in UTF-8.
    pub fn from_utf8(text: &[u8]) -> Result<Self, Utf8Error> {
        match decode_canonical(text) {
            Some(digest) => Ok(Self(Repr::Canonical(digest))),
            None => core::str::from_utf8(text).map(|text| Self(Repr::Text(text.into()))),
        }
    }

    /// The CID of a JSON text.
    #[must_use]
    pub fn of_json(text: &str) -> Self {
        Self(Repr::Canonical(*blake3::hash(text.as_bytes()).as_bytes()))
    }

    /// The CID of a value.
    #[must_use]
    pub fn of_value(value: &Value) -> Self {
        let mut hash = HashSink::default();
        value.write_json_to(&mut hash);
        hash.cid()
    }

    /// The CID of a call's argument values, in order (`argument_hash`).
    #[must_use]
    pub fn of_arguments(arguments: &[Value]) -> Self {
        let mut hash = HashSink::default();
        let mut before = "[";
        for argument in arguments {
            hash.put(before);
            before = ",";
            argument.write_json_to(&mut hash);
        }
        hash.put(if arguments.is_empty() { "[]" } else { "]" });
        hash.cid()
    }

    /// The CID of a tetraplet.
    #[must_use]
    pub fn of_tetraplet(tetraplet: &Tetraplet) -> Self {
        let mut text = String::new();
        tetraplet.write_json(&mut text);
        Self::of_json(&text)
    }

    /// The CID of an element of a canon.
    #[must_use]
    pub fn of_canon_element(element: &CanonElement) -> Self {
        let mut text = String::new();
        element.write_json(&mut text);
        Self::of_json(&text)
    }

    /// The CID of a canon result.
    #[must_use]
    pub fn of_canon_result(result: &CanonResult) -> Self {
        let mut text = String::new();
        result.write_json(&mut text);
        Self::of_json(&text)
    }

    /// The CID of a service result.
    #[must_use]
    pub fn of_service_result(result: &ServiceResult) -> Self {
        let mut text = String::new();
        result.write_json(&mut text);
        Self::of_json(&text)
    }

    /// The digest of a CID in the canonical form.
    pub(super) fn canonical_digest(&self) -> Option<&[u8; 32]> {
        match &self.0 {
            Repr::Canonical(digest) => Some(digest),
            Repr::Text(_) => None,
        }
    }

    /// Length of the text.
    pub(super) fn text_len(&self) -> usize {
        match &self.0 {
            Repr::Canonical(_) => CANONICAL_TEXT_LEN,
            Repr::Text(text) => text.len(),
        }
    }

    /// Appends the text.
    pub fn write_text(&self, out: &mut String) {
        match &self.0 {
            Repr::Canonical(digest) => {
                let text = encode_canonical(digest);
                // The digits are ASCII.
                out.push_str(core::str::from_utf8(&text).unwrap_or_default());
            }
            Repr::Text(text) => out.push_str(text),
        }
    }

    /// Appends the text's bytes.
    pub(super) fn write_bytes(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Repr::Canonical(digest) => out.extend_from_slice(&encode_canonical(digest)),
            Repr::Text(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// Appends the text as a JSON string.
    pub(super) fn write_json(&self, out: &mut String) {
        match &self.0 {
            Repr::Canonical(_) => {
                out.push('"');
                self.write_text(out);
                out.push('"');
            }
            Repr::Text(text) => crate::value::write_json_string(text, out),
        }
    }
}

impl Hash for Cid {
    /// By words, which a hasher takes faster than a slice. All of the digest counts: those in data that
    /// nobody has verified yet are anybody's choice.
    fn hash<H: Hasher>(&self, state: &mut H) {
        match &self.0 {
            Repr::Canonical(digest) => {
                for word in digest.as_chunks::<8>().0 {
                    state.write_u64(u64::from_ne_bytes(*word));
                }
            }
            Repr::Text(text) => text.hash(state),
        }
    }
}

impl Ord for Cid {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Canonical(one), Repr::Canonical(two)) => compare_canonical(one, two),
            (Repr::Canonical(one), Repr::Text(two)) => {
                encode_canonical(one)[..].cmp(two.as_bytes())
            }
            (Repr::Text(one), Repr::Canonical(two)) => {
                one.as_bytes().cmp(&encode_canonical(two)[..])
            }
            (Repr::Text(one), Repr::Text(two)) => one.cmp(two),
        }
    }
}

impl PartialOrd for Cid {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Canonical(digest) => {
                f.write_str(core::str::from_utf8(&encode_canonical(digest)).unwrap_or_default())
            }
            Repr::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for Cid {
    /// The text in quotes, as error messages show CIDs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.write_text(&mut text);
        fmt::Debug::fmt(text.as_str(), f)
    }
}

/// The order of the texts of two digests, found without writing them out.
fn compare_canonical(one: &[u8; 32], two: &[u8; 32]) -> Ordering {
    let Some(byte) = one.iter().zip(two).position(|(a, b)| a != b) else { return Ordering::Equal };
    let digit = (8 * byte + (one[byte] ^ two[byte]).leading_zeros() as usize) / 5;
    // The figures 2 to 7, which stand for 26 to 31, come before the letters.
    let rank = |digest: &[u8; 32]| (base32_digit(digest, digit) + 6) & 31;
    rank(one).cmp(&rank(two))
}

/// The value of one base32 digit of a digest.
fn base32_digit(digest: &[u8; 32], digit: usize) -> u8 {
    let bit = 5 * digit;
    let high = digest.get(bit / 8).copied().unwrap_or(0);
    let low = digest.get(bit / 8 + 1).copied().unwrap_or(0);
    let [value, _] = (u16::from_be_bytes([high, low]) << (bit % 8)).to_be_bytes();
    value >> 3
}

/// Hashes JSON text while it is written, so that the text of a big value is never in memory at once.
#[derive(Default)]
struct HashSink {
    /// What was written last; nearly always all of it.
    pending: String,
    hasher: Option<blake3::Hasher>,
}

impl HashSink {
    /// Length up to which text is gathered before it is hashed.
    const GATHERED: usize = 4096;

    fn cid(self) -> Cid {
        let digest = match self.hasher {
            None => blake3::hash(self.pending.as_bytes()),
            Some(mut hasher) => hasher.update(self.pending.as_bytes()).finalize(),
        };
        Cid(Repr::Canonical(*digest.as_bytes()))
    }
}

impl JsonSink for HashSink {
    fn put(&mut self, text: &str) {
        if self.pending.len() + text.len() <= Self::GATHERED {
            self.pending.push_str(text);
            return;
        }
        let hasher = self.hasher.get_or_insert_default();
        hasher.update(self.pending.as_bytes());
        self.pending.clear();
        if text.len() < Self::GATHERED {
            self.pending.push_str(text);
        } else {
            hasher.update(text.as_bytes());
        }
    }
}

fn encode_canonical(digest: &[u8; 32]) -> [u8; CANONICAL_TEXT_LEN] {
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

fn decode_canonical(text: &[u8]) -> Option<[u8; 32]> {
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
pub(super) fn base32_value(digit: u8) -> Option<u8> {
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

impl Provenance {
    /// Appends the JSON object with the kind and, if there is one, the CID.
    pub(super) fn write_json(&self, out: &mut String) {
        let (kind, cid) = match self {
            Self::Literal => ("literal", None),
            Self::ServiceResult(cid) => ("service_result", Some(cid)),
            Self::Canon(cid) => ("canon", Some(cid)),
        };
        out.push_str("{\"type\":\"");
        out.push_str(kind);
        out.push('"');
        if let Some(cid) = cid {
            out.push_str(",\"cid\":");
            cid.write_json(out);
        }
        out.push('}');
    }
}

impl CanonElement {
    /// Appends the JSON object that the CID is taken of.
    pub(super) fn write_json(&self, out: &mut String) {
        out.push_str("{\"value\":");
        self.value.write_json(out);
        out.push_str(",\"tetraplet\":");
        self.tetraplet.write_json(out);
        out.push_str(",\"provenance\":");
        self.provenance.write_json(out);
        out.push('}');
    }
}

impl CanonResult {
    /// Appends the JSON object that the CID is taken of.
    pub(super) fn write_json(&self, out: &mut String) {
        out.push_str("{\"tetraplet\":");
        self.tetraplet.write_json(out);
        out.push_str(",\"values\":[");
        for (index, value) in self.values.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            value.write_json(out);
        }
        out.push_str("]}");
    }
}

impl ServiceResult {
    /// Appends the JSON object that the CID is taken of.
    pub(super) fn write_json(&self, out: &mut String) {
        out.push_str("{\"value_cid\":");
        self.value_cid.write_json(out);
        out.push_str(",\"argument_hash\":");
        self.argument_hash.write_json(out);
        out.push_str(",\"tetraplet_cid\":");
        self.tetraplet_cid.write_json(out);
        out.push('}');
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    use super::Cid;
    use crate::value::Value;

    /// Worked CIDs of air-data §5.4.
    #[test]
    fn values_have_the_cids_of_the_specification() {
        for (text, cid) in [
            ("null", "bagaaihraap4ixgod3adtxoujjdlooyvkyrb3ezpwa3galk6u2fzpaosn55va"),
            ("1", "bagaaihra2y55tkbgv6i4d7vdoglfuzhbd3ra6e7ennpvfrmzaejwmbntusdq"),
            ("1.0", "bagaaihra5t4hmixklr4lfmpuialovforj7vtxwbf65ke44qbqyxt2evuzunq"),
            ("-5", "bagaaihraw5zxfnegqxdeobnlq7k3rq2agdrkh5qjynnpzxft22xrkbs3drjq"),
            ("\"é\"", "bagaaihraxiqz32amv7ff7vd25ylopvquzlxo23lv3sxfo66fn7zrnckurqqa"),
            ("{\"b\":1,\"a\":2}", "bagaaihrav3ame7p45dnktihdnw4rhulir3cttst7ozezprg6roptcapwigfq"),
        ] {
            let computed = Cid::of_value(&Value::parse(text).unwrap());
            assert_eq!(computed.to_string(), cid, "{text}");
            assert_eq!(computed, Cid::from_text(cid), "{text}");
        }
        assert_eq!(
            Cid::of_arguments(&[]).to_string(),
            "bagaaihra2u6rrqrsclvhwyyalff3rg6omaqy63x7foowfc4myqwt46n32wvq"
        );
    }

    #[test]
    fn other_texts_stay_what_they_are() {
        let canonical = "bagaaihra2u6rrqrsclvhwyyalff3rg6omaqy63x7foowfc4myqwt46n32wvq";
        // Upper case, other digits, bits beyond the digest, other lengths, not a CID at all.
        let with_fill = "bagaaihra2u6rrqrsclvhwyyalff3rg6omaqy63x7foowfc4myqwt46n32wvr";
        for text in [
            canonical.to_uppercase().as_str(),
            &canonical.replace('2', "1"),
            with_fill,
            &canonical[..60],
            &(canonical.to_string() + "a"),
            "",
            "cid \"quoted\"",
        ] {
            let cid = Cid::from_text(text);
            assert_eq!(cid.to_string(), text);
            assert_ne!(cid, Cid::from_text(canonical));
        }
    }

    #[test]
    fn big_values_are_hashed_as_their_text() {
        let piece = "\u{1}é".repeat(700);
        for pieces in 0..20 {
            let items: Vec<Value> = (0..pieces).map(|_| Value::from(&*piece)).collect();
            let cid = Cid::of_arguments(&items);
            let value = Value::array(items).unwrap();
            assert_eq!(Cid::of_value(&value), Cid::of_json(&value.to_json()));
            assert_eq!(cid, Cid::of_value(&value));
        }
    }

    proptest::proptest! {
        #[test]
        fn texts_come_back_as_they_went_in(digest: [u8; 32], noise in ".{0,70}") {
            let cid = Cid(super::Repr::Canonical(digest));
            let text: String = cid.to_string();
            proptest::prop_assert_eq!(Cid::from_text(&text), cid);
            proptest::prop_assert_eq!(Cid::from_text(&noise).to_string(), noise);
        }

        #[test]
        fn order_is_that_of_the_texts(one: [u8; 32], mut two: [u8; 32], same: u8, noise in "[a-c]{0,3}") {
            for (index, byte) in two.iter_mut().enumerate() {
                if index < usize::from(same % 34) {
                    *byte = one[index];
                }
            }
            let cids = [one, two].map(|digest| Cid(super::Repr::Canonical(digest)));
            let cids = [cids[0].clone(), cids[1].clone(), Cid::from_text(&noise)];
            for a in &cids {
                for b in &cids {
                    proptest::prop_assert_eq!(a.cmp(b), a.to_string().cmp(&b.to_string()));
                }
            }
        }
    }
}
