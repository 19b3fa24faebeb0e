//! What the main loop does besides running tasks: the network, requests to switch off, and sleep.

use core::ops::ControlFlow;

use hypervisor_glue::power_request::PowerRequests;
use hypervisor_glue::virtio::MachineTransport;
use hypervisor_glue::virtio::net::{Interrupt, VirtioNet};
use hypervisor_glue::{apic, clock};
use kernel::machine::{Instant, MainLoop, NetworkDeviceUse};
use netstack::Stack;

use super::disks::DiskDevices;
use super::ending::Ending;
use super::hardware::NetworkDeviceCell;
use super::sockets::Sockets;

/// How often a machine that does not sleep, so takes no interrupts, looks for requests to switch off.
const REQUEST_LOOK_MICROS: u64 = 100_000;
/// How often a device is looked at that cannot interrupt.
const DEAF_POLL_MICROS: u64 = 1_000;

/// Halts until an interrupt comes or it is time, and not for long where a device is deaf: has work and
/// cannot say when it is done.
pub fn sleep(until: Option<Instant>, deaf: bool) {
    let look = deaf.then(|| clock::monotonic_micros() + DEAF_POLL_MICROS);
    apic::idle_until(until.map(Instant::as_micros).into_iter().chain(look).min());
}

/// The machine's devices under the stack, the sockets and the store.
#[derive(Debug)]
pub struct Host {
    stack: Stack,
    nic: Option<VirtioNet<MachineTransport>>,
    sockets: Option<Sockets>,
    disks: DiskDevices,
    troubles: NetworkDeviceCell,
    requests: PowerRequests,
    next_look: u64,
    ending: Ending,
}

impl Host {
    /// A host that moves frames between `stack` and `nic`, or none, leaves in `troubles` what went wrong
    /// there, moves the packets of the `sockets`, collects what the `disks` have done, and begins the `ending` when somebody asks for it.
    pub fn new(
        stack: Stack,
        nic: Option<VirtioNet<MachineTransport>>,
        sockets: Option<Sockets>,
        disks: DiskDevices,
        troubles: NetworkDeviceCell,
        requests: PowerRequests,
        ending: Ending,
    ) -> Host {
        Host { stack, nic, sockets, disks, troubles, requests, next_look: 0, ending }
    }

    fn poll_nic(&mut self, now: Instant) -> Option<u64> {
        let nic = self.nic.as_mut()?;
        let now = netstack::time::Instant::from_micros(i64::try_from(now.as_micros()).ok()?);
        let next = self.stack.poll(now, nic);
        nic.flush();
        let counters = nic.counters();
        self.troubles.set(Some(NetworkDeviceUse {
            receive_errors: counters.received_errors,
            send_drops: counters.sent_drops,
            send_stalls: counters.sent_stalls,
        }));
        u64::try_from(next?.total_micros()).ok()
    }

    fn look_for_requests(&mut self, now: Instant) {
        let now = now.as_micros();
        let due = now >= self.next_look;
        if due {
            self.next_look = now.saturating_add(REQUEST_LOOK_MICROS);
        }
        if let Some(request) = self.requests.look(due) {
            self.ending.begin(request);
        }
    }
}

impl MainLoop for Host {
    fn poll_network(&mut self, now: Instant) -> Option<Instant> {
        self.look_for_requests(now);
        let sockets = self.sockets.as_mut().and_then(|sockets| sockets.poll(now.as_micros()));
        let disks = self.disks.poll(now.as_micros());
        let next = [self.poll_nic(now), sockets, disks].into_iter().flatten().min();
        next.map(Instant::from_micros)
    }

    fn idle(&mut self, until: Option<Instant>) -> ControlFlow<()> {
        let nic = self.nic.as_mut();
        let sockets = self.sockets.as_mut();
        let deaf = nic.as_ref().is_some_and(|nic| nic.interrupt() == Interrupt::None)
            || sockets.as_ref().is_some_and(|sockets| sockets.is_deaf())
            || self.disks.is_deaf();
        // All are asked, so that all interrupt.
        let work = nic.is_some_and(VirtioNet::prepare_idle)
            | sockets.is_some_and(Sockets::prepare_idle)
            | self.disks.prepare_idle();
        if work {
            return ControlFlow::Continue(());
        }
        sleep(until, deaf);
        ControlFlow::Continue(())
    }

    fn is_over(&self) -> bool {
        self.ending.is_over()
    }
}
