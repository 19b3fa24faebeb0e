//! The reference interpreter as the wasm that node runs: getting it ready.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{external, workspace};

/// The name of the interpreter's module in the folder of [`prepare`].
const MODULE: &str = "air-interpreter-0.64.1.wasm";

/// Puts the reference's scripts and its wasm into a folder of the build and gives the folder.
///
/// # Errors
/// When node is not there, or the wasm cannot be had.
pub fn prepare() -> Result<PathBuf> {
    if !external::exists("node") {
        bail!(
            "node (18 or newer) runs the reference and is not here; on Debian: apt-get install nodejs"
        );
    }
    let folder = workspace::target().join("reference");
    fs::create_dir_all(&folder)?;
    for entry in fs::read_dir(workspace::root().join("xtask/reference"))? {
        let entry = entry?;
        fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    if !folder.join(MODULE).exists() {
        external::run(Command::new("node").arg("fetch-wasm.mjs").current_dir(&folder))?;
    }
    Ok(folder)
}
