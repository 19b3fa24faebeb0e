//! Bytes that are overwritten when they are no longer needed.
//!
//! What is freed without that stays in memory until something else is put there, which may be never.
//! Moves of a [`Secret`] move no bytes, so that none are left where it was.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use core::ops::{Deref, DerefMut};

/// Bytes on the heap that are overwritten when dropped, the room behind them included. Not shown by
/// `Debug`.
#[derive(Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// So many zeros, to be filled.
    #[must_use]
    pub fn zeros(bytes: usize) -> Self {
        Self(vec![0; bytes])
    }

    /// Keeps the first bytes only.
    pub fn truncate(&mut self, bytes: usize) {
        self.0.truncate(bytes);
    }

    /// The bytes, which are no secret after all.
    #[must_use]
    pub fn disclose(mut self) -> Vec<u8> {
        core::mem::take(&mut self.0)
    }
}

impl From<Vec<u8>> for Secret {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl DerefMut for Secret {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.clear();
        self.0.resize(self.0.capacity(), 0);
        zeroize::optimization_barrier(self.0.as_slice());
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Overwrites bytes in a way that the compiler does not leave out though nobody reads them again. As
/// quick as any store, where [`zeroize::Zeroize`] goes byte by byte.
pub fn erase(bytes: &mut [u8]) {
    bytes.fill(0);
    zeroize::optimization_barrier(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn what_was_cut_off_is_erased_and_what_is_shown_is_nothing() {
        let mut bytes = vec![7; 40];
        erase(&mut bytes[..39]);
        assert_eq!(bytes, [&[0; 39][..], &[7]].concat());
        let mut secret = Secret::from(vec![7; 40]);
        secret.truncate(2);
        secret[0] = 1;
        assert_eq!((&*secret, format!("{secret:?}").as_str()), (&[1, 7][..], "Secret(..)"));
        assert_eq!(secret.disclose(), [1, 7]);
        assert_eq!(&*Secret::zeros(3), [0; 3]);
    }
}
