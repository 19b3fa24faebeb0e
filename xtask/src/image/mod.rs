//! Files that boot: what firmware and boot loaders want around the kernel's ELF file.

pub mod bios;
pub mod boot_code;
pub mod bzimage;
mod portable_executable;

pub use boot_code::BootCode;
