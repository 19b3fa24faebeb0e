//! Decoding and encoding of data against recordings of the reference.
//!
//! Every data in the recordings decodes to the recorded readable form, encodes again to data that
//! decode equal, and encodes to the very same bytes when the order of entries and the pattern of sharing
//! are kept. All data that come from a peer with signatures verify. Call results and requests decode to
//! what is recorded, and requests encode to the recorded bytes.

#[path = "support/mod.rs"]
mod support;

use std::fs;
use std::path::Path;

use air_core::data::{
    self, Envelope, ParticleData, decode_call_requests, decode_call_results, encode,
    encode_call_requests,
};
use air_core::step::Signatures;
use air_core::value::Value;
use libtest_mimic::{Arguments, Failed, Trial};
use support::{
    bytes, exception, files, hex, member, requests_json, same, shared_directory, stem, text,
};

fn main() {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit();
}

fn trials() -> Vec<Trial> {
    let Some(shared) = shared_directory() else {
        let absent = || Err(Failed::from("the recordings are not there"));
        return vec![Trial::test("recorded_data", absent).with_ignored_flag(true)];
    };
    let mut trials = Vec::new();
    for part in ["signed", "unsigned"] {
        for file in files(&shared.join("vectors/air").join(part), "jsonl") {
            let name = format!("data::{part}::{}", stem(&file));
            trials.push(Trial::test(name, move || check_vectors(&file).map_err(Failed::from)));
        }
    }
    for file in files(&shared.join("spec/examples"), "bin") {
        let name = format!("data::example::{}", stem(&file));
        trials.push(Trial::test(name, move || {
            let data = fs::read(&file)?;
            check_data(&data).and_then(|()| check_canonical(&data)).map_err(Failed::from)
        }));
    }
    let cases = shared.join("spec/examples/air-data-vectors.json");
    trials.push(Trial::test("data::specification_cases", move || {
        check_specification_cases(&cases).map_err(Failed::from)
    }));
    trials
}

fn check_vectors(file: &Path) -> Result<(), String> {
    let lines = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let mut failures = Vec::new();
    for line in lines.lines() {
        let vector: serde_json::Value =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        let id = text(&vector, "id")?.to_owned();
        if let Err(failure) = check_vector(&vector) {
            failures.push(format!("{id}: {failure}"));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

fn check_vector(vector: &serde_json::Value) -> Result<(), String> {
    let input = member(vector, "input")?;
    let outcome = member(vector, "outcome")?;
    let Some(code) = outcome.get("ret_code").and_then(serde_json::Value::as_i64) else {
        return Ok(());
    };
    check_call_results(input, code)?;
    // Data that are refused, or not even looked at.
    if matches!(code, 2..=4 | 10) {
        return Ok(());
    }
    check_data(&bytes(input, "prev_data")?)?;
    check_data(&bytes(input, "data")?)?;
    let produced = bytes(outcome, "data")?;
    check_data(&produced)?;
    let recorded = member(outcome, "data_json")?;
    if !recorded.is_null() {
        same("data_json", &readable(&produced)?, &normalised(recorded)?)?;
    }
    check_call_requests(outcome)?;
    check_signatures(vector, code)
}

/// Data decode; what was decoded encodes to data that decode equal; with the recorded pattern of
/// sharing it encodes to the same archive.
fn check_data(data: &[u8]) -> Result<(), String> {
    if data.is_empty() {
        return Ok(());
    }
    let envelope = Envelope::open(data).map_err(|error| error.to_string())?;
    let archive = envelope.archive.unwrap_or_default();
    let mut sharing = Vec::new();
    let decoded = data::archive::read(archive, &mut |place| sharing.push(place))
        .map_err(|error| error.to_string())?;
    let again = encode(&decoded, None).map_err(|error| error.to_string())?;
    let decoded_again = decode(&again)?;
    let versions = &envelope.versions;
    same(
        "data after encoding",
        &decoded_again.to_value(versions).to_json(),
        &decoded.to_value(versions).to_json(),
    )?;
    same("second encoding", &encode(&decoded_again, None).unwrap_or_default(), &again)?;
    let mut identical = Vec::new();
    data::archive::write_into(&decoded, Some(&sharing), &mut identical)
        .map_err(|error| error.to_string())?;
    if identical != archive {
        return Err("the archive differs when it is written with the same sharing".into());
    }
    Ok(())
}

/// The envelope is written in the same form.
fn check_canonical(data: &[u8]) -> Result<(), String> {
    let envelope = Envelope::open(data).map_err(|error| error.to_string())?;
    let archive = envelope.archive.unwrap_or_default();
    let mut sharing = Vec::new();
    let decoded = data::archive::read(archive, &mut |place| sharing.push(place))
        .map_err(|error| error.to_string())?;
    let written = encode(&decoded, Some(&sharing)).map_err(|error| error.to_string())?;
    same("bytes of the whole data", &written.as_slice(), &data)
}

fn decode(data: &[u8]) -> Result<ParticleData, String> {
    Envelope::open(data)
        .map_err(|error| error.to_string())?
        .read()
        .map_err(|error| error.to_string())
}

fn readable(data: &[u8]) -> Result<String, String> {
    data::data_json(data).map(|value| value.to_json()).map_err(|error| error.to_string())
}

/// Recorded JSON in the compact, sorted form.
fn normalised(value: &serde_json::Value) -> Result<String, String> {
    Value::parse(&value.to_string()).map(|value| value.to_json()).map_err(|error| error.to_string())
}

fn check_call_results(input: &serde_json::Value, code: i64) -> Result<(), String> {
    let decoded = match decode_call_results(&bytes(input, "call_results")?) {
        Ok(decoded) => decoded,
        Err(_) if code == 5 => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let recorded = member(input, "call_results_json")?;
    let recorded = recorded.as_object().ok_or("call_results_json is not an object")?;
    same("number of call results", &decoded.len(), &recorded.len())?;
    for (id, result) in decoded {
        let recorded = recorded.get(&id).ok_or_else(|| format!("no call result {id}"))?;
        let ret_code = recorded.get("ret_code").and_then(serde_json::Value::as_i64);
        same("ret_code of a call result", &Some(i64::from(result.ret_code)), &ret_code)?;
        same("call result", &result.result.as_str(), &text(recorded, "result")?)?;
    }
    Ok(())
}

fn check_call_requests(outcome: &serde_json::Value) -> Result<(), String> {
    let encoded = bytes(outcome, "call_requests")?;
    let requests = decode_call_requests(&encoded).map_err(|error| error.to_string())?;
    same("call requests", &requests_json(&requests)?, &{
        normalised(member(outcome, "call_requests_json")?)?
    })?;
    same("bytes of call requests", &encode_call_requests(&requests), &encoded)
}

/// Preparation ends in the recorded code and message, if it ends in one of those that are about data.
fn check_signatures(vector: &serde_json::Value, code: i64) -> Result<(), String> {
    let input = member(vector, "input")?;
    let outcome = member(vector, "outcome")?;
    let checked = member(vector, "signatures")? == &serde_json::Value::Bool(true);
    let signatures = if checked { Signatures::Checked } else { Signatures::Unchecked };
    let salt = text(member(input, "params")?, "particle_id")?;
    let prepared =
        data::prepare(&bytes(input, "prev_data")?, &bytes(input, "data")?, salt, signatures);
    match (prepared, code) {
        (Err(error), 2..=9) => {
            same("code", &error.code(), &code)?;
            same("message", &error.to_string().as_str(), &text(outcome, "error_message")?)
        }
        (Err(error), _) => Err(format!("refused with {}: {error}", error.code())),
        (Ok(_), 6 | 8 | 9) => Err(format!("accepted, recorded is {code}")),
        (Ok(_), _) => Ok(()),
    }
}

/// The cases of the specification are interpretations; here their data are checked.
fn check_specification_cases(file: &Path) -> Result<(), String> {
    let json = fs::read_to_string(file).map_err(|error| error.to_string())?;
    let file: serde_json::Value = serde_json::from_str(&json).map_err(|error| error.to_string())?;
    let cases = file.get("cases").unwrap_or(&file);
    let cases = cases.as_array().ok_or("no list of cases")?;
    let mut failures = Vec::new();
    for case in cases {
        let name = text(case, "name")?.to_owned();
        if exception(&name).is_some() {
            continue;
        }
        if let Err(failure) = check_specification_case(case) {
            failures.push(format!("{name}: {failure}"));
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

fn check_specification_case(case: &serde_json::Value) -> Result<(), String> {
    let expected = member(case, "expected")?;
    let Some(code) = expected.get("ret_code").and_then(serde_json::Value::as_i64) else {
        return Ok(());
    };
    let previous = hex(text(case, "prev_data")?)?;
    let current = hex(text(case, "current_data")?)?;
    let salt = text(member(case, "params")?, "particle_id")?;
    match (data::prepare(&previous, &current, salt, Signatures::Checked), code) {
        (Err(error), 2..=9) => same("code", &error.code(), &code)?,
        (Err(error), _) => return Err(format!("refused with {}: {error}", error.code())),
        (Ok(_), 2 | 3 | 4 | 6 | 8 | 9) => return Err(format!("accepted, expected is {code}")),
        (Ok(_), _) => {}
    }
    let results = decode_call_results(&hex(text(case, "call_results")?)?);
    if code >= 10 || code == 0 {
        results.map_err(|error| error.to_string())?;
    } else if code == 5 {
        same("whether call results are refused", &results.is_err(), &true)?;
    }
    let produced = text(expected, "data")?;
    if produced != "prev" {
        check_data(&hex(produced)?)?;
    }
    let requests = hex(text(expected, "call_requests")?)?;
    let decoded = decode_call_requests(&requests).map_err(|error| error.to_string())?;
    same("bytes of call requests", &encode_call_requests(&decoded), &requests)
}
