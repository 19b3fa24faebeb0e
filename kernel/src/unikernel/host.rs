//! What the main loop does besides running tasks: the network, and sleep.

use core::ops::ControlFlow;

use hypervisor_glue::virtio::MachineTransport;
use hypervisor_glue::virtio::net::{Interrupt, VirtioNet};
use hypervisor_glue::{apic, clock};
use kernel::machine::{Instant, MainLoop};
use netstack::Stack;

/// How often a device is looked at that cannot interrupt.
const DEAF_POLL_MICROS: u64 = 1_000;

/// The machine's network device under the stack.
#[derive(Debug)]
pub struct Host {
    stack: Stack,
    nic: Option<VirtioNet<MachineTransport>>,
}

impl Host {
    /// A host that moves frames between `stack` and `nic`, or none.
    pub fn new(stack: Stack, nic: Option<VirtioNet<MachineTransport>>) -> Host {
        Host { stack, nic }
    }
}

impl MainLoop for Host {
    fn poll_network(&mut self, now: Instant) -> Option<Instant> {
        let nic = self.nic.as_mut()?;
        let now = netstack::time::Instant::from_micros(i64::try_from(now.as_micros()).ok()?);
        let next = self.stack.poll(now, nic);
        nic.flush();
        u64::try_from(next?.total_micros()).ok().map(Instant::from_micros)
    }

    fn idle(&mut self, until: Option<Instant>) -> ControlFlow<()> {
        let mut until = until.map(Instant::as_micros);
        if let Some(nic) = &mut self.nic {
            if nic.prepare_idle() {
                return ControlFlow::Continue(());
            }
            if nic.interrupt() == Interrupt::None {
                let look = clock::monotonic_micros() + DEAF_POLL_MICROS;
                until = Some(until.map_or(look, |until| until.min(look)));
            }
        }
        apic::idle_until(until);
        ControlFlow::Continue(())
    }
}
