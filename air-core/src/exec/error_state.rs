//! `%last_error%` and `:error:` (air-language §7).

use alloc::borrow::Cow;
use alloc::sync::Arc;

use crate::ast::{NodeId, Script};
use crate::data::{Provenance, Tetraplet};
use crate::value::Value;

use super::failure::Failure;

/// An error on its way out, and the instruction that raised it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thrown {
    pub(crate) failure: Failure,
    pub(crate) node: NodeId,
}

/// Both error variables.
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorState {
    /// `%last_error%`
    pub(crate) last: Slot,
    /// `:error:`
    pub(crate) error: Slot,
    /// The error that the enclosing `xor` caught; `fail :error:` raises it again.
    origin: Option<Thrown>,
}

/// One of the variables.
#[derive(Debug, Clone)]
pub(crate) struct Slot {
    object: Object,
    pub(crate) tetraplet: Option<Arc<Tetraplet>>,
    pub(crate) provenance: Provenance,
    /// Whether the next error may be recorded.
    open: bool,
}

/// An error object, made into a value when it is read.
#[derive(Debug, Clone)]
enum Object {
    NoError,
    Value(Value),
    Recorded { code: i64, node: NodeId, message: Cow<'static, str>, peer: Option<Arc<str>> },
}

impl Default for Slot {
    fn default() -> Self {
        Self {
            object: Object::NoError,
            tetraplet: None,
            provenance: Provenance::Literal,
            open: true,
        }
    }
}

impl Slot {
    /// The error object.
    pub(crate) fn value(&self, script: &Script) -> Value {
        match &self.object {
            Object::NoError => error_object(0, None, "", None),
            Object::Value(value) => value.clone(),
            Object::Recorded { code, node, message, peer } => {
                let instruction = script.instruction_text(*node);
                error_object(*code, Some(&instruction), message, peer.as_ref())
            }
        }
    }

    fn set(&mut self, object: Object, tetraplet: Option<Arc<Tetraplet>>, provenance: Provenance) {
        self.object = object;
        self.tetraplet = tetraplet;
        self.provenance = provenance;
    }
}

/// An error object of §7.
pub(crate) fn error_object(
    code: i64,
    instruction: Option<&str>,
    message: &str,
    peer: Option<&Arc<str>>,
) -> Value {
    let mut members = alloc::vec![
        ("error_code".into(), Value::from(code)),
        ("message".into(), Value::from(message)),
    ];
    if let Some(instruction) = instruction {
        members.push(("instruction".into(), Value::from(instruction)));
    }
    if let Some(peer) = peer {
        members.push(("peer_id".into(), Value::String(peer.clone())));
    }
    // An object of numbers and strings is not too deep.
    Value::object(members).unwrap_or_default()
}

/// Who raised an error, for its record.
#[derive(Debug, Clone)]
pub(crate) struct Culprit {
    pub(crate) node: NodeId,
    /// The peer of the record; in `:error:` only if `log_peer`.
    pub(crate) peer: Arc<str>,
    pub(crate) log_peer: bool,
    pub(crate) tetraplet: Option<Arc<Tetraplet>>,
}

impl ErrorState {
    /// An error was raised. Instructions that it passes through afterwards need not report it: both
    /// variables are closed for it by then.
    pub(crate) fn record(&mut self, failure: &Failure, culprit: Culprit) {
        let Culprit { node, peer, log_peer, tetraplet } = culprit;
        let recorded = |peer| Object::Recorded {
            code: failure.code,
            node,
            message: failure.message.clone(),
            peer,
        };
        if self.last.open && failure.is_catchable() && !failure.is_comparison() {
            self.last.set(recorded(Some(peer.clone())), tetraplet.clone(), Provenance::Literal);
            self.last.open = false;
        }
        if self.error.open && failure.is_catchable() {
            self.error.set(recorded(log_peer.then_some(peer)), tetraplet, Provenance::Literal);
            self.origin = None;
        }
        self.error.open = false;
    }

    /// `fail` raises an object: `%last_error%` becomes it, whether it was open or not.
    pub(crate) fn fail_with(
        &mut self,
        value: Value,
        tetraplet: Option<Arc<Tetraplet>>,
        provenance: Provenance,
    ) {
        self.last.set(Object::Value(value), tetraplet, provenance);
        self.last.open = false;
    }

    /// `fail :error:` keeps `:error:` as it is; the error that it raises again, if there is one.
    pub(crate) fn fail_again(&mut self) -> Option<Thrown> {
        self.error.open = false;
        self.origin.clone()
    }

    /// A `xor` caught an error; its right branch begins.
    pub(crate) fn caught(&mut self, thrown: Thrown) {
        self.last.open = true;
        self.error.open = true;
        self.origin = Some(thrown);
    }

    /// The right branch of a `xor` has ended.
    pub(crate) fn handled(&mut self, successfully: bool) {
        if self.error.open {
            self.error = Slot::default();
            self.origin = None;
        }
        if successfully {
            self.error.open = true;
        }
    }

    /// A `par` with a successful branch has ended.
    pub(crate) fn par_succeeded(&mut self) {
        self.last.open = true;
    }
}
