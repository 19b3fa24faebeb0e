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

impl ParticleData {
    /// About how many bytes the envelope will have: a guess to reserve memory by.
    pub(super) fn archive_size_estimate(&self) -> usize {
        const FIXED: usize = 512;
        const PER_STATE: usize = 32;
        const PER_CID_ENTRY: usize = 176;
        const PER_SIGNATURE: usize = 120;
        let entries = self.cid_count();
        let texts: usize = self.stores.values.iter().map(|(_, value)| value.text().len()).sum();
        FIXED
            + texts
            + self.trace.len() * PER_STATE
            + entries * PER_CID_ENTRY
            + self.signatures.len() * PER_SIGNATURE
    }

    /// Number of entries in the stores: about how many different CIDs there are.
    pub(super) fn cid_count(&self) -> usize {
        let stores = &self.stores;
        stores.values.len()
            + stores.tetraplets.len()
            + stores.canon_elements.len()
            + stores.canon_results.len()
            + stores.service_results.len()
    }
}
