//! The ways out: exit codes for tests, power off, reset.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use crate::cpu::{self, port};

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

/// How ACPI says that power goes off: `PM1a_CNT` port in the low half, sleep type above.
static ACPI_OFF: AtomicU32 = AtomicU32::new(0);
const ACPI_OFF_KNOWN: u32 = 1 << 31;

/// How ACPI says that the machine resets: port, then value; `known` when the flag is set.
static ACPI_RESET_PORT: AtomicU32 = AtomicU32::new(0);
static ACPI_RESET_VALUE: AtomicU8 = AtomicU8::new(0);
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

/// Makes [`power_off`] use the FADT's `PM1a_CNT` with the sleep type of `_S5`.
///
/// # Safety
/// The values are those of this machine's ACPI tables.
pub unsafe fn set_acpi_power_off(control_port: u16, sleep_type: u8) {
    let value = ACPI_OFF_KNOWN | u32::from(sleep_type & 7) << 16 | u32::from(control_port);
    ACPI_OFF.store(value, Ordering::Relaxed);
}

/// Makes [`reboot`] use the FADT's reset register (an I/O port).
///
/// # Safety
/// The values are those of this machine's ACPI tables.
pub unsafe fn set_acpi_reset(port: u16, value: u8) {
    ACPI_RESET_VALUE.store(value, Ordering::Relaxed);
    ACPI_RESET_PORT.store(PORT_KNOWN | u32::from(port), Ordering::Relaxed);
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
    let acpi = ACPI_OFF.load(Ordering::Relaxed);
    if acpi & ACPI_OFF_KNOWN != 0 {
        let control = (acpi & 0xFFFF) as u16;
        out16(control, ((acpi >> 16 & 7) as u16) << 10 | SLEEP_ENABLE);
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
    if let Some(port) = known_port(ACPI_RESET_PORT.load(Ordering::Relaxed)) {
        out8(port, ACPI_RESET_VALUE.load(Ordering::Relaxed));
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
