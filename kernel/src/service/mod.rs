//! The services that scripts can call on this node.
//!
//! A call is answered with a return code and a JSON text; code 0 means that the text is the value, any
//! other that it is a JSON string with the error (fluence-network.md §4.1). Every built-in is total:
//! whatever the arguments, it answers with code 0 or 1, within the bounds of [`crate::limits`].
//!
//! | service | functions | file |
//! |---|---|---|
//! | `op` | `noop identity array array_length concat concat_strings string_to_b58 string_from_b58 bytes_to_b58 bytes_from_b58 sha256_string` | `op.rs` |
//! | `json` | `obj put puts obj_pairs puts_pairs parse stringify` | `json.rs` |
//! | `math` | `add sub mul fmul div rem pow log` | `math.rs` |
//! | `cmp` | `gt gte lt lte cmp` | `cmp.rs` |
//! | `array` | `sum dedup intersect diff sdiff slice length` | `array.rs` |
//! | `debug` | `stringify` | `debug.rs` |
//! | `peer` | `identify timestamp_ms timestamp_sec timeout is_connected` | `peer.rs` |
//! | `run-console` | `print` (author must be the node) | `console.rs` |
//! | `getDataSrv callbackSrv errorHandlingSrv` | for particles that the node started | `author.rs` |
//!
//! # Not there
//!
//! `peer.connect`, `peer.get_contact`, `kad`, `sig`, `srv`, `dist`, `stat`, `vault`, `spell`, `worker`,
//! `vm`, `subnet`, `connector`, and services in WebAssembly. A call of any of them is answered with the
//! reference's own text for a service that does not exist, which programs know how to handle.

mod arguments;
mod array;
mod author;
mod bounded_json;
mod cmp;
mod console;
mod debug;
mod failure;
mod json;
mod math;
mod op;
mod peer;

pub use author::{Answer, Author};
pub(crate) use bounded_json::write_json_excerpt;
pub use bounded_json::{Unwritable, weigh, write_json};
pub use failure::Failure;

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::sync::Arc;

use air_core::CallResult;
use air_core::value::Value;
use futures_util::future::LocalBoxFuture;

use crate::executor::Executor;
use crate::limits::{MAX_CALL_ARGUMENTS, MAX_CALL_RESULT_BYTES};
use crate::machine::Machine;

/// What a built-in gives: a value, nothing, or an error.
type Outcome = Result<Option<Value>, Failure>;

/// A call that was started.
pub enum Started {
    /// It was answered at once.
    Done(CallResult),
    /// It waits for something.
    Waiting(LocalBoxFuture<'static, CallResult>),
}

/// What a service may know of the particle that calls it.
#[derive(Clone)]
pub struct Caller {
    /// The peer that wrote the particle.
    pub init_peer_id: Arc<str>,
    /// Set if the node itself wrote it.
    pub author: Option<Rc<Author>>,
}

/// The services of one node.
pub struct Services {
    peer_id: Arc<str>,
    machine: Rc<dyn Machine>,
    executor: Executor,
    max_result_bytes: usize,
}

impl Services {
    /// The services of the node `peer_id`, whose results have `max_result_bytes` of JSON at most.
    #[must_use]
    pub fn new(
        peer_id: Arc<str>,
        machine: Rc<dyn Machine>,
        executor: Executor,
        max_result_bytes: usize,
    ) -> Self {
        let max_result_bytes = max_result_bytes.min(MAX_CALL_RESULT_BYTES);
        Self { peer_id, machine, executor, max_result_bytes }
    }

    /// Starts a call. Arguments that cost much to look at are the caller's to schedule: see [`weigh`].
    #[must_use]
    pub fn start(
        &self,
        caller: &Caller,
        service: &str,
        function: &str,
        arguments: &[Value],
    ) -> Started {
        let limit = self.max_result_bytes;
        if arguments.len() > MAX_CALL_ARGUMENTS {
            let message = format!(
                "call has {} arguments, more than the limit of {MAX_CALL_ARGUMENTS}",
                arguments.len()
            );
            return Started::Done(reply(Err(Failure::Message(message)), limit));
        }
        if (service, function) == ("peer", "timeout") {
            return match peer::timeout(&self.executor, arguments) {
                Ok(waiting) => {
                    Started::Waiting(Box::pin(async move { reply(waiting.await, limit) }))
                }
                Err(failure) => Started::Done(reply(Err(failure), limit)),
            };
        }
        let outcome = self.call_at_once(caller, service, function, arguments);
        let outcome = outcome.unwrap_or_else(|| {
            let text = format!("Service with id '{service}' not found (function {function})");
            Err(Failure::Message(text))
        });
        Started::Done(reply(outcome, limit))
    }

    /// Answers a call that waits for nothing; `None` if there is no such function.
    fn call_at_once(
        &self,
        caller: &Caller,
        service: &str,
        function: &str,
        arguments: &[Value],
    ) -> Option<Outcome> {
        match service {
            "op" => op::call(function, arguments, self.max_result_bytes),
            "json" => json::call(function, arguments, self.max_result_bytes),
            "math" => math::call(function, arguments),
            "cmp" => cmp::call(function, arguments),
            "array" => array::call(function, arguments),
            "debug" => debug::call(function, arguments, self.max_result_bytes),
            "peer" => peer::call(&self.peer_id, &*self.machine, function, arguments),
            "run-console" => console::call(caller.author.is_some(), function, arguments),
            _ => caller.author.as_ref()?.call(service, function, arguments),
        }
    }
}

/// The answer as the interpreter takes it.
fn reply(outcome: Outcome, limit: usize) -> CallResult {
    let failure = match outcome {
        Ok(None) => return CallResult { ret_code: 0, result: "\"\"".into() },
        Ok(Some(value)) => match write_json(&value, limit) {
            Ok(result) => return CallResult { ret_code: 0, result },
            Err(error) => error.into(),
        },
        Err(failure) => failure,
    };
    CallResult { ret_code: 1, result: failure.to_json() }
}

impl core::fmt::Debug for Services {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Services").field("peer_id", &self.peer_id).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Caller {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Caller").field("init_peer_id", &self.init_peer_id).finish_non_exhaustive()
    }
}

impl core::fmt::Debug for Started {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Done(result) => f.debug_tuple("Done").field(result).finish(),
            Self::Waiting(_) => f.write_str("Waiting(..)"),
        }
    }
}

#[cfg(test)]
mod tests;
