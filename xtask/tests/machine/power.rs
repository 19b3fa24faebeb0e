//! Without the tests' exit port, a guest that ends switches its machine off.

use std::time::Duration;

use anyhow::{Result, ensure};
use libtest_mimic::Trial;
use xtask::build::Image;
use xtask::qemu::Vm;

use crate::node::{Kind, MICROVM, MICROVM_BARE, PC, Q35, guest};
use crate::trial;

const END_LIMIT: Duration = Duration::from_secs(60);

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, MICROVM_BARE, Q35, PC] {
        trials.push(trial(kind, "goes_off_when_the_guest_ends", goes_off));
    }
}

fn goes_off(kind: Kind) -> Result<()> {
    let mut guest = guest(kind, Image::FaultInjection)?;
    guest.command_line = vec!["aerolith.fault=panic".to_owned()];
    let mut vm = Vm::start(&guest)?;
    let code = vm.wait_exit(END_LIMIT)?;
    // 0 is what QEMU gives for power off and, by -no-reboot, for a reset.
    ensure!(code == 0, "exit code {code}\n{}", vm.report());
    ensure!(vm.text().contains("panic"), "no report\n{}", vm.report());
    Ok(())
}
