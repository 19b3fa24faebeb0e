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
//! | `peer` | `identify timestamp_ms timestamp_sec timeout is_connected get_contact connect` (guarded) | `peer.rs` |
//! | `kad` | `neighborhood neigh_with_addrs merge` | `kad.rs` |
//! | `sig` | `sign` (guarded) `verify get_peer_id` | `sig.rs` |
//! | `srv` | `list info get_interface resolve_alias resolve_alias_opt`, and guarded `create add_alias remove` | `srv.rs` |
//! | `dist` | `list_modules list_blueprints get_blueprint` | `dist.rs` |
//! | `stat` | `service_memory service_stat` | `stat.rs` |
//! | `run-console` | `print` (guarded) | `console.rs` |
//! | `getDataSrv callbackSrv errorHandlingSrv` | for particles that the node started | `author.rs` |
//!
//! Guarded functions answer the node's own particles only.
//!
//! # Not there
//!
//! The rest of `dist`, `vault`, `spell`, `worker`, `vm`, `subnet`, `connector`, and services in
//! WebAssembly: `srv`, `dist` and `stat` answer as on a node that runs none. A call of what is not
//! there is answered with the reference's own text for a service that does not exist, which programs
//! know how to handle.

mod arguments;
mod array;
mod author;
mod base58;
mod bounded_json;
mod cmp;
mod console;
mod contact;
mod debug;
mod debug_form;
mod dist;
mod failure;
mod json;
mod kad;
mod math;
mod multihash;
mod op;
mod peer;
mod sig;
mod srv;
mod stat;

pub use author::{Answer, Author};
pub(crate) use bounded_json::write_json_excerpt;
pub use bounded_json::{Unwritable, weigh, write_json};
pub use failure::Failure;

use bounded_json::excerpt;

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::sync::Arc;
use core::cell::Cell;
use core::future::Future;

use air_core::value::Value;
use air_core::{CallRequest, CallResult};
use futures_util::future::LocalBoxFuture;

use crate::executor::Executor;
use crate::identity::Identity;
use crate::limits::{MAX_CALL_ARGUMENTS, MAX_CALL_RESULT_BYTES, MAX_CONNECTS_WAITING};
use crate::machine::Machine;
use crate::peers::Peers;

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
    identity: Identity,
    peers: Rc<dyn Peers>,
    machine: Rc<dyn Machine>,
    executor: Executor,
    max_result_bytes: usize,
    /// Calls of `peer.connect` that wait.
    connecting: Rc<Cell<usize>>,
}

impl Services {
    /// The services of the node that is `identity` and has `peers` around it, whose results have
    /// `max_result_bytes` of JSON at most.
    #[must_use]
    pub fn new(
        identity: Identity,
        peers: Rc<dyn Peers>,
        machine: Rc<dyn Machine>,
        executor: Executor,
        max_result_bytes: usize,
    ) -> Self {
        let max_result_bytes = max_result_bytes.min(MAX_CALL_RESULT_BYTES);
        Self { identity, peers, machine, executor, max_result_bytes, connecting: Rc::default() }
    }

    /// Starts a call. Arguments that cost much to look at are the caller's to schedule: see [`weigh`].
    /// A call that waits holds no more than its arguments, and is over when it is dropped.
    #[must_use]
    pub fn start(&self, caller: &Caller, request: &CallRequest) -> Started {
        let limit = self.max_result_bytes;
        let CallRequest { service_id, function_name, arguments, .. } = request;
        if arguments.len() > MAX_CALL_ARGUMENTS {
            let message = format!(
                "call has {} arguments, more than the limit of {MAX_CALL_ARGUMENTS}",
                arguments.len()
            );
            return Started::Done(reply(Err(Failure::Message(message)), limit));
        }
        match (&**service_id, &**function_name) {
            ("peer", "timeout") => waiting(peer::timeout(&self.executor, arguments), limit),
            ("peer", "connect") => {
                waiting(peer::connect(self, self.is_host(caller), arguments), limit)
            }
            (service, function) => {
                let outcome = self.call_at_once(caller, service, function, request);
                let outcome = outcome.unwrap_or_else(|| {
                    let (service, function) = (excerpt(service), excerpt(function));
                    Err(Failure::Message(format!(
                        "Service with id '{service}' not found (function {function})"
                    )))
                });
                Started::Done(reply(outcome, limit))
            }
        }
    }

    /// Answers a call that waits for nothing; `None` if there is no such function.
    fn call_at_once(
        &self,
        caller: &Caller,
        service: &str,
        function: &str,
        request: &CallRequest,
    ) -> Option<Outcome> {
        let arguments = &request.arguments[..];
        match service {
            "op" => op::call(function, arguments, self.max_result_bytes),
            "json" => json::call(function, arguments, self.max_result_bytes),
            "math" => math::call(function, arguments),
            "cmp" => cmp::call(function, arguments),
            "array" => array::call(function, arguments),
            "debug" => debug::call(function, arguments, self.max_result_bytes),
            "peer" => peer::call(self, function, arguments),
            "kad" => kad::call(&*self.peers, function, arguments),
            "sig" => sig::call(&self.identity, &caller.init_peer_id, function, request),
            "srv" => srv::call(self.is_host(caller), function, arguments),
            "dist" => dist::call(self.is_host(caller), function, arguments),
            "stat" => stat::call(function, arguments),
            "run-console" => console::call(self.is_host(caller), function, arguments),
            _ => caller.author.as_ref()?.call(service, function, arguments),
        }
    }

    /// Whether the node itself wrote the particle: it alone may call what is guarded.
    fn is_host(&self, caller: &Caller) -> bool {
        *caller.init_peer_id == **self.identity.peer_id()
    }
}

/// The right of one call of `peer.connect` to wait; given back when it is dropped.
struct Connecting(Rc<Cell<usize>>);

impl Connecting {
    fn begin(count: &Rc<Cell<usize>>) -> Option<Self> {
        if count.get() >= MAX_CONNECTS_WAITING {
            return None;
        }
        count.set(count.get() + 1);
        Some(Self(count.clone()))
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// A call that waits, or could not even begin to.
fn waiting(
    begun: Result<impl Future<Output = Outcome> + 'static, Failure>,
    limit: usize,
) -> Started {
    match begun {
        Ok(answer) => Started::Waiting(Box::pin(async move { reply(answer.await, limit) })),
        Err(failure) => Started::Done(reply(Err(failure), limit)),
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
        f.debug_struct("Services").field("identity", &self.identity).finish_non_exhaustive()
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
