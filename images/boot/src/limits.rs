//! Bounds on what loaders and firmware hand over.

/// Bytes of the command line with its NUL; the kernel keeps 4096.
pub const COMMAND_LINE_BYTES: usize = 4096;
/// Entries of `boot_params`' memory map (Linux' zero-page.rst).
pub const MEMORY_MAP_ENTRIES: usize = 128;
/// Bytes for EFI's memory map: some 2,700 descriptors; firmware has 50 to 400.
pub const EFI_MAP_BYTES: usize = 128 << 10;
/// Entries of EFI's configuration table that are looked at.
pub const EFI_TABLES: u64 = 256;
/// Attempts to exit EFI's boot services: each may change the map once more.
pub const EXIT_ATTEMPTS: u32 = 8;
/// Attempts to get memory from EFI that does not lie where the kernel goes.
pub const ALLOCATION_ATTEMPTS: u32 = 8;
/// Segments of the kernel.
pub const SEGMENTS: usize = 16;
/// Largest kernel file, in bytes.
pub const KERNEL_BYTES: u64 = 64 << 20;
