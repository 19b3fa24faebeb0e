//! The tables of QEMU's machines, whole and damaged.
//!
//! `testdata` holds what QEMU 7.2 gives to `-M q35` and to `-M microvm` with a virtio-net-device
//! and a virtio-rng-device.

use super::tables::HEADER_BYTES;
use super::*;
use crate::limits::{ACPI_TABLE_BYTES, ACPI_TABLES, VIRTIO_MMIO_BYTES, VIRTIO_MMIO_DEVICES};
use alloc::vec;
use proptest::prelude::*;
use proptest::sample::Index;

const RSDP: u64 = 0xf_3490;
const BASE: u64 = 0x10_0000;

/// Some stretches of memory.
#[derive(Clone, Default)]
struct FakeFirmware(Vec<(u64, Vec<u8>)>);

impl Firmware for FakeFirmware {
    fn read(&self, address: u64, bytes: usize) -> Option<Vec<u8>> {
        self.0.iter().find_map(|(start, memory)| {
            let offset = usize::try_from(address.checked_sub(*start)?).ok()?;
            memory.get(offset..offset.checked_add(bytes)?).map(<[u8]>::to_vec)
        })
    }
}

fn seal(table: &mut [u8], place: usize) {
    table[place] = 0;
    table[place] = table.iter().fold(0_u8, |sum, byte| sum.wrapping_sub(*byte));
}

/// A header and `body`, with the right length and checksum.
fn table(signature: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut table = vec![0; HEADER_BYTES];
    table[..4].copy_from_slice(signature);
    table.extend(body);
    let bytes = u32::try_from(table.len()).unwrap();
    table[4..8].copy_from_slice(&bytes.to_le_bytes());
    seal(&mut table, 9);
    table
}

/// A machine with these tables, by an XSDT, whose RSDP is in the BIOS area. Tables are a MiB and
/// more apart.
fn machine(tables: &[Vec<u8>]) -> FakeFirmware {
    let mut firmware = FakeFirmware::default();
    let mut addresses = Vec::new();
    for (index, table) in tables.iter().enumerate() {
        let address = BASE + 0x20_0000 * (index as u64 + 1);
        addresses.extend(address.to_le_bytes());
        firmware.0.push((address, table.clone()));
    }
    firmware.0.push((BASE, self::table(b"XSDT", &addresses)));
    let mut rsdp = b"RSD PTR \0BOCHS \x02\0\0\0\0\x24\0\0\0".to_vec();
    rsdp.extend(BASE.to_le_bytes());
    rsdp.extend([0; 4]);
    seal(&mut rsdp[..20], 8);
    seal(&mut rsdp, 32);
    let mut area = vec![0; 0x2_0000];
    let at = usize::try_from(RSDP - 0xe_0000).unwrap();
    area[at..at + 36].copy_from_slice(&rsdp);
    firmware.0.push((0xe_0000, area));
    firmware
}

/// A table of QEMU, whose FADT then names `dsdt` instead of the original's address.
fn with_dsdt(fadt: &[u8], machine_tables: &[Vec<u8>]) -> FakeFirmware {
    let dsdt = BASE + 0x20_0000 * machine_tables.len() as u64;
    let mut fadt = fadt.to_vec();
    fadt[40..44].copy_from_slice(&u32::try_from(dsdt).unwrap().to_le_bytes());
    if let Some(long) = fadt.get_mut(140..148) {
        long.fill(0);
    }
    seal(&mut fadt, 9);
    let mut tables = machine_tables.to_vec();
    tables.push(fadt);
    let last = tables.len() - 2;
    let mut firmware = machine(&tables);
    // The DSDT is not named by the XSDT, only by the FADT.
    let dsdt_table = tables[last].clone();
    firmware.0.retain(|(address, _)| *address != dsdt);
    firmware.0.push((dsdt, dsdt_table));
    firmware
}

fn microvm() -> FakeFirmware {
    with_dsdt(
        include_bytes!("testdata/microvm-facp.bin"),
        &[
            include_bytes!("testdata/microvm-apic.bin").to_vec(),
            include_bytes!("testdata/microvm-dsdt.bin").to_vec(),
        ],
    )
}

fn q35() -> FakeFirmware {
    with_dsdt(
        include_bytes!("testdata/q35-facp.bin"),
        &[
            include_bytes!("testdata/q35-apic.bin").to_vec(),
            include_bytes!("testdata/q35-mcfg.bin").to_vec(),
            include_bytes!("testdata/q35-dsdt.bin").to_vec(),
        ],
    )
}

#[test]
fn microvm_tells_two_io_apics_its_devices_and_its_power_registers() {
    for rsdp in [None, Some(RSDP)] {
        let acpi = Acpi::read(&microvm(), rsdp).unwrap();
        assert_eq!(
            acpi.interrupts.io_apics,
            [
                IoApic { base: 0xfec0_0000, first_interrupt: 0 },
                IoApic { base: 0xfec1_0000, first_interrupt: 24 }
            ]
        );
        assert_eq!(acpi.interrupts.local_apic, Some(0xfee0_0000));
        assert_eq!(
            acpi.virtio_mmio,
            [
                MmioDevice { base: 0xfeb0_2e00, bytes: 512, interrupt: 47 },
                MmioDevice { base: 0xfeb0_2c00, bytes: 512, interrupt: 46 },
            ]
        );
        assert_eq!(
            acpi.power,
            Power {
                sleep: Some(SleepControl::Reduced(Register::Memory(0xfea0_0200))),
                sleep_types: Some([5, 0]),
                reset: Some((Register::Memory(0xfea0_0202), 0x42)),
            }
        );
        assert_eq!(acpi.ecam, None);
    }
}

#[test]
fn q35_tells_ecam_overrides_and_its_power_ports() {
    let acpi = Acpi::read(&q35(), None).unwrap();
    let ecam = EcamRegion { base: 0xb000_0000, first_bus: 0, last_bus: 255 };
    assert_eq!(acpi.ecam, Some(ecam));
    assert_eq!(ecam.bytes(), 256 << 20);
    assert_eq!(acpi.interrupts.isa(0), (2, false));
    assert_eq!(acpi.interrupts.isa(4), (4, false));
    assert_eq!(
        acpi.power,
        Power {
            sleep: Some(SleepControl::Pm1 { a: 0x604, b: None }),
            sleep_types: Some([0, 0]),
            reset: Some((Register::Port(0xcf9), 0x0f)),
        }
    );
    assert!(acpi.virtio_mmio.is_empty());
}

#[test]
fn power_goes_off_by_the_registers_and_sleep_types_of_the_tables() {
    let off = |firmware: FakeFirmware| {
        Acpi::read(&firmware, None).unwrap().power.off().collect::<Vec<_>>()
    };
    let sleep = Register::Memory(0xfea0_0200);
    assert_eq!(off(microvm()), [PowerWrite::Byte(sleep, (5 << 2) | (1 << 5))]);
    assert_eq!(off(q35()), [PowerWrite::Word(0x604, 1 << 13)]);
    let both = Power {
        sleep: Some(SleepControl::Pm1 { a: 1, b: Some(2) }),
        sleep_types: Some([7, 5]),
        reset: None,
    };
    assert_eq!(
        both.off().collect::<Vec<_>>(),
        [PowerWrite::Word(1, (7 << 10) | (1 << 13)), PowerWrite::Word(2, (5 << 10) | (1 << 13))]
    );
    assert_eq!(Power { sleep_types: None, ..both }.off().count(), 0);
}

#[test]
fn processors_that_are_there_are_counted_by_both_kinds_of_entry() {
    let mut entries = [0; 8].to_vec();
    for (id, enabled) in [(0, 1), (1, 1), (2, 0)] {
        entries.extend([0, 8, id, id, enabled, 0, 0, 0]);
        entries.extend([9, 16, 0, 0, id, 1, 0, 0, enabled, 0, 0, 0, id, 0, 0, 0]);
    }
    let cpus = |entries: &[u8]| madt::parse(&table(b"APIC", entries)).cpus;
    assert_eq!(cpus(&entries), 4);
    assert_eq!(cpus(&entries[..8 + 24 + 4]), 2, "an entry that is cut off is none");
    assert_eq!(cpus(&[0; 8]), 0);
    assert_eq!(Acpi::read(&q35(), None).unwrap().interrupts.cpus, 1);
}

#[test]
fn the_power_button_is_fixed_hardware_or_a_bit_of_the_event_device() {
    let q35 = FixedButton {
        status: [Some(0x600), None],
        enable: [Some(0x602), None],
        control: 0x604,
        bring_in: Some((0xb2, 2)),
        interrupt: 9,
    };
    let button = |firmware: FakeFirmware| Acpi::read(&firmware, None).unwrap().button;
    assert_eq!(button(self::q35()), Some(PowerButton::Fixed(q35)));
    let event = PowerButton::Event { register: 0xfea0_0000, bytes: 4, mask: 2, interrupt: 9 };
    assert_eq!(button(microvm()), Some(event));
}

#[test]
fn the_generation_id_is_found_as_each_hypervisor_writes_it() {
    let cid = b"\x08_CID\x0dVM_Gen_Counter\0";
    let package = |halves: &[u8]| {
        let length = u8::try_from(2 + halves.len()).unwrap();
        [&cid[..], b"\x08ADDR\x12", &[length, 2], halves].concat()
    };
    let found = aml::generation_id;
    assert_eq!(found(&package(b"\x0c\xf0\xff\x0f\x00\x00")), Some(0xf_fff0));
    assert_eq!(found(&package(b"\x0c\0\x10\0\x80\x01")), Some(0x1_8000_1000));
    let qemu = [b"\x08VGIA\x0c\0\xf0\xfe\x07".as_slice(), cid].concat();
    assert_eq!(found(&qemu), Some(0x7fe_f028));
    // Without the device, with no address, with half of one, and where it cannot be.
    assert_eq!(found(b"\x08VGIA\x0c\0\xf0\xfe\x07"), None);
    assert_eq!(found(cid), None);
    assert_eq!(found(&package(b"\x0c\xf0\xff\x0f\x00")), None);
    assert_eq!(found(&package(b"\0\0")), None);
    assert_eq!(found(&package(b"\x0c\x01\xff\x0f\x00\0")), None);
}

#[test]
fn a_button_that_the_tables_do_not_fully_describe_is_none() {
    let fadt = include_bytes!("testdata/q35-facp.bin");
    assert!(button::fixed(fadt).is_some());
    // Flags that deny it, registers that overlap, no registers, a table that ends before the flags.
    for (at, value) in [(112, 1 << 4), (114, 1 << 4), (88, 3), (57, 0)] {
        let mut fadt = fadt.to_vec();
        fadt[at] = value;
        assert_eq!(button::fixed(&fadt), None, "byte {at}");
    }
    assert_eq!(button::fixed(&fadt[..115]), None);
    let aml = include_bytes!("testdata/microvm-dsdt.bin");
    assert!(button::event(aml).is_some());
    // The device's name, its region, its interrupt's tag, its test, what it notifies of.
    for at in [0x90, 0xba, 0xac, 0xe2, 0xe9] {
        let mut aml = aml.to_vec();
        aml[at] ^= 0x20;
        assert_eq!(button::event(&aml), None, "byte {at:#x}");
    }
}

/// The event device as Cloud Hypervisor's tables have it: its register belongs to another device.
fn cloud_hypervisor_events() -> Vec<u8> {
    let mut aml = b"\x5b\x82\x4dGEC_\x08_HID\x0cPNP_".to_vec();
    aml.extend(b"\x5b\x80GDST\x00\x0e\x00\x10\x00\xf0\xff\x00\x00\x00\x01");
    aml.extend(b"\x5b\x81\x0bGDST\x01GDAT\x08\x14\x4aESCN\x08\x70GDAT\x60");
    for (bit, called) in [(2, &b"MSCN"[..]), (4, b"PSCN")] {
        aml.extend([0x7b, 0x60, 0x0a, bit, 0x61, 0xa0, 0x12, 0x93, 0x61, 0x0a, bit]);
        aml.extend(called);
    }
    aml.extend(b"\x7b\x60\x0a\x08\x61\xa0\x11\x93\x61\x0a\x08\x86\x5c\x2e_SB_PWRB\x0a\x80");
    aml.extend(b"\x5b\x82\x3fGED_\x08_HID\x0dACPI0013\0\x08_UID\x00\x08_CRS\x11\x0e\x0a\x0b");
    aml.extend(b"\x89\x06\x00\x03\x01\x05\x00\x00\x00\x79\x00");
    aml.extend(b"\x14\x1b_EVT\x09\x5c\x2f\x03_SB_GEC_ESCN");
    aml
}

#[test]
fn the_event_device_of_cloud_hypervisor_has_a_register_of_one_byte() {
    let aml = cloud_hypervisor_events();
    let event = PowerButton::Event { register: 0xff_f000_1000, bytes: 1, mask: 8, interrupt: 5 };
    assert_eq!(button::event(&aml), Some(event));
    let at = |pattern: &[u8]| aml.windows(pattern.len()).position(|w| w == pattern).unwrap();
    for at in
        [at(b"GDST"), at(b"\x2e_SB_PWRB"), at(b"ACPI0013"), at(b"\x89\x06"), at(b"\x0e\x00\x10")]
    {
        let mut aml = aml.clone();
        aml[at] ^= 0x20;
        assert_eq!(button::event(&aml), None, "byte {at:#x}");
    }
}

#[test]
fn a_machine_without_a_sound_root_has_no_acpi() {
    assert_eq!(Acpi::read(&FakeFirmware::default(), None), Err(TableError::NoRoot));
    assert_eq!(Acpi::read(&FakeFirmware::default(), Some(RSDP)), Err(TableError::Unreadable));
    assert_eq!(Acpi::read(&microvm(), Some(RSDP + 16)), Err(TableError::NoRoot));
    let mut broken = microvm();
    let area = broken.0.iter_mut().find(|(address, _)| *address == 0xe_0000).unwrap();
    area.1[usize::try_from(RSDP - 0xe_0000).unwrap() + 10] ^= 1;
    assert_eq!(Acpi::read(&broken, Some(RSDP)), Err(TableError::Checksum));
    assert_eq!(Acpi::read(&broken, None), Err(TableError::NoRoot));
}

#[test]
fn a_broken_table_is_passed_over() {
    let mut firmware = q35();
    let mcfg = firmware.0.iter_mut().find(|(_, table)| table.starts_with(b"MCFG")).unwrap();
    mcfg.1[50] ^= 0x10;
    let acpi = Acpi::read(&firmware, None).unwrap();
    assert_eq!(acpi.ecam, None);
    assert_eq!(acpi.interrupts.io_apics.len(), 1);
}

#[test]
fn the_largest_table_is_read_and_a_larger_one_is_not() {
    for (bytes, expected) in
        [(ACPI_TABLE_BYTES, Ok(())), (ACPI_TABLE_BYTES + 1, Err(TableError::Length))]
    {
        let firmware = machine(&[table(b"APIC", &vec![0; bytes - HEADER_BYTES])]);
        assert_eq!(tables::table(&firmware, BASE + 0x20_0000).map(|_| ()), expected);
    }
    let mut short = table(b"APIC", &[]);
    short[4] = 35;
    assert_eq!(tables::table(&FakeFirmware(vec![(1, short)]), 1), Err(TableError::Length));
}

#[test]
fn no_more_tables_than_the_limit_are_followed() {
    for (count, followed) in [(ACPI_TABLES, ACPI_TABLES), (ACPI_TABLES + 1, ACPI_TABLES)] {
        let firmware = machine(&vec![table(b"OEM1", &[]); count]);
        assert_eq!(tables::list(&firmware, None).unwrap().len(), followed);
    }
}

/// A device as QEMU's tables write it.
fn aml_device(base: u32, bytes: u32, interrupt: u32) -> Vec<u8> {
    let mut aml = b"\x5b\x82\x42\x04VR00\x08_HID\x0dLNRO0005\0\x08_CRS\x11\x1a\x0a\x17".to_vec();
    aml.extend(b"\x86\x09\x00\x01");
    aml.extend(base.to_le_bytes());
    aml.extend(bytes.to_le_bytes());
    aml.extend(b"\x89\x06\x00\x01\x01");
    aml.extend(interrupt.to_le_bytes());
    aml.extend(b"\x79\x00");
    aml
}

#[test]
fn devices_are_taken_up_to_the_limit_and_only_with_sane_registers() {
    let mut aml = Vec::new();
    for index in 0..u32::try_from(VIRTIO_MMIO_DEVICES).unwrap() + 1 {
        aml.extend(aml_device(0xfeb0_0000 + index * 512, 512, index));
    }
    let mut found = Vec::new();
    aml::virtio_mmio(&aml, &mut found);
    assert_eq!(found.len(), VIRTIO_MMIO_DEVICES);
    let one = |base, bytes| {
        let mut found = Vec::new();
        aml::virtio_mmio(&aml_device(base, bytes, 5), &mut found);
        found.len()
    };
    let largest = u32::try_from(VIRTIO_MMIO_BYTES).unwrap();
    assert_eq!((one(1, largest), one(1, largest + 1), one(0, 512), one(1, 0)), (1, 0, 0, 0));
}

#[test]
fn a_device_does_not_take_the_resources_of_the_next() {
    let mut aml = b"\x08_HID\x0dLNRO0005\0".to_vec();
    aml.extend(aml_device(0xfeb0_0000, 512, 7));
    let mut found = Vec::new();
    aml::virtio_mmio(&aml, &mut found);
    assert_eq!(found, [MmioDevice { base: 0xfeb0_0000, bytes: 512, interrupt: 7 }]);
}

#[test]
fn sleep_types_are_small_constants() {
    assert_eq!(aml::sleep_types(b"\x08_S5_\x12\x08\x04\x0a\x05\x0a\x06\0\0"), Some([5, 6]));
    assert_eq!(aml::sleep_types(b"\x08_S5_\x12\x06\x04\x01\x01\0\0"), Some([1, 1]));
    assert_eq!(aml::sleep_types(b"\x08_S5_\x12\x08\x04\x0a\x08\x0a\x06\0\0"), None);
    assert_eq!(aml::sleep_types(b"\x08_S5_\x12\x08\x04\x0c\x05"), None);
    assert_eq!(aml::sleep_types(b"_S5_\x12\x08\x04\x0a\x05"), None);
}

proptest! {
    /// Any change of any byte, checksums repaired or not, and any cut: an answer, no panic, bounded
    /// lists.
    #[test]
    fn damaged_tables_are_survived(
        q35_machine in any::<bool>(),
        damage in prop::collection::vec((any::<Index>(), any::<Index>(), any::<u8>()), 1..12),
        cut in any::<Index>(),
        repair in any::<bool>(),
    ) {
        let mut firmware = if q35_machine { q35() } else { microvm() };
        let stretches = firmware.0.len() - 1;
        for (stretch, byte, value) in damage {
            let memory = &mut firmware.0[stretch.index(stretches)].1;
            let at = byte.index(memory.len());
            memory[at] = value;
            if repair {
                seal(memory, 9);
            }
        }
        let memory = &mut firmware.0[cut.index(stretches)].1;
        memory.truncate(cut.index(memory.len()) + 1);
        if let Ok(acpi) = Acpi::read(&firmware, None) {
            prop_assert!(acpi.virtio_mmio.len() <= VIRTIO_MMIO_DEVICES);
        }
    }

    #[test]
    fn garbage_behind_the_patterns_is_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let mut found = Vec::new();
        for start in [b"\x08_HID\x0dLNRO0005".as_slice(), b"\x08_HID\x0dLNRO0005\x08_CRS\x11"] {
            aml::virtio_mmio(&[start, &bytes].concat(), &mut found);
        }
        let _ = aml::sleep_types(&[b"\x08_S5_\x12".as_slice(), &bytes].concat());
            let _ = aml::generation_id(&[b"VM_Gen_Counter\x08ADDR\x12".as_slice(), &bytes].concat());
        let _ = madt::parse(&bytes);
        let _ = mcfg::parse(&bytes);
        let _ = (fadt::power(&bytes), fadt::dsdt(&bytes), button::fixed(&bytes));
        let _ = button::event(&[b"\x08_HID\x0dACPI0013\0\x08_CRS\x11".as_slice(), &bytes].concat());
        prop_assert!(found.len() <= 2);
    }
}
