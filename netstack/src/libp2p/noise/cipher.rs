//! One direction of a noise connection: a key and the number of its next message.

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Key, KeyInit, Nonce, Tag};

use super::TAG_BYTES;

/// The number that no message may have (Noise section 5.1).
const RESERVED: u64 = u64::MAX;

/// A key and the number of the next message.
pub(super) struct Cipher {
    key: ChaCha20Poly1305,
    pub(super) next: u64,
}

/// The nonce of ChaChaPoly: four zero bytes, then the number, little-endian (Noise section 12.3).
pub(super) fn nonce(number: u64) -> Nonce {
    let mut nonce = Nonce::default();
    let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
    nonce.0 = [0, 0, 0, 0, a, b, c, d, e, f, g, h];
    nonce
}

impl Cipher {
    pub(super) fn new(key: [u8; 32]) -> Self {
        Self { key: ChaCha20Poly1305::new(&Key::from(key)), next: 0 }
    }

    /// True when no message can be sealed or opened any more.
    pub(super) fn is_exhausted(&self) -> bool {
        self.next == RESERVED
    }

    /// Encrypts in place; the tag, or nothing when the key is used up.
    pub(super) fn seal(&mut self, message: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
        if self.is_exhausted() {
            return None;
        }
        let tag = self.key.encrypt_inout_detached(&nonce(self.next), &[], message.into()).ok()?;
        self.next += 1;
        Some(tag.0)
    }

    /// Decrypts; nothing has been written when the message is not what was sealed.
    pub(super) fn open(&mut self, message: InOutBuf<'_, '_, u8>, tag: [u8; TAG_BYTES]) -> bool {
        let number = nonce(self.next);
        let opened = self.key.decrypt_inout_detached(&number, &[], message, &Tag::from(tag));
        self.next += u64::from(opened.is_ok());
        opened.is_ok()
    }
}

impl core::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Cipher").field("next", &self.next).finish_non_exhaustive()
    }
}
