//! The three messages of XX, and what their payloads prove.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use embedded_io_async::{Read, ReadExactError, Write};
use rand_core::CryptoRng;
use snow::params::{
    BaseChoice, CipherChoice, DHChoice, HandshakeChoice, HandshakeModifierList, HandshakePattern,
    HashChoice, NoiseParams,
};
use snow::{Builder, HandshakeState};
use zeroize::Zeroizing;

use super::cipher::Cipher;
use super::primitives::{KeyPair, Primitives};
use super::{Error, LENGTH_BYTES, Reader, TAG_BYTES, Writer};
use crate::libp2p::limits::NOISE_HANDSHAKE_BYTES;
use crate::libp2p::protobuf::{Fields, Value, put_bytes};
use crate::libp2p::{Keypair, PeerId};

/// What a peer signs, before its noise public key.
const SIGNED_PREFIX: &[u8] = b"noise-libp2p-static-key:";
const SIGNED_BYTES: usize = SIGNED_PREFIX.len() + 32;
/// Fields of the payload.
const IDENTITY_KEY: u32 = 1;
const IDENTITY_SIGNATURE: u32 = 2;
/// Bytes of a message beside its payload: two public keys, a tag each for one of them and the payload.
const OVERHEAD_BYTES: usize = 2 * 32 + 2 * TAG_BYTES;

/// The noise key of this node and the proof that it is this node's. Made once a process.
pub struct Identity {
    pattern: NoiseParams,
    keys: KeyPair,
    pub(super) payload: Vec<u8>,
}

impl Identity {
    /// Draws a noise key and signs it.
    pub fn new(keypair: &Keypair, rng: &mut impl CryptoRng) -> Self {
        let keys = KeyPair::new(*Ephemeral::draw(rng).0);
        let mut payload = Vec::new();
        put_bytes(&mut payload, IDENTITY_KEY, &keypair.peer_id().public_key_protobuf());
        put_bytes(&mut payload, IDENTITY_SIGNATURE, &keypair.sign(&signed(keys.public())));
        let pattern = NoiseParams::new(
            "Noise_XX_25519_ChaChaPoly_SHA256".into(),
            BaseChoice::Noise,
            HandshakeChoice {
                pattern: HandshakePattern::XX,
                modifiers: HandshakeModifierList { list: Vec::new() },
            },
            DHChoice::Curve25519,
            CipherChoice::ChaChaPoly,
            HashChoice::SHA256,
        );
        Self { pattern, keys, payload }
    }

    fn builder(&self, ephemeral: Ephemeral) -> Result<Builder<'_>, snow::Error> {
        let primitives = Primitives { local: self.keys.clone(), ephemeral: ephemeral.0 };
        Builder::with_resolver(self.pattern.clone(), Box::new(primitives))
            .local_private_key(self.keys.secret())
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// The secret of one handshake; wiped after it.
pub struct Ephemeral(Zeroizing<[u8; 32]>);

impl Ephemeral {
    /// Draws one.
    pub fn draw(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut_slice());
        Self(secret)
    }
}

impl fmt::Debug for Ephemeral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ephemeral").finish_non_exhaustive()
    }
}

/// A handshake that has succeeded.
#[derive(Debug)]
pub struct Session {
    peer_id: PeerId,
    hash: [u8; 32],
    incoming: Cipher,
    outgoing: Cipher,
}

impl Session {
    /// Who the peer has proved to be.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// The handshake's hash: the same on both sides, different for each connection.
    #[must_use]
    pub fn handshake_hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The encrypted halves over the halves of the stream that the handshake ran on.
    pub fn into_halves<R, W>(self, reader: R, writer: W) -> (Reader<R>, Writer<W>) {
        (Reader::new(reader, self.incoming), Writer::new(writer, self.outgoing))
    }
}

/// The handshake as the side that has dialled. Reads nothing beyond it.
///
/// # Errors
/// [`Error`]; the stream is then of no more use.
pub async fn dial<S: Read + Write>(
    stream: &mut S,
    identity: &Identity,
    ephemeral: Ephemeral,
) -> Result<Session, Error<S::Error>> {
    let builder = identity.builder(ephemeral).map_err(|error| failed(&error))?;
    let mut state = Box::new(builder.build_initiator().map_err(|error| failed(&error))?);
    send(stream, &mut state, &[]).await?;
    let payload = receive(stream, &mut state).await?;
    let peer_id = prove(&payload, &state)?;
    send(stream, &mut state, &identity.payload).await?;
    finish(&mut state, peer_id)
}

/// The handshake as the side that was dialled. Reads nothing beyond it.
///
/// # Errors
/// [`Error`]; the stream is then of no more use.
pub async fn listen<S: Read + Write>(
    stream: &mut S,
    identity: &Identity,
    ephemeral: Ephemeral,
) -> Result<Session, Error<S::Error>> {
    let builder = identity.builder(ephemeral).map_err(|error| failed(&error))?;
    let mut state = Box::new(builder.build_responder().map_err(|error| failed(&error))?);
    if !receive(stream, &mut state).await?.is_empty() {
        return Err(Error::Malformed);
    }
    send(stream, &mut state, &identity.payload).await?;
    let payload = receive(stream, &mut state).await?;
    let peer_id = prove(&payload, &state)?;
    finish(&mut state, peer_id)
}

fn finish<E>(state: &mut HandshakeState, peer_id: PeerId) -> Result<Session, Error<E>> {
    let hash = state.get_handshake_hash().try_into().map_err(|_| Error::Malformed)?;
    let keys = Zeroizing::new(state.dangerously_get_raw_split());
    let (first, second) = (Cipher::new(keys.0), Cipher::new(keys.1));
    // The first key is the initiator's to send with.
    let (outgoing, incoming) = if state.is_initiator() { (first, second) } else { (second, first) };
    Ok(Session { peer_id, hash, incoming, outgoing })
}

/// What a failure of the pattern means here. Each comes of the message in hand.
fn failed<E>(error: &snow::Error) -> Error<E> {
    match error {
        snow::Error::Decrypt | snow::Error::Dh => Error::Forged,
        _ => Error::Malformed,
    }
}

async fn send<S: Read + Write>(
    stream: &mut S,
    state: &mut HandshakeState,
    payload: &[u8],
) -> Result<(), Error<S::Error>> {
    let mut message = vec![0; LENGTH_BYTES + OVERHEAD_BYTES + payload.len()];
    let (length, body) = message.split_first_chunk_mut().ok_or(Error::Malformed)?;
    let written = state.write_message(payload, body).map_err(|error| failed(&error))?;
    *length = u16::try_from(written).map_err(|_| Error::Malformed)?.to_be_bytes();
    message.truncate(LENGTH_BYTES + written);
    stream.write_all(&message).await.map_err(Error::Stream)?;
    stream.flush().await.map_err(Error::Stream)
}

/// The payload of the next message.
async fn receive<S: Read + Write>(
    stream: &mut S,
    state: &mut HandshakeState,
) -> Result<Vec<u8>, Error<S::Error>> {
    let truncated = |error| match error {
        ReadExactError::UnexpectedEof => Error::Truncated,
        ReadExactError::Other(error) => Error::Stream(error),
    };
    let mut length = [0; LENGTH_BYTES];
    stream.read_exact(&mut length).await.map_err(truncated)?;
    let length = usize::from(u16::from_be_bytes(length));
    if length > NOISE_HANDSHAKE_BYTES {
        return Err(Error::Malformed);
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message).await.map_err(truncated)?;
    let mut payload = vec![0; length];
    let read = state.read_message(&message, &mut payload).map_err(|error| failed(&error))?;
    payload.truncate(read);
    Ok(payload)
}

fn signed(noise_key: &[u8]) -> [u8; SIGNED_BYTES] {
    let mut message = [0; SIGNED_BYTES];
    let parts = SIGNED_PREFIX.iter().chain(noise_key);
    message.iter_mut().zip(parts).for_each(|(slot, byte)| *slot = *byte);
    message
}

/// Who signed the noise key that the peer uses.
fn prove<E>(payload: &[u8], state: &HandshakeState) -> Result<PeerId, Error<E>> {
    let noise_key = state.get_remote_static().ok_or(Error::Malformed)?;
    let (mut key, mut signature) = (None, None);
    for field in Fields::new(payload) {
        match field.map_err(|_| Error::Malformed)? {
            (IDENTITY_KEY, Value::Bytes(bytes)) => key = Some(bytes),
            (IDENTITY_SIGNATURE, Value::Bytes(bytes)) => signature = Some(bytes),
            _ => {}
        }
    }
    let key = key.ok_or(Error::Malformed)?;
    let peer_id = PeerId::from_public_key_protobuf(key).map_err(|_| Error::Malformed)?;
    if peer_id.verify(&signed(noise_key), signature.ok_or(Error::Malformed)?) {
        Ok(peer_id)
    } else {
        Err(Error::Unproven)
    }
}
