//! Byte patterns in AML: virtio-mmio devices and the sleep type of soft off.
//!
//! This is not an interpreter. It knows the two shapes that compilers of such tables produce:
//! constant `Name` objects. Where a table computes the same things, nothing is found, and the
//! caller goes without.

use super::MmioDevice;
use super::tables::u32_at;
use crate::limits::{AML_DEVICE_SPAN, VIRTIO_MMIO_BYTES, VIRTIO_MMIO_DEVICES};
use alloc::vec::Vec;

/// `Name (_HID, "LNRO0005")` without the terminating zero: what virtio-mmio devices are called
/// (virtio 1.2 has no name for x86; Linux, QEMU and Cloud Hypervisor use this one).
const VIRTIO_HID: &[u8] = b"\x08_HID\x0dLNRO0005";
/// `Name (_CRS, Buffer …)` up to the package length.
const RESOURCES: &[u8] = b"\x08_CRS\x11";
const SLEEP: &[u8] = b"\x08_S5_\x12";

const MEMORY_32_FIXED: u8 = 0x86;
const EXTENDED_INTERRUPT: u8 = 0x89;
const LARGE_ITEM: u8 = 0x80;

const ZERO_OP: u8 = 0x00;
const ONE_OP: u8 = 0x01;
const BYTE_PREFIX: u8 = 0x0a;
const WORD_PREFIX: u8 = 0x0b;

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

/// The device that a resource template describes: one memory range, one interrupt.
fn device(mut resources: &[u8]) -> Option<MmioDevice> {
    let mut memory = None;
    let mut interrupt = None;
    // Small items end the template or are none of ours (ACPI 6.5 section 6.4.3).
    while let [tag, low, high, rest @ ..] = resources {
        if tag & LARGE_ITEM == 0 {
            break;
        }
        let (item, after) =
            rest.split_at_checked(usize::from(u16::from_le_bytes([*low, *high])))?;
        resources = after;
        match *tag {
            MEMORY_32_FIXED => memory = u32_at(item, 1).zip(u32_at(item, 5)),
            EXTENDED_INTERRUPT if item.get(1) == Some(&1) => interrupt = u32_at(item, 2),
            _ => {}
        }
    }
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
