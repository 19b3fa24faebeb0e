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
//!
//! # Where it differs from the reference
//!
//! | what comes in | the reference | here | test |
//! |---|---|---|---|
//! | two references to one string that disagree about its length | reads beyond the string (D6) | code 2 | `references_to_one_text_must_agree_about_its_length` |
//! | a trace that names a CID which no store has | crashes (D3) | code 8 | `references_to_nothing_are_refused_with_8` |
//! | an empty public key or signature | crashes (D3) | code 9 | `every_wrong_signature_is_refused_with_9` |
//! | more than [`MAX_SIGNERS`] signatures | verifies them all | code 9 | `so_many_signers_are_allowed_and_not_one_more` |
//! | a CID in a multibase other than base32 and base58btc | accepts it | code 8 | `what_is_no_cid_is_malformed` |
//! | `inner_data` as a string or an array of numbers | accepts it | code 4 | `damage_is_refused_with_the_code_of_its_place` |
//! | a wrong CID or signature in current data that previous data hold as well | verifies it | trusts it, as previous data are | `what_previous_data_hold_is_not_verified_again` |
//! | entries of stores and signatures | in the order of a hash map | in the order of arrival | `data_come_back_as_they_were_written` |

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
mod peer_id;
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
pub use signers::{SignatureError, SignedPart, signed_parts};
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
