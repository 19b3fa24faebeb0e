//! Interpreter data: what a particle carries between runs and between peers.
//!
//! [`ParticleData`] is the decoded form: the trace of what was executed, the content-addressed stores
//! that it refers to, and the signatures of the peers that produced it (air-data §4–§6).

mod cid;
mod particle;
mod signature;
mod stores;
mod tetraplet;
mod trace;

pub use cid::Cid;
pub use particle::{ParticleData, Versions};
pub use signature::{SignatureEntry, SignatureStore};
pub use stores::{
    CanonElement, CanonResult, CidStores, ServiceResult, Store, StoredValue, StoredValueError,
};
pub use tetraplet::{Provenance, Tetraplet};
pub use trace::{
    CallState, CanonState, FoldLore, GENERATION_STUB, Generations, Sender, State, SubTrace,
    SubTraces, ValueRef,
};
