//! The machine's devices, as far as a node needs them.

use alloc::vec::Vec;

use hypervisor_glue::acpi::Acpi;
use hypervisor_glue::boot::BootInfo;
use hypervisor_glue::entropy::{Csprng, Generation, Source};
use hypervisor_glue::limits::BLK_DEVICES;
use hypervisor_glue::power::{self, ExitCode};
use hypervisor_glue::virtio::{
    self, DeviceType, Found, MachineTransport, VirtioBlk, VirtioNet, VirtioRng, VirtioVsock,
};
use log::{error, info, warn};
use rand_core::Rng;

use super::disks::DiskDevices;

/// What was found.
#[derive(Debug)]
pub struct Devices {
    /// The first network device that works.
    pub nic: Option<VirtioNet<MachineTransport>>,
    /// The first socket device that works: the way to the host's own protocol.
    pub vsock: Option<VirtioVsock<MachineTransport>>,
    /// The disks that work.
    pub disks: DiskDevices,
    /// The generator of random numbers.
    pub random: Csprng,
}

/// Finds and starts the devices. A machine without a source of random numbers ends here: it cannot
/// make keys.
pub fn find(info: &BootInfo, acpi: &Acpi) -> Devices {
    let words = info.command_line.values("virtio_mmio.device");
    let wanted =
        [DeviceType::EntropySource, DeviceType::Network, DeviceType::Socket, DeviceType::Block];
    let found = virtio::discover(acpi, &info.memory_map, words, &wanted);
    let (sources, others): (Vec<Found>, Vec<Found>) =
        found.into_iter().partition(|device| device.kind == DeviceType::EntropySource);
    let mut random = generator(sources);
    if let Some(address) = acpi.generation_id {
        match Generation::at(address) {
            Some(generation) => {
                random.watch(generation);
                info!(target: "boot", "generation ID at {address:#x}: watched");
            }
            None => warn!(target: "boot", "generation ID at {address:#x}: cannot be read"),
        }
    }
    let (sockets, others): (Vec<Found>, Vec<Found>) =
        others.into_iter().partition(|device| device.kind == DeviceType::Socket);
    let vsock = sockets.into_iter().find_map(socket);
    let (disks, others): (Vec<Found>, Vec<Found>) =
        others.into_iter().partition(|device| device.kind == DeviceType::Block);
    let disks = DiskDevices::new(disks.into_iter().filter_map(disk).take(BLK_DEVICES).collect());
    let mut others = others.into_iter();
    let nic = others.by_ref().find_map(|device| network(device, &mut random));
    if nic.is_none() && vsock.is_none() {
        warn!(target: "boot", "no network device: nobody can reach this node");
    }
    for unused in others {
        warn!(target: "boot", "network at {}: not used, as there is one already", unused.place);
    }
    Devices { nic, vsock, disks, random }
}

fn generator(devices: Vec<Found>) -> Csprng {
    let mut sources: Vec<_> = devices
        .into_iter()
        .filter_map(|device| {
            VirtioRng::new(device.transport)
                .inspect_err(|reason| {
                    warn!(target: "boot", "random numbers at {}: {reason}", device.place);
                })
                .ok()
        })
        .collect();
    let mut sources: Vec<&mut dyn Source> =
        sources.iter_mut().map(|source| -> &mut dyn Source { source }).collect();
    Csprng::new(&mut sources).unwrap_or_else(|reason| {
        error!(target: "boot", "cannot boot: {reason}");
        power::exit(ExitCode::CannotBoot)
    })
}

fn disk(device: Found) -> Option<VirtioBlk<MachineTransport>> {
    let place = device.place;
    VirtioBlk::new(device.transport, device.interrupt)
        .inspect(|disk| info!(target: "boot", "disk at {place}: {} sectors", disk.sectors()))
        .inspect_err(|reason| warn!(target: "boot", "disk at {place}: {reason}"))
        .ok()
}

fn network(device: Found, random: &mut Csprng) -> Option<VirtioNet<MachineTransport>> {
    let mut bytes = [0; 6];
    random.fill_bytes(&mut bytes);
    let place = device.place;
    VirtioNet::new(device.transport, device.interrupt, virtio::net::local_mac(bytes))
        .inspect(|_| info!(target: "boot", "network at {place}: used"))
        .inspect_err(|reason| warn!(target: "boot", "network at {place}: {reason}"))
        .ok()
}

fn socket(device: Found) -> Option<VirtioVsock<MachineTransport>> {
    let place = device.place;
    VirtioVsock::new(device.transport, device.interrupt)
        .inspect(|vsock| info!(target: "boot", "vsock at {place}: used, as number {}", vsock.cid()))
        .inspect_err(|reason| warn!(target: "boot", "vsock at {place}: {reason}"))
        .ok()
}
