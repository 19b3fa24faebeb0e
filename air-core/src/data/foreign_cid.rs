//! Whether a CID is that of a text, whatever form it came in (air-data §5.5).
//!
//! Only the canonical form is ever produced. Of the others, base32 (whose case the reference does not
//! look at) and base58btc, with BLAKE3 or SHA-256, are understood; the rest is refused.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use sha2::{Digest, Sha256};

use super::Cid;
use super::cid::base32_value;
use super::limits::MAX_FOREIGN_CID_TEXT;

const CID_VERSION_1: u64 = 1;
const CODEC_JSON: u64 = 0x0200;
/// What a CID of version 0 counts as.
const CODEC_DAG_PB: u64 = 0x70;
const HASH_SHA2_256: u64 = 0x12;
const HASH_BLAKE3: u64 = 0x1e;
const CID_V0_TEXT_LEN: usize = 46;

/// Why a CID is not accepted for a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CidMismatch {
    /// It is the CID of another text.
    OtherText,
    /// It says that the text is not JSON.
    UnsupportedCodec(u64),
    /// It was made with another hash.
    UnsupportedHash(u64),
    /// It is of another version than 1.
    UnsupportedVersion(u64),
    /// It is not a CID that can be read.
    Malformed,
}

impl fmt::Display for CidMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherText => f.write_str("the CID is that of another text"),
            Self::UnsupportedCodec(codec) => write!(f, "unsupported CID codec: {codec}"),
            Self::UnsupportedHash(hash) => write!(f, "unsupported multihash code: {hash}"),
            Self::UnsupportedVersion(0) => f.write_str("CIDv0 cannot be specified in CIDv1 format"),
            Self::UnsupportedVersion(_) => f.write_str("Unrecognized CID version"),
            Self::Malformed => f.write_str("Failed to parse multihash"),
        }
    }
}

impl Cid {
    /// Whether this is the CID of `json`.
    pub fn check(&self, json: &str) -> Result<(), CidMismatch> {
        let matches = match self.canonical_digest() {
            Some(digest) => blake3::hash(json.as_bytes()).as_bytes() == digest,
            None => {
                let mut text = String::new();
                self.write_text(&mut text);
                check_foreign(&text, json)?
            }
        };
        if matches { Ok(()) } else { Err(CidMismatch::OtherText) }
    }
}

fn check_foreign(text: &str, json: &str) -> Result<bool, CidMismatch> {
    if text.len() > MAX_FOREIGN_CID_TEXT {
        return Err(CidMismatch::Malformed);
    }
    if text.len() == CID_V0_TEXT_LEN && text.starts_with("Qm") {
        return Err(CidMismatch::UnsupportedCodec(CODEC_DAG_PB));
    }
    let bytes = match text.split_at_checked(1) {
        Some(("b", digits)) => base32(digits),
        Some(("z", digits)) => bs58::decode(digits).into_vec().ok(),
        _ => None,
    };
    let bytes = bytes.ok_or(CidMismatch::Malformed)?;
    let mut rest = bytes.as_slice();
    let version = varint(&mut rest)?;
    if version != CID_VERSION_1 {
        return Err(CidMismatch::UnsupportedVersion(version));
    }
    let codec = varint(&mut rest)?;
    if codec != CODEC_JSON {
        return Err(CidMismatch::UnsupportedCodec(codec));
    }
    let hash = varint(&mut rest)?;
    let len = varint(&mut rest)?;
    if u64::try_from(rest.len()) != Ok(len) {
        return Err(CidMismatch::Malformed);
    }
    match hash {
        HASH_BLAKE3 => Ok(rest == blake3::hash(json.as_bytes()).as_bytes()),
        HASH_SHA2_256 => Ok(rest == Sha256::digest(json.as_bytes()).as_slice()),
        other => Err(CidMismatch::UnsupportedHash(other)),
    }
}

fn base32(digits: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(digits.len());
    let mut bits = 0_u32;
    let mut count = 0;
    for digit in digits.bytes() {
        bits = bits << 5 | u32::from(base32_value(digit.to_ascii_lowercase())?);
        count += 5;
        if count >= 8 {
            count -= 8;
            let [.., byte] = (bits >> count).to_be_bytes();
            bytes.push(byte);
            bits &= (1 << count) - 1;
        }
    }
    // What is left over must be the zero bits that fill the last digit, and less than a digit.
    (bits == 0 && count < 5).then_some(bytes)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, CidMismatch> {
    let mut value = 0_u64;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or(CidMismatch::Malformed)?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            // A last byte of zero means that the number was not written in its shortest form.
            let minimal = *byte != 0 || shift == 0;
            return if minimal { Ok(value) } else { Err(CidMismatch::Malformed) };
        }
    }
    Err(CidMismatch::Malformed)
}

#[cfg(test)]
mod tests {
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::{Cid, CidMismatch};

    const TEST: &str = "\"test\"";

    fn check(cid: &str) -> Result<(), CidMismatch> {
        Cid::from_text(cid).check(TEST)
    }

    fn base58(head: &[u8], digest: &[u8]) -> String {
        let bytes: Vec<u8> = head.iter().chain(digest).copied().collect();
        format!("z{}", bs58::encode(bytes).into_string())
    }

    /// Examples of air-data §5.4.
    #[test]
    fn both_hashes_are_accepted_for_their_text_only() {
        let blake3 = "bagaaihrarcyykpv4oj7zwdbepczyfthxya4og7s2rwvrzolm5kg2eu5dz3xa";
        let sha2 = "bagaaierajwlhumardpzj6dv2ahcerm3vyfrjwl7nahg7zq5o3eprwv6v3vpa";
        let mixed_case = blake3.replace("yyk", "YyK");
        for cid in [blake3, sha2, &mixed_case] {
            assert_eq!(check(cid), Ok(()));
            assert_eq!(Cid::from_text(cid).check("\"Test\""), Err(CidMismatch::OtherText));
        }
    }

    #[test]
    fn base58_is_accepted_and_other_codecs_and_hashes_are_not() {
        let digest = blake3::hash(TEST.as_bytes());
        let digest = digest.as_bytes();
        let head = [1, 0x80, 4, 0x1e, 0x20];
        assert_eq!(check(&base58(&head, digest)), Ok(()));
        assert_eq!(
            check(&base58(&[1, 0x55, 0x1e, 0x20], digest)),
            Err(CidMismatch::UnsupportedCodec(0x55))
        );
        assert_eq!(
            check(&base58(&[1, 0x80, 4, 0x13, 0x20], digest)),
            Err(CidMismatch::UnsupportedHash(0x13))
        );
        // Shorter digest, bytes after it, other version, other length.
        assert_eq!(
            check(&base58(&[1, 0x80, 4, 0x1e, 0x10], &digest[..16])),
            Err(CidMismatch::OtherText)
        );
        assert_eq!(check(&base58(&[1, 0x80, 4, 0x1e, 0x1f], digest)), Err(CidMismatch::Malformed));
        for version in [0, 2] {
            assert_eq!(
                check(&base58(&[version, 0x80, 4, 0x1e, 0x20], digest)),
                Err(CidMismatch::UnsupportedVersion(version.into()))
            );
        }
    }

    #[test]
    fn what_is_no_cid_is_malformed() {
        let long = "b".repeat(super::MAX_FOREIGN_CID_TEXT + 1);
        for text in ["", "b", "z", "a", "bagaaihra", "é", "b1AGAA", "z0OIl", &long, "ipfs/"] {
            assert_eq!(check(text), Err(CidMismatch::Malformed), "{text}");
        }
        let v0 = "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPWPn";
        assert_eq!(&v0.len(), &46);
        assert_eq!(check(v0), Err(CidMismatch::UnsupportedCodec(0x70)));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_judged(text in "[bz]?.{0,140}") {
            let _ = check(&text);
        }
    }
}
