//! PCI: configuration access, the walk over the buses, BARs and MSI-X.
//!
//! The logic is written over [`ConfigAccess`], so that it is tested on the development host against
//! a machine made of arrays.
//!
//! Not supported: bridges that firmware has given no bus number or no memory window (what is behind
//! them is not seen, or does not answer), configuration space that only AML describes (QEMU's
//! microvm with `pcie=on`), I/O BARs, hot plug.

mod access;
mod bars;
mod bus;
mod capabilities;
mod msix;
#[cfg(test)]
pub(crate) mod testing;

pub use access::{Address, ConfigAccess, MachineConfig};
pub use bars::{Bar, BarError, Gaps, assign, assigned_ranges, read as read_bar, size as bar_bytes};
pub use bus::{Function, walk};
pub use capabilities::{Capability, capabilities};
pub use msix::{Message, MsiX};

/// Offset of the vendor and device identifiers (PCI 3.0 section 6.1).
const VENDOR: u8 = 0x00;
/// Offset of the command and status registers.
const COMMAND: u8 = 0x04;
/// Command bit: the function answers I/O accesses.
const COMMAND_IO: u32 = 1 << 0;
/// Command bit: the function answers memory accesses.
const COMMAND_MEMORY: u32 = 1 << 1;
/// Command bit: the function may access memory itself, which also lets it send MSI-X messages.
const COMMAND_MASTER: u32 = 1 << 2;
/// Command bit: the INTx pin stays quiet.
const COMMAND_INTX_OFF: u32 = 1 << 10;
/// Status bit (in the upper half): the function has a capability list.
const STATUS_CAPABILITIES: u32 = 1 << 20;

/// How a function may signal an interrupt by its INTx pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pin {
    /// The pin may be driven.
    Enabled,
    /// The pin stays quiet: the function uses messages, or is not used.
    Disabled,
}

/// Lets a function answer memory accesses and do DMA, with its INTx pin as told.
pub fn enable(config: &impl ConfigAccess, address: Address, pin: Pin) {
    let command = config.read(address, COMMAND) & 0xffff;
    let wanted = command | COMMAND_MEMORY | COMMAND_MASTER;
    let wanted = match pin {
        Pin::Enabled => wanted & !COMMAND_INTX_OFF,
        Pin::Disabled => wanted | COMMAND_INTX_OFF,
    };
    // The upper half is the status register, whose bits are cleared by writing ones: write zeros.
    config.write(address, COMMAND, wanted);
}

/// The interrupt line that firmware routed the function's pin to: a PIC input, 1 to 15; `None` if
/// it told none.
pub fn interrupt_line(config: &impl ConfigAccess, address: Address) -> Option<u8> {
    let [line, pin, ..] = config.read(address, 0x3c).to_le_bytes();
    (pin != 0 && (1..=15).contains(&line)).then_some(line)
}
