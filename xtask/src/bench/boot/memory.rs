//! With how little memory the node serves, and how long its phases take.

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::BOOT_LIMIT;
use super::count::{ask, booted};
use crate::boot_log::Phase;
use crate::qemu::{Accelerator, Guest, Machine};

/// A guest that has too little memory says so at once; one that hangs is not waited for longer.
const SMALL_BOOT_LIMIT: Duration = Duration::from_secs(30);
/// The bisection's ends in MiB.
const SMALLEST: u32 = 2;
const LARGEST: u32 = 64;

/// The least memory in MiB with which the node boots and answers.
///
/// # Errors
/// When it does not even with the most that is tried.
pub fn smallest(machine: Machine, kernel: &Path) -> Result<u32> {
    let (mut low, mut high) = (SMALLEST, LARGEST);
    ensure!(serves(machine, kernel, high), "does not even serve with {high} MiB");
    while low < high {
        let middle = u32::midpoint(low, high);
        if serves(machine, kernel, middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(high)
}

fn serves(machine: Machine, kernel: &Path, memory_mib: u32) -> bool {
    let guest = guest(machine, kernel, memory_mib);
    let Ok((_vm, port)) = booted(&guest, "node: ready ", SMALL_BOOT_LIMIT) else {
        return false;
    };
    ask(port, "/health").is_ok()
}

/// The phases of one boot, by the guest's own clock.
///
/// # Errors
/// When the guest does not come up.
pub fn phases(machine: Machine, kernel: &Path) -> Result<Vec<Phase>> {
    let (vm, _) = booted(&guest(machine, kernel, LARGEST), "node: ready ", BOOT_LIMIT)?;
    Ok(vm.text().lines().filter_map(Phase::parse).collect())
}

fn guest(machine: Machine, kernel: &Path, memory_mib: u32) -> Guest {
    Guest { machine, memory_mib, ..Guest::new(kernel.to_owned(), Accelerator::Tcg) }
}
