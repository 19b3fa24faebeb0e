//! After a Linux boot loader: the image steps aside, with what the loader handed over.

use boot_code::boot_params::{self, BootParams};
use boot_code::limits::COMMAND_LINE_BYTES;
use boot_code::{Failure, Range, placement};

use super::firmware::{ACPI_1, ACPI_2, Configuration};
use super::kernel::Image;
use super::{failure, memory};

/// Runs where the loader put the image, on the image's stack.
pub extern "C" fn boot_by_linux_protocol(params: u64, start: u64, scratch: u64, end: u64) -> ! {
    // SAFETY: this runs in it.
    let image = unsafe { Image::at(start, scratch, end) };
    // SAFETY: the loader maps them, and nobody else uses them.
    let filled = unsafe { memory::bytes_mut(params, boot_params::BYTES as u64) };
    let loaders_line = BootParams::new(filled).command_line();
    // SAFETY: the loader maps it; the bytes behind it are mapped as well, and are not looked at.
    let loaders = unsafe { memory::bytes(loaders_line, COMMAND_LINE_BYTES as u64) };
    let line = boot_params::command_line(loaders, image.command_line());
    let own = line.as_ptr() != loaders.as_ptr();
    if let Some(rsdp) = rsdp_of_efi(BootParams::new(filled)) {
        boot_params::set_rsdp(filled, rsdp);
    }
    match place(&image, params, BootParams::new(filled)) {
        Err(failure) => failure::end(failure, line),
        Ok(copy) => {
            // SAFETY: free RAM outside of the image, as `place` has made sure.
            unsafe { image.copy_to(copy) };
            if own {
                boot_params::set_command_line(filled, copy + image.command_line_offset());
            }
            // SAFETY: the image is there, and `place` has looked at the rest.
            unsafe { image.go_on(copy, params) }
        }
    }
}

fn place(image: &Image, params: u64, filled: BootParams<'_>) -> Result<u64, Failure> {
    let kernel = image.kernel()?;
    let taken = [
        Range::new(params, boot_params::BYTES as u64),
        Range::new(filled.command_line(), COMMAND_LINE_BYTES as u64),
        filled.ramdisk(),
    ];
    let own_place = Range::new(image.start, image.bytes);
    placement::beside(&filled.memory_map(), kernel.place, own_place, &taken, image.bytes)
}

/// ACPI's root pointer, where a loader under EFI leaves it to the kernel to ask the firmware's tables.
fn rsdp_of_efi(filled: BootParams<'_>) -> Option<u64> {
    /// What the page tables of the 32-bit entry map.
    const MAPPED: u64 = 1 << 32;
    if filled.rsdp() != 0 {
        return None;
    }
    // SAFETY: the loader says that the table is there; it outlives the boot services.
    let tables = unsafe { Configuration::of(filled.efi_system_table()?, MAPPED)? };
    [ACPI_2, ACPI_1].iter().find_map(|guid| tables.find(guid))
}
