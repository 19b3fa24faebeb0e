//! The machine half of the kernel: start, panic, and what the wiring needs.

mod configuration;
mod devices;
mod disks;
mod ending;
#[cfg(feature = "fault-injection")]
mod fault_injection;
mod hardware;
mod host;
mod programs;
mod run;
mod sockets;
mod surroundings;

use core::panic::PanicInfo;

use hypervisor_glue::boot;
use hypervisor_glue::memory::heap::KernelHeap;
use hypervisor_glue::power::{self, ExitCode};
use hypervisor_glue::trap::panic;

#[global_allocator]
static HEAP: KernelHeap = KernelHeap::new();

/// Where the first instructions (`hypervisor_glue::boot::entry`) hand over to Rust.
#[unsafe(no_mangle)]
extern "C" fn aerolith_start(protocol: u64, info: u64, ticks: u64) -> ! {
    // SAFETY: this is the first thing that runs, and these are the entry's values.
    let info = unsafe { boot::bring_up(protocol, info, ticks, &HEAP) };
    run::run(info, &HEAP)
}

#[panic_handler]
fn panicked(info: &PanicInfo<'_>) -> ! {
    panic::panicked(info)
}

/// What the prebuilt `alloc` would go on unwinding with. A panic ends the guest before it unwinds
/// anything, so this is only there to be linked.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    power::exit(ExitCode::Panic)
}
