//! ACPI: what a few static tables tell about interrupts, PCI, power and virtio-mmio devices.
//!
//! Tables are copied out of firmware memory before they are looked at, each with its length and
//! checksum checked; one that is broken is passed over with a warning. AML is not interpreted:
//! [`aml`] only recognises byte patterns.

mod aml;
mod button;
mod fadt;
mod madt;
mod mcfg;
mod tables;
#[cfg(test)]
mod tests;

use alloc::vec::Vec;

pub use button::{FixedButton, PowerButton};
pub use fadt::{Power, PowerWrite, Register, SleepControl};
pub use madt::{Interrupts, IoApic, Override};
pub use mcfg::EcamRegion;
pub use tables::{Firmware, MachineFirmware, TableError};

/// A virtio-mmio device that ACPI or the command line describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmioDevice {
    /// Physical address of its registers.
    pub base: u64,
    /// Size of its registers, in bytes.
    pub bytes: u64,
    /// Global system interrupt that it raises.
    pub interrupt: u32,
}

/// Everything that the tables told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acpi {
    /// Interrupt controllers.
    pub interrupts: Interrupts,
    /// Memory-mapped PCI configuration space of segment 0.
    pub ecam: Option<EcamRegion>,
    /// Ways to switch off and to reset.
    pub power: Power,
    /// How the power button tells that it was pressed.
    pub button: Option<PowerButton>,
    /// Physical address of the VM generation ID.
    pub generation_id: Option<u64>,
    /// virtio-mmio devices of the DSDT.
    pub virtio_mmio: Vec<MmioDevice>,
}

impl Acpi {
    /// Reads the tables, starting at `rsdp`, or looking for it in the BIOS area if the loader told
    /// none.
    ///
    /// # Errors
    ///
    /// [`TableError`] if there is no usable root; other broken tables are only passed over.
    pub fn read(firmware: &impl Firmware, rsdp: Option<u64>) -> Result<Acpi, TableError> {
        let mut acpi = Acpi::default();
        let mut fadt = None;
        let mut definitions = Vec::new();
        for address in tables::list(firmware, rsdp)? {
            let Some(signature) = firmware.read(address, 4) else { continue };
            // Others are not even copied: boot time.
            let reader: fn(&mut Acpi, &[u8]) = match signature.as_slice() {
                b"APIC" => |acpi, table| acpi.interrupts = madt::parse(table),
                b"MCFG" => |acpi, table| acpi.ecam = mcfg::parse(table),
                b"FACP" => |_, _| {},
                b"SSDT" => {
                    definitions.push(address);
                    continue;
                }
                _ => continue,
            };
            match tables::table(firmware, address) {
                Ok(table) => {
                    reader(&mut acpi, &table);
                    if signature == b"FACP" {
                        fadt = Some(table);
                    }
                }
                Err(error) => warn(&signature, error),
            }
        }
        if let Some(fadt) = fadt {
            definitions.extend(fadt::dsdt(&fadt));
            acpi.power = fadt::power(&fadt);
            acpi.button = button::fixed(&fadt);
        }
        for address in definitions {
            match tables::table(firmware, address) {
                Ok(table) => {
                    let body = table.get(tables::HEADER_BYTES..).unwrap_or_default();
                    aml::virtio_mmio(body, &mut acpi.virtio_mmio);
                    acpi.button = acpi.button.or_else(|| button::event(body));
                    acpi.generation_id = acpi.generation_id.or_else(|| aml::generation_id(body));
                    if let Some([a, b]) = aml::sleep_types(body) {
                        acpi.power.sleep_types.get_or_insert([a, b]);
                    }
                }
                Err(error) => warn(b"DSDT", error),
            }
        }
        Ok(acpi)
    }
}

fn warn(signature: &[u8], error: TableError) {
    log::warn!("{}: {error}", core::str::from_utf8(signature).unwrap_or("????"));
}
