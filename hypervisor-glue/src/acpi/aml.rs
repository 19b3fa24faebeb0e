//! Byte patterns in AML: virtio-mmio devices, the sleep type of soft off, the event device, the generation ID.
//!
//! This is not an interpreter. It knows the shapes that the machines' tables have: constant `Name`
//! objects, and the one method by which an event device tells that its power button was pressed.
//! Where a table computes the same things, nothing is found, and the caller goes without.

use super::MmioDevice;
use crate::fields::{u32_at, u64_at};
use crate::limits::{AML_DEVICE_SPAN, VIRTIO_MMIO_BYTES, VIRTIO_MMIO_DEVICES};
use alloc::vec::Vec;

/// `Name (_HID, "LNRO0005")` without the terminating zero: what virtio-mmio devices are called
/// (virtio 1.2 has no name for x86; Linux, QEMU and Cloud Hypervisor use this one).
const VIRTIO_HID: &[u8] = b"\x08_HID\x0dLNRO0005";
/// `Name (_CRS, Buffer …)` up to the package length.
const RESOURCES: &[u8] = b"\x08_CRS\x11";
const SLEEP: &[u8] = b"\x08_S5_\x12";

/// `Name (_HID, "ACPI0013")`: the generic event device.
const EVENT_HID: &[u8] = b"\x08_HID\x0dACPI0013\0";
/// `If (And (Local0, …))` from `And` up to a byte constant.
const EVENT_TEST: &[u8] = b"\x7b\x60\x0a";
/// Bytes between the end of the test's constant and what it leads to: the target of `And`, and for
/// other tables than QEMU's a comparison.
const EVENT_TEST_SPAN: usize = 8;

/// How tables write an event device down.
struct EventShape {
    /// `OperationRegion (…, SystemMemory, …)` up to the address.
    region: &'static [u8],
    /// Bytes of the register, which is read as a whole.
    bytes: u8,
    /// `Notify (…, 0x80)`: the power button was pressed.
    notify: &'static [u8],
}

/// QEMU's, and Cloud Hypervisor's.
const EVENT_SHAPES: [EventShape; 2] = [
    EventShape { region: b"\x5b\x80EREG\x00", bytes: 4, notify: b"\x86PWRB\x0a\x80" },
    EventShape { region: b"\x5b\x80GDST\x00", bytes: 1, notify: b"\x86\x5c\x2e_SB_PWRB\x0a\x80" },
];

/// What all hypervisors call the device that has the generation ID.
const GENERATION_CID: &[u8] = b"VM_Gen_Counter";
/// `Name (ADDR, Package …)`: low and high half of the address, as Firecracker and Cloud Hypervisor write it.
const GENERATION_ADDRESS: &[u8] = b"\x08ADDR\x12";
/// `Name (VGIA, …)`: QEMU's, whose ID is so many bytes behind.
const GENERATION_BASE: &[u8] = b"\x08VGIA";
const GENERATION_OFFSET: u64 = 0x28;

const MEMORY_32_FIXED: u8 = 0x86;
const EXTENDED_INTERRUPT: u8 = 0x89;
const LARGE_ITEM: u8 = 0x80;

const ZERO_OP: u8 = 0x00;
const ONE_OP: u8 = 0x01;
const BYTE_PREFIX: u8 = 0x0a;
const WORD_PREFIX: u8 = 0x0b;
const DOUBLE_WORD_PREFIX: u8 = 0x0c;
const QUAD_WORD_PREFIX: u8 = 0x0e;

/// Adds the virtio-mmio devices of a definition block to `found`, at most [`VIRTIO_MMIO_DEVICES`]
/// in all.
pub fn virtio_mmio(aml: &[u8], found: &mut Vec<MmioDevice>) {
    let mut rest = aml;
    while let Some(at) = find(rest, VIRTIO_HID) {
        rest = rest.get(at + VIRTIO_HID.len()..).unwrap_or_default();
        if found.len() >= VIRTIO_MMIO_DEVICES {
            log::warn!("more than {VIRTIO_MMIO_DEVICES} virtio-mmio devices");
            return;
        }
        // The resources of this device, not of the next one.
        let span = rest.get(..AML_DEVICE_SPAN).unwrap_or(rest);
        let span = find(span, VIRTIO_HID).and_then(|end| span.get(..end)).unwrap_or(span);
        found.extend(find(span, RESOURCES).and_then(|at| {
            let (_, buffer) = package(span.get(at + RESOURCES.len()..)?)?;
            let (_, resources) = integer(buffer)?;
            device(resources)
        }));
    }
}

/// The event device, as far as its power button is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventDevice {
    /// Physical address of the register that tells what happened.
    pub register: u64,
    /// Bytes of the register: 1 or 4.
    pub bytes: u8,
    /// The bits in it that stand for the button.
    pub button: u32,
    /// Global system interrupt.
    pub interrupt: u32,
}

/// The event device of a definition block, if it tells of a power button.
pub fn event_device(aml: &[u8]) -> Option<EventDevice> {
    let at = find(aml, EVENT_HID)?;
    let span = aml.get(at + EVENT_HID.len()..)?;
    let span = span.get(..AML_DEVICE_SPAN).unwrap_or(span);
    let (_, buffer) = package(span.get(find(span, RESOURCES)? + RESOURCES.len()..)?)?;
    let (_, template) = integer(buffer)?;
    let interrupt = resources(template).interrupt?;
    // The register may belong to another device, to which this one's method leads.
    let (register, bytes, button) = EVENT_SHAPES.iter().find_map(|shape| event(aml, shape))?;
    Some(EventDevice { register, bytes, button, interrupt })
}

/// Register, its length, and the button's bits, where the tables have this shape.
fn event(aml: &[u8], shape: &EventShape) -> Option<(u64, u8, u32)> {
    let register = address(aml.get(find(aml, shape.region)? + shape.region.len()..)?)?;
    // The test that leads to the notification is the last before it.
    let before = aml.get(..find(aml, shape.notify)?)?;
    let test = before.windows(EVENT_TEST.len()).rposition(|window| window == EVENT_TEST)?;
    let (mask, rest) = before.get(test + EVENT_TEST.len()..)?.split_first()?;
    let aligned = register != 0 && register.is_multiple_of(shape.bytes.into());
    let sound = aligned && *mask != 0 && rest.len() <= EVENT_TEST_SPAN;
    sound.then_some((register, shape.bytes, u32::from(*mask)))
}

/// The physical address of the generation ID of a definition block, if it has one.
pub fn generation_id(aml: &[u8]) -> Option<u64> {
    let device = behind(aml, GENERATION_CID)?;
    let halves = || {
        let (_, package) = package(behind(device, GENERATION_ADDRESS)?)?;
        let (low, rest) = word(package.get(1..)?)?;
        let (high, _) = word(rest)?;
        Some(u64::from(high) << 32 | u64::from(low))
    };
    let by_base = || address(behind(aml, GENERATION_BASE)?)?.checked_add(GENERATION_OFFSET);
    let found = halves().or_else(by_base)?;
    // A base that firmware has not filled in is 0.
    (found > GENERATION_OFFSET && found.is_multiple_of(4)).then_some(found)
}

/// What follows the first place where `pattern` stands.
fn behind<'a>(bytes: &'a [u8], pattern: &[u8]) -> Option<&'a [u8]> {
    bytes.get(find(bytes, pattern)? + pattern.len()..)
}

/// A constant of up to 32 bits at the start of `aml`, and what follows it.
fn word(aml: &[u8]) -> Option<(u32, &[u8])> {
    match aml {
        [DOUBLE_WORD_PREFIX, rest @ ..] => Some((u32_at(rest, 0)?, rest.get(4..)?)),
        _ => integer(aml).map(|(value, rest)| (value.into(), rest)),
    }
}

/// An address at the start of `aml`.
fn address(aml: &[u8]) -> Option<u64> {
    match *aml.first()? {
        DOUBLE_WORD_PREFIX => u32_at(aml, 1).map(u64::from),
        QUAD_WORD_PREFIX => u64_at(aml, 1),
        _ => None,
    }
}

/// What a resource template says of one device.
#[derive(Default)]
struct Template {
    /// Base and size.
    memory: Option<(u32, u32)>,
    interrupt: Option<u32>,
}

fn resources(mut template: &[u8]) -> Template {
    let mut told = Template::default();
    // Small items end the template or are none of ours (ACPI 6.5 section 6.4.3).
    while let [tag, low, high, rest @ ..] = template {
        if tag & LARGE_ITEM == 0 {
            break;
        }
        let bytes = usize::from(u16::from_le_bytes([*low, *high]));
        let Some((item, after)) = rest.split_at_checked(bytes) else { break };
        template = after;
        match *tag {
            MEMORY_32_FIXED => told.memory = u32_at(item, 1).zip(u32_at(item, 5)),
            EXTENDED_INTERRUPT if item.get(1) == Some(&1) => told.interrupt = u32_at(item, 2),
            _ => {}
        }
    }
    told
}

/// The device that a resource template describes: one memory range, one interrupt.
fn device(template: &[u8]) -> Option<MmioDevice> {
    let Template { memory, interrupt } = resources(template);
    let (base, bytes) = memory?;
    let sound = base != 0 && bytes != 0 && u64::from(bytes) <= VIRTIO_MMIO_BYTES;
    sound.then_some(MmioDevice { base: base.into(), bytes: bytes.into(), interrupt: interrupt? })
}

/// The sleep types of `Name (\_S5, Package …)` for the first and the second PM1 block.
pub fn sleep_types(aml: &[u8]) -> Option<[u8; 2]> {
    let at = find(aml, SLEEP)?;
    let (_, package) = package(aml.get(at + SLEEP.len()..)?)?;
    let (_count, elements) = package.split_first()?;
    let (a, rest) = integer(elements)?;
    let b = integer(rest).map_or(a, |(b, _)| b);
    let sleep_type = |value: u16| u8::try_from(value).ok().filter(|value| *value < 8);
    Some([sleep_type(a)?, sleep_type(b)?])
}

/// Splits what follows a package length (ACPI 6.5 section 20.2.4) into the length and the bytes
/// that it covers, as far as they are there.
fn package(aml: &[u8]) -> Option<(usize, &[u8])> {
    let (lead, rest) = aml.split_first()?;
    let more = usize::from(lead >> 6);
    let bytes = rest.get(..more)?;
    let low = usize::from(if more == 0 { lead & 0x3f } else { lead & 0x0f });
    let length = bytes.iter().rev().fold(0, |length, byte| length << 8 | usize::from(*byte)) << 4;
    let length = if more == 0 { low } else { length | low };
    let body = rest.get(more..)?;
    let covered = length.checked_sub(1 + more)?;
    Some((length, body.get(..covered).unwrap_or(body)))
}

/// A small constant at the start of `aml`, and what follows it.
fn integer(aml: &[u8]) -> Option<(u16, &[u8])> {
    match *aml {
        [ZERO_OP, ref rest @ ..] => Some((0, rest)),
        [ONE_OP, ref rest @ ..] => Some((1, rest)),
        [BYTE_PREFIX, value, ref rest @ ..] => Some((value.into(), rest)),
        [WORD_PREFIX, low, high, ref rest @ ..] => Some((u16::from_le_bytes([low, high]), rest)),
        _ => None,
    }
}

/// Where `pattern` first begins in `bytes`.
fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}
