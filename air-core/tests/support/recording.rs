//! One recorded interpretation: what went in, what came out, and whether ours is the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use air_core::data::{data_json, decode_call_requests};
use air_core::step::{Outcome, Parameters, Signatures, invoke};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use crate::support::{bytes, hex, member, requests_json, same, text};

/// The inputs of an interpretation.
pub struct Input {
    script: String,
    previous: Vec<u8>,
    current: Vec<u8>,
    parameters: Parameters,
    call_results: Vec<u8>,
}

/// How bytes are written in a recording.
#[derive(Clone, Copy)]
pub enum Bytes {
    /// Vectors: base64, and numbers as decimal strings.
    Base64,
    /// Cases of the specification: hexadecimal, and plain numbers.
    Hexadecimal,
}

impl Bytes {
    fn read(self, value: &Json, name: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Base64 => bytes(value, name),
            Self::Hexadecimal => hex(text(value, name)?),
        }
    }
}

impl Input {
    /// The `input` of a vector.
    pub fn of_vector(vector: &Json) -> Result<Self, String> {
        let input = member(vector, "input")?;
        let checked = member(vector, "signatures")? == &Json::Bool(true);
        let signatures = if checked { Signatures::Checked } else { Signatures::Unchecked };
        Ok(Self {
            script: text(input, "air")?.to_owned(),
            previous: bytes(input, "prev_data")?,
            current: bytes(input, "data")?,
            parameters: parameters(member(input, "params")?, Bytes::Base64, signatures)?,
            call_results: bytes(input, "call_results")?,
        })
    }

    /// A case of the specification.
    pub fn of_case(case: &Json) -> Result<Self, String> {
        let encoding = Bytes::Hexadecimal;
        Ok(Self {
            script: text(case, "script")?.to_owned(),
            previous: encoding.read(case, "prev_data")?,
            current: encoding.read(case, "current_data")?,
            parameters: parameters(member(case, "params")?, encoding, Signatures::Checked)?,
            call_results: encoding.read(case, "call_results")?,
        })
    }

    /// Interprets the script.
    pub fn run(&self) -> Outcome {
        invoke(&self.script, &self.previous, &self.current, &self.parameters, &self.call_results)
    }

    /// The data before the run.
    pub fn previous(&self) -> &[u8] {
        &self.previous
    }
}

fn parameters(json: &Json, encoding: Bytes, signatures: Signatures) -> Result<Parameters, String> {
    let number = |name: &str| {
        let value = member(json, name)?;
        let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
        number.ok_or_else(|| format!("`{name}` is not a number"))
    };
    let string = |name: &str| Ok::<Arc<str>, String>(text(json, name)?.into());
    let mut parameters = Parameters::new(
        string("init_peer_id")?,
        string("current_peer_id")?,
        string("particle_id")?,
        [0; 32],
    );
    parameters.secret_key = encoding.read(json, "secret_key_bytes")?.into();
    parameters.timestamp = number("timestamp")?;
    parameters.ttl = u32::try_from(number("ttl")?).map_err(|error| error.to_string())?;
    parameters.key_format =
        u8::try_from(number("key_format")?).map_err(|error| error.to_string())?;
    parameters.air_size_limit = number("air_size_limit")?;
    parameters.particle_size_limit = number("particle_size_limit")?;
    parameters.call_result_size_limit = number("call_result_size_limit")?;
    parameters.hard_limit_enabled = member(json, "hard_limit_enabled")? == &Json::Bool(true);
    parameters.signatures = signatures;
    Ok(parameters)
}

/// Compares an outcome with the `outcome` of a vector.
pub fn compare_with_vector(ours: &Outcome, recorded: &Json) -> Result<(), String> {
    if recorded.get("panic").is_some() {
        // Which error it is instead of a crash is free.
        return same("whether there is an error", &(ours.ret_code != 0), &true);
    }
    same("code", &Some(ours.ret_code), &member(recorded, "ret_code")?.as_i64())
        .map_err(|difference| format!("{difference} (our message: {})", ours.error_message))?;
    same("message", &ours.error_message.as_str(), &text(recorded, "error_message")?)?;
    let flags = [
        ours.air_size_limit_exceeded,
        ours.particle_size_limit_exceeded,
        ours.call_result_size_limit_exceeded,
    ];
    let names = [
        "air_size_limit_exceeded",
        "particle_size_limit_exceeded",
        "call_result_size_limit_exceeded",
    ];
    for (flag, name) in flags.into_iter().zip(names) {
        same(name, &Some(flag), &member(recorded, name)?.as_bool())?;
    }
    compare_peers(ours, member(recorded, "next_peer_pks")?)?;
    compare_requests(ours, &bytes(recorded, "call_requests")?)?;
    if let Some(digest) = recorded.get("data_json_sha256").and_then(Json::as_str) {
        let json = readable(&ours.data)?;
        let ours: String =
            Sha256::digest(json.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        return same("digest of data_json", &ours.as_str(), &digest);
    }
    let data = bytes(recorded, "data")?;
    if member(recorded, "data_json")?.is_null() {
        return same("data", &ours.data, &data);
    }
    same("data_json", &readable(&ours.data)?, &readable(&data)?)
}

/// Compares an outcome with the `expected` of a case of the specification, which has no messages.
pub fn compare_with_case(ours: &Outcome, expected: &Json, previous: &[u8]) -> Result<(), String> {
    if expected.get("trap").is_some() {
        return same("whether there is an error", &(ours.ret_code != 0), &true);
    }
    same("code", &Some(ours.ret_code), &member(expected, "ret_code")?.as_i64())
        .map_err(|difference| format!("{difference} (our message: {})", ours.error_message))?;
    let flags = [
        ours.air_size_limit_exceeded,
        ours.particle_size_limit_exceeded,
        ours.call_result_size_limit_exceeded,
    ];
    same("flags", &serde_json::json!(flags), member(expected, "flags")?)?;
    compare_peers(ours, member(expected, "next_peer_pks")?)?;
    compare_requests(ours, &hex(text(expected, "call_requests")?)?)?;
    match text(expected, "data")? {
        "prev" => same("data", &ours.data.as_slice(), &previous),
        data => same("data", &readable(&ours.data)?, &readable(&hex(data)?)?),
    }
}

fn compare_peers(ours: &Outcome, recorded: &Json) -> Result<(), String> {
    let recorded: Vec<&str> =
        recorded.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
    let set: BTreeSet<&str> = ours.next_peer_pks.iter().map(|peer| &**peer).collect();
    same("number of next peers", &ours.next_peer_pks.len(), &recorded.len())?;
    same("next peers", &set, &recorded.into_iter().collect())
}

fn compare_requests(ours: &Outcome, recorded: &[u8]) -> Result<(), String> {
    let decoded = |bytes: &[u8]| {
        if bytes.is_empty() {
            return Ok("no bytes".to_owned());
        }
        requests_json(&decode_call_requests(bytes).map_err(|error| error.to_string())?)
    };
    same("call requests", &decoded(&ours.call_requests)?, &decoded(recorded)?)
}

/// The readable form of data.
fn readable(data: &[u8]) -> Result<String, String> {
    if data.is_empty() {
        return Ok("no data".to_owned());
    }
    data_json(data).map(|value| value.to_json()).map_err(|error| error.to_string())
}
