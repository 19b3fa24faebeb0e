//! The machine as the node sees it.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use hypervisor_glue::boot::phases;
use hypervisor_glue::clock;
use hypervisor_glue::entropy::Csprng;
use hypervisor_glue::memory::heap::KernelHeap;
use hypervisor_glue::trap::interrupts;
use kernel::machine::{BootPhase, HeapUse, IdleUse, Instant, Machine, NetworkDeviceUse};
use rand_core::Rng;

/// The hardware, behind the node's trait.
#[derive(Debug)]
pub struct Hardware {
    heap: &'static KernelHeap,
    random: RefCell<Csprng>,
    processors: u32,
    network_device: NetworkDeviceCell,
}

/// Where the main loop, which has the network device, leaves what went wrong there.
pub type NetworkDeviceCell = Rc<Cell<Option<NetworkDeviceUse>>>;

impl Hardware {
    /// The machine with so many processors, whose memory `heap` manages and whose random numbers come
    /// from `random`; the clock is up.
    pub fn new(
        heap: &'static KernelHeap,
        random: Csprng,
        processors: u32,
        network_device: NetworkDeviceCell,
    ) -> Hardware {
        Hardware { heap, random: RefCell::new(random), processors, network_device }
    }
}

impl Machine for Hardware {
    fn now(&self) -> Instant {
        Instant::from_micros(clock::monotonic_micros())
    }

    fn unix_time_ms(&self) -> u64 {
        clock::unix_millis().unwrap_or(0)
    }

    fn fill_random(&self, out: &mut [u8]) {
        self.random.borrow_mut().fill_bytes(out);
    }

    fn heap(&self) -> HeapUse {
        let counts = self.heap.statistics();
        HeapUse { total: counts.total as u64, used: counts.used as u64, peak: counts.peak as u64 }
    }

    fn boot_phases(&self) -> Vec<BootPhase> {
        let mut list = Vec::new();
        phases::for_each(|phase| {
            let micros = micros_of(phase.ticks);
            list.push(BootPhase { name: phase.name, micros, ticks: phase.ticks });
        });
        list
    }

    fn idle(&self) -> IdleUse {
        let micros = micros_of(interrupts::idle_ticks());
        IdleUse { halts: interrupts::halts(), micros }
    }

    fn processors(&self) -> u32 {
        self.processors
    }

    fn network_device(&self) -> Option<NetworkDeviceUse> {
        self.network_device.get()
    }
}

/// Logs how long each phase of the boot took.
pub fn log_phases() {
    phases::for_each(|phase| {
        let (name, ticks) = (phase.name, phase.ticks);
        log::info!(target: "boot", "phase {name} took {} us, {ticks} ticks", micros_of(ticks));
    });
}

/// Ticks of the time-stamp counter as microseconds.
fn micros_of(ticks: u64) -> u64 {
    let micros = u128::from(ticks) * 1_000_000 / u128::from(clock::ticks_hz().max(1));
    u64::try_from(micros).unwrap_or(u64::MAX)
}
