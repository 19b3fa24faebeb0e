//! `cargo xtask doctor`: what this machine has, lacks, and what to do about it.

use std::process::ExitCode;

use crate::external;
use crate::fuzz::guided;
use crate::python;
use crate::qemu::{PROGRAM, accelerator, install};
use crate::stock_client::StockClient;

/// The compiler that the workspace needs (its `rust-version`).
const COMPILER: (u32, u32) = (1, 95);

/// Prints a line for each thing needed; 1 when something that is needed is not there.
#[must_use]
pub fn run() -> ExitCode {
    let mut missing = 0;
    let mut need = |name: &str, found: Option<String>, remedy: &str| match found {
        Some(found) => println!("ok       {name}: {found}"),
        None => {
            missing += 1;
            println!("MISSING  {name}: {remedy}");
        }
    };
    let rustc = external::output("rustc", &["--version"]).filter(|text| new_enough(text));
    need("rustc 1.95 or newer", rustc, "rustup update stable");
    let rustfmt = external::output("cargo", &["fmt", "--version"]);
    need("rustfmt (tests)", rustfmt, "rustup component add rustfmt");
    let clippy = external::output("cargo", &["clippy", "--version"]);
    need("clippy (tests)", clippy, "rustup component add clippy");
    let linker = external::output("cc", &["--version"]).as_deref().and_then(first_line);
    need("a C linker", linker, "sudo apt-get install gcc libc6-dev");
    let qemu = external::output(PROGRAM, &["--version"]).as_deref().and_then(first_line);
    let remedy = format!(
        "sudo apt-get install --no-install-recommends {} (`cargo xtask run` does it where it may)",
        install::PACKAGE
    );
    need(PROGRAM, qemu, &remedy);

    match accelerator::kvm_state() {
        Ok(()) => println!("ok       KVM: --accel auto takes it"),
        Err(reason) => println!("note     no KVM ({reason}): guests run emulated, which works"),
    }
    let packages = install::missing_of_the_tests().join(" ");
    if !packages.is_empty() {
        println!(
            "note     the tests will install, where they may: sudo apt-get install \
             --no-install-recommends {packages}"
        );
    }
    match guided::compiler().as_deref().and_then(first_line) {
        Some(found) => println!("ok       a C++ compiler (fuzzing): {found}"),
        None => println!("note     no C++ compiler: {}", guided::REMEDY),
    }
    match StockClient::found() {
        Ok(found) => println!("ok       node and npm (the stock client's checks): {found}"),
        Err(reason) => println!("note     {reason}; tests with the stock client are skipped"),
    }
    match python::found() {
        Ok(found) => {
            println!("ok       python3 (an Aleph host, and the network's client): {found}");
        }
        Err(reason) => println!(
            "note     {reason}; tests with an Aleph host and with the network's client are skipped"
        ),
    }
    if !external::exists("setpriv") {
        println!(
            "note     no setpriv (package util-linux): a killed xtask could leave its QEMU behind"
        );
    }
    if missing == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn first_line(text: &str) -> Option<String> {
    text.lines().next().map(str::to_owned)
}

fn new_enough(version: &str) -> bool {
    let mut numbers = version
        .split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) => (major, minor) >= COMPILER,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiler_versions_compare_by_number() {
        assert!(new_enough("rustc 1.95.0 (59807616e 2026-04-14)"));
        assert!(new_enough("rustc 2.0.0"));
        assert!(new_enough("rustc 1.100.1-nightly"));
        assert!(!new_enough("rustc 1.94.9"));
        assert!(!new_enough("rustc"));
    }
}
