//! The Linux boot protocol's `boot_params` page, as handed to a 64-bit entry.
//!
//! Specification: Linux Documentation/arch/x86/boot.rst ("64-bit Boot Protocol") and
//! zero-page.rst. The header magic `HdrS` is demanded, its version is not: loaders of an ELF
//! image have no header to copy the version from.

use super::physical::PhysicalMemory;
use super::{BootError, BootInfo, Protocol};
use crate::fields::{u32_at, u64_at};
use crate::memory::address::{PhysAddr, PhysRange};
use crate::memory::map::{MemoryMap, Region, RegionKind};

const BOOT_PARAMS_BYTES: usize = 4096;
const ACPI_RSDP: usize = 0x070;
const EXT_RAMDISK_IMAGE: usize = 0x0C0;
const EXT_RAMDISK_SIZE: usize = 0x0C4;
const EXT_COMMAND_LINE: usize = 0x0C8;
const E820_ENTRIES: usize = 0x1E8;
const HEADER_MAGIC: usize = 0x202;
const RAMDISK_IMAGE: usize = 0x218;
const RAMDISK_SIZE: usize = 0x21C;
const COMMAND_LINE: usize = 0x228;
const E820_TABLE: usize = 0x2D0;
const E820_ENTRY_BYTES: usize = 20;
const E820_MAX_ENTRIES: usize = 128;
const MAGIC: u32 = u32::from_le_bytes(*b"HdrS");

/// Fills `info` from the `boot_params` at `address`.
///
/// # Errors
/// What is missing without which nothing can start: the structure itself, or a memory map.
pub fn parse(
    memory: &impl PhysicalMemory,
    address: u64,
    info: &mut BootInfo,
) -> Result<(), BootError> {
    let params = memory.bytes(address, BOOT_PARAMS_BYTES).ok_or(BootError::NoBootInfo)?;
    let u32 = |offset| u32_at(params, offset).unwrap_or(0);
    if u32(HEADER_MAGIC) != MAGIC {
        return Err(BootError::NoBootInfo);
    }
    let wide = |low, high| u64::from(u32(high)) << 32 | u64::from(u32(low));
    info.protocol = Protocol::Linux64;
    info.memory_map = MemoryMap::from_raw(memory_map(params));
    let command_line = wide(COMMAND_LINE, EXT_COMMAND_LINE);
    info.read_command_line(memory, command_line);
    let rsdp = u64_at(params, ACPI_RSDP).unwrap_or(0);
    info.rsdp = (rsdp != 0).then_some(PhysAddr(rsdp));
    let ramdisk = PhysRange::from_length(
        wide(RAMDISK_IMAGE, EXT_RAMDISK_IMAGE),
        wide(RAMDISK_SIZE, EXT_RAMDISK_SIZE),
    );
    info.module = (ramdisk.start != 0 && !ramdisk.is_empty()).then_some(ramdisk);
    if info.memory_map.usable_bytes() == 0 {
        return Err(BootError::NoMemoryMap);
    }
    Ok(())
}

fn memory_map(params: &[u8]) -> impl Iterator<Item = Region> + '_ {
    let entries = params.get(E820_ENTRIES).copied().map_or(0, usize::from).min(E820_MAX_ENTRIES);
    let table = params.get(E820_TABLE..).unwrap_or_default();
    table.chunks_exact(E820_ENTRY_BYTES).take(entries).filter_map(|entry| {
        let range = PhysRange::from_length(u64_at(entry, 0)?, u64_at(entry, 8)?);
        Some(Region { range, kind: RegionKind::from_e820(u32_at(entry, 16)?) })
    })
}

#[cfg(test)]
mod tests {
    use super::super::physical::fake::FakeMemory;
    use super::*;
    use proptest::prelude::*;

    const BASE: u64 = 0x7000;
    const LINE: u64 = 0x8100;

    fn boot_params(entries: u8) -> FakeMemory {
        let mut memory = FakeMemory::new(BASE, 0x1800);
        memory.write(BASE + 0x202, b"HdrS");
        memory.write(BASE + 0x1E8, &[entries]);
        for index in 0..u64::from(entries.min(128)) {
            let entry = BASE + 0x2D0 + index * 20;
            memory.write(entry, &(0x10_0000 + index * 0x2000).to_le_bytes());
            memory.write(entry + 8, &0x1000u64.to_le_bytes());
            memory.write(entry + 16, &1u32.to_le_bytes());
        }
        memory.write(BASE + 0x228, &u32::try_from(LINE).unwrap().to_le_bytes());
        memory.write(LINE, b"console=ttyS0 a=b\0");
        memory
    }

    #[test]
    fn reads_map_words_rsdp_and_ramdisk() {
        let mut memory = boot_params(3);
        memory.write(BASE + 0x070, &0xE_0000u64.to_le_bytes());
        memory.write(BASE + 0x218, &0x80_0000u32.to_le_bytes());
        memory.write(BASE + 0x21C, &0x1234u32.to_le_bytes());
        memory.write(BASE + 0x0C0, &1u32.to_le_bytes());
        let mut info = BootInfo::empty();
        parse(&memory, BASE, &mut info).unwrap();
        assert_eq!(info.protocol, Protocol::Linux64);
        assert_eq!(info.memory_map.usable_bytes(), 3 * 0x1000);
        assert_eq!(info.command_line.value("a"), Some("b"));
        assert_eq!(info.rsdp, Some(PhysAddr(0xE_0000)));
        assert_eq!(info.module, Some(PhysRange::from_length(0x1_0080_0000, 0x1234)));
    }

    #[test]
    fn takes_128_entries_and_no_more() {
        for (entries, taken) in [(128, 128), (129, 128)] {
            let mut info = BootInfo::empty();
            parse(&boot_params(entries), BASE, &mut info).unwrap();
            assert_eq!(info.memory_map.regions().len(), taken);
        }
    }

    #[test]
    fn refuses_a_wrong_magic_and_an_empty_map() {
        let mut info = BootInfo::empty();
        assert_eq!(parse(&boot_params(0), BASE, &mut info), Err(BootError::NoMemoryMap));
        assert_eq!(parse(&boot_params(1), BASE + 4, &mut info), Err(BootError::NoBootInfo));
        assert_eq!(parse(&boot_params(1), 0, &mut info), Err(BootError::NoBootInfo));
    }

    proptest! {
        #[test]
        fn any_garbage_behind_the_magic_is_survived(
            mut bytes in prop::collection::vec(any::<u8>(), 4096..5000),
        ) {
            bytes[0x202..0x206].copy_from_slice(b"HdrS");
            let mut info = BootInfo::empty();
            if parse(&FakeMemory { base: BASE, bytes }, BASE, &mut info).is_ok() {
                prop_assert!(info.memory_map.usable_bytes() > 0);
            }
        }
    }
}
