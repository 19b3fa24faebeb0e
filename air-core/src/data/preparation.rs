//! From the bytes of two data to what a run starts from: steps 2 to 7 of a run (air-data §1).

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::archive::{self, ArchiveError};
use super::envelope::{
    DATA_VERSION, Envelope, EnvelopeError, INTERPRETER_VERSION, unsupported_version_text,
};
use super::signers::verify_signatures;
use super::verify::verify_stores;
use super::{
    CidStores, KeyPairError, ParticleData, SignatureError, SignatureStore, State, StoreError,
};
use crate::step::Signatures;

#[cfg(test)]
mod tests;

/// Why data or parameters are refused before anything runs. `Display` gives the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreparationError {
    /// The archive is malformed.
    Archive(ArchiveError),
    /// The envelope is malformed.
    Envelope(EnvelopeError),
    /// The data were written by an interpreter that is too old; its version.
    UnsupportedVersion(Arc<str>),
    /// The stores of current data are not what they should be.
    Stores(StoreError),
    /// Keys or signatures are wrong.
    Signatures(SignatureError),
    /// The key of the parameters is malformed.
    KeyPair(KeyPairError),
}

impl PreparationError {
    /// The code of the outcome (air-data §10).
    #[must_use]
    pub fn code(&self) -> i64 {
        match self {
            Self::Archive(_) => 2,
            Self::Envelope(EnvelopeError { versions: None, .. }) => 3,
            Self::Envelope(EnvelopeError { versions: Some(_), .. }) => 4,
            Self::UnsupportedVersion(_) => 6,
            Self::KeyPair(_) => 7,
            Self::Stores(_) | Self::Signatures(SignatureError::Dangling(_)) => 8,
            Self::Signatures(_) => 9,
        }
    }
}

impl fmt::Display for PreparationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Archive(error) => write!(
                f,
                "an error occurred while data deserialization: Data({error}).\n\
                 AquaVM version is {INTERPRETER_VERSION} and it expects {DATA_VERSION} version."
            ),
            Self::Envelope(error) => error.fmt(f),
            Self::UnsupportedVersion(version) => f.write_str(&unsupported_version_text(version)),
            Self::Stores(error) => error.fmt(f),
            Self::Signatures(error) => error.fmt(f),
            Self::KeyPair(error) => error.fmt(f),
        }
    }
}

impl From<ArchiveError> for PreparationError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

impl From<EnvelopeError> for PreparationError {
    fn from(error: EnvelopeError) -> Self {
        Self::Envelope(error)
    }
}

impl From<KeyPairError> for PreparationError {
    fn from(error: KeyPairError) -> Self {
        Self::KeyPair(error)
    }
}

/// What a run starts from.
#[derive(Clone, Debug, Default)]
pub struct Prepared {
    /// Trace of previous data.
    pub previous_trace: Vec<State>,
    /// Trace of current data.
    pub current_trace: Vec<State>,
    /// From previous data; that of current data does not matter.
    pub last_call_request_id: u32,
    /// The stores of both.
    pub stores: CidStores,
    /// The signatures of both; empty where signatures are not checked.
    pub signatures: SignatureStore,
}

/// Decodes both data, verifies the current ones and puts the two together.
///
/// `previous` is trusted (the host keeps it where nobody else writes), `salt` is the particle's id.
pub fn prepare(
    previous: &[u8],
    current: &[u8],
    salt: &str,
    signatures: Signatures,
) -> Result<Prepared, PreparationError> {
    let previous = Envelope::open(previous)?;
    let current = Envelope::open(current)?;
    if !current.is_recent_enough() {
        return Err(PreparationError::UnsupportedVersion(current.versions.interpreter));
    }
    let previous = previous.read()?;
    let current = current.read()?;
    let merged = verify(&previous, &current, salt, signatures)?;
    Ok(unite(previous, current, merged))
}

/// Reads data that came from elsewhere, as current data of a live session.
pub fn read_current(current: &[u8]) -> Result<ParticleData, PreparationError> {
    let current = Envelope::open(current)?;
    if !current.is_recent_enough() {
        return Err(PreparationError::UnsupportedVersion(current.versions.interpreter));
    }
    Ok(current.read()?)
}

/// Verifies `current` against `previous`, which is trusted; the signatures of the two together.
pub fn verify(
    previous: &ParticleData,
    current: &ParticleData,
    salt: &str,
    signatures: Signatures,
) -> Result<SignatureStore, PreparationError> {
    match signatures {
        Signatures::Unchecked => Ok(SignatureStore::default()),
        Signatures::Checked => {
            verify_stores(&current.stores, &previous.stores).map_err(PreparationError::Stores)?;
            verify_signatures(previous, current, salt).map_err(PreparationError::Signatures)
        }
    }
}

/// Puts two data together whose signatures are `signatures`.
#[must_use]
pub fn unite(
    mut previous: ParticleData,
    current: ParticleData,
    signatures: SignatureStore,
) -> Prepared {
    previous.stores.absorb(current.stores);
    Prepared {
        previous_trace: previous.trace,
        current_trace: current.trace,
        last_call_request_id: previous.last_call_request_id,
        stores: previous.stores,
        signatures,
    }
}

impl Envelope<'_> {
    /// Reads the archive.
    pub fn read(&self) -> Result<ParticleData, ArchiveError> {
        match self.archive {
            Some(archive) => archive::read(archive, &mut |_| {}),
            None => Ok(ParticleData::default()),
        }
    }
}

/// The message of an error, for outcomes.
impl From<PreparationError> for (i64, String) {
    fn from(error: PreparationError) -> Self {
        (error.code(), error.to_string())
    }
}
