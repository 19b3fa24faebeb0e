//! A readable form of data: JSON with the names of the reference's own printer (air-data §8.5).

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::{
    CallState, CanonState, Cid, Envelope, FoldLore, ParticleData, PreparationError, Provenance,
    State, Store, SubTraces, Tetraplet, ValueRef, Versions,
};
use crate::value::{TooDeep, Value};

/// Data in bytes as JSON: `{"versions": …, "data": {"trace", "lcid", "cid_info", "signatures"}}`.
pub fn data_json(bytes: &[u8]) -> Result<Value, PreparationError> {
    let envelope = Envelope::open(bytes)?;
    let data = envelope.read()?;
    Ok(data.to_value(&envelope.versions))
}

impl ParticleData {
    /// The readable form, with the versions of an envelope. Objects are sorted, so equal data give
    /// equal text whatever the order of entries.
    #[must_use]
    pub fn to_value(&self, versions: &Versions) -> Value {
        // The form nests less than ten levels.
        self.try_to_value(versions).unwrap_or_default()
    }

    fn try_to_value(&self, versions: &Versions) -> Result<Value, TooDeep> {
        let trace: Result<Vec<_>, _> = self.trace.iter().map(state).collect();
        let signatures = self.signatures.iter().map(|(key, signature)| {
            let text = |bytes: &[u8]| bs58::encode(bytes).into_string();
            (Arc::from(text(key)), Value::string(text(signature)))
        });
        object([
            (
                "versions",
                object([
                    ("version", Value::String(versions.data.clone())),
                    ("interpreter_version", Value::String(versions.interpreter.clone())),
                ])?,
            ),
            (
                "data",
                object([
                    ("trace", Value::array(trace?)?),
                    ("lcid", self.last_call_request_id.into()),
                    ("cid_info", self.cid_info()?),
                    ("signatures", Value::object(signatures.collect())?),
                ])?,
            ),
        ])
    }

    fn cid_info(&self) -> Result<Value, TooDeep> {
        let stores = &self.stores;
        object([
            ("value_store", store(&stores.values, |v| Ok(Value::String(v.text().clone())))?),
            ("tetraplet_store", store(&stores.tetraplets, |t| tetraplet(t))?),
            (
                "canon_element_store",
                store(&stores.canon_elements, |element| {
                    object([
                        ("value", cid(&element.value)),
                        ("tetraplet", cid(&element.tetraplet)),
                        ("provenance", provenance(&element.provenance)?),
                    ])
                })?,
            ),
            (
                "canon_result_store",
                store(&stores.canon_results, |result| {
                    let values = result.values.iter().map(cid).collect();
                    object([
                        ("tetraplet", cid(&result.tetraplet)),
                        ("values", Value::array(values)?),
                    ])
                })?,
            ),
            (
                "service_result_store",
                store(&stores.service_results, |result| {
                    object([
                        ("value_cid", cid(&result.value_cid)),
                        ("argument_hash", cid(&result.argument_hash)),
                        ("tetraplet_cid", cid(&result.tetraplet_cid)),
                    ])
                })?,
            ),
        ])
    }
}

fn object<const N: usize>(members: [(&str, Value); N]) -> Result<Value, TooDeep> {
    Value::object(members.into_iter().map(|(key, value)| (Arc::from(key), value)).collect())
}

fn store<T>(
    store: &Store<T>,
    value: impl Fn(&T) -> Result<Value, TooDeep>,
) -> Result<Value, TooDeep> {
    let members: Result<Vec<_>, _> =
        store.iter().map(|(cid, entry)| Ok((Arc::from(cid.to_string()), value(entry)?))).collect();
    Value::object(members?)
}

fn cid(cid: &Cid) -> Value {
    let mut text = String::new();
    cid.write_text(&mut text);
    Value::string(text)
}

fn tetraplet(tetraplet: &Tetraplet) -> Result<Value, TooDeep> {
    object([
        ("peer_pk", Value::String(tetraplet.peer_pk.clone())),
        ("service_id", Value::String(tetraplet.service_id.clone())),
        ("function_name", Value::String(tetraplet.function_name.clone())),
        ("lens", Value::String(tetraplet.lens.clone())),
    ])
}

fn provenance(provenance: &Provenance) -> Result<Value, TooDeep> {
    match provenance {
        Provenance::Literal => object([("type", "literal".into())]),
        Provenance::ServiceResult(result) => {
            object([("type", "service_result".into()), ("cid", cid(result))])
        }
        Provenance::Canon(result) => object([("type", "canon".into()), ("cid", cid(result))]),
    }
}

fn state(state: &State) -> Result<Value, TooDeep> {
    match state {
        State::Par { left, right } => {
            object([("par", Value::array(vec![(*left).into(), (*right).into()])?)])
        }
        State::Call(state) => object([("call", call(state)?)]),
        State::Fold(entries) => {
            let entries: Result<Vec<_>, _> = entries.iter().map(lore).collect();
            object([("fold", object([("lore", Value::array(entries?)?)])?)])
        }
        State::Ap(generations) => {
            let generations = generations.as_slice().iter().map(|g| (*g).into()).collect();
            object([("ap", object([("gens", Value::array(generations)?)])?)])
        }
        State::Canon(CanonState::RequestSentBy(peer)) => {
            object([("canon", object([("sent_by", Value::String(peer.clone()))])?)])
        }
        State::Canon(CanonState::Executed(result)) => {
            object([("canon", object([("executed", cid(result))])?)])
        }
    }
}

fn call(state: &CallState) -> Result<Value, TooDeep> {
    match state {
        CallState::RequestSentBy(sender) => {
            let peer = Value::String(sender.peer_id.clone());
            let sender = match sender.call_id {
                None => object([("PeerId", peer)])?,
                Some(call_id) => object([(
                    "PeerIdWithCallId",
                    object([("peer_id", peer), ("call_id", call_id.into())])?,
                )])?,
            };
            object([("sent_by", sender)])
        }
        CallState::Executed(value) => {
            let value = match value {
                ValueRef::Scalar(result) => object([("scalar", cid(result))])?,
                ValueRef::Unused(value) => object([("unused", cid(value))])?,
                ValueRef::Stream { cid: result, generation } => {
                    let stream =
                        object([("cid", cid(result)), ("generation", (*generation).into())])?;
                    object([("stream", stream)])?
                }
            };
            object([("executed", value)])
        }
        CallState::Failed(result) => object([("failed", cid(result))]),
    }
}

fn lore(lore: &FoldLore) -> Result<Value, TooDeep> {
    let pair;
    let subtraces = match &lore.subtraces {
        SubTraces::Pair(before, after) => {
            pair = [*before, *after];
            pair.as_slice()
        }
        SubTraces::Other(subtraces) => subtraces,
    };
    let descriptors: Result<Vec<_>, _> = subtraces
        .iter()
        .map(|subtrace| object([("pos", subtrace.begin.into()), ("len", subtrace.len.into())]))
        .collect();
    object([("pos", lore.value_pos.into()), ("desc", Value::array(descriptors?)?)])
}
