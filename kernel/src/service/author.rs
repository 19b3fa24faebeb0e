//! `getDataSrv`, `callbackSrv`, `errorHandlingSrv`: the services of a particle's author.
//!
//! When the node itself starts a particle it plays the part that a client plays for its own: it hands
//! out the arguments, and takes the answer and the errors (fluence-network.md §4.4, §6.5).

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use air_core::value::Value;

use super::Outcome;
use super::failure::Failure;
use crate::executor::Slot;

/// What a script gave to its author.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The arguments of `callbackSrv.response`: none is `null`, one is itself, more are an array.
    Response(Value),
    /// The error object given to `errorHandlingSrv.error`.
    Error(Value),
}

/// What an author hands out.
#[derive(Debug)]
enum Data {
    /// Values by their names.
    Named(BTreeMap<String, Value>),
    /// The same value under every name but one, under which clients give the peer that they are
    /// connected to: the node stands for it.
    Scope { scope: Value, peer_id: Arc<str> },
}

impl Data {
    fn get(&self, name: &str) -> Option<Value> {
        match self {
            Self::Named(values) => values.get(name).cloned(),
            Self::Scope { peer_id, .. } if name == RELAY => Some(Value::String(peer_id.clone())),
            Self::Scope { scope, .. } => Some(scope.clone()),
        }
    }
}

/// The name under which compiled functions ask for the peer that their client is connected to.
const RELAY: &str = "-relay-";

/// The node's part in a particle that it started.
#[derive(Debug)]
pub struct Author {
    data: Data,
    answer: Slot<Answer>,
}

/// Whether a call of this function is what the author waits for.
pub(super) fn is_last_word(service: &str, function: &str) -> bool {
    matches!((service, function), ("callbackSrv", "response") | ("errorHandlingSrv", "error"))
}

impl Author {
    /// An author who hands out `data` by name.
    #[must_use]
    pub fn new(data: BTreeMap<String, Value>) -> Self {
        Self { data: Data::Named(data), answer: Slot::new() }
    }

    /// An author who hands out `scope` by every name, and the node's own `peer_id` as the relay.
    #[must_use]
    pub fn of_scope(scope: Value, peer_id: Arc<str>) -> Self {
        Self { data: Data::Scope { scope, peer_id }, answer: Slot::new() }
    }

    /// Where the first answer of the script appears.
    #[must_use]
    pub fn answer(&self) -> &Slot<Answer> {
        &self.answer
    }

    pub(super) fn call(
        &self,
        service: &str,
        function: &str,
        arguments: &[Value],
    ) -> Option<Outcome> {
        Some(match (service, function) {
            ("getDataSrv", name) => match self.data.get(name) {
                Some(value) => Ok(Some(value)),
                None => Err(Failure::Message("value not found".into())),
            },
            ("callbackSrv", "response") => {
                response(arguments).and_then(|value| self.take(Answer::Response(value)))
            }
            // Other callbacks have nobody behind them; the script goes on as if they had been heard.
            ("callbackSrv", _) => empty_object(),
            ("errorHandlingSrv", "error") => {
                self.take(Answer::Error(arguments.first().cloned().unwrap_or_default()))
            }
            _ => return None,
        })
    }

    /// Keeps the first answer; a later one changes nothing, as nobody waits any more.
    fn take(&self, answer: Answer) -> Outcome {
        self.answer.put(answer);
        empty_object()
    }
}

fn response(arguments: &[Value]) -> Result<Value, Failure> {
    match arguments {
        [] => Ok(Value::Null),
        [value] => Ok(value.clone()),
        values => Ok(Value::array(values.into())?),
    }
}

fn empty_object() -> Outcome {
    Ok(Some(Value::object(Vec::new())?))
}
