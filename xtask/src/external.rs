//! Running other programs, and saying exactly which.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The command as it could be typed into a shell.
#[must_use]
pub fn shown(command: &Command) -> String {
    let settings = command
        .get_envs()
        .filter_map(|(name, value)| Some(format!("{}={}", quoted(name), quoted(value?))));
    let words = std::iter::once(command.get_program()).chain(command.get_args()).map(quoted);
    settings.chain(words).collect::<Vec<_>>().join(" ")
}

/// Prints the command, runs it, and fails when it fails.
///
/// # Errors
/// When the program cannot be started or ends with another status than 0.
pub fn run(command: &mut Command) -> Result<()> {
    let text = shown(command);
    eprintln!("+ {text}");
    let status = command.status().with_context(|| format!("cannot start: {text}"))?;
    if !status.success() {
        bail!("{status}: {text}");
    }
    Ok(())
}

/// Runs the command quietly; its standard output when it ends with status 0.
#[must_use]
pub fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let answer =
        Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output();
    let answer = answer.ok().filter(|answer| answer.status.success())?;
    Some(String::from_utf8_lossy(&answer.stdout).trim().to_owned())
}

/// Whether the program is on the search path.
#[must_use]
pub fn exists(program: &str) -> bool {
    let Some(path) = std::env::var_os("PATH") else { return false };
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.into_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_typed_into_a_shell() {
        let mut command = Command::new("qemu");
        command.args(["-append", "a b", "it's", ""]).env("RUSTFLAGS", "-C x");
        assert_eq!(shown(&command), r"RUSTFLAGS='-C x' qemu -append 'a b' 'it'\''s' ''");
    }
}
