//! What the code before the kernel decides: all that can be said without touching the machine.
//!
//! A bootable file is the kernel's ELF with something before it that gathers what Linux' boot
//! protocol hands over (memory map, command line, ACPI's root pointer), puts the ELF's segments
//! where they belong and enters it. What is here are functions of bytes and numbers, tested on the
//! host; the binary `aerolith-boot` of this package is the part that runs on the machine.
//!
//! - [`boot_params`]: the structure that is handed over.
//! - [`efi_map`]: EFI's memory map as the kernel wants it.
//! - [`load_options`]: EFI's load options as a command line.
//! - [`elf`]: the kernel's segments.
//! - [`placement`]: where there is room for the code while the kernel is put into its place.
//! - [`page_tables`]: the tables that are in force meanwhile.
//!
//! Not supported: an initial RAM disk by EFI's `LoadFile2`, kernels that can be relocated.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod boot_params;
pub mod efi_map;
pub mod elf;
pub mod limits;
pub mod load_options;
pub mod page_tables;
pub mod placement;

/// Why the kernel cannot be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The loader or the firmware lists no memory.
    NoMemoryMap,
    /// The place that the kernel is linked to is not free RAM, or there is too little of it.
    NoRoomForKernel,
    /// There is no RAM beside the kernel to start it from.
    NoRoomBeside,
    /// What stands behind this code is no kernel, or it is cut off.
    BadKernel,
    /// The firmware lists more regions than there is room for.
    LongMemoryMap,
    /// The firmware does not let go of the machine.
    FirmwareStays,
    /// The firmware gives no memory.
    NoFirmwareMemory,
    /// The firmware does not know the program that it started.
    NoLoadedImage,
}

impl Failure {
    /// Why, in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Failure::NoMemoryMap => "the loader gives no memory map",
            Failure::NoRoomForKernel => {
                "too little memory, or the kernel's place at 1 MiB is taken"
            }
            Failure::NoRoomBeside => "too little memory to put the kernel into its place",
            Failure::BadKernel => "the kernel in the image is damaged or cut off",
            Failure::LongMemoryMap => "the firmware's memory map is too long",
            Failure::FirmwareStays => "the firmware does not exit its boot services",
            Failure::NoFirmwareMemory => "the firmware gives no memory",
            Failure::NoLoadedImage => "the firmware does not say what it has loaded",
        }
    }
}

/// A half-open range of physical addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// First address.
    pub start: u64,
    /// First address after it; not below `start`.
    pub end: u64,
}

impl Range {
    /// `bytes` from `start`, cut off at the end of the address space.
    #[must_use]
    pub const fn new(start: u64, bytes: u64) -> Range {
        Range { start, end: start.saturating_add(bytes) }
    }

    /// Length in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether the two have a byte in common.
    #[must_use]
    pub const fn overlaps(self, other: Range) -> bool {
        let (later, earlier) = (
            if self.start > other.start { self.start } else { other.start },
            if self.end < other.end { self.end } else { other.end },
        );
        later < earlier
    }
}

/// Little-endian field of `bytes` at `offset`.
fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// Little-endian field of `bytes` at `offset`.
fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

/// Little-endian field of `bytes` at `offset`.
fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(offset..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_do_not_overlap() {
        let range = Range::new(10, 10);
        assert!(!range.overlaps(Range::new(20, 1)) && !range.overlaps(Range::new(0, 10)));
        assert!(range.overlaps(Range::new(19, 1)) && range.overlaps(Range::new(0, 11)));
        assert!(!range.overlaps(Range::new(15, 0)), "an empty range has no byte");
        assert_eq!(Range::new(u64::MAX, 2).bytes(), 0);
    }
}
