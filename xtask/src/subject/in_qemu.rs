//! A node in QEMU, with its ports forwarded from 127.0.0.1.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Result, bail, ensure};

use super::{Running, Subject, addresses_in, parsed};
use crate::boot_log;
use crate::build::{self, Image};
use crate::http::Url;
use crate::node_config::NodeConfig;
use crate::qemu::accelerator::{self, Wanted};
use crate::qemu::{Forward, Guest, Machine, Network, Vm};

const BOOT_LIMIT: Duration = Duration::from_secs(90);
/// How often QEMU is started again when another program took a port in between.
const PORT_ATTEMPTS: u32 = 8;

pub(super) fn start(machine: Machine, memory: u32, toml: &str) -> Result<Subject> {
    let kernel = build::paths(Image::Product).stripped;
    ensure!(kernel.exists(), "{} is missing; `cargo xtask build` makes it", kernel.display());
    let config = NodeConfig::parse(toml)?;
    let blob = config.blob_file()?;
    let mut guest = Guest::new(kernel, accelerator::choose(Wanted::Auto)?);
    guest.machine = machine;
    guest.memory_mib = memory;
    guest.config = Some(blob.path().to_owned());
    for _ in 0..PORT_ATTEMPTS {
        let [http, peers] = [free_port()?, free_port()?];
        let forward = |host_port, guest_port| Forward {
            host_port,
            guest_address: config.static_address(),
            guest_port,
        };
        guest.network =
            Network::user(&[forward(http, config.http_port()), forward(peers, config.peer_port())]);
        let mut vm = Vm::start(&guest)?;
        match vm.wait_for("node: ready ", BOOT_LIMIT) {
            Ok(_) => {
                let said = addresses_in(&vm.text())?;
                let reached = said.iter().filter_map(|said| boot_log::forwarded(said, peers));
                let addresses = parsed(reached)?;
                let url = Some(Url::parse(&format!("http://127.0.0.1:{http}/"))?);
                return Ok(Subject {
                    running: Running::Guest(vm),
                    addresses,
                    url,
                    _config: Some(blob),
                });
            }
            Err(_) if vm.text().contains("Could not set up host forwarding rule") => {}
            Err(error) => return Err(error),
        }
    }
    bail!("{PORT_ATTEMPTS} pairs of free ports were all taken by others")
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
