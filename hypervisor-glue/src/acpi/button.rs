//! The power button: fixed hardware of the FADT (ACPI 6.5 section 4.8.2.2.1.1), or the event device of
//! machines that have none (section 5.6.9).

use super::aml;
use super::fadt::{FLAG_HARDWARE_REDUCED, FLAGS, PM1A_CONTROL};
use crate::fields::{u16_at, u32_at};

const SYSTEM_INTERRUPT: usize = 46;
const COMMAND_PORT: usize = 48;
const ENABLE_COMMAND: usize = 52;
const PM1A_EVENT: usize = 56;
const PM1B_EVENT: usize = 60;
const PM1_EVENT_BYTES: usize = 88;
const FLAG_NO_FIXED_BUTTON: u32 = 1 << 4;

/// How a press of the power button shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerButton {
    /// A bit of the PM1 event registers.
    Fixed(FixedButton),
    /// A bit of the register that tells what happened; reading it takes the event.
    Event {
        /// Physical address of the register.
        register: u64,
        /// Its bytes, 1 or 4: it answers no reads of another length.
        bytes: u8,
        /// The button's bits in it.
        mask: u32,
        /// Global system interrupt of the event device.
        interrupt: u32,
    },
}

/// The PM1 event registers, and how the machine is made to use them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedButton {
    /// Ports of the status registers, of two bytes: of the first block, and of the second if there is one.
    pub status: [Option<u16>; 2],
    /// Ports of the enable registers, likewise.
    pub enable: [Option<u16>; 2],
    /// Port of the first control register, whose lowest bit says that ACPI is in force.
    pub control: u16,
    /// The port and the byte that bring ACPI into force; none where it always is.
    pub bring_in: Option<(u16, u8)>,
    /// The system control interrupt: an ISA one below 16, else a global one.
    pub interrupt: u16,
}

/// The button that a checked FADT describes.
pub fn fixed(table: &[u8]) -> Option<PowerButton> {
    let flags = u32_at(table, FLAGS)?;
    if flags & (FLAG_NO_FIXED_BUTTON | FLAG_HARDWARE_REDUCED) != 0 {
        return None;
    }
    // Half of each block is status, the other half enable; each has two bytes that are defined.
    let half = u16::from(*table.get(PM1_EVENT_BYTES)?) / 2;
    if half < 2 {
        return None;
    }
    let status = [port(table, PM1A_EVENT), port(table, PM1B_EVENT)];
    status[0]?;
    let enable = status.map(|port| port.and_then(|port| port.checked_add(half)));
    let command = port(table, COMMAND_PORT).zip(table.get(ENABLE_COMMAND).copied());
    Some(PowerButton::Fixed(FixedButton {
        status,
        enable,
        control: port(table, PM1A_CONTROL)?,
        bring_in: command.filter(|(_, byte)| *byte != 0),
        interrupt: u16_at(table, SYSTEM_INTERRUPT)?,
    }))
}

/// The event device of a definition block.
pub fn event(aml: &[u8]) -> Option<PowerButton> {
    let found = aml::event_device(aml)?;
    Some(PowerButton::Event {
        register: found.register,
        bytes: found.bytes,
        mask: found.button,
        interrupt: found.interrupt,
    })
}

fn port(table: &[u8], offset: usize) -> Option<u16> {
    u32_at(table, offset).and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)
}
