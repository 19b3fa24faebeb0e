//! The MCFG: where PCI configuration space is in memory (PCI Firmware 3.3 section 4.1.2).

use crate::fields::{u16_at, u64_at};
use crate::limits::ACPI_ENTRIES;

const ENTRIES: usize = 44;
const ENTRY_BYTES: usize = 16;

/// Memory-mapped configuration space of a range of buses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcamRegion {
    /// Physical address of `first_bus`.
    pub base: u64,
    /// First bus.
    pub first_bus: u8,
    /// Last bus, not below the first.
    pub last_bus: u8,
}

impl EcamRegion {
    /// Bytes that the region takes: 1 MiB for each bus.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        (self.last_bus as u64 - self.first_bus as u64 + 1) << 20
    }
}

/// The region of segment 0, if a checked MCFG has a sound one. The table gives the address of bus
/// 0, even if the region begins later.
pub fn parse(table: &[u8]) -> Option<EcamRegion> {
    let entries = table.get(ENTRIES..)?.chunks_exact(ENTRY_BYTES).take(ACPI_ENTRIES);
    let mut regions = entries.filter_map(|entry| {
        let (bus_0, segment) = (u64_at(entry, 0)?, u16_at(entry, 8)?);
        let (first_bus, last_bus) = (*entry.get(10)?, *entry.get(11)?);
        let base = bus_0.checked_add(u64::from(first_bus) << 20)?;
        let region = EcamRegion { base, first_bus, last_bus };
        let sound = segment == 0
            && first_bus <= last_bus
            && base != 0
            && base % 4096 == 0
            && base.checked_add(region.bytes()).is_some();
        sound.then_some(region)
    });
    regions.next()
}
