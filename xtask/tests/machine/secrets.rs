//! The node's key is in the guest's memory where the node uses it, and nowhere else.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libtest_mimic::Trial;
use tempfile::TempDir;
use xtask::host::make_volume;
use xtask::node_config::NodeConfig;
use xtask::qemu::monitor::Socket;
use xtask::qemu::{Disk, Guest, Writes};

use crate::disks::{cidata, partitioned};
use crate::node::{Kind, MICROVM, Node, PC, Passage, Q35, configure};
use crate::{send, trial};

/// Where the key stays: with the interpreter (the pair that signs, and the secret that a run's parameters
/// name), and with the network (the pair that proves who the node is).
const LIVE: usize = 3;
const MEMORY_MIB: u32 = 32;
/// A secret that nothing else looks like.
const SEED: [u8; 32] = *b"\xd1\x0e\x5a\x97no other bytes are \xfe\x83\x04\xb6\xc1\x99\x27\x0d\x45";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    FwCfg,
    CommandLine,
    Module,
    Disk,
    Partition,
    UserData,
}

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, Q35, PC] {
        for way in
            [Way::FwCfg, Way::CommandLine, Way::Module, Way::Disk, Way::Partition, Way::UserData]
        {
            let name = format!("keeps_no_copy_of_a_key_that_comes_by_{way:?}").to_lowercase();
            trials.push(trial(kind, &name, move |kind| given(kind, way)));
        }
    }
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "keeps_no_copy_of_the_key_on_its_volume", kept));
    }
}

fn toml() -> String {
    let digits: String = SEED.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("[identity]\nseed = \"{digits}\"\n")
}

/// The key comes by the configuration.
fn given(kind: Kind, way: Way) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-secrets-")?;
    let config = NodeConfig::parse(&toml())?;
    let blob = config.blob()?;
    let mut held = None;
    let (node, memory) = boot_and_look(kind, &folder, |guest| {
        let file = folder.path().join("blob");
        match way {
            Way::FwCfg => held = configure(guest, &toml(), Passage::FwCfg)?,
            Way::CommandLine => held = configure(guest, &toml(), Passage::CommandLine)?,
            Way::Module => {
                fs::write(&file, &blob)?;
                guest.module = Some(file);
            }
            Way::Disk => {
                let mut bytes = blob.clone();
                bytes.resize(1 << 20, 0);
                fs::write(&file, bytes)?;
                guest.disks = vec![Disk::raw(file, Writes::Refused)];
            }
            Way::Partition => {
                fs::write(&file, partitioned(&blob))?;
                guest.disks = vec![Disk::raw(file, Writes::Dropped)];
            }
            Way::UserData => {
                let text = format!("#cloud-config\n- {}\n", config.command_line_word()?);
                fs::write(&file, cidata(&[("USER_DAT.;1", text.as_bytes())]))?;
                guest.disks = vec![Disk::raw(file, Writes::Refused)];
            }
        }
        Ok(())
    })?;
    ensure!(node.vm.text().contains("node: key from the configuration"), "{}", node.vm.report());
    only_live(&node, &memory, &SEED)?;
    // Three texts, as it depends on the place in the blob how the digits of base64 fall.
    for skip in 0..3 {
        let whole = (SEED.len() - skip) / 3 * 3;
        let text = URL_SAFE_NO_PAD.encode(&SEED[skip..skip + whole]);
        let places = places_of(&memory, text.as_bytes());
        ensure!(places.is_empty(), "the key as text is at {places:x?}\n{}", node.vm.report());
    }
    Ok(())
}

/// The key is made by the first boot and read by the second.
fn kept(kind: Kind) -> Result<()> {
    let folder = TempDir::with_prefix("aerolith-secrets-")?;
    let volume = folder.path().join("volume");
    make_volume(&volume, 1 << 20)?;
    let mut seed = None;
    for said in ["made, and kept on the volume", "from the volume"] {
        let (mut node, memory) = boot_and_look(kind, &folder, |guest| {
            guest.disks = vec![Disk::raw(volume.clone(), Writes::Kept)];
            Ok(())
        })?;
        let line = format!("node: key {said}");
        ensure!(node.vm.text().contains(&line), "no {line:?}\n{}", node.vm.report());
        node.vm.kill();
        let seed = match &seed {
            Some(seed) => seed,
            None => seed.insert(seed_on(&volume)?),
        };
        only_live(&node, &memory, seed)?;
    }
    Ok(())
}

/// The value of the key `identity`: it stands behind the name in the only record that has it.
fn seed_on(volume: &Path) -> Result<[u8; 32]> {
    const NAME: &[u8] = b"identity";
    let bytes = fs::read(volume)?;
    let places = places_of(&bytes, NAME);
    ensure!(places.len() == 1, "the name is at {places:x?}");
    let rest = bytes.get(places[0] + NAME.len()..);
    rest.and_then(|rest| rest.first_chunk()).copied().context("the volume ends")
}

/// Boots, lets the node sign, and takes its memory.
fn boot_and_look(
    kind: Kind,
    folder: &TempDir,
    change: impl FnOnce(&mut Guest) -> Result<()>,
) -> Result<(Node, Vec<u8>)> {
    let socket = Socket::new()?;
    let node = Node::boot_with(kind, |guest| {
        guest.memory_mib = MEMORY_MIB;
        socket.attach(guest);
        change(guest)
    })?;
    let script = "(call %init_peer_id% (\"callbackSrv\" \"response\") [1])";
    let answer = node.air("", script)?;
    ensure!(answer.status == 200, "{answer:?}\n{}", node.vm.report());
    // It proves who it is at each connection, and signs what it adds to the particle.
    for address in node.multiaddresses() {
        send::greets(&address).with_context(|| node.vm.report())?;
    }
    let file = folder.path().join("memory");
    socket.connect()?.save_memory(&file, u64::from(MEMORY_MIB) << 20)?;
    let memory = fs::read(&file)?;
    ensure!(memory.len() == usize::try_from(MEMORY_MIB)? << 20, "{} bytes", memory.len());
    Ok((node, memory))
}

fn only_live(node: &Node, memory: &[u8], seed: &[u8; 32]) -> Result<()> {
    let places = places_of(memory, seed);
    let report = node.vm.report();
    ensure!(places.len() == LIVE, "{} copies, at {places:x?}\n{report}", places.len());
    Ok(())
}

fn places_of(memory: &[u8], wanted: &[u8]) -> Vec<usize> {
    let windows = memory.windows(wanted.len()).enumerate();
    windows.filter(|(_, bytes)| *bytes == wanted).map(|(place, _)| place).collect()
}
