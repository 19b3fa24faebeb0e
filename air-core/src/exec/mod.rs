//! The machine that executes a script.
//!
//! An execution walks the syntax tree with a stack of its own ([`machine`]); each instruction that owns
//! a state in the trace takes it from the merged data ([`merge`]) and leaves one. What variables hold
//! is in [`scopes`], [`streams`] and [`iteration`]; what an operand means is in [`select`] and [`lens`].
//!
//! Total on whatever data hold: what the reference answers with a crash is an error here, and every
//! count is bounded ([`limits`]).

mod ap;
pub(crate) mod argument_hashes;
mod branches;
mod call;
mod call_failure;
mod call_result;
mod canon;
mod canon_values;
pub(crate) mod checkpoint;
mod datum;
mod error_state;
mod fail;
mod failure;
mod fold;
mod frame;
mod iteration;
mod lens;
pub mod limits;
pub(crate) mod machine;
mod merge;
pub(crate) mod results;
mod scope;
mod scopes;
mod select;
pub(crate) mod settle;
mod stream;
mod stream_fold;
pub(crate) mod streams;
#[cfg(test)]
mod tests;
