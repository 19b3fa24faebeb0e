//! PVH: `hvm_start_info` of Xen's x86/HVM direct boot ABI.
//!
//! Specification: xen/include/public/arch-x86/hvm/start_info.h, versions 0 and 1; the memory map
//! is there from version 1 on.

use super::physical::PhysicalMemory;
use super::{BootError, BootInfo, Protocol};
use crate::fields::{u32_at, u64_at};
use crate::memory::address::{PhysAddr, PhysRange};
use crate::memory::limits::MAX_RAW_REGIONS;
use crate::memory::map::{MemoryMap, Region, RegionKind};

const MAGIC: u32 = 0x336E_C578;
const START_INFO_BYTES: usize = 56;
const MEMORY_ENTRY_BYTES: usize = 24;
const MODULE_ENTRY_BYTES: usize = 32;

/// Fills `info` from the start info at `address`.
///
/// # Errors
/// What is missing without which nothing can start: the structure itself, or a memory map.
pub fn parse(
    memory: &impl PhysicalMemory,
    address: u64,
    info: &mut BootInfo,
) -> Result<(), BootError> {
    let start = memory.bytes(address, START_INFO_BYTES).ok_or(BootError::NoBootInfo)?;
    let u32 = |offset| u32_at(start, offset).unwrap_or(0);
    let u64 = |offset| u64_at(start, offset).unwrap_or(0);
    let (magic, version, modules) = (u32(0), u32(4), u32(12));
    let (module_list, command_line, rsdp) = (u64(16), u64(24), u64(32));
    let (map_address, map_entries) = (u64(40), u32(48));
    if magic != MAGIC {
        return Err(BootError::NoBootInfo);
    }
    if version < 1 {
        return Err(BootError::NoMemoryMap);
    }
    info.protocol = Protocol::Pvh;
    info.memory_map = MemoryMap::from_raw(memory_map(memory, map_address, map_entries));
    info.read_command_line(memory, command_line);
    info.rsdp = (rsdp != 0).then_some(PhysAddr(rsdp));
    info.module = (modules > 0).then(|| module(memory, module_list)).flatten();
    if info.memory_map.usable_bytes() == 0 {
        return Err(BootError::NoMemoryMap);
    }
    Ok(())
}

fn memory_map(
    memory: &impl PhysicalMemory,
    address: u64,
    entries: u32,
) -> impl Iterator<Item = Region> + '_ {
    let entries = usize::try_from(entries).unwrap_or(usize::MAX).min(MAX_RAW_REGIONS);
    let table = memory.bytes_up_to(address, entries * MEMORY_ENTRY_BYTES);
    table.chunks_exact(MEMORY_ENTRY_BYTES).filter_map(|entry| {
        let range = PhysRange::from_length(u64_at(entry, 0)?, u64_at(entry, 8)?);
        Some(Region { range, kind: RegionKind::from_e820(u32_at(entry, 16)?) })
    })
}

/// The first module, which loaders use for the initial RAM disk.
fn module(memory: &impl PhysicalMemory, list: u64) -> Option<PhysRange> {
    let entry = memory.bytes(list, MODULE_ENTRY_BYTES)?;
    let range = PhysRange::from_length(u64_at(entry, 0)?, u64_at(entry, 8)?);
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::super::physical::fake::FakeMemory;
    use super::*;
    use proptest::prelude::*;

    const BASE: u64 = 0x1000;

    fn start_info(version: u32) -> FakeMemory {
        let mut memory = FakeMemory::new(BASE, 0x2000);
        memory.write(BASE, &MAGIC.to_le_bytes());
        memory.write(BASE + 4, &version.to_le_bytes());
        memory.write(BASE + 12, &1u32.to_le_bytes());
        for (offset, value) in [(16, 0x1200u64), (24, 0x1300), (32, 0xE_0000), (40, 0x1100)] {
            memory.write(BASE + offset, &value.to_le_bytes());
        }
        memory.write(BASE + 48, &2u32.to_le_bytes());
        for (index, (start, bytes, kind)) in
            [(0u64, 0x9_F000u64, 1u64), (0x10_0000, 0x100_0000, 1)].into_iter().enumerate()
        {
            let entry = 0x1100 + index as u64 * 24;
            memory.write(entry, &start.to_le_bytes());
            memory.write(entry + 8, &bytes.to_le_bytes());
            memory.write(entry + 16, &kind.to_le_bytes());
        }
        memory.write(0x1200, &0x80_0000u64.to_le_bytes());
        memory.write(0x1208, &0x1234u64.to_le_bytes());
        memory.write(0x1300, b"aerolith.log=debug quiet\0junk");
        memory
    }

    #[test]
    fn reads_map_words_rsdp_and_module() {
        let mut info = BootInfo::empty();
        parse(&start_info(1), BASE, &mut info).unwrap();
        assert_eq!(info.protocol, Protocol::Pvh);
        assert_eq!(info.memory_map.usable_bytes(), 0x9_F000 + 0x100_0000);
        assert_eq!(info.command_line.as_bytes(), b"aerolith.log=debug quiet");
        assert_eq!(info.loaders_line, PhysRange::from_length(0x1300, 24));
        assert_eq!(info.rsdp, Some(PhysAddr(0xE_0000)));
        assert_eq!(info.module, Some(PhysRange::from_length(0x80_0000, 0x1234)));
    }

    #[test]
    fn refuses_a_wrong_magic_a_missing_structure_and_a_missing_map() {
        let mut info = BootInfo::empty();
        assert_eq!(parse(&start_info(0), BASE, &mut info), Err(BootError::NoMemoryMap));
        assert_eq!(parse(&start_info(1), BASE + 8, &mut info), Err(BootError::NoBootInfo));
        assert_eq!(parse(&start_info(1), 1 << 40, &mut info), Err(BootError::NoBootInfo));
        let mut memory = start_info(1);
        memory.write(BASE + 48, &0u32.to_le_bytes());
        assert_eq!(parse(&memory, BASE, &mut info), Err(BootError::NoMemoryMap));
    }

    proptest! {
        #[test]
        fn any_garbage_behind_the_magic_is_survived(
            mut bytes in prop::collection::vec(any::<u8>(), 64..2048),
            pointers in prop::array::uniform4(0u64..0x1900),
        ) {
            bytes[..4].copy_from_slice(&MAGIC.to_le_bytes());
            for (slot, pointer) in [16, 24, 32, 40].into_iter().zip(pointers) {
                bytes[slot..slot + 8].copy_from_slice(&pointer.to_le_bytes());
            }
            let mut info = BootInfo::empty();
            if parse(&FakeMemory { base: BASE, bytes }, BASE, &mut info).is_ok() {
                prop_assert!(info.memory_map.usable_bytes() > 0);
            }
        }
    }
}
