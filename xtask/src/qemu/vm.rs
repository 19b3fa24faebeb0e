//! One running QEMU.

use std::ops::{Deref, DerefMut};
use std::process::Command;

use anyhow::Result;

use super::{Guest, PROGRAM};
use crate::process::Process;

/// A QEMU process, with all that a [`Process`] can; dropping it kills and reaps it.
#[derive(Debug)]
pub struct Vm(Process);

impl Vm {
    /// Starts the guest. Serial output and QEMU's own messages are collected in one text.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub fn start(guest: &Guest) -> Result<Self> {
        let mut command = Command::new(PROGRAM);
        command.args(guest.arguments());
        Process::start(&command).map(Self)
    }
}

impl Deref for Vm {
    type Target = Process;

    fn deref(&self) -> &Process {
        &self.0
    }
}

impl DerefMut for Vm {
    fn deref_mut(&mut self) -> &mut Process {
        &mut self.0
    }
}
