//! The PCI transport against functions made of arrays.

use super::super::init;
use super::*;
use crate::limits::PCI_BAR_BYTES;
use crate::pci::testing::FakeMachine;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec;
use core::ptr::NonNull;
use proptest::prelude::*;

const MESSAGE: Message = Message { address: 0xfee0_0000, data: 0x41 };

fn function() -> Function {
    let address = Address::new(0, 3, 0).unwrap();
    Function { address, vendor: VENDOR, device: 0x1041, bridge: false }
}

/// Puts QEMU's layout into the machine: BAR 1 holds MSI-X, BAR 4 the parts, at addresses `at`.
fn qemu(at: [u64; 2]) -> FakeMachine {
    let machine = FakeMachine::default();
    let address = function().address;
    machine.add(address, VENDOR, 0x1041, 0);
    machine.set(address, 0x04, 1 << 20);
    machine.bar(address, 1, 0x1000, false, at[0]);
    machine.bar(address, 4, 0x4000, true, at[1]);
    machine.set(address, 0x34, 0x98);
    // MSI-X with three vectors in BAR 1, then common, interrupt, device, notify at 4 KiB steps of
    // BAR 4.
    machine.set(address, 0x98, 0x0002_7011);
    machine.set(address, 0x9c, 1);
    let parts = [(0x70, 0x60, 2, 3), (0x60, 0x50, 4, 2), (0x50, 0x40, 3, 1), (0x40, 0, 1, 0)];
    for (at, next, kind, page) in parts {
        let length = if kind == 2 { 20 } else { 16 };
        machine.set(address, at, kind << 24 | length << 16 | next << 8 | 0x09);
        machine.set(address, at + 4, 4);
        machine.set(address, at + 8, page * 0x1000);
        machine.set(address, at + 12, 0x1000);
    }
    machine.set(address, 0x80, 4);
    machine
}

/// Gives addresses one after the other, and maps each page of addresses to memory of its own.
#[derive(Default)]
struct Memory {
    pages: BTreeMap<u64, Window>,
    given: u64,
}

const PART_BYTES: u64 = 0x1000;
const GIVEN: u64 = 0xd000_0000;

impl Resources for Memory {
    fn place(&mut self, _: &impl ConfigAccess, bytes: u64) -> Option<u64> {
        self.given += 1;
        Some(GIVEN + self.given * bytes.max(0x10_0000))
    }

    fn map(&mut self, address: u64, bytes: usize) -> Option<Window> {
        let memory = Box::leak(vec![0_u32; bytes.div_ceil(4)].into_boxed_slice());
        // SAFETY: the memory is leaked and nobody else uses it.
        let window = unsafe { Window::new(NonNull::from(memory).cast(), bytes) };
        self.pages.insert(address, window.part(0, bytes)?);
        Some(window)
    }
}

fn start(
    machine: &FakeMachine,
    memory: &mut Memory,
) -> core::result::Result<PciTransport, PciError> {
    PciTransport::new(machine, &function(), DeviceType::Network, memory, Some(MESSAGE))
}

#[test]
fn kinds_are_known_by_modern_and_transitional_numbers() {
    let of = |vendor, device| kind(&Function { vendor, device, ..function() });
    assert_eq!(of(VENDOR, 0x1000), Some(DeviceType::Network));
    assert_eq!(of(VENDOR, 0x1041), Some(DeviceType::Network));
    assert_eq!(of(VENDOR, 0x1005), Some(DeviceType::EntropySource));
    assert_eq!(of(VENDOR, 0x1044), Some(DeviceType::EntropySource));
    assert_eq!(of(VENDOR, 0x1040), None);
    assert_eq!(of(VENDOR, 0xffff), None);
    assert_eq!(of(0x8086, 0x1000), None);
}

#[test]
fn registers_are_found_where_firmware_put_the_bars() {
    let (machine, mut memory) = (qemu([0xfebd_0000, 0xfe00_0000]), Memory::default());
    let mut transport = start(&machine, &mut memory).unwrap();
    assert!(transport.uses_messages());
    let [common, device, notify] =
        [0, 2, 3].map(|page| &memory.pages[&(0xfe00_0000 + page * PART_BYTES)]);
    common.write_u8(common::DEVICE_STATUS, 0x0f);
    assert_eq!(transport.get_status().bits(), 0x0f);
    device.write_u16(6, 0x1234);
    assert_eq!(transport.read_config_space::<u16>(6).unwrap(), 0x1234);
    assert!(transport.read_config_space::<u16>(0xfff).is_err());
    common.write_u16(common::QUEUE_NOTIFY_OFF, 1);
    transport.queue_set(1, 64, 0x1_0000_0000, 2, 3);
    assert_eq!(common.read_u32(common::QUEUE_DESC + 4), 1);
    assert_eq!(common.read_u16(common::QUEUE_MSIX_VECTOR), 0);
    transport.notify(1);
    assert_eq!(notify.read_u16(4), 1, "offset 1 times multiplier 4");
    let table = &memory.pages[&0xfebd_0000];
    assert_eq!((table.read_u32(0), table.read_u32(8), table.read_u32(12)), (0xfee0_0000, 0x41, 0));
    let command = machine.read(function().address, 0x04);
    assert_eq!(command & 0x406, 0x406, "memory, DMA, no pin");
    assert_eq!(memory.given, 0, "what has an address keeps it");
}

#[test]
fn bars_at_zero_are_given_an_address() {
    let (machine, mut memory) = (qemu([0, 0]), Memory::default());
    start(&machine, &mut memory).unwrap();
    assert_eq!(memory.given, 2);
    assert!(memory.pages.keys().all(|base| *base > GIVEN));
}

#[test]
fn without_messages_the_pin_is_used() {
    let (machine, mut memory) = (qemu([0xfebd_0000, 0xfe00_0000]), Memory::default());
    let transport =
        PciTransport::new(&machine, &function(), DeviceType::Network, &mut memory, None).unwrap();
    assert!(!transport.uses_messages());
    assert_eq!(machine.read(function().address, 0x04) & 0x406, 0x006);
    assert_eq!(machine.read(function().address, 0x98) >> 31, 0, "MSI-X stays off");
}

#[test]
fn parts_that_are_not_there_or_make_no_sense_are_errors() {
    let address = function().address;
    let broken = |change: &dyn Fn(&FakeMachine)| {
        let machine = qemu([0xfebd_0000, 0xfe00_0000]);
        change(&machine);
        start(&machine, &mut Memory::default()).map(|_| ())
    };
    let common = 0x40;
    assert_eq!(broken(&|m| m.set(address, 0x34, 0)), Err(PciError::Missing(Part::Common)));
    let sized = |bytes| broken(&|m| m.set(address, common + 12, bytes));
    assert_eq!(sized(common::BYTES), Ok(()));
    assert_eq!(sized(common::BYTES - 1), Err(PciError::Size(Part::Common)));
    let largest = u32::try_from(PCI_BAR_BYTES).unwrap();
    assert_eq!(sized(largest), Ok(()));
    assert_eq!(sized(largest + 1), Err(PciError::Size(Part::Common)));
    let bar = broken(&|m| m.set(address, common + 4, 6));
    assert_eq!(bar, Err(PciError::Bar(BarError::NoSuchBar)));
    let wrapping = broken(&|m| {
        m.bar(address, 4, 0x4000, true, !0x3fff);
        m.set(address, common + 8, 0x4000);
    });
    assert_eq!(wrapping, Err(PciError::Map));
}

#[test]
fn a_notify_offset_outside_of_the_part_is_dropped() {
    let (machine, mut memory) = (qemu([0xfebd_0000, 0xfe00_0000]), Memory::default());
    let mut transport = start(&machine, &mut memory).unwrap();
    memory.pages[&0xfe00_0000].write_u16(common::QUEUE_NOTIFY_OFF, 0xffff);
    transport.queue_set(0, 64, 1, 2, 3);
    transport.notify(0);
    transport.notify(u16::try_from(QUEUES).unwrap());
    assert_eq!(init::reset(&mut transport), Ok(()));
}

proptest! {
    #[test]
    fn any_configuration_space_is_survived(
        words in prop::collection::vec((0_u8..64, any::<u32>()), 0..20),
    ) {
        let machine = qemu([0, 0]);
        for (register, word) in words {
            machine.set(function().address, register * 4, word);
        }
        if let Ok(mut transport) = start(&machine, &mut Memory::default()) {
            transport.queue_set(0, 64, 1, 2, 3);
            transport.notify(0);
        }
    }
}
