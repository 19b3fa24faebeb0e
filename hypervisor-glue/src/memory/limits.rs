//! Bounds on memory: how much of what a loader lists is looked at, and how far addresses go.

/// Entries read of a loader's memory map (E820 in `boot_params` has room for 128).
pub const MAX_RAW_REGIONS: usize = 128;
/// Regions kept of it.
pub const MAX_REGIONS: usize = 128;
/// End of the physical address space that is ever mapped: the lower half under 4-level paging.
pub const MAX_PHYSICAL_ADDRESS: u64 = 1 << 47;
/// Bytes of an initial RAM disk: programs of the largest size, and some room.
pub const MAX_KEPT_BYTES: u64 = 64 << 20;
/// Bytes of the main stack that are overwritten once the boot is done with secrets: more than the code
/// that reads a configuration and makes keys of it goes down.
pub const ERASED_STACK_BYTES: u64 = 32 * 1024;
/// Separate ranges of RAM that the heap spans; the largest are taken.
pub const MAX_HEAP_REGIONS: usize = 8;
/// A range of RAM smaller than this many bytes is not worth a heap region.
pub const MIN_HEAP_REGION_BYTES: u64 = 64 * 1024;
