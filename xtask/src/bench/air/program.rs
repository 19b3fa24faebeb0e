//! The two programs that time themselves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::lint::cargo;
use crate::{external, workspace};

const PROFILE: &str = "unikernel";
const MEASURE: &str = include_str!("../../../../air-core/examples/bench/measure.rs");
const REFERENCE_MAIN: &str = include_str!("../../../reference-native/main.rs");
const REFERENCE_MANIFEST: &str = include_str!("../../../reference-native/manifest.toml");
const REFERENCE_LOCK: &str = include_str!("../../../reference-native/Cargo.lock");

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A step from bytes to bytes.
    Step,
    /// A step of a session that is kept.
    Live,
}

/// A program that was built.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
}

/// Times of one input in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timed {
    pub code: i64,
    pub least: u64,
    pub median: u64,
}

/// Builds our interpreter as it is in the image, for this machine.
pub fn ours() -> Result<Program> {
    let words = ["build", "--profile", PROFILE, "--package", "air-core", "--example", "bench"];
    external::run(cargo(&words).arg("--locked"))?;
    Ok(Program { path: workspace::target().join(PROFILE).join("examples/bench") })
}

/// Builds the reference from its published crates, in a folder of its own.
pub fn reference() -> Result<Program> {
    let folder = workspace::target().join("air-reference");
    fs::create_dir_all(folder.join("src"))?;
    for (name, text) in [
        ("Cargo.toml", REFERENCE_MANIFEST),
        ("Cargo.lock", REFERENCE_LOCK),
        ("src/main.rs", REFERENCE_MAIN),
        ("src/measure.rs", MEASURE),
    ] {
        let path = folder.join(name);
        // An unchanged file keeps its time, so that nothing is built again.
        if fs::read_to_string(&path).ok().as_deref() != Some(text) {
            fs::write(&path, text)?;
        }
    }
    let mut command = Command::new("cargo");
    command.args(["build", "--release", "--locked", "--target-dir", "target"]);
    external::run(command.current_dir(&folder))
        .context("the reference does not build; `cargo xtask bench air --ours-only` goes on")?;
    Ok(Program { path: folder.join("target/release/air-reference") })
}

impl Mode {
    fn word(self, step: &str) -> String {
        match self {
            Self::Step => step.to_owned(),
            Self::Live => format!("live-{step}"),
        }
    }

    /// Part of the name of the function that is measured.
    pub fn function(self) -> &'static str {
        match self {
            Self::Step => "*measured_step*",
            Self::Live => "*measured_live_step*",
        }
    }
}

impl Program {
    /// Runs an input again and again.
    pub fn time(&self, mode: Mode, input: &Path, time: Duration) -> Result<Timed> {
        let mut command = Command::new(&self.path);
        command.arg(mode.word("time")).arg(input).arg(time.as_millis().to_string());
        let (answer, _) = output(&mut command)?;
        timed(&answer).with_context(|| format!("an odd answer: {answer}"))
    }

    /// Runs an input once under `valgrind` with these words; what valgrind says.
    pub fn under_valgrind(&self, words: &[&str], mode: Mode, input: &Path) -> Result<String> {
        let mut command = Command::new("valgrind");
        command.args(words).arg(&self.path).arg(mode.word("once")).arg(input);
        Ok(output(&mut command)?.1)
    }

    /// Reads an input and does nothing with it, under `valgrind`.
    pub fn load_under_valgrind(&self, words: &[&str], input: &Path) -> Result<String> {
        let mut command = Command::new("valgrind");
        command.args(words).arg(&self.path).arg("load").arg(input);
        Ok(output(&mut command)?.1)
    }
}

/// `CODE RUNS LEAST MEDIAN`
pub fn timed(answer: &str) -> Option<Timed> {
    let mut words = answer.split_whitespace();
    let code = words.next()?.parse().ok()?;
    let _runs = words.next()?;
    let mut number = || words.next()?.parse().ok();
    Some(Timed { code, least: number()?, median: number()? })
}

/// Standard output and standard error.
fn output(command: &mut Command) -> Result<(String, String)> {
    let shown = external::shown(command);
    let answer = command.stdin(Stdio::null()).output().with_context(|| shown.clone())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&answer.stdout), text(&answer.stderr));
    ensure!(answer.status.success(), "{}: {shown}\n{err}", answer.status);
    Ok((out, err))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_four_numbers() {
        let expected = Timed { code: 10000, least: 20, median: 30 };
        assert_eq!(timed("10000 7 20 30\n"), Some(expected));
        assert_eq!(timed("0 7 20"), None);
    }
}
