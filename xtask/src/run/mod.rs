//! `cargo xtask run`: builds the unikernel, boots it in QEMU, and says how to talk to it.

mod console;
mod firmware;
mod on_this_machine;

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use tempfile::TempDir;

use self::console::{Console, Ports};
use self::firmware::Firmware;
use crate::boot_log;
use crate::build::{self, Image};
use crate::image::BootCode;
use crate::node_config::NodeConfig;
use crate::program_folder;
use crate::qemu::{self, Disk, Forward, Guest, Machine, Network, Vm, Wanted, Writes, ports};
use crate::volume_file::VolumeFile;

/// MiB of memory in which particles as large as the stock client's checks have room.
pub const DEFAULT_MEMORY: u32 = 128;
/// MiB of memory below which the image cannot be loaded: it begins at 1 MiB. QEMU says nothing
/// then, and takes 0 for its own default.
const LEAST_MEMORY: i64 = 2;

/// Boots the unikernel in QEMU, or runs the node as a process; shows how to talk to it; Ctrl-C ends it
#[derive(Args, Debug)]
pub struct Options {
    /// No virtual machine: run the node as a process of this machine, on loopback
    #[arg(long, conflicts_with_all =
          ["machine", "accel", "smp", "gdb", "trace_net", "config_via", "firmware"])]
    host: bool,
    /// With --host: listen on this address instead of 127.0.0.1
    #[arg(long, value_name = "ADDRESS", requires = "host")]
    bind: Option<IpAddr>,
    /// Machine type
    #[arg(long, value_enum, default_value_t)]
    machine: Machine,
    /// How instructions are executed
    #[arg(long, value_enum, default_value_t)]
    accel: Wanted,
    /// Memory of the guest, or of the node's share of the process, in MiB
    #[arg(long, value_name = "MIB", default_value_t = DEFAULT_MEMORY,
          value_parser = clap::value_parser!(u32).range(LEAST_MEMORY..))]
    memory: u32,
    /// Port on 127.0.0.1 for the guest's HTTP [default: 8080, or a free one if it is taken];
    /// 0: a free one
    #[arg(long)]
    port: Option<u16>,
    /// Port on 127.0.0.1 for peers, TCP and WebSocket [default: 7777, or a free one if it is taken];
    /// 0: a free one
    #[arg(long)]
    peer_port: Option<u16>,
    /// Processor cores
    #[arg(long, value_name = "CORES", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..))]
    smp: u32,
    /// Stop before the first instruction and wait for a debugger on this port of 127.0.0.1
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "1234")]
    gdb: Option<u16>,
    /// Record every frame into this file
    #[arg(long, value_name = "FILE.pcap")]
    trace_net: Option<PathBuf>,
    /// Start the disk image by this firmware instead of the kernel: `seabios`, `ovmf`, or a file (an ELF
    /// file with a PVH note, else what QEMU takes for a BIOS)
    #[arg(long, value_name = "FIRMWARE")]
    firmware: Option<String>,
    /// For scripts: URL and multiaddresses are all that is printed; the log goes to target/aerolith-run.log
    #[arg(long)]
    headless: bool,
    /// Take the image that is built already
    #[arg(long, conflicts_with = "host")]
    no_build: bool,
    /// Leave no note for `cargo xtask send`
    #[arg(long)]
    unrecorded: bool,
    /// The node's configuration
    #[arg(long, value_name = "NODE.toml")]
    config: Option<PathBuf>,
    /// How the guest gets the configuration
    #[arg(long, value_enum, default_value_t)]
    config_via: Passage,
    /// What the node keeps things in; made if it is not there, with 64M or the size named
    #[arg(long, value_name = "FILE[,SIZE]")]
    volume: Option<VolumeFile>,
    /// A folder with a program to host: its message, scripts and data; may be repeated
    #[arg(long = "program", value_name = "FOLDER")]
    programs: Vec<PathBuf>,
    /// How much the guest logs
    #[arg(long, value_enum)]
    log: Option<LogLevel>,
}

/// How the guest gets its configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Passage {
    /// As a fw_cfg item
    #[default]
    FwCfg,
    /// On the kernel's command line
    Cmdline,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl From<LogLevel> for kernel::config::LogLevel {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::Error,
            LogLevel::Warn => Self::Warn,
            LogLevel::Info => Self::Info,
            LogLevel::Debug => Self::Debug,
            LogLevel::Trace => Self::Trace,
        }
    }
}

/// Runs the node until it ends or Ctrl-C is typed.
///
/// # Errors
/// When anything on the way fails: QEMU, the build, the configuration, the port.
pub fn run(options: &Options) -> Result<ExitCode> {
    if options.host {
        return on_this_machine::run(options);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || flag.store(true, Ordering::Relaxed))?;

    qemu::install::ensure()?;
    let firmware = options.firmware.as_deref().map(Firmware::named).transpose()?;
    let config = NodeConfig::read(options.config.as_deref())?;
    if !options.no_build {
        build::build(Image::Product)?;
    }
    let kernel = build::paths(Image::Product).stripped;
    let blob = config.blob_file()?;
    let mut guest = guest(options, kernel)?;
    if options.config.is_some() {
        match options.config_via {
            Passage::FwCfg => guest.config = Some(blob.path().to_owned()),
            Passage::Cmdline => guest.command_line.push(config.command_line_word()?),
        }
    }

    if let Some(volume) = &options.volume {
        guest.disks.push(Disk::raw(volume.ensure()?.to_owned(), Writes::Kept));
    }
    let programs = program_folder::bundle_file(&options.programs)?;
    guest.programs = programs.as_ref().map(|file| file.path().to_owned());

    let folder = TempDir::with_prefix("aerolith-disk-")?;
    if let Some(firmware) = firmware {
        let boot = if options.no_build { BootCode::built() } else { BootCode::build() };
        firmware.start_from_disk(&mut guest, &boot?, folder.path())?;
    }

    for _ in 0..ports::ATTEMPTS {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let http = port(local, options.port, PortUse::Http)?;
        let peers = port(local, options.peer_port, PortUse::Peers)?;
        let forward = |host_port, guest_port| Forward {
            host_port,
            guest_address: config.static_address(),
            guest_port,
        };
        guest.network =
            Network::user(&[forward(http, config.http_port()), forward(peers, config.peer_port())]);
        let vm = Vm::start(&guest)?;
        if !options.headless {
            eprintln!("+ {}", vm.command());
            if let Some(port) = guest.gdb {
                let symbols = build::paths(Image::Product).with_symbols;
                eprintln!("gdb -ex 'target remote 127.0.0.1:{port}' {}", symbols.display());
            }
        }
        let mut console = Console::new(options, Ports::Forwarded { http, peers })?;
        if let Some(code) = follow(&mut console, vm, &stop)? {
            return Ok(code);
        }
    }
    bail!("every port that was free a moment ago was taken by another program")
}

fn guest(options: &Options, kernel: PathBuf) -> Result<Guest> {
    let accelerator = qemu::accelerator::choose(options.accel)?;
    let mut guest = Guest::new(kernel, accelerator);
    guest.machine = options.machine;
    guest.memory_mib = options.memory;
    guest.cores = options.smp;
    guest.gdb = options.gdb;
    guest.capture.clone_from(&options.trace_net);
    if let Some(level) = options.log.and_then(|level| level.to_possible_value()) {
        guest.command_line.push(format!("aerolith.log={}", level.get_name()));
    }
    Ok(guest)
}

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PortUse {
    Http,
    Peers,
}

impl PortUse {
    /// The port that is taken when it is free and none is named.
    fn usual(self) -> u16 {
        match self {
            Self::Http => 8080,
            Self::Peers => 7777,
        }
    }

    fn option(self) -> &'static str {
        match self {
            Self::Http => "--port",
            Self::Peers => "--peer-port",
        }
    }
}

/// A port of `address`: the one named, else the usual one, else one that the system gives.
fn port(address: IpAddr, wanted: Option<u16>, purpose: PortUse) -> Result<u16> {
    let free =
        |port| Ok::<_, std::io::Error>(TcpListener::bind((address, port))?.local_addr()?.port());
    match wanted {
        None => free(purpose.usual()).or_else(|_| free(0)),
        Some(port) => free(port),
    }
    .with_context(|| match wanted {
        Some(port) => format!(
            "port {port} of {address} cannot be had; {} 0 takes a free one",
            purpose.option()
        ),
        None => format!("no port of {address} is free"),
    })
}

/// Shows what the guest prints until it ends or `stop` is set; nothing if the port was taken.
fn follow(console: &mut Console, mut vm: Vm, stop: &AtomicBool) -> Result<Option<ExitCode>> {
    let mut cursor = 0;
    loop {
        while let Some(line) = vm.line_at(&mut cursor) {
            if line.contains(ports::TAKEN) && !console.is_serving() {
                return Ok(None);
            }
            console.line(&line)?;
        }
        if stop.load(Ordering::Relaxed) {
            vm.kill();
            eprintln!("\nstopped");
            return Ok(Some(ExitCode::SUCCESS));
        }
        if vm.ended()?.is_some() {
            let code = vm.wait_exit(std::time::Duration::from_secs(10))?;
            while let Some(line) = vm.line_at(&mut cursor) {
                console.line(&line)?;
            }
            eprintln!("QEMU ended with code {code}: {}", boot_log::meaning(code));
            let served = console.is_serving();
            if code == 0 && !served {
                // A triple fault looks the same: QEMU is told not to reboot.
                eprintln!("it never was ready to serve; has it enough memory (--memory)?");
            }
            let good = code == 33 || (code == 0 && served);
            if let Some(file) = console.log_file().filter(|_| !good) {
                eprintln!("what it and QEMU said is in {}", file.display());
            }
            return Ok(Some(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }));
        }
        vm.pause(cursor);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        options: Options,
    }

    fn read(words: &[&str]) -> Result<Options, clap::Error> {
        Line::try_parse_from(std::iter::once(&"run").chain(words)).map(|line| line.options)
    }

    #[test]
    fn memory_that_cannot_hold_the_image_is_refused() {
        for mib in ["0", "1", "-1", "many"] {
            assert!(read(&["--memory", mib]).is_err(), "{mib}");
        }
        assert_eq!(read(&["--memory", "2"]).unwrap().memory, 2);
    }

    #[test]
    fn what_only_a_virtual_machine_has_is_refused_for_a_process() {
        assert!(read(&["--host", "--smp", "2"]).is_err());
        assert!(read(&["--host", "--gdb"]).is_err());
        assert!(read(&["--bind", "0.0.0.0"]).is_err());
        let options = read(&["--host", "--bind", "::1", "--peer-port", "0"]).unwrap();
        assert_eq!((options.host, options.peer_port), (true, Some(0)));
    }

    #[test]
    fn no_core_at_all_is_refused() {
        assert!(read(&["--smp", "0"]).is_err());
        assert_eq!(read(&["--smp", "1"]).unwrap().smp, 1);
    }
}
