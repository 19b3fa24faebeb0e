//! The configuration as bytes: a header of twelve bytes, then the fields by postcard.
//!
//! | offset | bytes | content |
//! |---|---|---|
//! | 0 | 6 | `AEROCF` |
//! | 6 | 2 | version of the form, little-endian: 3 |
//! | 8 | 4 | length of what follows, little-endian |
//! | 12 | length | postcard of [`Config`] |
//!
//! Postcard does not describe itself, so any change of the fields is a new version.

use alloc::vec::Vec;
use core::fmt;

use super::{Config, InvalidConfig};
use crate::limits::MAX_CONFIG_BYTES;

/// The version of the form that this build writes and reads.
pub const BLOB_VERSION: u16 = 3;

/// What a configuration begins with.
pub const MAGIC: &[u8; 6] = b"AEROCF";
const HEADER_BYTES: usize = 12;

/// Why bytes are not a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// More than a configuration may have; nothing of it was read.
    TooLong {
        /// Bytes given.
        bytes: usize,
    },
    /// The bytes end before the header or the announced length does.
    Truncated {
        /// Bytes given.
        bytes: usize,
        /// Bytes needed.
        needed: usize,
    },
    /// Bytes remain behind the announced length.
    TrailingBytes {
        /// Bytes given.
        bytes: usize,
        /// Bytes that the header announces.
        expected: usize,
    },
    /// The first bytes are not those of a configuration.
    NotAConfig,
    /// Written by another version of the build tool.
    UnknownVersion {
        /// The version found.
        found: u16,
    },
    /// The header is right, the fields are not.
    Malformed,
    /// A field has a value that cannot be used.
    Invalid(InvalidConfig),
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => {
                write!(f, "configuration of {bytes} bytes is over the limit of {MAX_CONFIG_BYTES}")
            }
            Self::Truncated { bytes, needed } => {
                write!(f, "configuration is cut off: {bytes} bytes of {needed}")
            }
            Self::TrailingBytes { bytes, expected } => {
                write!(f, "configuration has {bytes} bytes where its header announces {expected}")
            }
            Self::NotAConfig => f.write_str("these bytes are no configuration of a node"),
            Self::UnknownVersion { found } => {
                write!(
                    f,
                    "configuration has version {found}, this node reads version {BLOB_VERSION} \
                     only: make it anew with the build tool of the node's own version"
                )
            }
            Self::Malformed => f.write_str("configuration fields cannot be read"),
            Self::Invalid(invalid) => invalid.fmt(f),
        }
    }
}

impl core::error::Error for DecodeError {}

/// Why a configuration cannot be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// A field has a value that cannot be used.
    Invalid(InvalidConfig),
    /// It would have more bytes than a node takes.
    TooLong,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(invalid) => invalid.fmt(f),
            Self::TooLong => {
                write!(f, "configuration is over the limit of {MAX_CONFIG_BYTES} bytes")
            }
        }
    }
}

impl core::error::Error for EncodeError {}

impl Config {
    /// Writes a checked configuration.
    ///
    /// # Errors
    /// A field that cannot be used, or more bytes than a node takes.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        self.validate().map_err(EncodeError::Invalid)?;
        let fields = postcard::to_allocvec(self).map_err(|_| EncodeError::TooLong)?;
        let length = u32::try_from(fields.len()).map_err(|_| EncodeError::TooLong)?;
        let mut blob = Vec::with_capacity(HEADER_BYTES + fields.len());
        blob.extend_from_slice(MAGIC);
        blob.extend_from_slice(&BLOB_VERSION.to_le_bytes());
        blob.extend_from_slice(&length.to_le_bytes());
        blob.extend_from_slice(&fields);
        if blob.len() > MAX_CONFIG_BYTES {
            return Err(EncodeError::TooLong);
        }
        Ok(blob)
    }

    /// How long the blob is that begins with `start`, in bytes, as its header says; `None` if these are
    /// not the first bytes of one that can be read. For places that are longer than the blob in them.
    #[must_use]
    pub fn blob_bytes(start: &[u8]) -> Option<usize> {
        let header = start.first_chunk::<HEADER_BYTES>()?;
        let [.., l0, l1, l2, l3] = *header;
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).ok()?;
        let bytes = length.checked_add(HEADER_BYTES).filter(|bytes| *bytes <= MAX_CONFIG_BYTES)?;
        header.starts_with(MAGIC).then_some(bytes)
    }

    /// Reads and checks a configuration. Total: any bytes give a configuration or an error.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn decode(blob: &[u8]) -> Result<Self, DecodeError> {
        let bytes = blob.len();
        if bytes > MAX_CONFIG_BYTES {
            return Err(DecodeError::TooLong { bytes });
        }
        if !blob.starts_with(MAGIC) {
            // A prefix of the magic is a cut-off configuration, anything else is something else.
            return Err(match MAGIC.starts_with(blob) {
                true => DecodeError::Truncated { bytes, needed: HEADER_BYTES },
                false => DecodeError::NotAConfig,
            });
        }
        let Some((header, fields)) = blob.split_first_chunk::<HEADER_BYTES>() else {
            return Err(DecodeError::Truncated { bytes, needed: HEADER_BYTES });
        };
        let [.., v0, v1, l0, l1, l2, l3] = *header;
        let found = u16::from_le_bytes([v0, v1]);
        if found != BLOB_VERSION {
            return Err(DecodeError::UnknownVersion { found });
        }
        let length = usize::try_from(u32::from_le_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let expected = length.saturating_add(HEADER_BYTES);
        if bytes < expected {
            return Err(DecodeError::Truncated { bytes, needed: expected });
        }
        if bytes > expected {
            return Err(DecodeError::TrailingBytes { bytes, expected });
        }
        let (config, rest) =
            postcard::take_from_bytes::<Self>(fields).map_err(|_| DecodeError::Malformed)?;
        if !rest.is_empty() {
            return Err(DecodeError::Malformed);
        }
        config.validate().map_err(DecodeError::Invalid)?;
        Ok(config)
    }
}
