//! virtio-mmio devices (virtio 1.2 section 4.2): where they are, and whether somebody is there.

use crate::acpi::MmioDevice;
use crate::limits::{VIRTIO_MMIO_BYTES, VIRTIO_MMIO_DEVICES};
use crate::memory::map::MemoryMap;
use crate::mmio::Window;
use alloc::vec::Vec;
use core::ptr::NonNull;
use virtio_drivers::transport::mmio::{MmioTransport, VirtIOHeader};

const MAGIC: usize = 0x000;
const DEVICE_ID: usize = 0x008;
const MAGIC_VALUE: u32 = u32::from_le_bytes(*b"virt");
const HEADER_BYTES: u64 = 0x100;

/// Slots of one machine, one behind the other.
struct Slots {
    base: u64,
    bytes: u64,
    count: u64,
}

/// Where machines have devices that nobody tells of: Firecracker's, with the interrupts 5 to 23, and those of
/// QEMU's microvm.
const SLOTS: [Slots; 2] = [
    Slots { base: 0xc000_1000, bytes: 4096, count: 19 },
    Slots { base: 0xfeb0_0000, bytes: 512, count: 24 },
];

/// Reads the value of one command-line word `virtio_mmio.device=SIZE@ADDRESS:INTERRUPT[:ID]` (Linux
/// Documentation/admin-guide/kernel-parameters.txt); `None` if it is malformed or implausible.
#[must_use]
pub fn parse_word(value: &str) -> Option<MmioDevice> {
    let (bytes, rest) = value.split_once('@')?;
    let mut fields = rest.split(':');
    let base = number(fields.next()?)?;
    let interrupt = u32::try_from(number(fields.next()?)?).ok()?;
    // The fourth field is the device's number for user space.
    let (id, end) = (fields.next(), fields.next());
    let bytes = number(bytes)?;
    let sound = end.is_none()
        && id.is_none_or(|id| number(id).is_some())
        && base != 0
        && base % 4 == 0
        && base.checked_add(bytes).is_some()
        && (HEADER_BYTES..=VIRTIO_MMIO_BYTES).contains(&bytes);
    sound.then_some(MmioDevice { base, bytes, interrupt })
}

/// A number as Linux reads sizes: decimal, or hexadecimal with `0x`, times a unit K, M or G.
fn number(text: &str) -> Option<u64> {
    let units = [(['k', 'K'], 10), (['m', 'M'], 20), (['g', 'G'], 30)];
    let found =
        units.iter().find_map(|(letters, shift)| Some((text.strip_suffix(letters)?, *shift)));
    let (digits, shift) = found.unwrap_or((text, 0));
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => {
            u64::from_str_radix(digits, 16).ok()?
        }
        None if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok()?,
        _ => return None,
    };
    value.checked_mul(1 << shift)
}

/// The devices of the command line and of ACPI, each place once, at most [`VIRTIO_MMIO_DEVICES`].
pub fn list<'a>(words: impl Iterator<Item = &'a str>, described: &[MmioDevice]) -> Vec<MmioDevice> {
    let mut devices: Vec<MmioDevice> = Vec::new();
    let told = words.filter_map(|word| {
        let device = parse_word(word);
        if device.is_none() {
            log::warn!("mmio: cannot use virtio_mmio.device={word}");
        }
        device
    });
    for device in told.chain(described.iter().copied()) {
        if devices.iter().any(|known| known.base == device.base) {
            continue;
        }
        if devices.len() >= VIRTIO_MMIO_DEVICES {
            log::warn!("mmio: more than {VIRTIO_MMIO_DEVICES} devices; the rest is ignored");
            break;
        }
        devices.push(device);
    }
    devices
}

/// The places at which `is_slot` finds a slot, empty or not, for machines that tell of no device. Which
/// interrupts they raise nobody knows.
pub fn search(memory: &MemoryMap, is_slot: impl Fn(u64) -> bool) -> Vec<MmioDevice> {
    let is_memory = |place: u64| {
        memory
            .regions()
            .iter()
            .any(|region| (region.range.start..region.range.end).contains(&place))
    };
    let mut found = Vec::new();
    for slots in SLOTS {
        let places = (0..slots.count).map(|index| slots.base + index * slots.bytes);
        // There is none behind the first that is missing.
        let there = places.take_while(|place| !is_memory(*place) && is_slot(*place));
        found.extend(there.map(|base| MmioDevice { base, bytes: slots.bytes, interrupt: 0 }));
    }
    found
}

/// Whether a slot of a virtio device is there.
pub fn is_slot(place: u64) -> bool {
    Window::map(place, 4).is_some_and(|window| window.read_u32(MAGIC) == MAGIC_VALUE)
}

/// The device at a place; `None` if the slot is empty (QEMU's microvm has many) or unusable.
pub fn open(device: &MmioDevice) -> Option<MmioTransport<'static>> {
    let bytes = usize::try_from(device.bytes).ok()?;
    let window = Window::map(device.base, bytes)?;
    if window.read_u32(MAGIC) != MAGIC_VALUE {
        log::warn!("mmio: nothing at {:#x}", device.base);
        return None;
    }
    if window.read_u32(DEVICE_ID) == 0 {
        return None;
    }
    let header: NonNull<VirtIOHeader> = window.base().cast();
    if !header.is_aligned() || device.bytes < HEADER_BYTES {
        return None;
    }
    // SAFETY: the window is mapped for good, aligned, at least as long as the header, and nobody
    // else uses it: each place is opened once.
    match unsafe { MmioTransport::new(header, bytes) } {
        Ok(transport) => Some(transport),
        Err(error) => {
            log::warn!("mmio: the device at {:#x}: {error}", device.base);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::PhysRange;
    use crate::memory::map::{Region, RegionKind};
    use alloc::format;
    use proptest::prelude::*;

    #[test]
    fn words_are_read_as_linux_reads_them() {
        let device = MmioDevice { base: 0xfeb0_0e00, bytes: 512, interrupt: 12 };
        assert_eq!(parse_word("512@0xfeb00e00:12"), Some(device));
        assert_eq!(parse_word("0x200@0xfeb00e00:0xc:7"), Some(device));
        let firecracker = MmioDevice { base: 0xd000_0000, bytes: 4096, interrupt: 5 };
        assert_eq!(parse_word("4K@0xd0000000:5"), Some(firecracker));
    }

    #[test]
    fn malformed_and_implausible_words_are_refused() {
        for word in [
            "",
            "512",
            "512@",
            "512@0x1000",
            "512@0x1000:",
            "@0x1000:5",
            "512@0x1000:5:x",
            "512@0x1000:5:1:2",
            "512@0x1002:5",
            "512@0:5",
            "+512@0x1000:5",
            "512@0x+1000:5",
            "512@0x1000:-5",
            "512@0x1000:4294967296",
            "512@0xfffffffffffffffc:5",
            "99999999999999999999@0x1000:5",
            "99999999999G@0x1000:5",
        ] {
            assert_eq!(parse_word(word), None, "{word}");
        }
        let sized = |bytes: u64| parse_word(&format!("{bytes}@0x1000:5")).is_some();
        assert!(sized(HEADER_BYTES) && sized(VIRTIO_MMIO_BYTES));
        assert!(!sized(HEADER_BYTES - 1) && !sized(VIRTIO_MMIO_BYTES + 1));
    }

    #[test]
    fn each_place_is_listed_once_up_to_the_limit() {
        let described = [MmioDevice { base: 0x1000, bytes: 512, interrupt: 7 }];
        let listed = list(["512@0x1000:5", "bad", "512@0x2000:6"].into_iter(), &described);
        assert_eq!(listed.iter().map(|d| d.interrupt).collect::<Vec<_>>(), [5, 6]);
        for count in [VIRTIO_MMIO_DEVICES, VIRTIO_MMIO_DEVICES + 1] {
            let device =
                |index: usize| MmioDevice { base: 512 * index as u64, bytes: 512, interrupt: 1 };
            let many: Vec<MmioDevice> = (1..=count).map(device).collect();
            assert_eq!(list([].into_iter(), &many).len(), VIRTIO_MMIO_DEVICES);
        }
    }

    #[test]
    fn a_search_finds_the_slots_of_either_machine_and_reads_no_memory() {
        let nothing = MemoryMap::from_raw([]);
        let bases = |memory: &MemoryMap, last: u64| {
            let found = search(memory, |place| place <= last);
            found.iter().map(|device| (device.base, device.bytes)).collect::<Vec<_>>()
        };
        assert_eq!(bases(&nothing, 0), []);
        assert_eq!(bases(&nothing, 0xc000_2fff), [(0xc000_1000, 4096), (0xc000_2000, 4096)]);
        assert_eq!(bases(&nothing, u64::MAX).len(), 19 + 24);
        let range = PhysRange::new(0xc000_2000, 0xfeb0_0000);
        let memory = MemoryMap::from_raw([Region { range, kind: RegionKind::Usable }]);
        assert_eq!(bases(&memory, u64::MAX).len(), 1 + 24);
    }

    proptest! {
        #[test]
        fn any_word_is_survived(word in "[0-9a-fA-FxXkKmMgG@:+ -]{0,40}") {
            if let Some(device) = parse_word(&word) {
                prop_assert!(device.bytes <= VIRTIO_MMIO_BYTES && device.base != 0);
            }
        }

        #[test]
        fn numbers_survive_the_way_there(
            base in 1_u64..1 << 40,
            bytes in HEADER_BYTES..VIRTIO_MMIO_BYTES,
            interrupt in any::<u32>(),
        ) {
            let base = base * 4;
            let expected = MmioDevice { base, bytes, interrupt };
            prop_assert_eq!(parse_word(&format!("{bytes}@{base:#x}:{interrupt}")), Some(expected));
            let other = format!("{bytes:#x}@{base}:{interrupt:#x}:3");
            prop_assert_eq!(parse_word(&other), Some(expected));
        }
    }
}
