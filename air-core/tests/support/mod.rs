//! What the tests on recorded data have in common: where the recordings are and how they are read.

use std::path::{Path, PathBuf};

use air_core::step::CallRequest;
use air_core::value::Value;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

/// Directory with recorded vectors and examples: `AEROLITH_SHARED`, or `shared` beside the repository.
pub fn shared_directory() -> Option<PathBuf> {
    let directory = match std::env::var_os("AEROLITH_SHARED") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
    };
    directory.is_dir().then_some(directory)
}

/// A member of a recorded object, which must be there.
pub fn member<'a>(
    value: &'a serde_json::Value,
    name: &str,
) -> Result<&'a serde_json::Value, String> {
    value.get(name).ok_or_else(|| format!("the recording lacks `{name}`"))
}

/// A member that is a string.
pub fn text<'a>(value: &'a serde_json::Value, name: &str) -> Result<&'a str, String> {
    member(value, name)?.as_str().ok_or_else(|| format!("`{name}` is not a string"))
}

/// A member that holds bytes in base64.
pub fn bytes(value: &serde_json::Value, name: &str) -> Result<Vec<u8>, String> {
    BASE64_STANDARD.decode(text(value, name)?).map_err(|error| format!("`{name}`: {error}"))
}

/// Fails with both sides if they differ.
pub fn same<T: PartialEq + std::fmt::Debug>(
    what: &str,
    ours: &T,
    recorded: &T,
) -> Result<(), String> {
    if ours == recorded {
        Ok(())
    } else {
        Err(format!("{what} differs\n    ours: {ours:?}\nrecorded: {recorded:?}"))
    }
}

/// Why a recording is not reproduced, if it is one of those.
pub fn exception(id: &str) -> Option<&'static str> {
    include_str!("../exceptions.txt").lines().filter(|line| !line.starts_with('#')).find_map(
        |line| {
            let (pattern, reason) = line.split_once("  ")?;
            let matches = match pattern.strip_suffix('*') {
                Some(prefix) => id.starts_with(prefix),
                None => id == pattern,
            };
            matches.then_some(reason)
        },
    )
}

/// Call requests in the recorded readable form, sorted.
pub fn requests_json(requests: &[CallRequest]) -> Result<String, String> {
    let mut members = Vec::new();
    for request in requests {
        let tetraplets: Vec<String> = request
            .tetraplets
            .iter()
            .map(|list| {
                let list: Vec<String> = list
                    .iter()
                    .map(|tetraplet| {
                        let mut json = String::new();
                        tetraplet.write_json(&mut json);
                        json
                    })
                    .collect();
                format!("[{}]", list.join(","))
            })
            .collect();
        let arguments: Vec<String> = request.arguments.iter().map(Value::to_json).collect();
        members.push(format!(
            "\"{}\":{{\"service_id\":{},\"function_name\":{},\"arguments\":[{}],\"tetraplets\":[{}]}}",
            request.id,
            Value::from(&*request.service_id),
            Value::from(&*request.function_name),
            arguments.join(","),
            tetraplets.join(",")
        ));
    }
    let json = format!("{{{}}}", members.join(","));
    Value::parse(&json).map(|value| value.to_json()).map_err(|error| error.to_string())
}

/// Bytes from hexadecimal digits.
pub fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    digits.ok_or_else(|| format!("not hexadecimal: {text}"))
}

/// The files of a directory with this extension, sorted.
pub fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}

/// A file's name without directory and extension.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
