//! KVM where the processor really has it, QEMU's emulation everywhere else.

use std::fs::{self, OpenOptions};

use anyhow::{Result, bail};
use clap::ValueEnum;

/// What the user asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Wanted {
    /// KVM if the processor has it and /dev/kvm opens, else emulation
    #[default]
    Auto,
    /// KVM, or fail
    Kvm,
    /// QEMU's emulation
    Tcg,
}

/// What QEMU is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor's own virtualization.
    Kvm,
    /// Emulation; works everywhere.
    Tcg,
}

impl Accelerator {
    /// The words for QEMU's command line.
    #[must_use]
    pub fn words(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Tcg => ["-accel", "tcg", "-cpu", "max"],
        }
    }
}

/// Chooses the accelerator for what is wanted.
///
/// # Errors
/// When KVM is demanded and this machine does not have it.
pub fn choose(wanted: Wanted) -> Result<Accelerator> {
    match (wanted, kvm_state()) {
        (Wanted::Tcg, _) | (Wanted::Auto, Err(_)) => Ok(Accelerator::Tcg),
        (_, Ok(())) => Ok(Accelerator::Kvm),
        (Wanted::Kvm, Err(reason)) => bail!("KVM cannot be used: {reason}"),
    }
}

/// Whether KVM can be used; the error says why not.
///
/// The device alone is no proof: there are hosts whose `/dev/kvm` interprets every privileged
/// instruction, so the processor must show VMX or SVM as well.
///
/// # Errors
/// The reason in words.
pub fn kvm_state() -> Result<(), String> {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    if !has_virtualization(&cpuinfo) {
        return Err("the processor shows neither vmx nor svm in /proc/cpuinfo".to_owned());
    }
    match OpenOptions::new().read(true).write(true).open("/dev/kvm") {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("/dev/kvm does not open: {error}")),
    }
}

fn has_virtualization(cpuinfo: &str) -> bool {
    cpuinfo
        .lines()
        .filter(|line| line.starts_with("flags"))
        .flat_map(str::split_whitespace)
        .any(|flag| flag == "vmx" || flag == "svm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtualization_is_a_whole_flag_of_the_processor() {
        assert!(has_virtualization("model name : svm\nflags\t\t: fpu vmx sse2\n"));
        assert!(has_virtualization("flags : fpu svm"));
        assert!(!has_virtualization("flags : fpu svm_lock\nvmx flags : vnmi\nbugs : vmx"));
    }

    #[test]
    fn emulation_is_always_to_be_had() {
        assert_eq!(choose(Wanted::Tcg).unwrap(), Accelerator::Tcg);
        assert!(choose(Wanted::Auto).is_ok());
    }
}
