//! Makes sure that QEMU and what belongs to it are there.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Result, bail};

use crate::external;

/// The emulator's program.
pub const PROGRAM: &str = "qemu-system-x86_64";
/// Debian's package that has it.
pub const PACKAGE: &str = "qemu-system-x86";
/// UEFI firmware, code and settings in one file, as QEMU's `-bios` takes it.
pub const OVMF: &str = "/usr/share/ovmf/OVMF.fd";
/// Debian's package that has it.
pub const OVMF_PACKAGE: &str = "ovmf";

/// What the tests need beside QEMU: a program or a file, and Debian's package that has it. They install
/// what is missing.
pub const OF_THE_TESTS: [(&str, &str); 6] = [
    ("qemu-img", "qemu-utils"),
    (OVMF, OVMF_PACKAGE),
    ("grub-mkimage", "grub-pc-bin"),
    ("/usr/lib/grub/x86_64-efi/linux.mod", "grub-efi-amd64-bin"),
    ("skopeo", "skopeo"),
    ("unsquashfs", "squashfs-tools"),
];

/// The packages of [`OF_THE_TESTS`] that are not there.
#[must_use]
pub fn missing_of_the_tests() -> Vec<&'static str> {
    let is_missing = |name: &str| !Path::new(name).exists() && !external::exists(name);
    let missing = OF_THE_TESTS.iter().filter(|(name, _)| is_missing(name));
    missing.map(|(_, package)| *package).collect()
}

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
    ensure_there(program, package, || external::exists(program))
}

/// The same for a file that a package brings.
///
/// # Errors
/// When it is missing and cannot be installed from here.
pub fn ensure_file(file: &str, package: &str) -> Result<()> {
    ensure_there(file, package, || Path::new(file).exists())
}

/// One at a time: two apts at once are refused, and tests ask side by side.
static INSTALLING: Mutex<()> = Mutex::new(());

fn ensure_there(program: &str, package: &str, is_there: impl Fn() -> bool) -> Result<()> {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if is_there() {
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
    if !is_there() {
        bail!("apt-get installed {package}, and {program} is still not there");
    }
    Ok(())
}

/// Fetches apt's lists of packages, where this user may.
///
/// # Errors
/// When there is no apt, or this user may not.
pub fn update() -> Result<()> {
    let Some(prefix) = privileges() else { bail!("type: sudo apt-get update") };
    apt(prefix, &["update"])
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
