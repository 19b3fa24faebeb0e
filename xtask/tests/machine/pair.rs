//! Two nodes in QEMU on one virtual network.

use anyhow::Result;
use tempfile::{NamedTempFile, TempDir};
use xtask::build::Image;
use xtask::node_config::NodeConfig;
use xtask::qemu::{Forward, Guest, Network, Vm};
use xtask::run::DEFAULT_MEMORY;

use crate::node::{BOOT_LIMIT, Kind, Node, PORTS, guest};

/// Their addresses on the cable. Over IPv4 QEMU's user network would answer in the place of a guest.
const FIRST: &str = "fd00:a::1";
const SECOND: &str = "fd00:a::2";
/// The one of the first node that ports of 127.0.0.1 are forwarded to.
const FORWARDED: &str = "10.0.2.15";
const SECOND_MAC: &str = "52:54:00:12:34:57";
/// The second node's key, which the first has to know beforehand.
const SECOND_SEED: [u8; 32] = [0x5e; 32];

/// Two nodes, of which the first is reached from here and has the second as its bootstrap peer.
pub struct Pair {
    pub first: Node,
    pub second: Vm,
    pub second_peer: String,
    _files: (TempDir, [NamedTempFile; 2]),
}

impl Pair {
    pub fn boot(kind: Kind) -> Result<Self> {
        let folder = TempDir::with_prefix("aerolith-pair-")?;
        let cable = folder.path().join("cable");
        let second_peer = xtask::client::peer_id_of(&SECOND_SEED).to_string();

        let mut one = guest(kind, Image::Product)?;
        one.memory_mib = DEFAULT_MEMORY;
        let forwards = PORTS.map(|port| Forward { guest_address: FORWARDED.to_owned(), ..port });
        one.network = Network::User { forwards: forwards.to_vec(), cable: Some(cable.clone()) };
        let blob_one = configure(
            &mut one,
            &format!(
                "[network]\naddresses = [\"{FORWARDED}/24\", \"{FIRST}/64\"]\n\
                 gateways = [\"10.0.2.2\"]\n\
                 [peers]\nbootstrap = [\"/ip6/{SECOND}/tcp/7777/p2p/{second_peer}\"]\n"
            ),
        )?;
        let first = Node::start(one)?;

        let mut two = guest(kind, Image::Product)?;
        two.memory_mib = DEFAULT_MEMORY;
        two.network = Network::Cable(cable);
        two.mac = Some(SECOND_MAC.to_owned());
        let seed: String = SECOND_SEED.iter().map(|byte| format!("{byte:02x}")).collect();
        let blob_two = configure(
            &mut two,
            &format!("[network]\naddresses = [\"{SECOND}/64\"]\n[identity]\nseed = \"{seed}\"\n"),
        )?;
        let mut second = Vm::start(&two)?;
        second.wait_for("node: ready ", BOOT_LIMIT)?;
        Ok(Self { first, second, second_peer, _files: (folder, [blob_one, blob_two]) })
    }
}

fn configure(guest: &mut Guest, toml: &str) -> Result<NamedTempFile> {
    let file = NodeConfig::parse(toml)?.blob_file()?;
    guest.config = Some(file.path().to_owned());
    Ok(file)
}
