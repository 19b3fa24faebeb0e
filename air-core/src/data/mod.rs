//! Interpreter data: what a particle carries between runs and between peers.
//!
//! [`ParticleData`] is the decoded form: the trace of what was executed, the content-addressed stores
//! that it refers to, and the signatures of the peers that produced it (air-data §4–§6). [`prepare`]
//! makes of two data, the ones that this peer kept and the ones that came in, what a run starts from;
//! [`encode`] writes the result.
//!
//! Everything that comes from elsewhere is decoded by total functions: malformed input ends in an
//! error with the code that the specification assigns, takes memory in proportion to its length, and
//! never panics or recurses.

#[cfg(test)]
mod arbitrary;
pub mod archive;
mod call_requests;
mod call_results;
mod cid;
mod envelope;
mod foreign_cid;
mod json_form;
mod key_pair;
mod limits;
mod memory;
mod message_pack;
mod ordered_map;
mod particle;
mod preparation;
mod signature;
mod signers;
mod stores;
mod tetraplet;
mod trace;
mod verify;
mod version;

pub use call_requests::{decode_call_requests, encode_call_requests};
pub use call_results::{CallResults, CallResultsError, decode_call_results};
pub use cid::Cid;
pub use envelope::{
    DATA_VERSION, Envelope, EnvelopeError, INTERPRETER_VERSION, MINIMAL_INTERPRETER_VERSION, encode,
};
pub use foreign_cid::CidMismatch;
pub use json_form::data_json;
pub use key_pair::{KeyPair, KeyPairError, WrongSignature};
pub use limits::*;
pub use message_pack::MessagePackError;
pub use ordered_map::OrderedMap;
pub use particle::{ParticleData, Versions};
pub use preparation::{PreparationError, Prepared, prepare, read_current, unite, verify};
pub use signature::{SignatureEntry, SignatureStore, SignedCids};
pub use signers::SignatureError;
pub use stores::{
    CanonElement, CanonResult, CidStores, ServiceResult, Store, StoredValue, StoredValueError,
    StoresMark,
};
pub use tetraplet::{Provenance, Tetraplet};
pub use trace::{
    CallState, CanonState, FoldLore, GENERATION_STUB, Generations, Sender, State, SubTrace,
    SubTraces, ValueRef,
};
pub use verify::{StoreError, StoreKind};
