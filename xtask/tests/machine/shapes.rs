//! Machines of other shapes: memory beyond 4 GiB, many processors, no network device, several.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use libtest_mimic::Trial;
use xtask::build::Image;
use xtask::qemu::monitor::Socket;
use xtask::qemu::{Machine, Vm};

use crate::node::{
    BOOT_LIMIT, Kind, MICROVM, MICROVM_BARE, Node, PC, Passage, Q35, configure, guest,
};
use crate::trial;

const END_LIMIT: Duration = Duration::from_secs(90);
const SUCCESS: i32 = 33;
const OUT_OF_MEMORY: i32 = 39;

const GIB: u64 = 1 << 30;
/// What the kernel, its tables and the firmware take of a machine's memory, at most, in bytes.
const TAKEN: u64 = 64 << 20;
/// Memory that the host keeps free beside the largest guest, which touches little of its own.
const HOST_RESERVE: u64 = 2 * GIB;
/// Memory of the largest guest, in GiB.
const LARGEST_GIB: u32 = 24;
/// A boot writes to this much of a guest's memory at most, however much there is.
const TOUCHED: u64 = 512 << 20;

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, Q35, PC] {
        for gib in [2, 6, LARGEST_GIB] {
            let name = format!("serves_with_{gib}_gib_of_memory_and_counts_them_all");
            trials.push(trial(kind, &name, move |kind| serves_in(kind, gib)));
        }
        for cores in [2, 16] {
            let name = format!("boots_beside_{}_idle_processors_and_counts_them", cores - 1);
            trials.push(trial(kind, &name, move |kind| boots_beside(kind, cores)));
        }
        trials.push(trial(kind, "goes_off_when_asked_without_a_network_device", no_network));
        trials.push(trial(kind, "takes_the_first_of_several_network_devices", several_networks));
    }
    for kind in [Q35, PC] {
        trials.push(trial(kind, "serves_by_a_network_device_behind_a_bridge", bridged));
    }
    trials.push(trial(MICROVM_BARE, "serves_by_a_device_that_nobody_tells_of", untold));
    for kind in [Q35, PC] {
        trials.push(trial(kind, "watches_the_generation_id_of_a_machine_that_has_one", generation));
    }
    trials.push(trial(Q35, "is_the_same_peer_by_another_hardware_address", other_address));
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "hands_out_memory_beyond_4_gib", hands_out_all));
    }
}

/// Neither ACPI nor the command line names a device.
fn untold(kind: Kind) -> Result<()> {
    let node = Node::boot_with(kind, |guest| {
        guest.extra.extend(["-machine", "auto-kernel-cmdline=off"].map(str::to_owned));
        Ok(())
    })?;
    let report = node.vm.report();
    ensure!(report.contains("interrupt by None"), "{report}");
    node.check_alive()
}

fn generation(kind: Kind) -> Result<()> {
    let id = "324e6eaf-d1d1-4bf6-bf41-b9bb6c91fb87";
    let node = Node::boot_with(kind, |guest| {
        guest.extra.extend(["-device".to_owned(), format!("vmgenid,guid={id}")]);
        Ok(())
    })?;
    let report = node.vm.report();
    ensure!(report.contains("generation ID at 0x") && report.contains(": watched"), "{report}");
    node.check_alive()
}

/// The kilobytes in a line of /proc, in bytes.
fn kilobytes(file: &str, name: &str) -> Result<u64> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    Ok(1024 * number.with_context(|| format!("{file} has no {name}"))?.parse::<u64>()?)
}

fn serves_in(kind: Kind, gib: u32) -> Result<()> {
    let free = kilobytes("/proc/meminfo", "MemAvailable")?;
    if gib == LARGEST_GIB && free < TOUCHED + HOST_RESERVE {
        eprintln!("SKIPPED: a guest of {gib} GiB on a host with {} MiB free", free >> 20);
        return Ok(());
    }
    let node = Node::boot_with(kind, |guest| {
        guest.memory_mib = gib * 1024;
        // Else the host's kernel may refuse what it does not have, though it will not be asked for.
        let backend = format!("memory-backend-ram,id=ram,size={gib}G,reserve=off");
        let words = ["-object", &backend, "-machine", "memory-backend=ram"];
        guest.extra.extend(words.map(str::to_owned));
        Ok(())
    })?;
    let heap = node.metric("aerolith_heap_size_bytes")?;
    let memory = u64::from(gib) * GIB;
    let (most, least) = (memory as f64, (memory - TAKEN) as f64);
    ensure!(heap < most && heap > least, "a heap of {heap} bytes in {gib} GiB");
    let resident = kilobytes(&format!("/proc/{}/status", node.vm.id()), "VmRSS")?;
    ensure!(resident < TOUCHED, "{resident} bytes of {gib} GiB were touched");
    node.check_alive()
}

/// Takes memory until there is none: as much as the machine has, in both halves of the address space.
fn hands_out_all(kind: Kind) -> Result<()> {
    const MEMORY_GIB: u32 = 6;
    let mut guest = guest(kind, Image::FaultInjection)?;
    guest.memory_mib = MEMORY_GIB * 1024;
    guest.command_line.push("aerolith.fault=oom".to_owned());
    let mut vm = Vm::start(&guest)?;
    let code = vm.wait_exit(END_LIMIT)?;
    ensure!(code == OUT_OF_MEMORY, "exit code {code}\n{}", vm.report());
    let text = vm.text();
    let number = |before: &str| -> Result<u64> {
        let rest = text.split_once(before).with_context(|| format!("no {before:?}\n{text}"))?.1;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Ok(digits.parse()?)
    };
    let heap = number("heap ")? * 1024;
    let free = number(", free ")?;
    let memory = u64::from(MEMORY_GIB) * GIB;
    ensure!(heap - free > memory - TAKEN, "{heap} bytes of heap, {free} left\n{text}");
    Ok(())
}

fn boots_beside(kind: Kind, cores: u32) -> Result<()> {
    let node = Node::boot_with(kind, |guest| {
        guest.cores = cores;
        Ok(())
    })?;
    let line = format!("boot: {cores} processors, one used");
    ensure!(node.vm.text().contains(&line), "no {line:?}\n{}", node.vm.text());
    let counted = node.metric("aerolith_processors")?;
    ensure!(counted == f64::from(cores), "/metrics counts {counted}");
    node.check_alive()
}

fn no_network(kind: Kind) -> Result<()> {
    let mut guest = guest(kind, Image::Product)?;
    let socket = Socket::new()?;
    socket.attach(&mut guest);
    let mut vm = Vm::start(&guest)?;
    vm.wait_for("no network device: nobody can reach this node", BOOT_LIMIT)?;
    vm.wait_for("boot: phase node took ", BOOT_LIMIT)?;
    let waits = vm.wait_exit(Duration::from_secs(2));
    ensure!(waits.is_err(), "the node did not go on running\n{}", vm.report());
    socket.connect()?.ask("system_powerdown")?;
    let code = vm.wait_exit(END_LIMIT)?;
    ensure!(code == SUCCESS, "exit code {code}\n{}", vm.report());
    ensure!(vm.text().contains("power: off"), "{}", vm.report());
    Ok(())
}

/// The others lead nowhere: who took one of them would get no address.
fn several_networks(kind: Kind) -> Result<()> {
    let device = match kind.machine() {
        Machine::Microvm => "virtio-net-device",
        Machine::Q35 | Machine::Pc => "virtio-net-pci",
    };
    let node = Node::boot_with(kind, |guest| {
        for name in ["second", "third"] {
            let words = ["-netdev", &format!("hubport,id={name},hubid=7"), "-device"];
            guest.extra.extend(words.map(str::to_owned));
            guest.extra.push(format!("{device},netdev={name}"));
        }
        Ok(())
    })?;
    let text = node.vm.text();
    let lines = |mark: &str| text.lines().filter(|line| line.contains(mark)).count();
    let used = lines("boot: network at ") - lines(": not used, as there is one already");
    ensure!((used, lines(": not used,")) == (1, 2), "{text}");
    node.check_alive()
}

fn bridged(kind: Kind) -> Result<()> {
    let node = Node::boot_with(kind, |guest| {
        guest.bridged = true;
        Ok(())
    })?;
    let used = |line: &&str| line.contains("boot: network at pci ") && line.contains(": used");
    let text = node.vm.text();
    let line = text.lines().find(used).with_context(|| node.vm.report())?;
    ensure!(!line.contains("pci 00:"), "the device is on the first bus: {line}");
    node.check_alive()
}

/// As after a move to another host.
fn other_address(kind: Kind) -> Result<()> {
    let toml = format!("[identity]\nseed = \"{}\"\n", "5a".repeat(32));
    let mut names = Vec::new();
    for mac in ["52:54:00:00:00:01", "52:54:00:00:00:02"] {
        let node = Node::boot_with(kind, |guest| {
            guest.mac = Some(mac.to_owned());
            configure(guest, &toml, Passage::CommandLine)?;
            Ok(())
        })?;
        let text = node.vm.text();
        let line = text.lines().find_map(|line| line.split_once("node: peer id "));
        names.push(line.with_context(|| node.vm.report())?.1.to_owned());
        node.check_alive()?;
    }
    ensure!(names[0] == names[1], "{names:?}");
    Ok(())
}
