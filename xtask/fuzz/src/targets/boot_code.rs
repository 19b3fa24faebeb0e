//! What firmware and loaders hand to the code before the kernel, and the kernel that it finds.

use boot_code::boot_params::{self, BootParams, Entry, USABLE};
use boot_code::efi_map::EfiMap;
use boot_code::elf::Kernel;
use boot_code::limits::MEMORY_MAP_ENTRIES;
use boot_code::{Failure, Range, load_options, placement};
use hypervisor_glue::boot::physical::PhysicalMemory;
use hypervisor_glue::boot::{BootInfo, linux};

use super::Reader;

/// Bytes that the image has in memory.
const IMAGE_BYTES: u64 = 0x18_0000;
const KERNEL: Range = Range { start: 0x10_0000, end: 0x40_0000 };
/// Where parameters are made.
const PARAMS: u64 = 0x9000;

pub fn run(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    match reader.byte() % 4 {
        0 => loader(reader.rest()),
        1 => {
            let stride = usize::from(reader.byte());
            firmware(reader.rest(), stride);
        }
        2 => kernel(reader.rest()),
        _ => options(reader.rest()),
    }
}

fn loader(bytes: &[u8]) {
    let params = BootParams::new(bytes);
    let taken =
        [Range::new(PARAMS, 4096), Range::new(params.command_line(), 4096), params.ramdisk()];
    let image = Range::new(KERNEL.start, IMAGE_BYTES);
    match placement::beside(&params.memory_map(), KERNEL, image, &taken, IMAGE_BYTES) {
        Ok(start) => {
            let place = Range::new(start, IMAGE_BYTES);
            assert!(!place.overlaps(KERNEL) && !place.overlaps(image) && place.end <= 1 << 32);
            assert!(!taken.iter().any(|one| one.overlaps(place) || one.overlaps(KERNEL)));
            let lies = |entry: Entry| entry.range.start <= start && place.end <= entry.range.end;
            assert!(params.memory_map().any(|entry| entry.kind == USABLE && lies(entry)));
        }
        Err(reason) => assert_ne!(reason, Failure::BadKernel),
    }
}

/// What is made of firmware's map, the kernel reads as it was meant.
fn firmware(bytes: &[u8], stride: usize) {
    let map = EfiMap::new(bytes, stride);
    let none = Entry { range: Range { start: 0, end: 0 }, kind: 0 };
    let mut entries = [none; MEMORY_MAP_ENTRIES];
    let count = map.convert(&mut entries);
    let entries = &entries[..count];
    let mut params = Parameters(vec![0; boot_params::BYTES]);
    boot_params::make(&mut params.0, 0, 0, entries.iter().copied());
    let read: Vec<Entry> = BootParams::new(&params.0).memory_map().collect();
    assert_eq!(read, entries);
    let mut info = BootInfo::empty();
    let parsed = linux::parse(&params, PARAMS, &mut info);
    assert!(parsed.is_err() || info.memory_map.usable_bytes() > 0);
    for usable in info.memory_map.usable() {
        let overlaps =
            |entry: &Entry| entry.range.start < usable.end && usable.start < entry.range.end;
        assert!(entries.iter().filter(|entry| overlaps(entry)).all(|entry| entry.kind == USABLE));
    }
    let _may = map.may_overwrite(KERNEL);
}

struct Parameters(Vec<u8>);

impl PhysicalMemory for Parameters {
    fn bytes_up_to(&self, address: u64, length: usize) -> &[u8] {
        let offset = address.checked_sub(PARAMS).and_then(|offset| usize::try_from(offset).ok());
        let tail = offset.and_then(|offset| self.0.get(offset..)).unwrap_or_default();
        &tail[..length.min(tail.len())]
    }
}

fn kernel(bytes: &[u8]) {
    let Ok(kernel) = Kernel::parse(bytes) else { return };
    assert!(kernel.place.start >= 1 << 20 && kernel.place.end <= 1 << 32);
    assert!((kernel.place.start..kernel.place.end).contains(&kernel.entry));
    for segment in kernel.segments() {
        assert!(segment.bytes.len() as u64 <= segment.place.bytes());
        assert!(kernel.place.start <= segment.place.start && segment.place.end <= kernel.place.end);
    }
}

fn options(bytes: &[u8]) {
    let mut line = [0; 512];
    let length = load_options::to_utf8(bytes, &mut line);
    let line = &line[..length];
    assert!(std::str::from_utf8(line).is_ok_and(|line| !line.contains('\0')));
    let chosen = boot_params::command_line(line, bytes);
    assert!(!chosen.contains(&0));
    let _port = boot_params::debug_exit(chosen);
}
