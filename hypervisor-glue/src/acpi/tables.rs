//! The frame of all tables: RSDP, RSDT or XSDT, headers, checksums (ACPI 6.5 section 5.2).

use crate::fields::{u32_at, u64_at};
use crate::limits::{ACPI_TABLE_BYTES, ACPI_TABLES};
use alloc::vec::Vec;
use core::fmt;

/// Bytes of the header that every table begins with.
pub const HEADER_BYTES: usize = 36;
const LENGTH: usize = 4;
const RSDP_SIGNATURE: &[u8; 8] = b"RSD PTR ";
const RSDP_BYTES: usize = 20;
const RSDP_LONG_BYTES: usize = 36;
const BIOS_AREA: core::ops::Range<u64> = 0xe_0000..0x10_0000;
const RSDP_STEP: usize = 16;

/// Memory that firmware filled.
pub trait Firmware {
    /// A copy of `bytes` bytes at a physical address; `None` if they cannot be read.
    fn read(&self, address: u64, bytes: usize) -> Option<Vec<u8>>;
}

/// The memory of the machine that we run on.
#[derive(Debug)]
pub struct MachineFirmware(());

impl MachineFirmware {
    /// Access to it.
    ///
    /// # Safety
    ///
    /// While the value lives, only this thread of control writes to memory (other cores and devices
    /// are quiet).
    #[must_use]
    pub const unsafe fn new() -> Self {
        MachineFirmware(())
    }
}

impl Firmware for MachineFirmware {
    fn read(&self, address: u64, bytes: usize) -> Option<Vec<u8>> {
        let start = crate::memory::PhysAddr(address);
        // SAFETY: the slice lives only while it is copied, and by the promise of `new` nobody
        // writes meanwhile.
        let memory = unsafe { crate::memory::map_firmware(start, bytes) };
        memory.ok().map(<[u8]>::to_vec)
    }
}

/// Why a table is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableError {
    /// No root pointer is there.
    NoRoot,
    /// It cannot be read.
    Unreadable,
    /// Its length is impossible, or beyond [`ACPI_TABLE_BYTES`].
    Length,
    /// Its bytes do not add up to zero.
    Checksum,
}

impl fmt::Display for TableError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TableError::NoRoot => "no root pointer",
            TableError::Unreadable => "table cannot be read",
            TableError::Length => "table has an impossible length",
            TableError::Checksum => "table has a wrong checksum",
        })
    }
}

/// The addresses of all tables that the root names, at most [`ACPI_TABLES`].
///
/// # Errors
///
/// [`TableError`] if there is no sound root.
pub fn list(firmware: &impl Firmware, rsdp: Option<u64>) -> Result<Vec<u64>, TableError> {
    let (root, entry_bytes) = match rsdp {
        Some(address) => root_at(firmware, address)?,
        None => search(firmware).ok_or(TableError::NoRoot)?,
    };
    let root = table(firmware, root)?;
    let entries = root.get(HEADER_BYTES..).unwrap_or_default();
    let addresses = entries.chunks_exact(entry_bytes).take(ACPI_TABLES).map(little_endian);
    Ok(addresses.filter(|address| *address != 0).collect())
}

/// A whole table, checked.
///
/// # Errors
///
/// [`TableError`] if it is not sound.
pub fn table(firmware: &impl Firmware, address: u64) -> Result<Vec<u8>, TableError> {
    let header = firmware.read(address, HEADER_BYTES).ok_or(TableError::Unreadable)?;
    let bytes = u32_at(&header, LENGTH).and_then(|bytes| usize::try_from(bytes).ok());
    let bytes = bytes.filter(|bytes| (HEADER_BYTES..=ACPI_TABLE_BYTES).contains(bytes));
    let table = firmware.read(address, bytes.ok_or(TableError::Length)?);
    let table = table.ok_or(TableError::Unreadable)?;
    if sum(&table) == 0 { Ok(table) } else { Err(TableError::Checksum) }
}

/// The address of the RSDT or XSDT and the size of its entries, by the RSDP at `address`.
fn root_at(firmware: &impl Firmware, address: u64) -> Result<(u64, usize), TableError> {
    let rsdp = firmware.read(address, RSDP_BYTES).ok_or(TableError::Unreadable)?;
    if !rsdp.starts_with(RSDP_SIGNATURE) {
        return Err(TableError::NoRoot);
    }
    if sum(&rsdp) != 0 {
        return Err(TableError::Checksum);
    }
    let revision = rsdp.get(15).copied().unwrap_or(0);
    if revision >= 2 {
        let long = firmware.read(address, RSDP_LONG_BYTES).ok_or(TableError::Unreadable)?;
        let xsdt = u64_at(&long, 24).unwrap_or(0);
        if sum(&long) == 0 && xsdt != 0 {
            return Ok((xsdt, 8));
        }
    }
    let rsdt = u32_at(&rsdp, 16).ok_or(TableError::Length)?;
    Ok((rsdt.into(), 4))
}

/// Looks for an RSDP where BIOSes put it (section 5.2.5.1). The extended BIOS data area is not
/// looked at: the pointer to it is in the null page, which is never mapped.
fn search(firmware: &impl Firmware) -> Option<(u64, usize)> {
    let bytes = usize::try_from(BIOS_AREA.end - BIOS_AREA.start).ok()?;
    let area = firmware.read(BIOS_AREA.start, bytes)?;
    let places = area.chunks_exact(RSDP_STEP).zip((BIOS_AREA.start..).step_by(RSDP_STEP));
    places
        .filter(|(chunk, _)| chunk.starts_with(RSDP_SIGNATURE))
        .find_map(|(_, address)| root_at(firmware, address).ok())
}

fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}
