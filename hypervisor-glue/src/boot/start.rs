//! The boot sequence between the first instructions and the kernel.

use core::fmt::Write;

use spin::{Mutex, MutexGuard};

use super::entry::{PROTOCOL_LINUX64, PROTOCOL_PVH};
use super::physical::{self, BootMappedMemory};
use super::{BootError, BootInfo, linux, phases, pvh};
use crate::cpu::Features;
use crate::memory::heap::KernelHeap;
use crate::memory::{functions, image, setup};
use crate::power::ExitCode;
use crate::{logger, power, serial, trap};

static INFO: Mutex<Option<BootInfo>> = Mutex::new(None);

/// Brings the machine up to where the kernel starts: console, traps, page tables, heap, log.
///
/// Does not return if that is impossible: it says why and exits.
///
/// # Safety
/// Called once, as the first thing, with what `aerolith_start` was given by [`super::entry`].
#[expect(clippy::mut_from_ref, reason = "what is given is the content of another static, once")]
pub unsafe fn bring_up(
    protocol: u64,
    info_address: u64,
    entry_ticks: u64,
    heap: &'static KernelHeap,
) -> &'static mut BootInfo {
    phases::begin(entry_ticks);
    serial::init();
    // SAFETY: once, early, on the main stack, interrupts off.
    unsafe { trap::idt::load() };
    let features = Features::detect();
    if features.fast_string {
        functions::use_fast_strings();
    }
    phases::mark("entry");
    // SAFETY: the boot page tables are in force, and nothing writes to memory as long as it is read.
    let memory = unsafe { BootMappedMemory::new() };
    // In its place from the beginning, as the command line may hold secrets.
    let info = MutexGuard::leak(INFO.lock()).insert(BootInfo::empty());
    info.entry_ticks = entry_ticks;
    let parsed = match protocol {
        PROTOCOL_PVH => pvh::parse(&memory, info_address, info),
        PROTOCOL_LINUX64 => linux::parse(&memory, info_address, info),
        _ => Err(BootError::NoBootInfo),
    };
    parsed.unwrap_or_else(|error| cannot_boot(error));
    // SAFETY: the boot page tables are in force, and everything that the loader said is copied.
    unsafe { physical::erase(info.loaders_line, &info.memory_map, image::whole()) };
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

fn cannot_boot(error: BootError) -> ! {
    // The console writer never fails.
    let _ = writeln!(serial::Writer::new(), "aerolith: cannot boot: {error}");
    power::exit(ExitCode::CannotBoot)
}
