//! Everything that knows QEMU: its command line, its process, its installation.

pub mod accelerator;
pub mod guest;
pub mod install;
pub mod monitor;
pub mod ports;
pub mod vm;

pub use accelerator::{Accelerator, Wanted};
pub use guest::{Disk, Forward, Guest, Machine, MmioLayout, Network, Writes};
pub use install::PROGRAM;
pub use vm::Vm;
