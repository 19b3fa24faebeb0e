//! The tests' own promise: no machine outlives its test.

use std::panic;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use tempfile::NamedTempFile;
use xtask::bench::floor;
use xtask::qemu::{Accelerator, Guest, Vm};

use crate::node::{BOOT_LIMIT, Kind, MICROVM, Q35};
use crate::trial;

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "is_gone_when_its_test_is_over", gone_after_drop));
    }
    trials.push(trial(MICROVM, "is_gone_when_its_test_panics", gone_after_panic));
    trials.push(trial(MICROVM, "that_is_silent_is_given_up_in_time", silence_is_an_error));
}

/// The smallest guest there is, running.
fn floor_guest(kind: Kind) -> Result<(Vm, NamedTempFile)> {
    let file = NamedTempFile::new()?;
    std::fs::write(file.path(), floor::image())?;
    let mut guest = Guest::new(file.path().to_owned(), Accelerator::Tcg);
    kind.apply(&mut guest);
    let mut vm = Vm::start(&guest)?;
    vm.wait_for("!", BOOT_LIMIT)?;
    Ok((vm, file))
}

fn exists(process: u32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

fn gone_after_drop(kind: Kind) -> Result<()> {
    let (vm, _file) = floor_guest(kind)?;
    let process = vm.id();
    ensure!(exists(process), "no process {process}");
    drop(vm);
    ensure!(!exists(process), "process {process} is left behind");
    Ok(())
}

fn gone_after_panic(kind: Kind) -> Result<()> {
    let (vm, _file) = floor_guest(kind)?;
    let process = vm.id();
    let outcome = panic::catch_unwind(move || {
        let _held = vm;
        panic::resume_unwind(Box::new("on purpose"));
    });
    ensure!(outcome.is_err() && !exists(process), "process {process} is left behind");
    Ok(())
}

fn silence_is_an_error(kind: Kind) -> Result<()> {
    let (mut vm, _file) = floor_guest(kind)?;
    let limit = Duration::from_millis(200);
    let error = vm.wait_for("never said", limit).err().map(|error| error.to_string());
    ensure!(error.is_some_and(|text| text.contains("never said") && text.contains('!')));
    ensure!(vm.wait_exit(limit).is_err(), "a halted guest cannot have ended");
    Ok(())
}
