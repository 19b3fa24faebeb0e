//! The QEMU command line of one guest.

use std::path::PathBuf;

use clap::ValueEnum;

use super::Accelerator;

/// The I/O port behind which QEMU takes the guest's exit value.
pub const EXIT_PORT: u16 = 0xf4;
/// The name of the fw_cfg item that holds the configuration.
pub const CONFIG_ITEM: &str = "opt/aerolith/config";
/// The name of the fw_cfg item that holds programs.
pub const PROGRAMS_ITEM: &str = "opt/aerolith/programs";

/// The machine types that the unikernel runs on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Machine {
    /// PCI Express, ACPI; what most virtual machines look like
    Q35,
    /// virtio over MMIO, no PCI; boots fastest
    #[default]
    Microvm,
    /// PCI, i440FX
    Pc,
}

impl Machine {
    /// QEMU's name for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Q35 => "q35",
            Self::Microvm => "microvm",
            Self::Pc => "pc",
        }
    }

    /// The ending of the names of its virtio devices.
    fn bus(self) -> &'static str {
        match self {
            Self::Microvm => "device",
            Self::Q35 | Self::Pc => "pci",
        }
    }
}

/// The register layout of virtio over MMIO.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MmioLayout {
    /// Version 1, QEMU's default.
    Legacy,
    /// Version 2, as in Firecracker.
    #[default]
    Modern,
}

/// What the guest's network device is connected to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// No network device at all.
    None,
    /// QEMU's user network: DHCP, DNS, and ports forwarded from 127.0.0.1.
    User {
        /// Ports that are reached from here.
        forwards: Vec<Forward>,
        /// Unix socket that QEMU makes, by which one more guest comes to the same network. The user
        /// network then leaves IPv6 to the guests: over IPv4 it answers in the place of others.
        cable: Option<PathBuf>,
    },
    /// The network of another guest that has a cable.
    Cable(PathBuf),
    /// One Ethernet frame per datagram of a Unix socket.
    Peer {
        /// Socket that QEMU makes.
        guest: PathBuf,
        /// Socket that QEMU sends to.
        peer: PathBuf,
    },
}

/// A port of the guest that is reached by a port of 127.0.0.1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forward {
    /// Port on 127.0.0.1.
    pub host_port: u16,
    /// Address of the guest; empty: the first that DHCP gives.
    pub guest_address: String,
    /// Port of the guest.
    pub guest_port: u16,
}

impl Forward {
    /// To a port of a guest that takes what DHCP gives.
    #[must_use]
    pub const fn to(host_port: u16, guest_port: u16) -> Self {
        Self { host_port, guest_address: String::new(), guest_port }
    }

    fn word(&self) -> String {
        let Self { host_port, guest_address, guest_port } = self;
        format!(",hostfwd=tcp:127.0.0.1:{host_port}-{guest_address}:{guest_port}")
    }
}

impl Network {
    /// A user network of one guest with these ports forwarded.
    #[must_use]
    pub fn user(forwards: &[Forward]) -> Self {
        Self::User { forwards: forwards.to_vec(), cable: None }
    }
}

/// A file that a disk stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The file.
    pub file: PathBuf,
    /// QEMU's name of its format: `raw` or `qcow2`.
    pub format: &'static str,
    /// What becomes of what the guest writes.
    pub writes: Writes,
}

/// What becomes of what a guest writes to a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// It is in the file.
    Kept,
    /// It is lost when QEMU ends.
    Dropped,
    /// The disk is read-only, and says so.
    Refused,
}

impl Disk {
    /// A disk in a raw file.
    #[must_use]
    pub fn raw(file: PathBuf, writes: Writes) -> Self {
        Self { file, format: "raw", writes }
    }

    fn word(&self, number: usize) -> String {
        let Self { file, format, writes } = self;
        let writes = match writes {
            Writes::Kept => "",
            Writes::Dropped => ",snapshot=on",
            Writes::Refused => ",readonly=on",
        };
        format!("if=none,id=disk{number},format={format},file={}{writes}", escaped(file))
    }
}

/// One guest, as asked for.
#[derive(Clone, Debug)]
pub struct Guest {
    /// The kernel that QEMU loads; without one, firmware starts the first disk.
    pub kernel: Option<PathBuf>,
    /// What QEMU loads beside the kernel, as an initial RAM disk.
    pub module: Option<PathBuf>,
    /// Disks by virtio, in the order in which firmware tries them.
    pub disks: Vec<Disk>,
    /// Machine type.
    pub machine: Machine,
    /// Whether the machine describes itself by ACPI (only microvm can do without).
    pub acpi: bool,
    /// Register layout of virtio over MMIO.
    pub mmio: MmioLayout,
    /// Another firmware than the machine's default.
    pub firmware: Option<String>,
    /// How instructions are executed.
    pub accelerator: Accelerator,
    /// Guest memory in MiB.
    pub memory_mib: u32,
    /// Processor cores.
    pub cores: u32,
    /// Words of the kernel's command line.
    pub command_line: Vec<String>,
    /// Whether there is a device that gives random numbers.
    pub random: bool,
    /// Network device.
    pub network: Network,
    /// Its hardware address, where QEMU's own will not do.
    pub mac: Option<String>,
    /// Whether it is behind a bridge (only machines with PCI can).
    pub bridged: bool,
    /// Socket of a program that has the other end of the guest's virtio sockets (vhost-user).
    pub vsock: Option<PathBuf>,
    /// File with the configuration blob, given to the guest by fw_cfg.
    pub config: Option<PathBuf>,
    /// File with a bundle of programs, given to the guest by fw_cfg.
    pub programs: Option<PathBuf>,
    /// Wait for a debugger on this port of 127.0.0.1.
    pub gdb: Option<u16>,
    /// Record every frame into this file.
    pub capture: Option<PathBuf>,
    /// Further words for QEMU.
    pub extra: Vec<String>,
}

impl Guest {
    /// A guest with defaults: microvm, 64 MiB, one core, no network, exit port present.
    #[must_use]
    pub fn new(kernel: PathBuf, accelerator: Accelerator) -> Self {
        Self {
            kernel: Some(kernel),
            module: None,
            disks: Vec::new(),
            machine: Machine::default(),
            acpi: true,
            mmio: MmioLayout::default(),
            firmware: None,
            accelerator,
            memory_mib: 64,
            cores: 1,
            command_line: vec![format!("aerolith.debug_exit={EXIT_PORT:#x}")],
            random: true,
            network: Network::None,
            mac: None,
            bridged: false,
            vsock: None,
            config: None,
            programs: None,
            gdb: None,
            capture: None,
            extra: Vec::new(),
        }
    }

    /// A guest that firmware starts from this disk, otherwise as [`Guest::new`] makes it; on q35, as
    /// microvm's firmware starts no disks. No command line comes to it that way.
    #[must_use]
    pub fn from_disk(disk: Disk, accelerator: Accelerator) -> Self {
        Self {
            kernel: None,
            command_line: Vec::new(),
            machine: Machine::Q35,
            disks: vec![disk],
            ..Self::new(PathBuf::new(), accelerator)
        }
    }

    /// The words after `qemu-system-x86_64`.
    #[must_use]
    pub fn arguments(&self) -> Vec<String> {
        let mut words = Words(Vec::new());
        words.pair("-machine", self.machine_word());
        words.0.extend(self.accelerator.words().map(str::to_owned));
        words.pair("-m", format!("{}M", self.memory_mib));
        words.pair("-smp", self.cores.to_string());
        for word in ["-nodefaults", "-no-user-config", "-no-reboot"] {
            words.0.push(word.to_owned());
        }
        words.pair("-display", "none");
        words.pair("-serial", "stdio");
        words.pair("-device", format!("isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1"));
        if let Some(kernel) = &self.kernel {
            words.pair("-kernel", kernel.display().to_string());
        }
        if let Some(module) = &self.module {
            words.pair("-initrd", module.display().to_string());
        }
        if !self.command_line.is_empty() {
            words.pair("-append", self.command_line.join(" "));
        }
        if let Some(firmware) = &self.firmware {
            words.pair("-bios", firmware);
        }
        if self.machine == Machine::Microvm && self.mmio == MmioLayout::Modern {
            words.pair("-global", "virtio-mmio.force-legacy=false");
        }
        let bus = self.machine.bus();
        if self.random {
            words.pair("-object", "rng-builtin,id=entropy");
            words.pair("-device", format!("virtio-rng-{bus},rng=entropy"));
        }
        for (number, disk) in self.disks.iter().enumerate() {
            words.pair("-drive", disk.word(number));
            let device = format!("virtio-blk-{bus},drive=disk{number}");
            // Firmware tries disks in this order; microvm's has no say.
            let order = match self.machine {
                Machine::Microvm => String::new(),
                Machine::Q35 | Machine::Pc => format!(",bootindex={}", number + 1),
            };
            words.pair("-device", device + &order);
        }
        self.network_words(&mut words);
        if let Some(socket) = &self.vsock {
            // The other program sees the guest's memory.
            let memory =
                format!("memory-backend-memfd,id=memory,size={}M,share=on", self.memory_mib);
            words.pair("-object", memory);
            words.pair("-chardev", format!("socket,id=vsock,path={}", escaped(socket)));
            words.pair("-device", format!("vhost-user-vsock-{bus},chardev=vsock"));
        }
        if let Some(config) = &self.config {
            words.pair("-fw_cfg", format!("name={CONFIG_ITEM},file={}", escaped(config)));
        }
        if let Some(programs) = &self.programs {
            let word = format!("name={PROGRAMS_ITEM},file={}", escaped(programs));
            words.pair("-fw_cfg", word);
        }
        if let Some(port) = self.gdb {
            words.pair("-gdb", format!("tcp:127.0.0.1:{port}"));
            words.0.push("-S".to_owned());
        }
        words.0.extend(self.extra.iter().cloned());
        words.0
    }

    fn machine_word(&self) -> String {
        let mut word = self.machine.name().to_owned();
        if self.machine == Machine::Microvm && !self.acpi {
            word.push_str(",acpi=off");
        }
        if self.vsock.is_some() {
            word.push_str(",memory-backend=memory");
        }
        word
    }

    fn network_words(&self, words: &mut Words) {
        match &self.network {
            Network::None => return,
            Network::User { forwards, cable } => {
                let forwards: String = forwards.iter().map(Forward::word).collect();
                match cable {
                    None => words.pair("-netdev", format!("user,id=net{forwards}")),
                    Some(cable) => {
                        words.pair("-netdev", format!("user,id=user,ipv6=off{forwards}"));
                        let cable = escaped(cable);
                        words.pair(
                            "-netdev",
                            format!("stream,id=cable,server=on,addr.type=unix,addr.path={cable}"),
                        );
                        words.pair("-netdev", "hubport,id=hub0,hubid=0,netdev=user");
                        words.pair("-netdev", "hubport,id=hub1,hubid=0,netdev=cable");
                        words.pair("-netdev", "hubport,id=net,hubid=0");
                    }
                }
            }
            Network::Cable(cable) => words.pair(
                "-netdev",
                format!("stream,id=net,server=off,addr.type=unix,addr.path={}", escaped(cable)),
            ),
            Network::Peer { guest, peer } => words.pair(
                "-netdev",
                format!(
                    "dgram,id=net,local.type=unix,local.path={},remote.type=unix,remote.path={}",
                    escaped(guest),
                    escaped(peer)
                ),
            ),
        }
        let mac = self.mac.as_ref().map_or_else(String::new, |mac| format!(",mac={mac}"));
        let place = match self.machine {
            Machine::Q35 if self.bridged => {
                words.pair("-device", "pcie-root-port,id=bridge,chassis=1");
                ",bus=bridge"
            }
            Machine::Pc if self.bridged => {
                words.pair("-device", "pci-bridge,id=bridge,chassis_nr=1");
                ",bus=bridge,addr=1"
            }
            _ => "",
        };
        let bus = self.machine.bus();
        words.pair("-device", format!("virtio-net-{bus},netdev=net{mac}{place}"));
        if let Some(file) = &self.capture {
            words.pair("-object", format!("filter-dump,id=dump,netdev=net,file={}", escaped(file)));
        }
    }
}

struct Words(Vec<String>);

impl Words {
    fn pair(&mut self, option: &str, value: impl Into<String>) {
        self.0.push(option.to_owned());
        self.0.push(value.into());
    }
}

/// QEMU splits option values at commas; a doubled comma stands for one.
fn escaped(path: &std::path::Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(change: impl FnOnce(&mut Guest)) -> String {
        let mut guest = Guest::new(PathBuf::from("k.elf"), Accelerator::Tcg);
        change(&mut guest);
        guest.arguments().join(" ")
    }

    #[test]
    fn microvm_takes_virtio_over_mmio_and_q35_over_pci() {
        let user = || Network::user(&[Forward::to(1, 80)]);
        let microvm = words(|guest| guest.network = user());
        assert!(microvm.contains("-machine microvm "), "{microvm}");
        assert!(microvm.contains("virtio-net-device,netdev=net"), "{microvm}");
        assert!(microvm.contains("hostfwd=tcp:127.0.0.1:1-:80"), "{microvm}");
        let q35 = words(|guest| {
            guest.machine = Machine::Q35;
            guest.network = user();
        });
        assert!(q35.contains("virtio-net-pci,netdev=net"), "{q35}");
        assert!(!q35.contains("virtio-mmio"), "{q35}");
    }

    #[test]
    fn two_guests_share_a_network_by_a_cable() {
        let cable = || PathBuf::from("/c,d");
        let first = words(|guest| {
            guest.network = Network::User { forwards: Vec::new(), cable: Some(cable()) };
        });
        assert!(first.contains("stream,id=cable,server=on,addr.type=unix,addr.path=/c,,d"));
        assert!(first.contains("hubport,id=net,hubid=0 -device virtio-net-device,netdev=net"));
        let second = words(|guest| {
            guest.network = Network::Cable(cable());
            guest.mac = Some("02:00:00:00:00:02".to_owned());
        });
        assert!(second.contains("stream,id=net,server=off"), "{second}");
        assert!(second.contains("netdev=net,mac=02:00:00:00:00:02"), "{second}");
    }

    #[test]
    fn acpi_off_and_the_legacy_layout_are_microvm_words() {
        let text = words(|guest| {
            guest.acpi = false;
            guest.mmio = MmioLayout::Legacy;
        });
        assert!(text.contains("-machine microvm,acpi=off "), "{text}");
        assert!(!text.contains("force-legacy"), "{text}");
        assert!(words(|_| ()).contains("virtio-mmio.force-legacy=false"));
    }

    #[test]
    fn sockets_of_another_program_need_memory_that_it_sees() {
        let text = words(|guest| guest.vsock = Some(PathBuf::from("/s")));
        assert!(text.contains("-machine microvm,memory-backend=memory "), "{text}");
        assert!(text.contains("size=64M,share=on -chardev socket,id=vsock,path=/s"), "{text}");
        assert!(text.contains("-device vhost-user-vsock-device,chardev=vsock"), "{text}");
    }

    #[test]
    fn a_comma_in_a_path_is_doubled() {
        let text = words(|guest| guest.config = Some(PathBuf::from("/a,b")));
        assert!(text.contains("-fw_cfg name=opt/aerolith/config,file=/a,,b"), "{text}");
    }

    #[test]
    fn a_disk_is_a_drive_and_a_device_of_the_machines_bus() {
        let disk = |writes| Disk::raw(PathBuf::from("/d,e"), writes);
        let text = words(|guest| guest.disks = vec![disk(Writes::Kept), disk(Writes::Refused)]);
        let first =
            "-drive if=none,id=disk0,format=raw,file=/d,,e -device virtio-blk-device,drive=disk0 ";
        assert!(text.contains(first), "{text}");
        assert!(text.contains("file=/d,,e,readonly=on -device virtio-blk-device,drive=disk1"));
        assert!(text.contains("-kernel k.elf"));
        let text = Guest::from_disk(disk(Writes::Dropped), Accelerator::Tcg).arguments().join(" ");
        assert!(text.contains("-machine q35 ") && !text.contains("-kernel"), "{text}");
        assert!(text.contains(",snapshot=on -device virtio-blk-pci,drive=disk0,bootindex=1"));
        assert!(!text.contains("-append"), "{text}");
    }

    #[test]
    fn a_module_goes_with_the_kernel() {
        let text = words(|guest| guest.module = Some(PathBuf::from("m")));
        assert!(text.contains("-kernel k.elf -initrd m "), "{text}");
    }

    #[test]
    fn a_debugger_is_waited_for_on_loopback_only() {
        let text = words(|guest| guest.gdb = Some(1234));
        assert!(text.contains("-gdb tcp:127.0.0.1:1234 -S"), "{text}");
    }
}
