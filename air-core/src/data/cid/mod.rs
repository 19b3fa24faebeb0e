//! Content identifiers: which bytes hash to what, in 32 bytes of memory.
//!
//! A CID travels as text, and two texts are two CIDs even where they mean the same digest
//! (air-data §5.1). The one text form that is ever produced (CIDv1, codec json, BLAKE3-256, lower-case
//! base32) is kept as its digest; any other text, also one that is no CID at all, is kept as it came.

mod canonical;
mod json_hash;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::str::Utf8Error;

use canonical::{CANONICAL_TEXT_LEN, compare_canonical, decode_canonical, encode_canonical};
use json_hash::HashSink;

pub(super) use canonical::base32_value;

use super::{CanonElement, CanonResult, ServiceResult, Tetraplet};
use crate::value::{JsonSink, Value};

/// Room for the JSON of nearly every structure that is hashed: three CIDs and the names around them.
const USUAL_JSON_LEN: usize = 320;

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
        let mut hash = HashSink::new();
        value.write_json_to(&mut hash);
        Self(Repr::Canonical(hash.digest()))
    }

    /// The CID of a call's argument values, in order (`argument_hash`).
    #[must_use]
    pub fn of_arguments(arguments: &[Value]) -> Self {
        let mut hash = HashSink::new();
        let mut before = "[";
        for argument in arguments {
            hash.put(before);
            before = ",";
            argument.write_json_to(&mut hash);
        }
        hash.put(if arguments.is_empty() { "[]" } else { "]" });
        Self(Repr::Canonical(hash.digest()))
    }

    /// The CID of a tetraplet.
    #[must_use]
    pub fn of_tetraplet(tetraplet: &Tetraplet) -> Self {
        let mut text = String::with_capacity(USUAL_JSON_LEN);
        tetraplet.write_json(&mut text);
        Self::of_json(&text)
    }

    /// The CID of an element of a canon.
    #[must_use]
    pub fn of_canon_element(element: &CanonElement) -> Self {
        let mut text = String::with_capacity(USUAL_JSON_LEN);
        element.write_json(&mut text);
        Self::of_json(&text)
    }

    /// The CID of a canon result.
    #[must_use]
    pub fn of_canon_result(result: &CanonResult) -> Self {
        let mut text = String::with_capacity(USUAL_JSON_LEN);
        result.write_json(&mut text);
        Self::of_json(&text)
    }

    /// The CID of a service result.
    #[must_use]
    pub fn of_service_result(result: &ServiceResult) -> Self {
        let mut text = String::with_capacity(USUAL_JSON_LEN);
        result.write_json(&mut text);
        Self::of_json(&text)
    }

    /// The digest of a CID in the canonical form.
    pub(in crate::data) fn canonical_digest(&self) -> Option<&[u8; 32]> {
        match &self.0 {
            Repr::Canonical(digest) => Some(digest),
            Repr::Text(_) => None,
        }
    }

    /// Length of the text.
    pub(in crate::data) fn text_len(&self) -> usize {
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
    pub(in crate::data) fn write_bytes(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Repr::Canonical(digest) => out.extend_from_slice(&encode_canonical(digest)),
            Repr::Text(text) => out.extend_from_slice(text.as_bytes()),
        }
    }

    /// Appends the text as a JSON string.
    pub(in crate::data) fn write_json(&self, out: &mut String) {
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
