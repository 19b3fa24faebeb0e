//! The ways out: exit codes for tests, power off, reset.

use core::sync::atomic::{AtomicU32, Ordering};

use spin::Once;

use crate::acpi::{Power, PowerWrite, Register};
use crate::cpu::{self, port};
use crate::mmio::Window;

/// How the guest ended; QEMU's exit status is twice the number plus one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// As intended (QEMU: 33).
    Success = 0x10,
    /// Rust panicked (35).
    Panic = 0x11,
    /// A CPU exception (37).
    Exception = 0x12,
    /// Out of memory (39).
    OutOfMemory = 0x13,
    /// A stack ran into its guard page (41).
    StackOverflow = 0x14,
    /// The machine or the loader lacks what a boot needs (43).
    CannotBoot = 0x15,
}

/// Port of QEMU's `isa-debug-exit`, plus 1 << 16; 0 = none.
static DEBUG_EXIT: AtomicU32 = AtomicU32::new(0);

/// The ways that ACPI's tables tell.
#[derive(Debug)]
struct AcpiWays {
    off: [Option<Way>; 2],
    reset: Option<Way>,
}

/// A write, with its register within reach.
#[derive(Debug)]
enum Way {
    Port8(u16, u8),
    Port16(u16, u16),
    Memory(Window, u8),
}

static ACPI: Once<AcpiWays> = Once::new();

const PORT_KNOWN: u32 = 1 << 16;

/// Makes [`exit`] write its code to this port first (`aerolith.debug_exit=`).
///
/// # Safety
/// A byte written to the port ends the guest or does nothing.
pub unsafe fn set_debug_exit(port: u16) {
    DEBUG_EXIT.store(PORT_KNOWN | u32::from(port), Ordering::Relaxed);
}

/// Parses the value of `aerolith.debug_exit=`: a port, hexadecimal with `0x`, or decimal.
#[must_use]
pub fn parse_port(word: &str) -> Option<u16> {
    match word.strip_prefix("0x") {
        Some(digits) => u16::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

/// Makes [`power_off`] and [`reboot`] use what ACPI's tables tell, before other ways. Needs the page tables.
///
/// # Safety
/// The values are those of this machine's ACPI tables.
pub unsafe fn set_acpi(power: &Power) {
    let mut off = power.off().map(way);
    let off = [off.next().flatten(), off.next().flatten()];
    let reset = power.reset().and_then(way);
    ACPI.call_once(|| AcpiWays { off, reset });
}

fn way(write: PowerWrite) -> Option<Way> {
    match write {
        PowerWrite::Word(port, value) => Some(Way::Port16(port, value)),
        PowerWrite::Byte(Register::Port(port), value) => Some(Way::Port8(port, value)),
        PowerWrite::Byte(Register::Memory(address), value) => {
            Window::map(address, 1).map(|window| Way::Memory(window, value))
        }
    }
}

fn go(way: &Way) {
    match *way {
        Way::Port8(port, value) => out8(port, value),
        Way::Port16(port, value) => out16(port, value),
        Way::Memory(ref window, value) => window.write_u8(0, value),
    }
}

fn out8(port: u16, value: u8) {
    // SAFETY: the ports here are those of power and reset: the guest ends or nothing happens.
    unsafe { port::write_u8(port, value) };
}

fn out16(port: u16, value: u16) {
    // SAFETY: as for `out8`.
    unsafe { port::write_u16(port, value) };
}

fn known_port(value: u32) -> Option<u16> {
    (value & PORT_KNOWN != 0).then_some((value & 0xFFFF) as u16)
}

/// Ends the guest with `code` where a test listens, else by power off.
pub fn exit(code: ExitCode) -> ! {
    if let Some(port) = known_port(DEBUG_EXIT.load(Ordering::Relaxed)) {
        out8(port, code as u8);
    }
    power_off()
}

/// Switches the machine off, by whatever way it knows.
pub fn power_off() -> ! {
    const SLEEP_ENABLE: u16 = 1 << 13;
    if let Some(acpi) = ACPI.get() {
        acpi.off.iter().flatten().for_each(go);
    }
    // Where no tables said: QEMU's q35 (ICH9) and pc (PIIX4), with sleep type 0, then Cloud
    // Hypervisor's shutdown port (S5 is 5 << 2, with the enable bit).
    out16(0x604, SLEEP_ENABLE);
    out16(0xB004, SLEEP_ENABLE);
    out8(0x600, 0x34);
    // Firecracker and QEMU's microvm end when the guest asks for a reset.
    reboot()
}

/// Resets the machine.
pub fn reboot() -> ! {
    const KEYBOARD_COMMAND: u16 = 0x64;
    const PULSE_RESET: u8 = 0xFE;
    const RESET_CONTROL: u16 = 0xCF9;
    if let Some(way) = ACPI.get().and_then(|acpi| acpi.reset.as_ref()) {
        go(way);
    }
    out8(KEYBOARD_COMMAND, PULSE_RESET);
    out8(RESET_CONTROL, 0x02);
    out8(RESET_CONTROL, 0x06);
    triple_fault();
    cpu::halt_forever()
}

/// An exception without an interrupt table shuts the CPU down, which VMMs take for a reset.
fn triple_fault() {
    let pointer = cpu::descriptors::TablePointer { limit: 0, base: 0 };
    // SAFETY: the guest ends here; nothing runs on.
    unsafe {
        core::arch::asm!("lidt [{}]", "int3", in(reg) &raw const pointer, options(nostack));
    }
}

#[cfg(test)]
mod tests {
    use super::parse_port;

    #[test]
    fn ports_are_hexadecimal_or_decimal_and_fit() {
        assert_eq!(parse_port("0xf4"), Some(0xF4));
        assert_eq!(parse_port("244"), Some(244));
        assert_eq!(parse_port("0x10000"), None);
        assert_eq!(parse_port(""), None);
        assert_eq!(parse_port("0x"), None);
    }
}
