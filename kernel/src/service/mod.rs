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
//! | `text` | `split starts_with` | `text.rs` |
//! | `debug` | `stringify` | `debug.rs` |
//! | `peer` | `identify timestamp_ms timestamp_sec timeout is_connected get_contact connect` (guarded) | `peer.rs` |
//! | `kad` | `neighborhood neigh_with_addrs merge` | `kad.rs` |
//! | `sig` | `sign` (guarded) `verify get_peer_id` | `sig.rs` |
//! | `srv` | `list info get_interface resolve_alias resolve_alias_opt`, and guarded `create add_alias remove` | `srv.rs` |
//! | `dist` | `list_modules list_blueprints get_blueprint` | `dist.rs` |
//! | `stat` | `service_memory service_stat` | `stat.rs` |
//! | `run-console` | `print` (guarded) | `console.rs` |
//! | `vault` | `get cat put list delete size sha256 fill`, of a program's run | `vault.rs` |
//! | `env` | `get list`, of a program's run | `env.rs` |
//! | `aleph` | `request get properties sign cache_get cache_put cache_delete cache_keys`, of a program that may | `aleph.rs` |
//! | `getDataSrv callbackSrv errorHandlingSrv` | for particles that the node started | `author.rs` |
//!
//! Guarded functions answer the node's own particles only.
//!
//! # Not there
//!
//! The rest of `dist`, `spell`, `worker`, `vm`, `subnet`, `connector`, and services in
//! WebAssembly: `srv`, `dist` and `stat` answer as on a node that runs none. A call of what is not
//! there is answered with the reference's own text for a service that does not exist, which programs
//! know how to handle.

mod aleph;
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
mod env;
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
mod text;
mod vault;

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
use core::time::Duration;

use air_core::value::Value;
use air_core::{CallRequest, CallResult};
use futures_util::future::LocalBoxFuture;

use crate::executor::Executor;
use crate::identity::Identity;
use crate::limits::{MAX_CALL_ARGUMENTS, MAX_CALL_RESULT_BYTES, MAX_CONNECTS_WAITING};
use crate::machine::Machine;
use crate::peers::Peers;
use crate::program::Run;

/// The answer to a program without `environment.internet`.
const NO_INTERNET: &str = "the program has no internet";
/// The answer to a program with `environment.reproducible`.
const NOT_REPRODUCIBLE: &str =
    "not in a reproducible run: the answer depends on the node's surroundings";

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
    /// Set if it is the run of a program.
    pub run: Option<Rc<Run>>,
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
        if let Some(run) = &caller.run
            && let Some(started) = self.start_for_run(run, service_id, function_name, arguments)
        {
            return started;
        }
        match (&**service_id, &**function_name) {
            ("peer", "timeout") => {
                let sleep = |ms| self.executor.sleep(Duration::from_millis(ms));
                waiting(peer::timeout(sleep, arguments), limit)
            }
            ("peer", "connect") => {
                waiting(peer::connect(self, self.is_host(caller), arguments), limit)
            }
            (service, function) => {
                let outcome = self.call_at_once(caller, service, function, request);
                if let Some(run) = &caller.run
                    && author::is_last_word(service, function)
                {
                    run.end();
                }
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

    /// Starts a call that is another one in the run of a program; `None` if it is not.
    fn start_for_run(
        &self,
        run: &Rc<Run>,
        service: &str,
        function: &str,
        arguments: &[Value],
    ) -> Option<Started> {
        let limit = self.max_result_bytes;
        let at_once = |outcome| Some(Started::Done(reply(outcome, limit)));
        match (service, function) {
            ("vault", function) => at_once(vault::call(run, function, arguments, limit)?),
            ("env", function) => at_once(env::call(run, function, arguments)?),
            ("aleph", function) if run.environment().aleph_api => {
                Some(waiting(aleph::call(run, function, arguments, limit)?, limit))
            }
            ("peer", "connect") if !run.environment().internet => {
                at_once(Err(Failure::Message(NO_INTERNET.into())))
            }
            (service, function) => {
                let clock = run.clock()?;
                match (service, function) {
                    ("peer", "timeout") => {
                        Some(waiting(peer::timeout(|ms| clock.sleep(ms), arguments), limit))
                    }
                    ("peer", "timestamp_ms") => at_once(Ok(Some(clock.now_ms().into()))),
                    ("peer", "timestamp_sec") => at_once(Ok(Some((clock.now_ms() / 1000).into()))),
                    ("peer", "identify" | "is_connected" | "get_contact" | "connect")
                    | ("kad", "neighborhood" | "neigh_with_addrs") => {
                        at_once(Err(Failure::Message(NOT_REPRODUCIBLE.into())))
                    }
                    _ => None,
                }
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
            "text" => text::call(function, arguments, self.max_result_bytes),
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
