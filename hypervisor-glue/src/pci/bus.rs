//! The walk over the buses, behind bridges that firmware has numbered.

use super::{Address, ConfigAccess, VENDOR};
use crate::limits::PCI_FUNCTIONS;
use alloc::vec::Vec;

/// A function that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Function {
    /// Where it is.
    pub address: Address,
    /// Vendor identifier.
    pub vendor: u16,
    /// Device identifier.
    pub device: u16,
    /// True for a bridge to another bus: only the first two of its BARs exist.
    pub bridge: bool,
}

const HEADER: u8 = 0x0c;
const BUS_NUMBERS: u8 = 0x18;
const HEADER_MULTIFUNCTION: u8 = 0x80;
const HEADER_BRIDGE: u8 = 1;

/// All functions of the machine, at most [`PCI_FUNCTIONS`]. Each bus is visited once, so a loop of
/// bridges ends.
pub fn walk(config: &impl ConfigAccess) -> Vec<Function> {
    let mut found = Vec::new();
    let mut seen = [false; 256];
    let mut buses = Vec::from([0_u8]);
    while let Some(bus) = buses.pop() {
        if core::mem::replace(&mut seen[usize::from(bus)], true) {
            continue;
        }
        for device in 0..Address::DEVICES {
            for number in 0..Address::FUNCTIONS {
                let Some(address) = Address::new(bus, device, number) else { continue };
                let Some((function, header)) = look(config, address) else {
                    // Function 0 must be there if any is (PCI 3.0 section 3.2.2.3.4).
                    if number == 0 {
                        break;
                    }
                    continue;
                };
                if found.len() >= PCI_FUNCTIONS {
                    log::warn!("more than {PCI_FUNCTIONS} functions; the rest is ignored");
                    return found;
                }
                if function.bridge {
                    let [_, secondary, ..] = config.read(address, BUS_NUMBERS).to_le_bytes();
                    if secondary == 0 {
                        log::warn!(
                            "bridge {address} has no bus number; what is behind it is not seen"
                        );
                    } else {
                        buses.push(secondary);
                    }
                }
                found.push(function);
                if number == 0 && header & HEADER_MULTIFUNCTION == 0 {
                    break;
                }
            }
        }
    }
    found
}

/// The function at `address` and its header type byte, if there is one.
fn look(config: &impl ConfigAccess, address: Address) -> Option<(Function, u8)> {
    let [vendor_low, vendor_high, device_low, device_high] =
        config.read(address, VENDOR).to_le_bytes();
    let vendor = u16::from_le_bytes([vendor_low, vendor_high]);
    if vendor == 0xffff || vendor == 0 {
        return None;
    }
    let device = u16::from_le_bytes([device_low, device_high]);
    let [_, _, header, _] = config.read(address, HEADER).to_le_bytes();
    let bridge = header & !HEADER_MULTIFUNCTION == HEADER_BRIDGE;
    Some((Function { address, vendor, device, bridge }, header))
}

#[cfg(test)]
mod tests {
    use super::super::testing::FakeMachine;
    use super::*;

    fn at(bus: u8, device: u8, function: u8) -> Address {
        Address::new(bus, device, function).unwrap()
    }

    #[test]
    fn devices_behind_numbered_bridges_are_found_once() {
        let machine = FakeMachine::default();
        machine.add(at(0, 0, 0), 0x8086, 0x29c0, 0x00);
        machine.add(at(0, 2, 0), 0x1b36, 0x000c, 0x01);
        machine.set(at(0, 2, 0), BUS_NUMBERS, 0x00_01_01_00);
        machine.add(at(1, 0, 0), 0x1af4, 0x1041, 0x00);
        // A bridge on bus 1 that points back to bus 0.
        machine.add(at(1, 1, 0), 0x1b36, 0x000c, 0x01);
        machine.set(at(1, 1, 0), BUS_NUMBERS, 0x00_00_00_01);
        machine.add(at(1, 2, 0), 0x1b36, 0x000c, 0x01);
        machine.set(at(1, 2, 0), BUS_NUMBERS, 0x00_01_01_01);
        let found = walk(&machine);
        assert_eq!(found.len(), 5);
        assert_eq!(found.iter().filter(|f| f.vendor == 0x1af4).count(), 1);
    }

    #[test]
    fn only_multifunction_devices_have_more_functions() {
        let machine = FakeMachine::default();
        machine.add(at(0, 0, 0), 0x8086, 1, 0x00);
        machine.add(at(0, 0, 1), 0x8086, 2, 0x00);
        machine.add(at(0, 31, 0), 0x8086, 3, 0x80);
        machine.add(at(0, 31, 2), 0x8086, 4, 0x00);
        let devices: Vec<u16> = walk(&machine).iter().map(|f| f.device).collect();
        assert_eq!(devices, [1, 3, 4]);
    }

    #[test]
    fn a_full_machine_stops_at_the_limit() {
        // Every address answers, every function is a bridge to the next bus.
        struct Full;
        impl ConfigAccess for Full {
            fn read(&self, address: Address, offset: u8) -> u32 {
                match offset {
                    VENDOR => 0x0001_1af4,
                    HEADER => 0x0081_0000,
                    _ => u32::from(address.bus().wrapping_add(1)) << 8,
                }
            }
            fn write(&self, _: Address, _: u8, _: u32) {}
        }
        assert_eq!(walk(&Full).len(), PCI_FUNCTIONS);
    }
}
