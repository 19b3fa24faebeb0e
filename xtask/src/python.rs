//! Python programs with packages of their own, installed below cargo's target folder.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::external;

/// The interpreter that is looked for.
pub const PYTHON: &str = "python3";
/// What to do when it is missing, or cannot make environments.
pub const REMEDY: &str = "sudo apt-get install python3 python3-venv";
/// The oldest that the packages work with.
const OLDEST: (u32, u32) = (3, 9);

/// The version of Python, if it is there and will do.
///
/// # Errors
/// What is missing, and how it is got.
pub fn found() -> Result<String> {
    ensure!(external::exists(PYTHON), "no {PYTHON}: {REMEDY}");
    let version = external::output(PYTHON, &["--version"]).unwrap_or_default();
    ensure!(is_recent(&version), "{version} is too old: 3.9 is needed");
    Ok(version)
}

/// Makes an environment in `folder` with the packages that a file asks for, once for each content of that
/// file; gives its interpreter.
///
/// # Errors
/// When there is no Python, or the packages cannot be had.
pub fn install(folder: &Path, requirements: &Path) -> Result<PathBuf> {
    found()?;
    let wanted = fs::read(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    fs::create_dir_all(folder)?;
    // Several test programs may come here at the same time.
    let lock = File::create(folder.join("lock"))?;
    lock.lock()?;
    let venv = folder.join("venv");
    let python = venv.join("bin").join("python");
    let done = folder.join("installed.txt");
    if fs::read(&done).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    if venv.exists() {
        fs::remove_dir_all(&venv)?;
    }
    external::run(Command::new(PYTHON).args(["-m", "venv"]).arg(&venv)).context(REMEDY)?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    external::run(pip.arg(requirements))?;
    fs::write(done, wanted)?;
    Ok(python)
}

/// Whether `Python 3.11.7` is recent enough.
fn is_recent(version: &str) -> bool {
    let numbers = version.strip_prefix("Python ").unwrap_or_default();
    let mut numbers = numbers.split('.').map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= OLDEST,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_recent;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, recent) in
            [("Python 3.11.7", true), ("Python 3.9.0", true), ("Python 3.8.10", false), ("", false)]
        {
            assert_eq!(is_recent(version), recent, "{version}");
        }
    }
}
