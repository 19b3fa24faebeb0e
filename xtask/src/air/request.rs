//! A request for one interpretation, in the JSON form that `cargo xtask air run` reads.
//!
//! The form is that of the reference's test vectors: `air`, `prev_data`, `data` (base64), `params`, and
//! `call_results` (base64 of the raw argument, or an object `{"1": {"ret_code": 0, "result": "text"}}`).
//! What may be left out: the data (empty), the results (none), numbers of the parameters.

use std::collections::BTreeMap;

use air_core::step::{
    DEFAULT_AIR_SIZE_LIMIT, DEFAULT_CALL_RESULT_SIZE_LIMIT, DEFAULT_PARTICLE_SIZE_LIMIT,
};
use air_core::{Parameters, Signatures};
use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Multicodec 0x0201 (MessagePack) as a varint: what call results begin with
/// (air-data §8.2).
const MESSAGE_PACK_PREFIX: [u8; 2] = [0x81, 0x04];

/// The inputs of one interpretation.
#[derive(Debug, Clone)]
pub struct Request {
    /// The script.
    pub air: String,
    /// What this peer kept of the particle.
    pub prev_data: Vec<u8>,
    /// What came with the particle.
    pub data: Vec<u8>,
    /// The answers to earlier requests, encoded.
    pub call_results: Vec<u8>,
    /// The parameters of the run.
    pub parameters: Parameters,
}

/// One call's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallAnswer {
    /// 0 for success.
    pub ret_code: i32,
    /// JSON text, or a message.
    pub result: String,
}

impl Request {
    /// Reads a request, or a test vector, of which `input` is the request.
    pub fn from_json(line: &str) -> Result<Self> {
        let whole: Value = serde_json::from_str(line).context("the line is not JSON")?;
        let input = whole.get("input").unwrap_or(&whole);
        let mut parameters = parameters(input.get("params").context("params is missing")?)?;
        if whole.get("signatures") == Some(&Value::Bool(false)) {
            parameters.signatures = Signatures::Unchecked;
        }
        Ok(Self {
            air: text(input, "air")?.context("air is missing")?.to_string(),
            prev_data: bytes(input, "prev_data")?,
            data: bytes(input, "data")?,
            call_results: call_results(input)?,
            parameters,
        })
    }

    /// The request as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let p = &self.parameters;
        json!({
            "air": self.air,
            "prev_data": STANDARD.encode(&self.prev_data),
            "data": STANDARD.encode(&self.data),
            "call_results": STANDARD.encode(&self.call_results),
            "params": {
                "init_peer_id": &*p.init_peer_id,
                "current_peer_id": &*p.current_peer_id,
                "timestamp": p.timestamp.to_string(),
                "ttl": p.ttl,
                "key_format": p.key_format,
                "secret_key_bytes": STANDARD.encode(&p.secret_key),
                "particle_id": &*p.particle_id,
                "air_size_limit": p.air_size_limit.to_string(),
                "particle_size_limit": p.particle_size_limit.to_string(),
                "call_result_size_limit": p.call_result_size_limit.to_string(),
                "hard_limit_enabled": p.hard_limit_enabled,
            },
        })
        .to_string()
    }
}

/// Encodes call results as the interpreter takes them (air-data §8.2).
pub fn encode_call_results(results: &BTreeMap<String, CallAnswer>) -> Result<Vec<u8>> {
    let mut out = MESSAGE_PACK_PREFIX.to_vec();
    out.extend(rmp_serde::to_vec_named(results).context("call results do not encode")?);
    Ok(out)
}

fn call_results(input: &Value) -> Result<Vec<u8>> {
    match input.get("call_results").or_else(|| input.get("call_results_json")) {
        None | Some(Value::Null) => encode_call_results(&BTreeMap::new()),
        Some(Value::String(encoded)) => {
            STANDARD.decode(encoded).context("call_results is not base64")
        }
        Some(map) => {
            let map = serde_json::from_value(map.clone())
                .context("call_results is not an object of {ret_code, result}")?;
            encode_call_results(&map)
        }
    }
}

fn parameters(p: &Value) -> Result<Parameters> {
    let name = |field: &str| -> Result<std::sync::Arc<str>> {
        Ok(text(p, field)?.unwrap_or_default().into())
    };
    let number = |field: &str, otherwise: u64| number(p, field).map(|n| n.unwrap_or(otherwise));
    Ok(Parameters {
        init_peer_id: name("init_peer_id")?,
        current_peer_id: name("current_peer_id")?,
        timestamp: number("timestamp", 0)?,
        ttl: u32::try_from(number("ttl", 0)?).context("ttl is over 32 bits")?,
        key_format: u8::try_from(number("key_format", 0)?).context("key_format is over 8 bits")?,
        secret_key: bytes(p, "secret_key_bytes")?.into(),
        key_pair: None,
        particle_id: name("particle_id")?,
        air_size_limit: number("air_size_limit", DEFAULT_AIR_SIZE_LIMIT)?,
        particle_size_limit: number("particle_size_limit", DEFAULT_PARTICLE_SIZE_LIMIT)?,
        call_result_size_limit: number("call_result_size_limit", DEFAULT_CALL_RESULT_SIZE_LIMIT)?,
        hard_limit_enabled: p.get("hard_limit_enabled") == Some(&Value::Bool(true)),
        signatures: Signatures::Checked,
        limits: air_core::exec::limits::ExecutionLimits::default(),
    })
}

fn text<'a>(object: &'a Value, field: &str) -> Result<Option<&'a str>> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => bail!("{field}: expected a string, got {other}"),
    }
}

fn bytes(object: &Value, field: &str) -> Result<Vec<u8>> {
    let encoded = text(object, field)?.unwrap_or_default();
    STANDARD.decode(encoded).with_context(|| format!("{field} is not base64"))
}

/// A number, or a number as a decimal string.
fn number(object: &Value, field: &str) -> Result<Option<u64>> {
    let number = match object.get(field) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(digits)) => digits.parse().ok(),
        Some(_) => None,
    };
    number.map(Some).with_context(|| format!("{field}: expected a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = r#"{"air":"(null)","params":{"init_peer_id":"me"}}"#;

    #[test]
    fn what_is_left_out_has_its_default() {
        let request = Request::from_json(SMALLEST).unwrap();
        assert_eq!(request.call_results, [0x81, 0x04, 0x80]);
        assert_eq!(request.parameters.air_size_limit, DEFAULT_AIR_SIZE_LIMIT);
        assert!(!request.parameters.hard_limit_enabled);
        assert!(request.prev_data.is_empty() && request.data.is_empty());
    }

    #[test]
    fn a_written_request_reads_back() {
        let mut request = Request::from_json(SMALLEST).unwrap();
        request.prev_data = vec![1, 2, 3];
        request.parameters.timestamp = u64::MAX;
        let again = Request::from_json(&request.to_json()).unwrap();
        assert_eq!(again.to_json(), request.to_json());
        assert_eq!(again.parameters.timestamp, u64::MAX);
    }

    #[test]
    fn call_results_may_be_an_object() {
        let line = r#"{"air":"(null)","params":{},"call_results":{"1":{"ret_code":0,"result":"\"world\""}}}"#;
        let request = Request::from_json(line).unwrap();
        // the worked example of air-data §8.2
        let expected = b"\x81\x04\x81\xa1\x31\x82\xa8ret_code\x00\xa6result\xa7\"world\"";
        assert_eq!(request.call_results, expected);
    }

    #[test]
    fn a_wrong_field_is_named() {
        let error = Request::from_json(r#"{"air":1,"params":{}}"#).unwrap_err();
        assert_eq!(error.to_string(), "air: expected a string, got 1");
        let error = Request::from_json(r#"{"air":"","params":{"ttl":-1}}"#).unwrap_err();
        assert_eq!(error.to_string(), "ttl: expected a whole number");
    }
}
