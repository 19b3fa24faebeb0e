//! What an interpretation came to, in the JSON form that `cargo xtask air run` writes.

use std::sync::Arc;

use air_core::CallRequest;
use air_core::data::Tetraplet;
use air_core::step::Outcome;
use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

/// An outcome, decoded as far as two of them have to be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// 0 or the error's code.
    pub ret_code: i64,
    /// The error's text.
    pub error_message: String,
    /// The new data, encoded.
    pub data: Vec<u8>,
    /// Where the data go, sorted.
    pub next_peers: Vec<String>,
    /// The calls to make, encoded.
    pub call_requests: Vec<u8>,
    /// Exceeded limits: script, data, call result.
    pub flags: [bool; 3],
}

/// What differs between two outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Field {
    /// The code.
    RetCode,
    /// The text, while the codes are equal.
    ErrorMessage,
    /// The peers.
    NextPeers,
    /// The calls.
    CallRequests,
    /// The decoded data.
    Data,
    /// The flags.
    Flags,
}

impl From<Outcome> for Answer {
    fn from(outcome: Outcome) -> Self {
        let mut next_peers: Vec<_> =
            outcome.next_peer_pks.iter().map(|peer| peer.to_string()).collect();
        next_peers.sort();
        Self {
            ret_code: outcome.ret_code,
            error_message: outcome.error_message,
            data: outcome.data,
            next_peers,
            call_requests: outcome.call_requests,
            flags: [
                outcome.air_size_limit_exceeded,
                outcome.particle_size_limit_exceeded,
                outcome.call_result_size_limit_exceeded,
            ],
        }
    }
}

impl Answer {
    /// Reads an outcome as this tool or the reference's process writes it.
    pub fn from_json(line: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(line).context("the outcome is not JSON")?;
        Self::from_value(&value)
    }

    /// Reads an outcome object.
    pub fn from_value(value: &Value) -> Result<Self> {
        let text = |field: &str| {
            value[field].as_str().with_context(|| format!("{field} is not a string in {value}"))
        };
        let flag = |field: &str| value[field] == Value::Bool(true);
        let mut next_peers: Vec<String> = serde_json::from_value(value["next_peer_pks"].clone())
            .context("next_peer_pks is not an array of strings")?;
        next_peers.sort();
        Ok(Self {
            ret_code: value["ret_code"].as_i64().context("ret_code is not a number")?,
            error_message: text("error_message")?.to_string(),
            // the reduced vectors of the benchmarks leave the data out
            data: STANDARD.decode(text("data").unwrap_or_default())?,
            next_peers,
            call_requests: STANDARD.decode(text("call_requests")?)?,
            flags: [
                flag("air_size_limit_exceeded"),
                flag("particle_size_limit_exceeded"),
                flag("call_result_size_limit_exceeded"),
            ],
        })
    }

    /// The outcome as one line of JSON; with `decode` also the data in readable form.
    #[must_use]
    pub fn to_json(&self, decode: bool) -> String {
        let mut out = Map::new();
        out.insert("ret_code".into(), json!(self.ret_code));
        out.insert("error_message".into(), json!(self.error_message));
        out.insert("data".into(), json!(STANDARD.encode(&self.data)));
        if decode {
            out.insert("data_json".into(), readable_data(&self.data).unwrap_or(Value::Null));
        }
        out.insert("next_peer_pks".into(), json!(self.next_peers));
        out.insert("call_requests".into(), json!(STANDARD.encode(&self.call_requests)));
        let requests = readable_requests(&self.call_requests).unwrap_or(Value::Null);
        out.insert("call_requests_json".into(), requests);
        for (name, flag) in ["air_size_limit", "particle_size_limit", "call_result_size_limit"]
            .iter()
            .zip(self.flags)
        {
            out.insert(format!("{name}_exceeded"), json!(flag));
        }
        Value::Object(out).to_string()
    }

    /// The fields in which the two differ; data and requests are compared decoded, because their maps
    /// have no order.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<Field> {
        let mut out = Vec::new();
        if self.ret_code != other.ret_code {
            out.push(Field::RetCode);
        } else if self.error_message != other.error_message {
            out.push(Field::ErrorMessage);
        }
        if self.next_peers != other.next_peers {
            out.push(Field::NextPeers);
        }
        let same = |a: &[u8], b: &[u8], read: fn(&[u8]) -> Result<Value>| {
            a == b || matches!((read(a), read(b)), (Ok(a), Ok(b)) if a == b)
        };
        if !same(&self.call_requests, &other.call_requests, readable_requests) {
            out.push(Field::CallRequests);
        }
        if !same(&self.data, &other.data, readable_data) {
            out.push(Field::Data);
        }
        if self.flags != other.flags {
            out.push(Field::Flags);
        }
        out
    }
}

/// The data in the readable form of air-data §8.5.
pub fn readable_data(data: &[u8]) -> Result<Value> {
    let value = air_core::data::data_json(data).map_err(|error| anyhow!("{error}"))?;
    to_serde(&value)
}

/// The encoded requests, decoded.
pub fn decode_requests(bytes: &[u8]) -> Result<Vec<CallRequest>> {
    air_core::data::decode_call_requests(bytes).map_err(|error| anyhow!("{error}"))
}

/// The call requests as an object, with arguments and tetraplets decoded in place (air-data §8.3).
pub fn readable_requests(bytes: &[u8]) -> Result<Value> {
    let mut out = Map::new();
    for request in decode_requests(bytes)? {
        let arguments: Vec<Value> =
            request.arguments.iter().map(to_serde).collect::<Result<_>>()?;
        let tetraplets: Vec<Vec<Value>> =
            request.tetraplets.iter().map(|list| list.iter().map(tetraplet).collect()).collect();
        out.insert(
            request.id.to_string(),
            json!({
                "service_id": &*request.service_id,
                "function_name": &*request.function_name,
                "arguments": arguments,
                "tetraplets": tetraplets,
            }),
        );
    }
    Ok(Value::Object(out))
}

fn tetraplet(tetraplet: &Arc<Tetraplet>) -> Value {
    json!({
        "peer_pk": &*tetraplet.peer_pk,
        "service_id": &*tetraplet.service_id,
        "function_name": &*tetraplet.function_name,
        "lens": &*tetraplet.lens,
    })
}

fn to_serde(value: &air_core::Value) -> Result<Value> {
    serde_json::from_str(&value.to_json()).context("a value has no JSON text")
}
