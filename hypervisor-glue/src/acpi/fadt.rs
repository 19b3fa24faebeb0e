//! The FADT: power off, reset, and where the DSDT is (ACPI 6.5 section 5.2.9).

use crate::fields::{u32_at, u64_at};

const DSDT: usize = 40;
pub(super) const PM1A_CONTROL: usize = 64;
const PM1B_CONTROL: usize = 68;
pub(super) const FLAGS: usize = 112;
const RESET_REGISTER: usize = 116;
const RESET_VALUE: usize = 128;
const X_DSDT: usize = 140;
const SLEEP_CONTROL: usize = 244;
const FLAG_RESET: u32 = 1 << 10;
pub(super) const FLAG_HARDWARE_REDUCED: u32 = 1 << 20;

/// Where a register is (section 5.2.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// In memory.
    Memory(u64),
    /// A port.
    Port(u16),
}

/// The register by which the machine is sent to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SleepControl {
    /// PM1 control registers: sleep type in bits 10 to 12, go in bit 13 (section 4.8.3.2.1).
    Pm1 {
        /// Port of the first block.
        a: u16,
        /// Port of the second block, if there is one.
        b: Option<u16>,
    },
    /// Sleep control register of hardware-reduced machines: sleep type in bits 2 to 4, go in bit 5
    /// (section 4.8.3.7).
    Reduced(Register),
}

/// Ways to switch off and to reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Power {
    /// Where to write to sleep.
    pub sleep: Option<SleepControl>,
    /// Sleep types of soft off for the first and the second PM1 block, from `_S5`.
    pub sleep_types: Option<[u8; 2]>,
    /// Where to write what to reset.
    pub reset: Option<(Register, u8)>,
}

/// A write that changes the machine's power state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerWrite {
    /// A byte.
    Byte(Register, u8),
    /// Two bytes to a port.
    Word(u16, u16),
}

impl Power {
    /// The writes, in order, that switch the machine off.
    pub fn off(&self) -> impl Iterator<Item = PowerWrite> + use<> {
        const PM1_GO: u16 = 1 << 13;
        const REDUCED_GO: u8 = 1 << 5;
        let pm1 = |port, kind: u8| PowerWrite::Word(port, (u16::from(kind) << 10) | PM1_GO);
        let writes = match (self.sleep, self.sleep_types) {
            (Some(SleepControl::Pm1 { a, b }), Some([kind_a, kind_b])) => {
                [Some(pm1(a, kind_a)), b.map(|b| pm1(b, kind_b))]
            }
            (Some(SleepControl::Reduced(register)), Some([kind, _])) => {
                [Some(PowerWrite::Byte(register, (kind << 2) | REDUCED_GO)), None]
            }
            _ => [None, None],
        };
        writes.into_iter().flatten()
    }

    /// The write that resets the machine.
    #[must_use]
    pub fn reset(&self) -> Option<PowerWrite> {
        self.reset.map(|(register, value)| PowerWrite::Byte(register, value))
    }
}

/// Address of the DSDT by a checked FADT.
pub fn dsdt(table: &[u8]) -> Option<u64> {
    let long = u64_at(table, X_DSDT).filter(|address| *address != 0);
    let short = || u32_at(table, DSDT).map(u64::from).filter(|address| *address != 0);
    long.or_else(short)
}

/// The ways that a checked FADT describes; sleep types are in the DSDT.
pub fn power(table: &[u8]) -> Power {
    let flags = u32_at(table, FLAGS).unwrap_or(0);
    let sleep = if flags & FLAG_HARDWARE_REDUCED != 0 {
        register(table, SLEEP_CONTROL).map(SleepControl::Reduced)
    } else {
        port(table, PM1A_CONTROL).map(|a| SleepControl::Pm1 { a, b: port(table, PM1B_CONTROL) })
    };
    let reset = (flags & FLAG_RESET != 0)
        .then(|| register(table, RESET_REGISTER).zip(table.get(RESET_VALUE).copied()))
        .flatten();
    Power { sleep, sleep_types: None, reset }
}

fn port(table: &[u8], offset: usize) -> Option<u16> {
    u32_at(table, offset).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}

/// A generic address structure; `None` for address spaces other than memory and ports.
fn register(table: &[u8], offset: usize) -> Option<Register> {
    let address = u64_at(table, offset.checked_add(4)?).filter(|address| *address != 0)?;
    match table.get(offset)? {
        0 => Some(Register::Memory(address)),
        1 => u16::try_from(address).ok().map(Register::Port),
        _ => None,
    }
}
