//! What a loader hands over: PVH's start info and Linux' boot parameters in the same bytes.

use hypervisor_glue::boot::physical::PhysicalMemory;
use hypervisor_glue::boot::{BootError, BootInfo, linux, pvh};
use hypervisor_glue::limits::VIRTIO_MMIO_DEVICES;
use hypervisor_glue::memory::limits::MAX_PHYSICAL_ADDRESS;
use hypervisor_glue::memory::map::{FreeRanges, MemoryMap};
use hypervisor_glue::virtio::mmio;

/// Where the input lies, and the structure begins.
const BASE: u64 = 0x1000;

struct Memory<'a>(&'a [u8]);

impl PhysicalMemory for Memory<'_> {
    fn bytes_up_to(&self, address: u64, length: usize) -> &[u8] {
        let offset = address.checked_sub(BASE).and_then(|offset| usize::try_from(offset).ok());
        let tail = offset.and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        &tail[..length.min(tail.len())]
    }
}

pub fn run(bytes: &[u8]) {
    let memory = Memory(bytes);
    let mut info = BootInfo::empty();
    let parsed = pvh::parse(&memory, BASE, &mut info);
    check(parsed, &info);
    let mut info = BootInfo::empty();
    let parsed = linux::parse(&memory, BASE, &mut info);
    check(parsed, &info);
}

fn check(parsed: Result<(), BootError>, info: &BootInfo) {
    is_in_order(&info.memory_map);
    assert!(parsed.is_err() || info.memory_map.usable_bytes() > 0);
    for word in info.command_line.words() {
        assert!(!word.is_empty() && !word.bytes().any(|byte| byte.is_ascii_whitespace()));
        let key = word.split('=').next().unwrap_or_default();
        assert_eq!(
            info.command_line.value(key).is_some(),
            info.command_line.values(key).count() > 0
        );
    }
    let devices = mmio::list(info.command_line.values("virtio_mmio.device"), &[]);
    assert!(devices.len() <= VIRTIO_MMIO_DEVICES);
    for device in devices {
        assert!(device.base.checked_add(device.bytes).is_some());
    }
    if let Some(module) = info.module {
        assert!(module.start < module.end);
        let mut free = FreeRanges::usable_pages(&info.memory_map);
        free.remove(module);
        for range in free.as_slice() {
            assert!(range.end <= module.start || module.end <= range.start, "{range:?}");
        }
    }
}

fn is_in_order(map: &MemoryMap) {
    for pair in map.regions().windows(2) {
        assert!(pair[0].range.end <= pair[1].range.start, "{pair:?}");
    }
    for region in map.regions() {
        assert!(region.range.start < region.range.end, "{region:?}");
        assert!(region.range.end <= MAX_PHYSICAL_ADDRESS, "{region:?}");
    }
}
