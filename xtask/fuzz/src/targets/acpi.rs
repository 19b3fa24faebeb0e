//! ACPI tables: a BIOS area of arbitrary bytes, or sound roots over tables of arbitrary content.

use hypervisor_glue::acpi::{Acpi, Firmware};
use hypervisor_glue::limits::{ACPI_ENTRIES, VIRTIO_MMIO_DEVICES};

use super::Reader;

const BIOS_AREA: u64 = 0xe_0000;
const BIOS_AREA_BYTES: usize = 0x2_0000;
/// Where the XSDT lies, and a table in each step behind it.
const BASE: u64 = 0x10_0000;
const STEP: u64 = 0x1_0000;
const HEADER_BYTES: usize = 36;
const LENGTH: usize = 4;
const CHECKSUM: usize = 9;
const RSDP_CHECKSUM: usize = 8;

/// Some stretches of memory.
struct Memory(Vec<(u64, Vec<u8>)>);

impl Firmware for Memory {
    fn read(&self, address: u64, bytes: usize) -> Option<Vec<u8>> {
        self.0.iter().find_map(|(start, memory)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            memory.get(offset..offset.checked_add(bytes)?).map(<[u8]>::to_vec)
        })
    }
}

/// The first byte says which of the two; tables then stand one after the other: whether to make length
/// and checksum right, the length, the bytes.
pub fn run(bytes: &[u8]) {
    let mut input = Reader::new(bytes);
    let (memory, rsdp) = match input.byte() {
        0 => (bios_area(input.rest()), None),
        1 => (bios_area(input.rest()), Some(BIOS_AREA)),
        _ => (machine(input), None),
    };
    if let Ok(acpi) = Acpi::read(&memory, rsdp) {
        assert!(acpi.virtio_mmio.len() <= VIRTIO_MMIO_DEVICES);
        assert!(acpi.interrupts.io_apics.len() <= ACPI_ENTRIES);
        for source in 0..=u8::MAX {
            let _ = acpi.interrupts.isa(source);
        }
        assert!(acpi.power.off().count() <= 2);
        let _ = acpi.power.reset();
        if let Some(ecam) = acpi.ecam {
            assert!(ecam.bytes() > 0);
        }
    }
}

fn bios_area(bytes: &[u8]) -> Memory {
    let mut area = bytes.to_vec();
    area.resize(BIOS_AREA_BYTES, 0);
    Memory(vec![(BIOS_AREA, area)])
}

fn machine(mut input: Reader<'_>) -> Memory {
    let mut memory = Vec::new();
    let mut root = vec![0; HEADER_BYTES];
    root[..LENGTH].copy_from_slice(b"XSDT");
    let mut address = BASE;
    while !input.is_empty() {
        let right = input.byte();
        let length = usize::from(input.u16());
        let mut table = input.bytes(length).to_vec();
        if right != 0 && table.len() >= HEADER_BYTES {
            complete(&mut table);
        }
        address += STEP;
        root.extend(address.to_le_bytes());
        memory.push((address, table));
    }
    complete(&mut root);
    memory.push((BASE, root));
    let mut pointer = b"RSD PTR \0AEROLI\x02\0\0\0\0\x24\0\0\0".to_vec();
    pointer.extend(BASE.to_le_bytes());
    pointer.extend([0; 4]);
    seal(&mut pointer[..20], RSDP_CHECKSUM);
    seal(&mut pointer, 32);
    pointer.resize(BIOS_AREA_BYTES, 0);
    memory.push((BIOS_AREA, pointer));
    Memory(memory)
}

fn complete(table: &mut [u8]) {
    let bytes = u32::try_from(table.len()).unwrap_or(u32::MAX);
    table[LENGTH..LENGTH + 4].copy_from_slice(&bytes.to_le_bytes());
    seal(table, CHECKSUM);
}

/// Makes the bytes add up to zero by the one at `place`.
fn seal(table: &mut [u8], place: usize) {
    table[place] = 0;
    table[place] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
}
