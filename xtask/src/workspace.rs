//! Where things lie in this repository.

use std::env;
use std::path::PathBuf;

/// The folder of the workspace's `Cargo.toml`.
#[must_use]
pub fn root() -> PathBuf {
    let here = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map_or_else(|| here.clone(), PathBuf::from)
}

/// The folder that cargo builds into.
#[must_use]
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The file in which `run` leaves the address of the node that it started, for `send`.
#[must_use]
pub fn run_record() -> PathBuf {
    target().join("aerolith-run.json")
}
