//! The boot code itself: from what firmware and loaders start to the kernel's 64-bit entry.
//!
//! - [`master`]: the boot sector of a disk, for a BIOS.
//! - [`setup`]: the 16-bit start of a bzImage.
//! - [`entry`]: the 32-bit, 64-bit and EFI entries of a bzImage, up to Rust.
//! - [`linux`]: after a Linux boot loader; [`efi`]: under EFI; both end in [`kernel`].
//! - [`console`], [`memory`], [`failure`]: the serial port, raw memory, and the way out.

mod console;
mod efi;
mod entry;
mod failure;
mod firmware;
mod kernel;
mod linux;
mod master;
mod memory;
mod setup;
