//! Reading and writing configuration space: by ECAM where the machine has it, else by ports
//! 0xCF8/0xCFC.

use crate::acpi::EcamRegion;
use crate::cpu::port;
use crate::mmio::Window;
use core::fmt;

/// Place of a function in the machine: bus 0 to 255, device 0 to 31, function 0 to 7.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    bus: u8,
    device: u8,
    function: u8,
}

impl Address {
    /// Devices of a bus.
    pub const DEVICES: u8 = 32;
    /// Functions of a device.
    pub const FUNCTIONS: u8 = 8;

    /// The address of a function; `None` if device or function is out of range.
    #[must_use]
    pub const fn new(bus: u8, device: u8, function: u8) -> Option<Address> {
        if device < Self::DEVICES && function < Self::FUNCTIONS {
            Some(Address { bus, device, function })
        } else {
            None
        }
    }

    /// Bus number.
    #[must_use]
    pub const fn bus(self) -> u8 {
        self.bus
    }

    /// Bus, device and function as one number, as hardware counts them.
    #[must_use]
    pub const fn index(self) -> u32 {
        (self.bus as u32) << 8 | (self.device as u32) << 3 | self.function as u32
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}:{:02x}.{}", self.bus, self.device, self.function)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Access to the first 256 bytes of every function's configuration space.
///
/// Offsets are rounded down to a multiple of four. A function that is not there reads as all ones.
pub trait ConfigAccess {
    /// Reads four bytes.
    fn read(&self, address: Address, offset: u8) -> u32;
    /// Writes four bytes.
    fn write(&self, address: Address, offset: u8, value: u32);
}

/// The configuration space of the machine that we run on.
#[derive(Debug)]
pub struct MachineConfig {
    access: Access,
}

#[derive(Debug)]
enum Access {
    /// Memory-mapped (PCIe 5.0 section 7.2.2), 4 KiB per function, first bus and window.
    Ecam { first_bus: u8, window: Window },
    /// By address and data port (PCI 3.0 section 3.2.2.3.2).
    Ports,
}

const ADDRESS_PORT: u16 = 0xcf8;
const DATA_PORT: u16 = 0xcfc;
const ENABLE: u32 = 1 << 31;
const ECAM_FUNCTION_BYTES: usize = 4096;

impl MachineConfig {
    /// Finds the way to configuration space: the ECAM region if it answers, else the ports if they
    /// do, else `None` (a machine without PCI, such as microvm).
    ///
    /// `map` maps device memory: physical address and bytes in, window out.
    pub fn detect(
        ecam: Option<&EcamRegion>,
        map: impl FnOnce(u64, usize) -> Option<Window>,
    ) -> Option<Self> {
        let by_ecam = ecam.and_then(|region| {
            let buses = usize::from(region.last_bus - region.first_bus) + 1;
            let bytes = buses
                * usize::from(Address::DEVICES)
                * usize::from(Address::FUNCTIONS)
                * ECAM_FUNCTION_BYTES;
            let window = map(region.base, bytes)?;
            Some(MachineConfig { access: Access::Ecam { first_bus: region.first_bus, window } })
        });
        // Tables may describe an ECAM region that nobody has switched on (seen with firmware that
        // only copies tables).
        by_ecam
            .filter(Self::answers)
            .or_else(|| Some(MachineConfig { access: Access::Ports }).filter(Self::answers))
    }

    /// Every PCI machine has something at 00:00.0: the host bridge.
    fn answers(&self) -> bool {
        Address::new(0, 0, 0).is_some_and(|bridge| {
            let vendor = self.read(bridge, super::VENDOR) & 0xffff;
            vendor != 0xffff && vendor != 0
        })
    }

    fn ecam_offset(first_bus: u8, address: Address, offset: u8) -> Option<usize> {
        let bus = address.bus.checked_sub(first_bus)?;
        let function = Address { bus, ..address }.index() as usize;
        Some(function * ECAM_FUNCTION_BYTES + usize::from(offset & !3))
    }
}

impl ConfigAccess for MachineConfig {
    fn read(&self, address: Address, offset: u8) -> u32 {
        match &self.access {
            Access::Ecam { first_bus, window } => Self::ecam_offset(*first_bus, address, offset)
                .map_or(u32::MAX, |at| window.read_u32(at)),
            Access::Ports => {
                select(address, offset);
                // SAFETY: 0xCFC is PCI's configuration data port; reading it changes no memory.
                unsafe { port::read_u32(DATA_PORT) }
            }
        }
    }

    fn write(&self, address: Address, offset: u8, value: u32) {
        match &self.access {
            Access::Ecam { first_bus, window } => {
                if let Some(at) = Self::ecam_offset(*first_bus, address, offset) {
                    window.write_u32(at, value);
                }
            }
            Access::Ports => {
                select(address, offset);
                // SAFETY: 0xCFC is PCI's configuration data port; what is written is the caller's
                // register, and BARs are only ever pointed at address space that holds no RAM
                // (`bars::assign`).
                unsafe { port::write_u32(DATA_PORT, value) };
            }
        }
    }
}

fn select(address: Address, offset: u8) {
    let word = ENABLE | address.index() << 8 | u32::from(offset & !3);
    // SAFETY: 0xCF8 only selects the register that 0xCFC shows.
    unsafe { port::write_u32(ADDRESS_PORT, word) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_out_of_range_do_not_exist() {
        assert!(Address::new(255, 31, 7).is_some());
        assert!(Address::new(0, 32, 0).is_none());
        assert!(Address::new(0, 0, 8).is_none());
    }

    #[test]
    fn ecam_offsets_count_from_the_first_bus() {
        let address = Address::new(3, 2, 1).unwrap();
        assert_eq!(MachineConfig::ecam_offset(0, address, 0x13), Some(0x0031_1010));
        assert_eq!(MachineConfig::ecam_offset(3, address, 0), Some(0x1_1000));
        assert_eq!(MachineConfig::ecam_offset(4, address, 0), None);
    }
}
