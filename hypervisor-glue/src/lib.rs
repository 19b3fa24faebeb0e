//! Everything that knows which machine we run on.
//!
//! - [`boot`]: from the first instruction to a [`boot::BootInfo`]: PVH and the 64-bit Linux
//!   protocol.
//! - [`cpu`]: registers, ports, descriptor tables, what CPUID offers.
//! - [`memory`]: physical memory map, page tables, heap, the C memory functions.
//! - [`trap`]: exceptions that end in a report, interrupts that wake the idle loop.
//! - [`clock`], [`apic`], [`entropy`]: time, interrupts and the idle CPU, random numbers.
//! - [`acpi`], [`pci`], [`virtio`], [`fw_cfg`]: what is in the machine, and drivers for it; bounds
//!   in [`limits`].
//! - [`serial`], [`logger`], [`power`], [`power_request`]: the console, the log on it, the ways out, and
//!   who asks for one.
//!
//! One core runs one cooperative thread of control; interrupts are enabled only while it idles
//! ([`trap::interrupts`]). Physical memory is identity-mapped, so a DMA address is the pointer's
//! own value. Parsers of what the host hands over are safe code over byte slices and total.
#![no_std]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod acpi;
pub mod apic;
pub mod boot;
pub mod clock;
pub mod cpu;
pub mod entropy;
mod fields;
pub mod fw_cfg;
pub mod limits;
pub mod logger;
pub mod memory;
pub mod mmio;
pub mod pci;
pub mod power;
pub mod power_request;
pub mod serial;
pub mod trap;
pub mod virtio;
