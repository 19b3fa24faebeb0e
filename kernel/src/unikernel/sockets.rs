//! The machine's socket device under the sockets.

use hypervisor_glue::virtio::net::Interrupt;
use hypervisor_glue::virtio::{MachineTransport, VirtioVsock};
use netstack::time::Instant;
use netstack::vsock::{Device, Vsock};

/// The device, and the sockets that go through it.
#[derive(Debug)]
pub struct Sockets {
    vsock: Vsock,
    driver: Driver,
}

#[derive(Debug)]
struct Driver(VirtioVsock<MachineTransport>);

impl Device for Driver {
    fn receive(&mut self, take: &mut dyn FnMut(&[u8])) -> bool {
        self.0.receive(take)
    }

    fn send(&mut self, fill: &mut dyn FnMut(&mut [u8]) -> usize) -> bool {
        self.0.send(fill)
    }

    fn transport_reset(&mut self) -> Option<u64> {
        self.0.transport_reset()
    }
}

impl Sockets {
    /// The sockets of the machine that has this device.
    pub fn new(device: VirtioVsock<MachineTransport>) -> Sockets {
        Sockets { vsock: Vsock::new(device.cid()), driver: Driver(device) }
    }

    /// What tasks connect and listen with.
    pub fn vsock(&self) -> Vsock {
        self.vsock.clone()
    }

    /// Moves packets; says when to be called again at the latest, in microseconds.
    pub fn poll(&mut self, now: u64) -> Option<u64> {
        let now = Instant::from_micros(i64::try_from(now).unwrap_or(i64::MAX));
        let next = self.vsock.poll(now, &mut self.driver);
        self.driver.0.flush();
        u64::try_from(next?.total_micros()).ok()
    }

    /// Call this before idling, with CPU interrupts off: whether there is work.
    pub fn prepare_idle(&mut self) -> bool {
        self.driver.0.prepare_idle()
    }

    /// Whether the device cannot interrupt, so must be looked at from time to time.
    pub fn is_deaf(&self) -> bool {
        self.driver.0.interrupt() == Interrupt::None
    }
}
