//! From a machine that runs Rust to the end.

use hypervisor_glue::boot::{BootInfo, phases};
use hypervisor_glue::memory::heap::KernelHeap;
use hypervisor_glue::power::{self, ExitCode};

/// Runs the node until there is nothing left to do.
pub fn run(info: &'static BootInfo, heap: &'static KernelHeap) -> ! {
    log::info!(
        target: "boot",
        "aerolith {}: {} entry, {} KiB of memory, heap {} KiB",
        env!("CARGO_PKG_VERSION"),
        info.protocol,
        info.memory_map.usable_bytes() / 1024,
        heap.statistics().total / 1024,
    );
    #[cfg(feature = "fault-injection")]
    super::fault_injection::inject(info);
    log_phases();
    power::exit(ExitCode::Success)
}

fn log_phases() {
    phases::for_each(|phase| {
        log::info!(target: "boot", "phase {} took {} ticks", phase.name, phase.ticks);
    });
}
