//! The MADT: interrupt controllers (ACPI 6.5 section 5.2.12).

use crate::fields::{u16_at, u32_at, u64_at};
use crate::limits::ACPI_ENTRIES;
use alloc::vec::Vec;

const LOCAL_APIC: usize = 36;
const ENTRIES: usize = 44;
const CPU: u8 = 0;
const IO_APIC: u8 = 1;
const OVERRIDE: u8 = 2;
const LOCAL_APIC_OVERRIDE: u8 = 5;
const X2APIC_CPU: u8 = 9;
/// Set for a CPU that is there, not only one that could be plugged in.
const CPU_ENABLED: u32 = 1;

/// An I/O APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApic {
    /// Physical address of its registers.
    pub base: u64,
    /// Global system interrupt of its first input.
    pub first_interrupt: u32,
}

/// An ISA interrupt that arrives elsewhere than at the input of its own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// ISA interrupt, 0 to 15.
    pub source: u8,
    /// Global system interrupt.
    pub interrupt: u32,
    /// True if the input is active when low.
    pub active_low: bool,
}

/// What the MADT tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interrupts {
    /// CPUs that are ready to be started, the running one among them; 0 if the table names none.
    pub cpus: u32,
    /// Physical address of the local APIC.
    pub local_apic: Option<u64>,
    /// I/O APICs.
    pub io_apics: Vec<IoApic>,
    /// Overrides of ISA interrupts.
    pub overrides: Vec<Override>,
}

impl Interrupts {
    /// The global system interrupt of an ISA interrupt, and whether its input is active when low.
    #[must_use]
    pub fn isa(&self, source: u8) -> (u32, bool) {
        let found = self.overrides.iter().find(|entry| entry.source == source);
        found.map_or((source.into(), false), |entry| (entry.interrupt, entry.active_low))
    }
}

/// Reads a checked MADT; entries that are cut off end it.
pub fn parse(table: &[u8]) -> Interrupts {
    let mut found = Interrupts {
        local_apic: u32_at(table, LOCAL_APIC).map(u64::from),
        ..Interrupts::default()
    };
    let mut rest = table.get(ENTRIES..).unwrap_or_default();
    while let [kind, length, ..] = *rest {
        // Every entry has at least its two-byte head, so each turn makes `rest` shorter.
        let Some((entry, after)) = rest.split_at_checked(usize::from(length.max(2))) else { break };
        rest = after;
        let enabled = |flags: Option<u32>| flags.unwrap_or(0) & CPU_ENABLED;
        match kind {
            // The table's own bytes bound the count.
            CPU => found.cpus += enabled(u32_at(entry, 4)),
            X2APIC_CPU => found.cpus += enabled(u32_at(entry, 8)),
            IO_APIC if found.io_apics.len() < ACPI_ENTRIES => {
                if let (Some(base), Some(first_interrupt)) = (u32_at(entry, 4), u32_at(entry, 8)) {
                    found.io_apics.push(IoApic { base: base.into(), first_interrupt });
                }
            }
            OVERRIDE if found.overrides.len() < ACPI_ENTRIES => {
                let source = entry.get(3).copied();
                if let (Some(source), Some(interrupt), Some(flags)) =
                    (source, u32_at(entry, 4), u16_at(entry, 8))
                {
                    let active_low = flags & 0b11 == 0b11;
                    found.overrides.push(Override { source, interrupt, active_low });
                }
            }
            LOCAL_APIC_OVERRIDE => found.local_apic = u64_at(entry, 4).or(found.local_apic),
            _ => {}
        }
    }
    found
}
