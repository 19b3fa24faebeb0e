//! The boot sequence between the first instructions and the kernel.

use core::fmt::Write;

use spin::Once;

use super::entry::{PROTOCOL_LINUX64, PROTOCOL_PVH};
use super::limits::MODULE_BYTES;
use super::physical::BootMappedMemory;
use super::{BootError, BootInfo, linux, phases, pvh};
use crate::cpu::Features;
use crate::memory::heap::KernelHeap;
use crate::memory::{self, functions, setup};
use crate::power::ExitCode;
use crate::{logger, power, serial, trap};

static INFO: Once<BootInfo> = Once::new();

/// Brings the machine up to where the kernel starts: console, traps, page tables, heap, log.
///
/// Does not return if that is impossible: it says why and exits.
///
/// # Safety
/// Called once, as the first thing, with what `aerolith_start` was given by [`super::entry`].
pub unsafe fn bring_up(
    protocol: u64,
    info_address: u64,
    entry_ticks: u64,
    heap: &'static KernelHeap,
) -> &'static BootInfo {
    phases::begin(entry_ticks);
    serial::init();
    // SAFETY: once, early, on the main stack, interrupts off.
    unsafe { trap::idt::load() };
    let features = Features::detect();
    if features.fast_string {
        functions::use_fast_strings();
    }
    phases::mark("entry");
    // SAFETY: the boot page tables are in force, and nothing writes to memory before `take_over`.
    let memory = unsafe { BootMappedMemory::new() };
    let info = INFO.call_once(|| {
        let mut info = BootInfo { entry_ticks, ..BootInfo::empty() };
        let parsed = match protocol {
            PROTOCOL_PVH => pvh::parse(&memory, info_address, &mut info),
            PROTOCOL_LINUX64 => linux::parse(&memory, info_address, &mut info),
            _ => Err(BootError::NoBootInfo),
        };
        parsed.unwrap_or_else(|error| cannot_boot(error));
        info
    });
    if let Some(port) = info.command_line.value("aerolith.debug_exit").and_then(power::parse_port) {
        // SAFETY: whoever starts the guest says that this port is for that.
        unsafe { power::set_debug_exit(port) };
    }
    if info.command_line.wants_silence() {
        serial::silence();
    }
    phases::mark("boot-info");
    // SAFETY: once, on the main stack, interrupts off; what the loader said has been copied.
    let taken = unsafe { setup::take_over(&info.memory_map, info.module, features, heap) };
    taken.unwrap_or_else(|error| cannot_boot(BootError::Memory(error)));
    trap::panic::set_heap(heap);
    logger::init(logger::level_from_word(info.command_line.value("aerolith.log")));
    phases::mark("memory");
    info
}

/// The bytes of the initial RAM disk.
///
/// None if there is none, if it has more than [`MODULE_BYTES`], or if the loader says that it lies
/// where it cannot be mapped for reading only.
#[must_use]
pub fn module(info: &BootInfo) -> Option<&'static [u8]> {
    let range = info.module.filter(|range| range.bytes() <= MODULE_BYTES)?;
    if !memory::is_read_only(range) {
        return None;
    }
    let start = core::ptr::with_exposed_provenance(usize::try_from(range.start).ok()?);
    let length = usize::try_from(range.bytes()).ok()?;
    // SAFETY: all of it is mapped, and never for writing, so that nothing changes it.
    Some(unsafe { core::slice::from_raw_parts(start, length) })
}

fn cannot_boot(error: BootError) -> ! {
    // The console writer never fails.
    let _ = writeln!(serial::Writer::new(), "aerolith: cannot boot: {error}");
    power::exit(ExitCode::CannotBoot)
}
