//! From the first instruction to a machine that runs Rust: protocols, memory, traps.
//!
//! [`entry`] gets the CPU into long mode, [`bring_up`] does the rest up to a heap; what it learnt
//! is in [`BootInfo`].

pub mod command_line;
#[cfg(feature = "freestanding")]
pub mod entry;
pub mod limits;
pub mod linux;
pub mod phases;
pub mod physical;
pub mod pvh;
#[cfg(feature = "freestanding")]
mod start;

pub use command_line::CommandLine;
#[cfg(feature = "freestanding")]
pub use start::bring_up;

use limits::COMMAND_LINE_BYTES;
use physical::PhysicalMemory;

use crate::memory::address::{PhysAddr, PhysRange};
use crate::memory::map::MemoryMap;
use crate::memory::page_tables::MapError;

/// How we were started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Xen's x86/HVM direct boot: QEMU, Cloud Hypervisor, Firecracker.
    Pvh,
    /// The Linux 64-bit boot protocol: Firecracker and other loaders of ELF kernels.
    Linux64,
}

impl core::fmt::Display for Protocol {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Protocol::Pvh => "PVH",
            Protocol::Linux64 => "Linux 64-bit",
        })
    }
}

/// What the loader said.
#[derive(Clone, Debug)]
pub struct BootInfo {
    /// By which protocol.
    pub protocol: Protocol,
    /// The time-stamp counter at the first instruction.
    pub entry_ticks: u64,
    /// Physical memory.
    pub memory_map: MemoryMap,
    /// The command line.
    pub command_line: CommandLine,
    /// Where the loader put it, as far as it is kept.
    pub loaders_line: PhysRange,
    /// Where ACPI's root pointer is, if the loader knows.
    pub rsdp: Option<PhysAddr>,
    /// The initial RAM disk, if there is one: never part of the heap, to be had by
    /// [`take_kept`](crate::memory::take_kept).
    pub module: Option<PhysRange>,
}

impl BootInfo {
    /// Nothing known yet.
    #[must_use]
    pub const fn empty() -> BootInfo {
        BootInfo {
            protocol: Protocol::Pvh,
            entry_ticks: 0,
            memory_map: MemoryMap::empty(),
            command_line: CommandLine::empty(),
            loaders_line: PhysRange::new(0, 0),
            rsdp: None,
            module: None,
        }
    }

    /// Copies the command line that the loader put at `address`.
    fn read_command_line(&mut self, memory: &impl PhysicalMemory, address: u64) {
        self.command_line.read_from(memory.bytes_up_to(address, COMMAND_LINE_BYTES + 1));
        let bytes = self.command_line.as_bytes().len() as u64;
        self.loaders_line = PhysRange::from_length(address, bytes);
    }
}

/// Why nothing can start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootError {
    /// The loader's structure is missing, out of reach or not what its magic number says.
    NoBootInfo,
    /// The loader lists no usable memory.
    NoMemoryMap,
    /// The page tables cannot be made.
    Memory(MapError),
}

impl core::fmt::Display for BootError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            BootError::NoBootInfo => f.write_str("the loader's boot information is missing"),
            BootError::NoMemoryMap => f.write_str("the loader lists no usable memory"),
            BootError::Memory(error) => write!(f, "the memory map cannot be used: {error}"),
        }
    }
}
