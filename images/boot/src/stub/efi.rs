//! Under EFI: gathers what a Linux loader would have handed over, and takes the machine.

use boot_code::boot_params::{self, Entry};
use boot_code::efi_map::EfiMap;
use boot_code::limits::{
    ALLOCATION_ATTEMPTS, COMMAND_LINE_BYTES, EFI_MAP_BYTES, EXIT_ATTEMPTS, MEMORY_MAP_ENTRIES,
};
use boot_code::{Failure, Range, load_options};

use super::firmware::{ACPI_1, ACPI_2, Firmware, MemoryMap};
use super::kernel::Image;
use super::{failure, memory};

/// `EFI_LOAD_ERROR`: the firmware goes on with its next way to boot.
const LOAD_ERROR: u64 = 1 << 63 | 1;
/// What is used of memory lies below: the kernel maps no more when it starts.
const END: u64 = 1 << 32;
const PAGE_BYTES: u64 = 4096;

/// Where the things lie that outlive the firmware, one behind the other.
#[derive(Clone, Copy, Debug)]
struct Keep {
    copy: u64,
    params: u64,
    line: u64,
    map: u64,
}

impl Keep {
    fn bytes(image: &Image) -> u64 {
        Keep::at(0, image).map + EFI_MAP_BYTES as u64
    }

    fn at(start: u64, image: &Image) -> Keep {
        let params = start + image.bytes.next_multiple_of(PAGE_BYTES);
        let line = params + boot_params::BYTES as u64;
        Keep { copy: start, params, line, map: line + COMMAND_LINE_BYTES as u64 }
    }
}

/// EFI's entry; comes back, with EFI's status, only when it fails while the firmware is still there.
pub extern "C" fn begin(handle: u64, table: u64, start: u64, scratch: u64, end: u64) -> u64 {
    // SAFETY: the firmware says where its table is; it does not exit before `take_over`.
    let firmware = unsafe { Firmware::new(table) };
    // SAFETY: this runs in it.
    let image = unsafe { Image::at(start, scratch, end) };
    firmware.stop_watchdog();
    let mut line = [0; COMMAND_LINE_BYTES];
    let options = firmware.load_options(handle);
    let length = load_options::to_utf8(options.unwrap_or_default(), &mut line);
    let line =
        boot_params::command_line(line.get(..length).unwrap_or_default(), image.command_line());
    let prepared = match options {
        None => Err(Failure::NoLoadedImage),
        Some(_) => prepare(firmware, &image, line),
    };
    let failure = match prepared {
        Ok(keep) => take_over(firmware, handle, &image, keep, line),
        Err(failure) => failure,
    };
    firmware.say("aerolith: cannot boot: ");
    firmware.say(failure.text());
    firmware.say("\r\n");
    failure::say(failure);
    failure::exit(line);
    LOAD_ERROR
}

/// Copies image and command line to where they outlive the firmware.
fn prepare(firmware: Firmware, image: &Image, line: &[u8]) -> Result<Keep, Failure> {
    let kernel = image.kernel()?;
    let bytes = Keep::bytes(image);
    let start = (0..ALLOCATION_ATTEMPTS)
        .map_while(|_| firmware.allocate(bytes, END))
        .find(|&start| !Range::new(start, bytes).overlaps(kernel.place))
        .ok_or(Failure::NoFirmwareMemory)?;
    let keep = Keep::at(start, image);
    // SAFETY: allocated just now, so free and elsewhere.
    unsafe { image.copy_to(keep.copy) };
    // SAFETY: likewise, and no other reference to it is there.
    let room = unsafe { memory::bytes_mut(keep.line, COMMAND_LINE_BYTES as u64) };
    room.fill(0);
    if let Some((text, _)) = room.split_at_mut_checked(line.len()) {
        text.copy_from_slice(line);
    }
    Ok(keep)
}

/// Makes the firmware exit, and goes on in the copy. Comes back only while the firmware is there.
fn take_over(firmware: Firmware, handle: u64, image: &Image, keep: Keep, line: &[u8]) -> Failure {
    let place = match image.kernel() {
        Ok(kernel) => kernel.place,
        Err(failure) => return failure,
    };
    let tables = firmware.configuration();
    let rsdp = [ACPI_2, ACPI_1].iter().find_map(|guid| tables?.find(guid));
    let mut tried = false;
    for _ in 0..EXIT_ATTEMPTS {
        let Some(map) = firmware.memory_map(keep.map, EFI_MAP_BYTES as u64) else {
            return stopped(tried, Failure::LongMemoryMap, line);
        };
        if !efi_map(keep, map).may_overwrite(place) {
            return stopped(tried, Failure::NoRoomForKernel, line);
        }
        if firmware.exit(handle, &map) {
            leave(keep, image, map, rsdp.unwrap_or(0));
        }
        tried = true;
    }
    stopped(tried, Failure::FirmwareStays, line)
}

/// After an attempt to exit the firmware can only be asked for the map, no longer be returned to.
fn stopped(tried: bool, failure: Failure, line: &[u8]) -> Failure {
    if tried {
        failure::end(failure, line);
    }
    failure
}

fn efi_map(keep: Keep, map: MemoryMap) -> EfiMap<'static> {
    // SAFETY: the firmware has written so many bytes there, and writes no more.
    let bytes = unsafe { memory::bytes(keep.map, map.bytes) };
    EfiMap::new(bytes, usize::try_from(map.stride).unwrap_or(0))
}

/// The firmware is gone: what was gathered becomes boot parameters.
fn leave(keep: Keep, image: &Image, map: MemoryMap, rsdp: u64) -> ! {
    let mut entries = [Entry { range: Range { start: 0, end: 0 }, kind: 0 }; MEMORY_MAP_ENTRIES];
    let count = efi_map(keep, map).convert(&mut entries);
    // SAFETY: in the memory that was allocated for it, which nothing else refers to.
    let params = unsafe { memory::bytes_mut(keep.params, boot_params::BYTES as u64) };
    boot_params::make(params, keep.line, rsdp, entries.into_iter().take(count));
    // SAFETY: the copy and the parameters are RAM that nothing else uses, below 4 GiB and outside of
    // the kernel's place; the firmware is gone.
    unsafe { image.go_on(keep.copy, keep.params) }
}
