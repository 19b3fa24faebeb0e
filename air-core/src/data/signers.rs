//! Who answers for what: grouping of CIDs by peer, verification of signatures, merge of signature
//! stores (air-data §6.5, §6.6; code 9).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use hashbrown::HashMap;

use super::key_pair::{
    FORMAT_ED25519, FORMAT_SECP256K1, PUBLIC_KEY_LEN, PublicKey, WrongSignature,
    peer_id_of_public_key,
};
use super::limits::MAX_SIGNERS;
use super::signature::signed_message;
use super::{
    CallState, CanonState, Cid, CidStores, KeyPairError, ParticleData, SignatureEntry,
    SignatureStore, State, StoreError, StoreKind, ValueRef,
};

/// Why signatures are refused (code 9), or the trace that they are for (code 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignatureError {
    /// More peers have signed than are allowed.
    TooManySigners,
    /// A public key that is none, or of a format that is not allowed.
    MalformedKey(Box<[u8]>),
    /// A peer produced something and has not signed.
    NoKey(String),
    /// A signature is not by its peer over what the peer produced.
    Mismatch {
        /// The peer.
        peer_id: String,
        /// The public key, with its format.
        public_key: Box<[u8]>,
        /// The signature, with its format.
        signature: Box<[u8]>,
        /// What it would have to be over.
        cids: Vec<Cid>,
        /// How it is wrong.
        cause: WrongSignature,
    },
    /// What a peer produced according to both data contradicts itself.
    Inconsistent {
        /// The peer.
        peer_id: String,
        /// What it produced according to previous data.
        previous: Vec<Cid>,
        /// What it produced according to current data.
        current: Vec<Cid>,
    },
    /// The trace refers to something that no store has.
    Dangling(StoreError),
}

impl fmt::Display for SignatureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManySigners => write!(f, "more than {MAX_SIGNERS} peers have signed"),
            Self::MalformedKey(key) => {
                let cause = match key.first() {
                    Some(&FORMAT_SECP256K1) => KeyPairError::NotAllowed.cause(),
                    Some(&FORMAT_ED25519) if key.len() != PUBLIC_KEY_LEN => {
                        KeyPairError::InvalidLength.cause()
                    }
                    Some(&FORMAT_ED25519) => {
                        "invalid key data: Failed to decode with ed25519: signature error: \
                         Cannot decompress Edwards point"
                    }
                    _ => KeyPairError::UnknownFormat.cause(),
                };
                let key = bs58::encode(key).into_string();
                write!(f, "malformed key: {key:?}: {cause}")
            }
            Self::NoKey(peer_id) => {
                write!(f, "peer_id doens't match any available public key: {peer_id:?}")
            }
            Self::Mismatch { peer_id, public_key, signature, cids, cause } => {
                write!(f, "signature mismatch for {peer_id:?}: ")?;
                let source = match cause {
                    WrongSignature::Format => None,
                    WrongSignature::Length => Some("None"),
                    WrongSignature::Scalar => Some("Some(Cannot use scalar with high-bit set)"),
                    WrongSignature::Equation => {
                        Some("Some(Verification equation was not satisfied)")
                    }
                };
                match source {
                    None => f.write_str("InvalidSignature(InvalidTypeByte)")?,
                    Some(source) => write!(
                        f,
                        "Verification(Ed25519(signature::Error {{ source: {source} }}, {:?}, {:?}))",
                        without_format(signature),
                        without_format(public_key)
                    )?,
                }
                write!(f, ", values: CIDS: {cids:?}")
            }
            Self::Inconsistent { peer_id, previous, current } => write!(
                f,
                "inconsistent CID multisets on merge for peer {peer_id:?}, prev: {previous:?}, \
                 current: {current:?}"
            ),
            Self::Dangling(error) => write!(f, "{error}"),
        }
    }
}

/// Key or signature as messages show them.
fn without_format(bytes: &[u8]) -> String {
    let (_, raw) = bytes.split_at_checked(1).unwrap_or_default();
    bs58::encode(raw).into_string()
}

/// Verifies the signatures of `current`; the merge of both signature stores.
///
/// `previous` is trusted: a signature that stands there over the same CIDs is not verified again.
pub fn verify_signatures(
    previous: &ParticleData,
    current: &ParticleData,
    salt: &str,
) -> Result<SignatureStore, SignatureError> {
    let previous = Signers::of_trusted(previous)?;
    let current = Signers::of(current, &previous)?;
    for signer in &current.signers {
        let known = previous.by_key(signer.public_key);
        if known.is_some_and(|k| k.signature == signer.signature && k.cids == signer.cids) {
            continue;
        }
        let message = signed_message(signer.cids.clone(), salt);
        if let Err(cause) = signer.key()?.verify(&message, signer.signature) {
            return Err(SignatureError::Mismatch {
                peer_id: signer.peer_id.clone(),
                public_key: signer.public_key.into(),
                signature: signer.signature.into(),
                cids: owned(&signer.cids),
                cause,
            });
        }
    }
    merge(&previous, &current)
}

/// A peer that has signed data, what it answers for, and whether its signature is over that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPart<'a> {
    /// The peer.
    pub peer_id: String,
    /// The CIDs that it produced, sorted; one that is in several states is here as often.
    pub cids: Vec<&'a Cid>,
    /// Whether the signature is the peer's over these CIDs and the salt.
    pub is_valid: bool,
}

/// Who signed what in data, in the order of the signature store: for people who look at data.
///
/// # Errors
/// A key is malformed, or somebody has not signed what the trace says it produced.
pub fn signed_parts<'a>(
    data: &'a ParticleData,
    salt: &str,
) -> Result<Vec<SignedPart<'a>>, SignatureError> {
    let parts = Signers::of(data, &Signers::default())?.signers.into_iter().map(|signer| {
        let message = signed_message(signer.cids.clone(), salt);
        let is_valid = signer.key()?.verify(&message, signer.signature).is_ok();
        Ok(SignedPart { peer_id: signer.peer_id, cids: signer.cids, is_valid })
    });
    parts.collect()
}

/// Of every peer the signature over more; what it is over less must be a part of that.
fn merge(previous: &Signers<'_>, current: &Signers<'_>) -> Result<SignatureStore, SignatureError> {
    let mut merged = SignatureStore::default();
    for known in &previous.signers {
        let winner = match current.by_key(known.public_key) {
            Some(other) => larger(known, other)?,
            None => known,
        };
        merged.put(winner.entry());
    }
    for signer in &current.signers {
        if previous.by_key(signer.public_key).is_none() {
            merged.put(signer.entry());
        }
    }
    Ok(merged)
}

fn larger<'s, 'a>(
    previous: &'s Signer<'a>,
    current: &'s Signer<'a>,
) -> Result<&'s Signer<'a>, SignatureError> {
    let (winner, part) = if previous.cids.len() >= current.cids.len() {
        (previous, current)
    } else {
        (current, previous)
    };
    if is_part_of(&part.cids, &winner.cids) {
        Ok(winner)
    } else {
        Err(SignatureError::Inconsistent {
            peer_id: previous.peer_id.clone(),
            previous: owned(&previous.cids),
            current: owned(&current.cids),
        })
    }
}

/// Whether the sorted multiset `part` is contained in the sorted multiset `whole`.
fn is_part_of(part: &[&Cid], whole: &[&Cid]) -> bool {
    let mut rest = whole.iter();
    part.iter().all(|cid| rest.by_ref().any(|candidate| candidate == cid))
}

fn owned(cids: &[&Cid]) -> Vec<Cid> {
    cids.iter().copied().cloned().collect()
}

/// A peer that has signed, with what it produced.
struct Signer<'a> {
    peer_id: String,
    public_key: &'a [u8],
    /// Nothing while it has not been read: that takes microseconds.
    key: Option<PublicKey>,
    signature: &'a [u8],
    /// Sorted; a CID that is in several states is here as often.
    cids: Vec<&'a Cid>,
}

impl Signer<'_> {
    fn key(&self) -> Result<PublicKey, SignatureError> {
        match &self.key {
            Some(key) => Ok(key.clone()),
            None => read_key(self.public_key),
        }
    }

    fn entry(&self) -> SignatureEntry {
        SignatureEntry { public_key: self.public_key.into(), signature: self.signature.into() }
    }
}

fn read_key(public_key: &[u8]) -> Result<PublicKey, SignatureError> {
    PublicKey::from_bytes(public_key).ok_or_else(|| SignatureError::MalformedKey(public_key.into()))
}

/// The peers that have signed some data, in the order of the signature store.
#[derive(Default)]
struct Signers<'a> {
    signers: Vec<Signer<'a>>,
    index_by_key: HashMap<&'a [u8], usize>,
}

impl<'a> Signers<'a> {
    /// The peers that have signed `data`, which were verified when they came.
    fn of_trusted(data: &'a ParticleData) -> Result<Self, SignatureError> {
        Self::gather(data, |_| Ok(None))
    }

    /// The peers that have signed `data`. Keys that are among the `known` ones have been read before.
    fn of(data: &'a ParticleData, known: &Signers<'_>) -> Result<Self, SignatureError> {
        Self::gather(data, |public_key| match known.by_key(public_key) {
            Some(_) => Ok(None),
            None => read_key(public_key).map(Some),
        })
    }

    fn gather(
        data: &'a ParticleData,
        read: impl Fn(&[u8]) -> Result<Option<PublicKey>, SignatureError>,
    ) -> Result<Self, SignatureError> {
        if data.signatures.len() > MAX_SIGNERS {
            return Err(SignatureError::TooManySigners);
        }
        let mut signers = Vec::with_capacity(data.signatures.len());
        let mut index_by_key = HashMap::new();
        let mut index_by_peer: HashMap<String, usize> = HashMap::new();
        for (index, (public_key, signature)) in data.signatures.iter().enumerate() {
            let peer_id = peer_id_of_public_key(public_key)
                .ok_or_else(|| SignatureError::MalformedKey(public_key.into()))?;
            let key = read(public_key)?;
            index_by_peer.insert(peer_id.clone(), index);
            index_by_key.insert(public_key, index);
            signers.push(Signer { peer_id, public_key, key, signature, cids: Vec::new() });
        }
        for state in &data.trace {
            let Some((peer, cid)) = producer(state, &data.stores)? else { continue };
            let signer = index_by_peer.get(peer).and_then(|index| signers.get_mut(*index));
            let signer = signer.ok_or_else(|| SignatureError::NoKey(peer.into()))?;
            signer.cids.push(cid);
        }
        for signer in &mut signers {
            signer.cids.sort_unstable();
        }
        Ok(Self { signers, index_by_key })
    }

    fn by_key(&self, public_key: &[u8]) -> Option<&Signer<'a>> {
        self.index_by_key.get(public_key).and_then(|index| self.signers.get(*index))
    }
}

/// Which peer answers for a state, and by which CID; nothing where nobody does.
fn producer<'a>(
    state: &'a State,
    stores: &'a CidStores,
) -> Result<Option<(&'a str, &'a Cid)>, SignatureError> {
    let (cid, tetraplet, from) = match state {
        State::Call(
            CallState::Executed(ValueRef::Scalar(cid) | ValueRef::Stream { cid, .. })
            | CallState::Failed(cid),
        ) => {
            let result = stores.service_results.get(cid);
            (cid, result.map(|result| &result.tetraplet_cid), StoreKind::ServiceResult)
        }
        State::Canon(CanonState::Executed(cid)) => {
            let result = stores.canon_results.get(cid);
            (cid, result.map(|result| &result.tetraplet), StoreKind::CanonResult)
        }
        _ => return Ok(None),
    };
    let dangling = |from, to, cid: &Cid| {
        SignatureError::Dangling(StoreError::Dangling { from, to, cid: cid.clone() })
    };
    let tetraplet_cid = tetraplet.ok_or_else(|| dangling(StoreKind::Trace, from, cid))?;
    let tetraplet = stores
        .tetraplets
        .get(tetraplet_cid)
        .ok_or_else(|| dangling(from, StoreKind::Tetraplet, tetraplet_cid))?;
    Ok(Some((&tetraplet.peer_pk, cid)))
}
