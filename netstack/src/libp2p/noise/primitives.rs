//! The primitives that the noise pattern is built from, for `snow`.

use alloc::boxed::Box;
use core::mem;

use chacha20poly1305::aead::inout::InOutBuf;
use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, Key, KeyInit, Tag};
use sha2::{Digest, Sha256};
use snow::Error;
use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::CryptoResolver;
use snow::types::{Cipher, Dh, Hash, Random};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::TAG_BYTES;
use super::cipher::nonce;

/// What one handshake is made with.
pub(super) struct Primitives {
    /// The noise key of this node. Its public key is known, so that no handshake computes it again.
    pub(super) local: KeyPair,
    /// The secret of this handshake alone.
    pub(super) ephemeral: Zeroizing<[u8; 32]>,
}

impl CryptoResolver for Primitives {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Once(Some(self.ephemeral.clone()))))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        match choice {
            DHChoice::Curve25519 => Some(Box::new(self.local.clone())),
            DHChoice::Curve448 => None,
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        match choice {
            HashChoice::SHA256 => Some(Box::new(Sha(Sha256::new()))),
            _ => None,
        }
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        match choice {
            CipherChoice::ChaChaPoly => Some(Box::new(ChaChaPoly(None))),
            CipherChoice::AESGCM => None,
        }
    }
}

/// Gives one secret, once: a handshake draws nothing else.
struct Once(Option<Zeroizing<[u8; 32]>>);

impl Random for Once {
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        let secret = self.0.take().ok_or(Error::Rng)?;
        if bytes.len() != secret.len() {
            return Err(Error::Rng);
        }
        bytes.copy_from_slice(secret.as_slice());
        Ok(())
    }
}

/// An X25519 key pair.
#[derive(Clone)]
pub(super) struct KeyPair {
    secret: StaticSecret,
    public: PublicKey,
}

impl KeyPair {
    pub(super) fn new(secret: [u8; 32]) -> Self {
        let secret = StaticSecret::from(secret);
        let public = PublicKey::from(&secret);
        Self { secret, public }
    }

    pub(super) fn public(&self) -> &[u8; 32] {
        self.public.as_bytes()
    }

    pub(super) fn secret(&self) -> &[u8; 32] {
        self.secret.as_bytes()
    }
}

impl Dh for KeyPair {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, secret: &[u8]) {
        if secret != self.secret.as_bytes()
            && let Ok(secret) = secret.try_into()
        {
            *self = Self::new(secret);
        }
    }

    fn generate(&mut self, rng: &mut dyn Random) -> Result<(), Error> {
        let mut secret = Zeroizing::new([0; 32]);
        rng.try_fill_bytes(secret.as_mut_slice())?;
        *self = Self::new(*secret);
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        self.public.as_bytes()
    }

    fn privkey(&self) -> &[u8] {
        self.secret.as_bytes()
    }

    /// Refuses public keys of low order, with which the peer would choose the result alone.
    fn dh(&self, public: &[u8], out: &mut [u8]) -> Result<(), Error> {
        let public = public.first_chunk::<32>().ok_or(Error::Dh)?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(*public));
        if !shared.was_contributory() {
            return Err(Error::Dh);
        }
        *out.first_chunk_mut().ok_or(Error::Dh)? = *shared.as_bytes();
        Ok(())
    }
}

/// SHA-256.
struct Sha(Sha256);

impl Hash for Sha {
    fn name(&self) -> &'static str {
        "SHA256"
    }

    fn block_len(&self) -> usize {
        64
    }

    fn hash_len(&self) -> usize {
        32
    }

    fn reset(&mut self) {
        self.0 = Sha256::new();
    }

    fn input(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    fn result(&mut self, out: &mut [u8]) {
        let digest = mem::take(&mut self.0).finalize();
        out.iter_mut().zip(digest).for_each(|(slot, byte)| *slot = byte);
    }
}

/// ChaCha20-Poly1305, within the handshake; after it [`super::cipher`] does the work in place.
struct ChaChaPoly(Option<ChaCha20Poly1305>);

impl ChaChaPoly {
    fn seal(&self, number: u64, data: &[u8], plain: &[u8], out: &mut [u8]) -> Option<usize> {
        let (sealed, rest) = out.split_at_mut_checked(plain.len())?;
        let message = InOutBuf::new(plain, sealed).ok()?;
        let tag = self.0.as_ref()?.encrypt_inout_detached(&nonce(number), data, message).ok()?;
        *rest.first_chunk_mut()? = tag.0;
        Some(plain.len() + TAG_BYTES)
    }

    fn open(&self, number: u64, data: &[u8], sealed: &[u8], out: &mut [u8]) -> Option<usize> {
        let (sealed, tag) = sealed.split_last_chunk::<TAG_BYTES>()?;
        let message = InOutBuf::new(sealed, out.get_mut(..sealed.len())?).ok()?;
        let key = self.0.as_ref()?;
        key.decrypt_inout_detached(&nonce(number), data, message, &Tag::from(*tag)).ok()?;
        Some(sealed.len())
    }
}

impl Cipher for ChaChaPoly {
    fn name(&self) -> &'static str {
        "ChaChaPoly"
    }

    fn set(&mut self, key: &[u8; 32]) {
        self.0 = Some(ChaCha20Poly1305::new(&Key::from(*key)));
    }

    /// Writes nothing, and says so, when there is no key or no room; `snow` has seen to both.
    fn encrypt(&self, number: u64, data: &[u8], plain: &[u8], out: &mut [u8]) -> usize {
        self.seal(number, data, plain, out).unwrap_or(0)
    }

    fn decrypt(
        &self,
        number: u64,
        data: &[u8],
        sealed: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        self.open(number, data, sealed, out).ok_or(Error::Decrypt)
    }
}
