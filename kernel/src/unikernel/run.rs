//! From a machine that runs Rust to a node that serves.

use alloc::rc::Rc;

use hypervisor_glue::acpi::{Acpi, MachineFirmware};
use hypervisor_glue::boot::{BootInfo, phases};
use hypervisor_glue::cpu::Features;
use hypervisor_glue::memory::heap::KernelHeap;
use hypervisor_glue::memory::stacks;
use hypervisor_glue::power::{self, ExitCode};
use hypervisor_glue::power_request::PowerRequests;
use hypervisor_glue::virtio::{self, MachineTransport, VirtioNet};
use hypervisor_glue::{apic, clock, logger};
use kernel::config::Config;
use kernel::executor::{self, Executor};
use kernel::guest;
use kernel::machine::Machine;
use kernel::store::{self, TakenUp};
use log::{error, info, warn};
use netstack::time::Instant;
use netstack::{EthernetAddress, Stack, StackConfig};
use smoltcp::phy::{Device, DeviceCapabilities, Medium};

use super::configuration;
use super::devices::{self, Devices};
use super::disks::DiskDevices;
use super::ending::{self, Ending};
use super::hardware::{self, Hardware, NetworkDeviceCell};
use super::host::Host;
use super::programs;
use super::sockets::Sockets;
use super::surroundings;

/// Runs the node until somebody asks to switch the machine off.
pub fn run(info: &'static mut BootInfo, heap: &'static KernelHeap) -> ! {
    start_time(info);
    info!(
        target: "boot",
        "aerolith {}: {} entry, {} KiB of memory, heap {} KiB",
        env!("CARGO_PKG_VERSION"),
        info.protocol,
        info.memory_map.usable_bytes() / 1024,
        heap.statistics().total / 1024,
    );
    if !Features::detect().no_execute {
        warn!(target: "boot", "this CPU has no NX: data can be executed");
    }
    #[cfg(feature = "fault-injection")]
    {
        super::fault_injection::report_pages("boot");
        super::fault_injection::inject(info);
    }
    let acpi = read_acpi(info);
    apic::init_io(&acpi.interrupts);
    apic::init_timer();
    phases::mark("acpi");
    let Devices { nic, vsock, disks: devices, random } = devices::find(info, &acpi);
    // SAFETY: `acpi` is what this machine's tables say.
    let requests = unsafe { PowerRequests::start(&acpi) };
    let processors = processors(&acpi);
    let troubles = NetworkDeviceCell::default();
    let hardware = Hardware::new(heap, random, processors, troubles.clone());
    let machine: Rc<dyn Machine> = Rc::new(hardware);
    phases::mark("devices");
    let executor = Executor::new(machine.clone());
    let handed = configuration::handed_over(info);
    let given = configuration::given(&mut info.command_line, handed.configuration);
    let taken_up = take_up(&executor, &machine, &devices, given);
    let TakenUp { config, store, programs, disks, .. } = taken_up;
    configuration::set_log_level(&info.command_line, &config);
    phases::mark("disks");
    let stack = make_stack(&config, nic.as_ref(), &*machine);
    let running = kernel::run::start(&executor, &stack, machine.clone(), config, store.clone());
    // The node has its key now, and what made it has returned.
    stacks::erase_left_behind();
    // What the start brought comes before what is on a disk.
    programs::install(&running.programs, handed.programs.or(programs.as_deref()));
    let ending = Ending::default();
    let sockets = vsock.map(Sockets::new);
    if let Some(sockets) = &sockets {
        let surroundings =
            surroundings::Machine::new(nic.is_some(), stack.clone(), disks, ending.clone());
        let programs = running.programs.clone();
        guest::serve(&executor, sockets.vsock(), programs, Rc::new(surroundings));
    }
    executor.spawn(ending::close(executor.clone(), stack.clone(), running, store, ending.clone()));
    phases::mark("node");
    hardware::log_phases();
    #[cfg(feature = "fault-injection")]
    super::fault_injection::report_pages("service");
    executor::drive(
        &executor,
        &mut Host::new(stack, nic, sockets, devices, troubles, requests, ending),
    );
    info!(target: "power", "off");
    power::exit(ExitCode::Success)
}

/// What the node begins with: the configuration that was `given`, and what is on the disks.
fn take_up(
    executor: &Executor,
    machine: &Rc<dyn Machine>,
    devices: &DiskDevices,
    given: Option<Config>,
) -> TakenUp {
    let (runs_in, clock, all) = (executor.clone(), machine.clone(), devices.disks());
    let task = async move { store::take_up(&runs_in, &*clock, all, given).await };
    devices.wait(executor, task).unwrap_or_else(|| {
        // The wait ends with the task only.
        error!(target: "boot", "cannot boot: the disks were not looked at");
        power::exit(ExitCode::CannotBoot)
    })
}

/// From here on the log has the time.
fn start_time(info: &BootInfo) {
    if let Err(reason) = apic::init() {
        error!(target: "boot", "cannot boot: {reason}");
        power::exit(ExitCode::CannotBoot);
    }
    clock::init(info.entry_ticks);
    logger::set_clock(clock::monotonic_micros);
    phases::mark("clock");
}

fn read_acpi(info: &BootInfo) -> Acpi {
    // SAFETY: firmware tables are read before anything else could reuse their memory.
    let firmware = unsafe { MachineFirmware::new() };
    let rsdp = info.rsdp.map(|address| address.0);
    let acpi = Acpi::read(&firmware, rsdp).unwrap_or_else(|reason| {
        // Machines without ACPI exist; what is missing then shows where it is needed.
        info!(target: "boot", "no ACPI: {reason}");
        Acpi::default()
    });
    // SAFETY: these are the values of this machine's tables.
    unsafe { power::set_acpi(&acpi.power) };
    acpi
}

/// How many processors there are, as the tables say; those but this one stay as firmware left them.
fn processors(acpi: &Acpi) -> u32 {
    match acpi.interrupts.cpus {
        0 => info!(target: "boot", "no table counts the processors, one used"),
        1 => info!(target: "boot", "one processor"),
        told => info!(target: "boot", "{told} processors, one used"),
    }
    acpi.interrupts.cpus.max(1)
}

fn make_stack(
    config: &Config,
    nic: Option<&VirtioNet<MachineTransport>>,
    machine: &dyn Machine,
) -> Stack {
    let mut seed = [0; 8];
    machine.fill_random(&mut seed);
    let (mac, capabilities) = match nic {
        Some(nic) => (nic.mac(), nic.capabilities()),
        None => {
            let mut capabilities = DeviceCapabilities::default();
            capabilities.medium = Medium::Ethernet;
            capabilities.max_transmission_unit = 1514;
            (virtio::net::local_mac([0; 6]), capabilities)
        }
    };
    let memory = usize::try_from(machine.heap().total).unwrap_or(usize::MAX);
    let base = StackConfig::new(EthernetAddress(mac), capabilities, u64::from_le_bytes(seed));
    let now = Instant::from_micros(i64::try_from(clock::monotonic_micros()).unwrap_or(i64::MAX));
    Stack::new(kernel::run::stack_config(config, base).within_memory(memory), now)
}
