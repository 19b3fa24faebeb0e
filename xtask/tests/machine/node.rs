//! A node in QEMU, as the tests start it.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tempfile::NamedTempFile;
use xtask::boot_log;
use xtask::build::{self, Image};
use xtask::http::{Connection, Response, Url, request};
use xtask::node_config::NodeConfig;
use xtask::process::Process;
use xtask::qemu::accelerator::{self, Wanted};
use xtask::qemu::{Forward, Guest, Machine, MmioLayout, Network, Vm, ports};
use xtask::subject::metric;

use crate::peer::Peer;

/// Ten times and more what a boot takes on an idle machine under emulation.
pub const BOOT_LIMIT: Duration = Duration::from_secs(90);
/// The same for one answer.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// A machine that the tests boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub name: &'static str,
    machine: Machine,
    acpi: bool,
    mmio: MmioLayout,
    /// Another firmware than the machine's own: qboot leaves the PCI base addresses at 0.
    firmware: Option<&'static str>,
}

const fn kind(name: &'static str, machine: Machine) -> Kind {
    Kind { name, machine, acpi: true, mmio: MmioLayout::Modern, firmware: None }
}

impl Kind {
    /// QEMU's machine type.
    pub fn machine(self) -> Machine {
        self.machine
    }

    /// Makes the guest one of this kind.
    pub fn apply(self, guest: &mut Guest) {
        guest.machine = self.machine;
        guest.acpi = self.acpi;
        guest.mmio = self.mmio;
        guest.firmware = self.firmware.map(str::to_owned);
    }
}

pub const MICROVM: Kind = kind("microvm", Machine::Microvm);
pub const Q35: Kind = kind("q35", Machine::Q35);
pub const PC: Kind = kind("pc", Machine::Pc);
pub const Q35_BARE: Kind = Kind { firmware: Some("qboot.rom"), ..kind("q35-qboot", Machine::Q35) };
pub const MICROVM_BARE: Kind = Kind { acpi: false, ..kind("microvm-no-acpi", Machine::Microvm) };
pub const MICROVM_LEGACY: Kind =
    Kind { mmio: MmioLayout::Legacy, ..kind("microvm-legacy", Machine::Microvm) };
pub const MICROVM_BARE_LEGACY: Kind = Kind {
    acpi: false,
    mmio: MmioLayout::Legacy,
    ..kind("microvm-no-acpi-legacy", Machine::Microvm)
};

/// The ports of a node that is configured by nothing: HTTP, and peers.
pub const PORTS: [Forward; 2] = [Forward::to(0, 80), Forward::to(0, 7777)];

/// A guest of that kind, without a network.
pub fn guest(kind: Kind, image: Image) -> Result<Guest> {
    let kernel = build::paths(image).stripped;
    ensure!(kernel.exists(), "{} is missing; `cargo xtask test` builds it", kernel.display());
    let mut guest = Guest::new(kernel, accelerator::choose(Wanted::Auto)?);
    kind.apply(&mut guest);
    guest.memory_mib = 32;
    Ok(guest)
}

/// How the configuration comes to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    FwCfg,
    CommandLine,
}

/// Gives the guest a configuration; the file has to live as long as the guest.
pub fn configure(guest: &mut Guest, toml: &str, passage: Passage) -> Result<Option<NamedTempFile>> {
    let config = NodeConfig::parse(toml)?;
    if let Network::User { forwards, .. } = &mut guest.network {
        let ports = [config.http_port(), config.peer_port()];
        for (forward, port) in forwards.iter_mut().zip(ports) {
            forward.guest_address = config.static_address();
            forward.guest_port = port;
        }
    }
    match passage {
        Passage::CommandLine => {
            guest.command_line.push(config.command_line_word()?);
            Ok(None)
        }
        Passage::FwCfg => {
            let file = config.blob_file()?;
            guest.config = Some(file.path().to_owned());
            Ok(Some(file))
        }
    }
}

/// A node that has said that it is ready.
pub struct Node {
    pub vm: Vm,
    pub ready_line: String,
    /// Those of 127.0.0.1 that lead to [`PORTS`].
    ports: [u16; 2],
}

impl Node {
    /// Boots a node behind QEMU's user network.
    pub fn boot(kind: Kind) -> Result<Self> {
        Self::boot_with(kind, |_| Ok(()))
    }

    /// The same, with a change to what QEMU is asked for.
    pub fn boot_with(kind: Kind, change: impl FnOnce(&mut Guest) -> Result<()>) -> Result<Self> {
        let mut guest = guest(kind, Image::Product)?;
        guest.network = Network::user(&PORTS);
        change(&mut guest)?;
        Self::start(guest)
    }

    /// Boots a guest that has a user network with [`PORTS`].
    pub fn start(mut guest: Guest) -> Result<Self> {
        ports::retried(|| {
            let ports = [ports::free()?, ports::free()?];
            if let Network::User { forwards, .. } = &mut guest.network {
                for (forward, port) in forwards.iter_mut().zip(ports) {
                    forward.host_port = port;
                }
            }
            let mut vm = Vm::start(&guest)?;
            let ready_line = vm.wait_for("node: ready ", BOOT_LIMIT)?;
            Ok(Self { vm, ready_line, ports })
        })
    }

    /// The URL that the guest says it has.
    pub fn guest_url(&self) -> Result<&str> {
        boot_log::ready(&self.ready_line).context("a ready line without a URL")
    }

    pub fn authority(&self) -> String {
        format!("127.0.0.1:{}", self.ports[0])
    }

    /// The port of 127.0.0.1 that leads to the one for peers.
    pub fn peer_port(&self) -> u16 {
        self.ports[1]
    }

    /// The multiaddresses at which the node is reached from here, as it says itself.
    pub fn multiaddresses(&self) -> Vec<String> {
        let text = self.vm.text();
        let said = text.lines().flat_map(boot_log::peer_addresses);
        said.filter_map(|address| boot_log::forwarded(address, self.peer_port())).collect()
    }

    /// The one of them for clients that come by WebSocket.
    pub fn websocket_address(&self) -> Result<String> {
        let mut all = self.multiaddresses().into_iter();
        all.find(|address| address.contains("/ws/"))
            .with_context(|| format!("no address with /ws\n{}", self.vm.report()))
    }

    pub fn connect(&self) -> Result<Connection> {
        Connection::open(&self.authority(), ANSWER_LIMIT)
    }

    /// So many connections at once.
    pub fn connections(&self, count: usize) -> Result<Vec<Connection>> {
        let open = |_| Connection::open_answered(&self.authority(), "/health", ANSWER_LIMIT);
        (0..count).map(open).collect()
    }

    pub fn get(&self, path: &str) -> Result<Response> {
        self.request("GET", path, b"")
    }

    pub fn air(&self, query: &str, script: &str) -> Result<Response> {
        self.request("POST", &format!("/air{query}"), script.as_bytes())
    }

    fn url(&self, path: &str) -> Url {
        Url { authority: self.authority(), path: path.to_owned() }
    }

    /// A figure of its `/metrics`.
    pub fn metric(&self, name: &str) -> Result<f64> {
        metric(&self.url("/metrics"), name)
    }

    pub fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        request(&self.url(path), method, body, ANSWER_LIMIT)
            .with_context(|| format!("{method} {path}\n{}", self.vm.report()))
    }

    /// The node is well: it answers, and has reported no failure.
    pub fn check_alive(&self) -> Result<()> {
        let health = self.get("/health")?;
        ensure!(health.status == 200, "/health: {} {}", health.status, health.text());
        Ok(())
    }
}

/// Starts what `command` makes of a free port of 127.0.0.1, and waits until the node answers there.
pub fn started(command: impl Fn(u16) -> Command) -> Result<Process> {
    ports::retried(|| {
        let port = ports::free()?;
        let mut process = Process::start(&command(port))?;
        process.wait_for("node: ready ", BOOT_LIMIT)?;
        let url = Url { authority: format!("127.0.0.1:{port}"), path: "/health".to_owned() };
        let health = request(&url, "GET", b"", ANSWER_LIMIT).with_context(|| process.report())?;
        ensure!(health.status == 200, "{health:?}\n{}", process.report());
        Ok(process)
    })
}

/// A node at the other end of a cable whose first end the test holds.
pub fn boot_at_cable(kind: Kind, peer: &Peer, toml: &str) -> Result<Vm> {
    let mut guest = guest(kind, Image::Product)?;
    guest.network = peer.network();
    let _blob = configure(&mut guest, toml, Passage::CommandLine)?;
    let mut vm = Vm::start(&guest)?;
    vm.wait_for("node: ready ", BOOT_LIMIT)?;
    Ok(vm)
}
