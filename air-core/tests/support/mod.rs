//! What the tests on recorded data have in common: where the recordings are and how they are read.

use std::path::{Path, PathBuf};

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
