//! A node in QEMU, with its ports forwarded from 127.0.0.1.

use std::time::Duration;

use anyhow::{Result, ensure};

use super::{Running, Subject, addresses_in, parsed};
use crate::boot_log;
use crate::build::{self, Image};
use crate::http::Url;
use crate::node_config::NodeConfig;
use crate::qemu::accelerator::{self, Wanted};
use crate::qemu::{Forward, Guest, Machine, Network, Vm, ports};

const BOOT_LIMIT: Duration = Duration::from_secs(90);

pub(super) fn start(machine: Machine, memory: u32, toml: &str) -> Result<Subject> {
    let kernel = build::paths(Image::Product).stripped;
    ensure!(kernel.exists(), "{} is missing; `cargo xtask build` makes it", kernel.display());
    let config = NodeConfig::parse(toml)?;
    let blob = config.blob_file()?;
    let mut guest = Guest::new(kernel, accelerator::choose(Wanted::Auto)?);
    guest.machine = machine;
    guest.memory_mib = memory;
    guest.config = Some(blob.path().to_owned());
    let (vm, [http, peers]) = ports::retried(|| {
        let [http, peers] = [ports::free()?, ports::free()?];
        let forward = |host_port, guest_port| Forward {
            host_port,
            guest_address: config.static_address(),
            guest_port,
        };
        guest.network =
            Network::user(&[forward(http, config.http_port()), forward(peers, config.peer_port())]);
        let mut vm = Vm::start(&guest)?;
        vm.wait_for("node: ready ", BOOT_LIMIT)?;
        Ok((vm, [http, peers]))
    })?;
    let said = addresses_in(&vm.text())?;
    let addresses = parsed(said.iter().filter_map(|said| boot_log::forwarded(said, peers)))?;
    let url = Some(Url::parse(&format!("http://127.0.0.1:{http}/"))?);
    Ok(Subject { running: Running::Guest(vm), addresses, url, _config: Some(blob) })
}
