//! Bundles: programs with all of their files, for a node that cannot fetch any.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 8 | `AEROPROG` |
//! | 8 | 2 | version of the form, little-endian: 1 |
//! | 10 | 2 | 0 |
//! | 12 | 4 | length of what follows the header, little-endian |
//! | 16 | 32 | SHA-256 of what follows the header |
//! | 48 | length | postcard of the [`Package`]s |
//!
//! What stands behind the announced length is no part of the bundle, so one may stand at the beginning of
//! a larger place, such as a partition.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::limits::{MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES, MAX_BUNDLE_NAME_BYTES, MAX_PROGRAMS};
use crate::aleph::limits::MAX_MESSAGE_BYTES;

/// What a bundle begins with.
pub const MAGIC: &[u8; 8] = b"AEROPROG";
/// Bytes before the packages: whoever reads a bundle off a device needs them to learn its length.
pub const HEADER_BYTES: usize = 48;
/// The version of the form that this build writes and reads.
pub const BUNDLE_VERSION: u16 = 1;

/// Programs with their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// In the order in which they are installed.
    pub programs: Vec<Package>,
}

/// One program with its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// JSON: a PROGRAM message, or a `vm-function` document.
    pub message: Vec<u8>,
    /// Files that the message names, each under the `ref` that names it (the item hash of a STORE
    /// message, or of the file itself), and its content under its own item hash if that is not inline.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Why bytes are not a bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BundleError {
    /// The first bytes are not those of a bundle.
    NotABundle,
    /// Written by another version of the build tool.
    UnknownVersion(u16),
    /// It has more bytes than [`MAX_BUNDLE_BYTES`].
    TooLong,
    /// The bytes end before the announced length does.
    Truncated,
    /// The bytes are not those that were written.
    Checksum,
    /// There are more programs than [`MAX_PROGRAMS`], more files than [`MAX_BUNDLE_FILES`], a name longer
    /// than [`MAX_BUNDLE_NAME_BYTES`], or a message longer than [`MAX_MESSAGE_BYTES`].
    TooMany,
    /// The header is right, the packages are not.
    Malformed,
}

impl fmt::Display for BundleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotABundle => f.write_str("these bytes are no bundle of programs"),
            Self::UnknownVersion(found) => write!(
                f,
                "the bundle has version {found}, this node reads version {BUNDLE_VERSION} only"
            ),
            Self::TooLong => write!(f, "the bundle is over the limit of {MAX_BUNDLE_BYTES} bytes"),
            Self::Truncated => f.write_str("the bundle is cut off"),
            Self::Checksum => f.write_str("the checksum of the bundle is wrong"),
            Self::TooMany => f.write_str("the bundle has too many or too large parts"),
            Self::Malformed => f.write_str("the packages of the bundle cannot be read"),
        }
    }
}

impl core::error::Error for BundleError {}

impl Bundle {
    /// The bytes of the bundle.
    ///
    /// # Errors
    /// [`BundleError::TooLong`] and [`BundleError::TooMany`], where no node would read it.
    pub fn encode(&self) -> Result<Vec<u8>, BundleError> {
        if self.programs.len() > MAX_PROGRAMS || !self.programs.iter().all(Package::is_in_bounds) {
            return Err(BundleError::TooMany);
        }
        let packages = postcard::to_allocvec(&self.programs).map_err(|_| BundleError::TooLong)?;
        let length = u32::try_from(packages.len()).map_err(|_| BundleError::TooLong)?;
        if packages.len() > MAX_BUNDLE_BYTES - HEADER_BYTES {
            return Err(BundleError::TooLong);
        }
        let mut bytes = Vec::with_capacity(HEADER_BYTES + packages.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&BUNDLE_VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&Sha256::digest(&packages));
        bytes.extend_from_slice(&packages);
        Ok(bytes)
    }

    /// How many bytes the bundle has that begins with these, of which the first [`HEADER_BYTES`] are
    /// needed.
    ///
    /// # Errors
    /// [`BundleError`]: no bundle begins so, or none that this node reads.
    pub fn length(bytes: &[u8]) -> Result<usize, BundleError> {
        let Some((magic, rest)) = bytes.split_first_chunk::<8>() else {
            return Err(BundleError::NotABundle);
        };
        if magic != MAGIC {
            return Err(BundleError::NotABundle);
        }
        let [a, b, 0, 0, length @ ..] = *rest.first_chunk::<8>().ok_or(BundleError::Truncated)?
        else {
            return Err(BundleError::Malformed);
        };
        match u16::from_le_bytes([a, b]) {
            BUNDLE_VERSION => {}
            other => return Err(BundleError::UnknownVersion(other)),
        }
        let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
        match length.checked_add(HEADER_BYTES) {
            Some(length) if length <= MAX_BUNDLE_BYTES => Ok(length),
            _ => Err(BundleError::TooLong),
        }
    }

    /// Reads the bundle that stands at the beginning of `bytes`. Total: any bytes give a bundle or an
    /// error.
    ///
    /// # Errors
    /// [`BundleError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let length = Self::length(bytes)?;
        let bytes = bytes.get(..length).ok_or(BundleError::Truncated)?;
        let (header, packages) =
            bytes.split_first_chunk::<HEADER_BYTES>().ok_or(BundleError::Truncated)?;
        if header.get(16..) != Some(&Sha256::digest(packages)[..]) {
            return Err(BundleError::Checksum);
        }
        let mut rest = packages;
        let mut programs = Vec::new();
        for _ in 0..count(&mut rest, MAX_PROGRAMS)? {
            programs.push(Package::read(&mut rest)?);
        }
        if rest.is_empty() { Ok(Self { programs }) } else { Err(BundleError::Malformed) }
    }
}

// Postcard's own reader of lists reserves memory for elements that may take no bytes: so lists are read
// here, in the same form.

fn take<'a, T: Deserialize<'a>>(rest: &mut &'a [u8]) -> Result<T, BundleError> {
    let (value, behind) = postcard::take_from_bytes(rest).map_err(|_| BundleError::Malformed)?;
    *rest = behind;
    Ok(value)
}

fn count(rest: &mut &[u8], most: usize) -> Result<usize, BundleError> {
    let count = usize::try_from(take::<u64>(rest)?).unwrap_or(usize::MAX);
    if count > most { Err(BundleError::TooMany) } else { Ok(count) }
}

impl Package {
    fn is_in_bounds(&self) -> bool {
        self.message.len() <= MAX_MESSAGE_BYTES
            && self.files.len() <= MAX_BUNDLE_FILES
            && self.files.iter().all(|(name, _)| name.len() <= MAX_BUNDLE_NAME_BYTES)
    }

    fn read(rest: &mut &[u8]) -> Result<Self, BundleError> {
        let message: &[u8] = take(rest)?;
        let mut package = Self { message: message.to_vec(), files: Vec::new() };
        for _ in 0..count(rest, MAX_BUNDLE_FILES)? {
            let (name, bytes): (&str, &[u8]) = take(rest)?;
            package.files.push((name.into(), bytes.to_vec()));
        }
        if package.is_in_bounds() { Ok(package) } else { Err(BundleError::TooMany) }
    }

    /// Bytes of all its parts.
    #[must_use]
    pub fn size(&self) -> usize {
        let files = self.files.iter().map(|(name, bytes)| name.len() + bytes.len());
        self.message.len() + files.sum::<usize>()
    }

    /// The file under this name.
    #[must_use]
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        let mut files = self.files.iter();
        files.find(|(known, _)| known == name).map(|(_, bytes)| bytes.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;
    use proptest::prelude::*;

    fn bundle(files: usize) -> Bundle {
        let files = (0..files).map(|file| (alloc::format!("{file:064x}"), vec![7; file])).collect();
        Bundle { programs: vec![Package { message: b"{}".to_vec(), files }] }
    }

    #[test]
    fn a_bundle_reads_back_and_what_follows_it_does_not_matter() {
        let bundle = bundle(3);
        let mut bytes = bundle.encode().unwrap();
        assert_eq!(Bundle::length(&bytes), Ok(bytes.len()));
        bytes.extend_from_slice(&[0; 700]);
        assert_eq!(Bundle::decode(&bytes), Ok(bundle));
    }

    #[test]
    fn its_parts_are_bounded_at_their_limits() {
        assert!(bundle(MAX_BUNDLE_FILES).encode().is_ok());
        assert_eq!(bundle(MAX_BUNDLE_FILES + 1).encode(), Err(BundleError::TooMany));
        let many = |count| Bundle { programs: vec![Package::default(); count] };
        assert_eq!(Bundle::decode(&many(MAX_PROGRAMS).encode().unwrap()), Ok(many(MAX_PROGRAMS)));
        assert_eq!(many(MAX_PROGRAMS + 1).encode(), Err(BundleError::TooMany));
        let named = |bytes| Bundle {
            programs: vec![Package {
                files: vec![("x".repeat(bytes), vec![])],
                ..Package::default()
            }],
        };
        assert!(named(MAX_BUNDLE_NAME_BYTES).encode().is_ok());
        assert_eq!(named(MAX_BUNDLE_NAME_BYTES + 1).encode(), Err(BundleError::TooMany));
        let said = |bytes| Bundle {
            programs: vec![Package { message: vec![b' '; bytes], ..Package::default() }],
        };
        assert!(said(MAX_MESSAGE_BYTES).encode().is_ok());
        assert_eq!(said(MAX_MESSAGE_BYTES + 1).encode(), Err(BundleError::TooMany));
    }

    /// A bundle with these packages and a right header.
    fn sealed(packages: &[u8]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&[1, 0, 0, 0]);
        bytes.extend_from_slice(&u32::try_from(packages.len()).unwrap().to_le_bytes());
        bytes.extend_from_slice(&Sha256::digest(packages));
        bytes.extend_from_slice(packages);
        bytes
    }

    #[test]
    fn counts_beyond_the_limits_are_refused_before_anything_is_reserved() {
        assert_eq!(Bundle::decode(&sealed(&[65])), Err(BundleError::TooMany));
        assert_eq!(Bundle::decode(&sealed(&[1, 0, 65])), Err(BundleError::TooMany));
        assert_eq!(Bundle::decode(&sealed(&[0xff; 9])), Err(BundleError::Malformed));
        assert_eq!(Bundle::decode(&sealed(&[0, 0])), Err(BundleError::Malformed), "bytes behind");
    }

    #[test]
    fn the_header_says_what_is_wrong() {
        let bytes = bundle(1).encode().unwrap();
        let spoiled = |at: usize, with: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = with;
            Bundle::decode(&bytes)
        };
        assert_eq!(spoiled(0, b'B'), Err(BundleError::NotABundle));
        assert_eq!(spoiled(8, 2), Err(BundleError::UnknownVersion(2)));
        assert_eq!(spoiled(10, 1), Err(BundleError::Malformed));
        assert_eq!(spoiled(15, 0x7f), Err(BundleError::TooLong));
        assert_eq!(spoiled(12, bytes[12] + 1), Err(BundleError::Truncated));
        assert_eq!(spoiled(20, !bytes[20]), Err(BundleError::Checksum));
    }

    proptest! {
        #[test]
        fn any_packages_give_a_bundle_or_an_error(
            packages in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            if let Ok(bundle) = Bundle::decode(&sealed(&packages)) {
                prop_assert_eq!(Bundle::decode(&bundle.encode().unwrap()), Ok(bundle));
            }
        }

        #[test]
        fn a_damaged_bundle_is_no_bundle(at in 0_usize..100, with in any::<u8>()) {
            let bytes = bundle(2).encode().unwrap();
            let mut damaged = bytes.clone();
            let at = at % damaged.len();
            damaged[at] = with;
            prop_assert_eq!(Bundle::decode(&damaged).is_ok(), damaged == bytes);
        }
    }
}
