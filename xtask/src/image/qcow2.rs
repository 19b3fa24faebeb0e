//! The disk in QEMU's own format, by QEMU's own tool.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::external;
use crate::qemu::install;

const PROGRAM: &str = "qemu-img";
const PACKAGE: &str = "qemu-utils";

/// Makes sure that the tool is there.
///
/// # Errors
/// When it is missing and cannot be installed from here.
pub fn ensure() -> Result<()> {
    install::ensure_program(PROGRAM, PACKAGE)
}

/// Writes `raw` as qcow2 with compressed clusters.
///
/// # Errors
/// When the tool fails.
pub fn convert(raw: &Path, out: &Path) -> Result<()> {
    let mut command = Command::new(PROGRAM);
    command.args(["convert", "-c", "-f", "raw", "-O", "qcow2"]).arg(raw).arg(out);
    external::run(&mut command)
}
