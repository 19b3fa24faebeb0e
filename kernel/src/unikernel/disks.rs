//! The machine's disks under the node, and what is done with them before it serves.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::future::Future;
use core::ops::ControlFlow;

use futures_util::future::{FutureExt, LocalBoxFuture};
use hypervisor_glue::virtio::blk::{BlkError, VirtioBlk};
use hypervisor_glue::virtio::{Interrupt, MachineTransport};
use kernel::executor::{self, Executor, Slot};
use kernel::machine::{Instant, MainLoop};
use kernel::store::{self, BlockDevice, DeviceError};

use super::host;

type Device = VirtioBlk<MachineTransport>;

/// The devices, as the main loop sees them.
#[derive(Clone, Debug)]
pub struct DiskDevices(Rc<[Device]>);

/// A device, as the node sees it.
struct Disk(Device);

fn told(error: BlkError) -> DeviceError {
    match error {
        BlkError::Range => DeviceError::Range,
        BlkError::ReadOnly => DeviceError::ReadOnly,
        BlkError::Refused => DeviceError::Refused,
        BlkError::Dead => DeviceError::Dead,
    }
}

impl BlockDevice for Disk {
    fn sectors(&self) -> u64 {
        self.0.sectors()
    }

    fn read_only(&self) -> bool {
        self.0.read_only()
    }

    fn read<'a>(
        &'a self,
        sector: u64,
        into: &'a mut [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        self.0.read(sector, into).map(|result| result.map_err(told)).boxed_local()
    }

    fn write<'a>(
        &'a self,
        sector: u64,
        bytes: &'a [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        self.0.write(sector, bytes).map(|result| result.map_err(told)).boxed_local()
    }

    fn flush(&self) -> LocalBoxFuture<'_, Result<(), DeviceError>> {
        self.0.flush().map(|result| result.map_err(told)).boxed_local()
    }
}

impl DiskDevices {
    /// These devices.
    pub fn new(devices: Vec<Device>) -> Self {
        Self(devices.into())
    }

    /// The same for the node.
    pub fn disks(&self) -> store::Disks {
        let disk = |device: &Device| -> Rc<dyn BlockDevice> { Rc::new(Disk(device.clone())) };
        store::Disks::new(self.0.iter().map(disk).collect())
    }

    /// Collects what the devices have done; says when to be called again at the latest, in microseconds.
    pub fn poll(&self, now: u64) -> Option<u64> {
        for device in &*self.0 {
            device.poll(now);
        }
        self.0.iter().filter_map(Device::deadline).min()
    }

    /// Call this before idling, with CPU interrupts off: whether there is work.
    pub fn prepare_idle(&self) -> bool {
        // All are asked, so that all interrupt.
        self.0.iter().fold(false, |work, device| device.prepare_idle() | work)
    }

    /// Whether a device has work and cannot say when it is done.
    pub fn is_deaf(&self) -> bool {
        self.0.iter().any(|device| device.interrupt() == Interrupt::None && device.is_busy())
    }

    /// The output of `task`, which may wait for the devices and for timers, and for nothing else.
    pub fn wait<T: 'static>(
        &self,
        executor: &Executor,
        task: impl Future<Output = T> + 'static,
    ) -> Option<T> {
        let output = Slot::new();
        let filled = output.clone();
        executor.spawn(async move {
            filled.put(task.await);
        });
        executor::drive(executor, &mut Wait { devices: self, output: &output });
        output.take().now_or_never()
    }
}

/// The main loop while there is nothing but disks.
struct Wait<'a, T> {
    devices: &'a DiskDevices,
    output: &'a Slot<T>,
}

impl<T> MainLoop for Wait<'_, T> {
    fn poll_network(&mut self, now: Instant) -> Option<Instant> {
        self.devices.poll(now.as_micros()).map(Instant::from_micros)
    }

    fn idle(&mut self, until: Option<Instant>) -> ControlFlow<()> {
        if self.devices.prepare_idle() {
            return ControlFlow::Continue(());
        }
        host::sleep(until, self.devices.is_deaf());
        ControlFlow::Continue(())
    }

    fn is_over(&self) -> bool {
        self.output.is_filled()
    }
}
