//! The decoded data of a particle.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{CidStores, SignatureStore, State};

/// The versions in the envelope (air-data §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// Version of the data format.
    pub data: Arc<str>,
    /// Version of the interpreter that wrote the data.
    pub interpreter: Arc<str>,
}

/// Everything that data holds, decoded. The default is what empty bytes stand for.
#[derive(Clone, Debug, Default)]
pub struct ParticleData {
    /// What was executed, in order.
    pub trace: Vec<State>,
    /// Number of the last request that the peer which wrote the data handed to its host.
    pub last_call_request_id: u32,
    /// What the trace refers to.
    pub stores: CidStores,
    /// Who answers for it.
    pub signatures: SignatureStore,
}
