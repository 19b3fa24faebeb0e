//! Why a store does not do what it is asked for.

use core::fmt;

use super::DeviceError;
use crate::limits::{MAX_STORE_KEY_BYTES, MAX_STORE_KEYS, MAX_STORE_VALUE_BYTES};

/// Why a store does not do what it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The key is empty or too long.
    Key,
    /// The value is too long.
    Value,
    /// There are too many keys.
    Keys,
    /// There is no room for it; nothing was lost.
    Full,
    /// There is no memory for the value.
    Memory,
    /// The disk can be read only.
    ReadOnly,
    /// What is on the disk is not what was written there.
    Damaged,
    /// The disk does not do its work.
    Device(DeviceError),
    /// An earlier write failed, so nothing more is written.
    Failed,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => write!(f, "a key has 1 to {MAX_STORE_KEY_BYTES} bytes"),
            Self::Value => write!(f, "a value has at most {MAX_STORE_VALUE_BYTES} bytes"),
            Self::Keys => write!(f, "there are {MAX_STORE_KEYS} keys already"),
            Self::Full => f.write_str("the volume is full"),
            Self::Memory => f.write_str("there is no memory for the value"),
            Self::ReadOnly => f.write_str("the disk can be read only"),
            Self::Damaged => f.write_str("what is on the disk is damaged"),
            Self::Device(error) => error.fmt(f),
            Self::Failed => f.write_str("an earlier write failed, so nothing more is written"),
        }
    }
}

impl core::error::Error for StoreError {}

impl From<DeviceError> for StoreError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}
