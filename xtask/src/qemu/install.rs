//! Makes sure that QEMU and what belongs to it are there.

use std::process::Command;

use anyhow::{Result, bail};

use crate::external;

/// The emulator's program.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// Debian's package that has it.
pub const PACKAGE: &str = "qemu-system-x86";

/// Installs QEMU by apt when it is missing and this user may, else says what to type.
///
/// # Errors
/// When QEMU is missing and cannot be installed from here.
pub fn ensure() -> Result<()> {
    ensure_program(PROGRAM, PACKAGE)
}

/// Installs Debian's `package` by apt when `program` is missing and this user may, else says what to
/// type.
///
/// # Errors
/// When it is missing and cannot be installed from here.
pub fn ensure_program(program: &str, package: &str) -> Result<()> {
    if external::exists(program) {
        return Ok(());
    }
    let by_hand = format!("sudo apt-get install --no-install-recommends {package}");
    if !external::exists("apt-get") {
        bail!(
            "{program} is not installed; install it with this system's packages \
             (on Debian: {by_hand})"
        );
    }
    let Some(prefix) = privileges() else {
        bail!("{program} is not installed; type: {by_hand}");
    };
    apt(prefix, &["update"])?;
    apt(prefix, &["install", "--yes", "--no-install-recommends", package])?;
    if !external::exists(program) {
        bail!("apt-get installed {package}, and {program} is still not on the search path");
    }
    Ok(())
}

/// The words before `apt-get`, or nothing if this user may not install.
fn privileges() -> Option<&'static [&'static str]> {
    if external::output("id", &["-u"]).as_deref() == Some("0") {
        return Some(&[]);
    }
    external::output("sudo", &["-n", "true"]).map(|_| &["sudo", "-n"][..])
}

fn apt(prefix: &[&str], words: &[&str]) -> Result<()> {
    let all: Vec<&str> = prefix.iter().copied().chain(["apt-get"]).collect();
    let mut command = Command::new(all[0]);
    command.args(&all[1..]).args(words).env("DEBIAN_FRONTEND", "noninteractive");
    external::run(&mut command)
}
