//! A boot that cannot go on: says why on the serial port, and ends with the exit code for it.

use core::arch::asm;
use core::panic::PanicInfo;

use boot_code::{Failure, boot_params};

use super::console;

/// The exit code of a machine or a loader that lacks what a boot needs, as the kernel has it.
pub const CANNOT_BOOT: u8 = 0x15;

/// Says why.
pub fn say(failure: Failure) {
    console::start();
    console::say("aerolith: cannot boot: ");
    console::say(failure.text());
    console::say("\r\n");
}

/// Ends the guest with the exit code where `command_line` names a port for it; else comes back.
pub fn exit(command_line: &[u8]) {
    if let Some(port) = boot_params::debug_exit(command_line) {
        // SAFETY: whoever starts the guest says that this port is for that.
        unsafe { console::write_port(port, CANNOT_BOOT) };
    }
}

/// Says why, and ends.
pub fn end(failure: Failure, command_line: &[u8]) -> ! {
    say(failure);
    exit(command_line);
    off()
}

/// Switches the machine off where it is one of QEMU's, and stops where not.
fn off() -> ! {
    const SLEEP_ENABLE: u16 = 1 << 13;
    for port in [0x604_u16, 0xB004] {
        // SAFETY: where these ports are the power management's the machine goes off; elsewhere
        // nothing is there.
        unsafe {
            asm!("out dx, ax", in("dx") port, in("ax") SLEEP_ENABLE, options(nomem, nostack));
        };
    }
    loop {
        // SAFETY: nothing else of ours runs; stopping is what is asked for.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

#[panic_handler]
fn panicked(_info: &PanicInfo<'_>) -> ! {
    console::start();
    console::say("aerolith: cannot boot: the boot code failed\r\n");
    off()
}
