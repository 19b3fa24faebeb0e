//! Finding the machine's virtio devices: on PCI, and in memory by command line and ACPI.

use super::mmio;
use super::net::Interrupt;
use super::pci::{self as virtio_pci, PciTransport, Resources};
use super::transport::MachineTransport;
use crate::acpi::Acpi;
use crate::apic;
use crate::memory::map::MemoryMap;
use crate::mmio::Window;
use crate::pci::{self, Address, ConfigAccess, Function, Gaps, MachineConfig};
use alloc::vec::Vec;
use core::fmt;
use core::ops::Range;
use virtio_drivers::transport::{DeviceType, Transport};

/// Where a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A PCI function.
    Pci(Address),
    /// Registers at this physical address.
    Mmio(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Pci(address) => write!(f, "pci {address}"),
            Place::Mmio(base) => write!(f, "mmio {base:#x}"),
        }
    }
}

/// A device that can be driven.
#[derive(Debug)]
pub struct Found {
    /// What it is.
    pub kind: DeviceType,
    /// Where it is.
    pub place: Place,
    /// How it interrupts.
    pub interrupt: Interrupt,
    /// The way to it.
    pub transport: MachineTransport,
}

/// Finds the devices of the `wanted` kinds, PCI first. `words` are the values of
/// `virtio_mmio.device=` on the command line. A machine without PCI that tells of no device either is
/// searched for slots; those have no interrupt that is known. Addresses for BARs without one are taken from where
/// `memory` has nothing.
///
/// Call once, after [`apic::init_io`]: each device found is handed out and must not be opened
/// again.
pub fn discover<'a>(
    acpi: &Acpi,
    memory: &MemoryMap,
    words: impl Iterator<Item = &'a str>,
    wanted: &[DeviceType],
) -> Vec<Found> {
    let mut found = Vec::new();
    let config = MachineConfig::detect(acpi.ecam.as_ref(), Window::map);
    if let Some(config) = &config {
        on_pci(config, acpi, memory, wanted, &mut found);
    }
    let told = mmio::list(words, &acpi.virtio_mmio);
    let is_searched = told.is_empty() && config.is_none();
    let slots = if is_searched { mmio::search(memory, mmio::is_slot) } else { told };
    for device in slots {
        let Some(transport) = mmio::open(&device) else { continue };
        let kind = transport.device_type();
        if wanted.contains(&kind) {
            let routed = !is_searched && apic::route(device.interrupt, false);
            found.push(Found {
                kind,
                place: Place::Mmio(device.base),
                interrupt: if routed { Interrupt::Line } else { Interrupt::None },
                transport: MachineTransport::Mmio(transport),
            });
        }
    }
    for device in &found {
        log::info!("{:?} at {}, interrupt by {:?}", device.kind, device.place, device.interrupt);
    }
    found
}

fn on_pci(
    config: &MachineConfig,
    acpi: &Acpi,
    memory: &MemoryMap,
    wanted: &[DeviceType],
    found: &mut Vec<Found>,
) {
    let functions = pci::walk(config);
    let mut resources = MachineResources { acpi, memory, functions: &functions, gaps: None };
    for function in &functions {
        let Some(kind) = virtio_pci::kind(function).filter(|kind| wanted.contains(kind)) else {
            continue;
        };
        match PciTransport::new(config, function, kind, &mut resources, apic::message()) {
            Ok(transport) => {
                let interrupt = if transport.uses_messages() {
                    Interrupt::Message
                } else {
                    by_pin(config, acpi, function.address)
                };
                let transport = MachineTransport::Pci(transport);
                let place = Place::Pci(function.address);
                found.push(Found { kind, place, interrupt, transport });
            }
            Err(error) => log::warn!("{kind:?} at pci {}: {error}", function.address),
        }
    }
}

/// Inputs at which pins arrive beside the one that firmware routed them to, which may be none
/// (ICH9, section 10.10.2). Which pin has which is said only by AML code.
const PIN_INTERRUPTS: Range<u32> = 16..24;

/// The interrupt by the function's pin: wherever it may arrive. Others that arrive there wake us
/// once in vain.
fn by_pin(config: &MachineConfig, acpi: &Acpi, address: Address) -> Interrupt {
    let mut routed = pci::interrupt_line(config, address).is_some_and(|line| {
        let (interrupt, active_low) = acpi.interrupts.isa(line);
        apic::route(interrupt, active_low)
    });
    for interrupt in PIN_INTERRUPTS {
        routed |= apic::route(interrupt, false);
    }
    if routed { Interrupt::Line } else { Interrupt::None }
}

/// Addresses where the machine has nothing, found when the first BAR needs one: sizing every BAR of
/// the machine, to see what is taken, is slow.
struct MachineResources<'a> {
    acpi: &'a Acpi,
    memory: &'a MemoryMap,
    functions: &'a [Function],
    gaps: Option<Gaps>,
}

impl Resources for MachineResources<'_> {
    fn place(&mut self, config: &impl ConfigAccess, bytes: u64) -> Option<u64> {
        let gaps = self.gaps.get_or_insert_with(|| {
            let mut taken = pci::assigned_ranges(config, self.functions);
            let regions = self.memory.regions().iter();
            taken.extend(regions.map(|region| region.range.start..region.range.end));
            taken.extend(self.acpi.ecam.iter().map(|ecam| ecam.base..ecam.base + ecam.bytes()));
            Gaps::without(taken)
        });
        gaps.take(bytes)
    }

    fn map(&mut self, address: u64, bytes: usize) -> Option<Window> {
        Window::map(address, bytes)
    }
}
