//! Disks: what a node keeps is there after any end, and what is on other disks is found or left alone.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kernel::aleph::package::crc32;
use kernel::store::gpt;
use libtest_mimic::Trial;
use serde_json::Value;
use tempfile::TempDir;
use xtask::host::make_volume;
use xtask::node_config::NodeConfig;
use xtask::qemu::monitor::Socket;
use xtask::qemu::{Disk, Network, Vm, Writes};

use crate::node::{
    BOOT_LIMIT, Kind, MICROVM, MICROVM_BARE, MICROVM_LEGACY, Node, PC, PORTS, Passage, Q35,
    Q35_BARE, configure,
};
use crate::trial;

const MIB: u64 = 1 << 20;
const FORMAT: &str = "[volume]\nformat = true\n";

pub fn add(trials: &mut Vec<Trial>) {
    for kind in [MICROVM, MICROVM_LEGACY, MICROVM_BARE, Q35, Q35_BARE, PC] {
        trials.push(trial(kind, "has_the_same_key_after_it_was_killed", same_key));
    }
    for kind in [MICROVM, Q35] {
        trials.push(trial(kind, "flushes_its_volume_when_it_is_switched_off", flushes));
    }
    type Test = fn(Kind) -> Result<()>;
    let microvm: [(&str, Test); 8] = [
        ("reads_a_volume_that_it_may_not_write", read_only),
        ("leaves_a_damaged_volume_alone_and_serves", damaged),
        ("makes_a_new_key_at_each_boot_without_a_disk", no_disk),
        ("makes_a_blank_disk_a_volume_if_that_is_configured", blank),
        ("says_that_a_disk_is_too_small_for_a_volume", too_small),
        ("takes_its_configuration_from_a_disk", configured),
        ("finds_configuration_and_volume_in_partitions", partitions),
        ("serves_with_many_disks_of_which_it_knows_none", unknown),
    ];
    for (name, test) in microvm {
        trials.push(trial(MICROVM, name, test));
    }
    for kind in [MICROVM, PC] {
        trials.push(trial(kind, "has_the_address_and_the_name_that_cloud_init_told", cloud_init));
    }
    // Debian has it in an essential package; other systems may have it elsewhere.
    let mkfs = ["/sbin/mkfs.ext4", "/usr/sbin/mkfs.ext4"].map(Path::new);
    let found = mkfs.into_iter().find(|path| path.exists());
    let name = "makes_an_unused_ext4_disk_a_volume_and_no_other";
    let test = move |kind| found.map_or(Ok(()), |mkfs| ext4(kind, mkfs));
    trials.push(trial(MICROVM, name, test).with_ignored_flag(found.is_none()));
}

/// A folder with a file for a disk.
struct Files(TempDir);

impl Files {
    fn new() -> Result<Self> {
        Ok(Self(TempDir::with_prefix("aerolith-disks-")?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn volume(&self) -> Result<PathBuf> {
        let path = self.path("volume");
        make_volume(&path, 4 * MIB)?;
        Ok(path)
    }

    /// A file with these bytes, as long as said.
    fn disk(&self, name: &str, bytes: &[u8], length: u64) -> Result<PathBuf> {
        let path = self.path(name);
        let file = File::create_new(&path)?;
        file.write_all_at(bytes, 0)?;
        file.set_len(length)?;
        Ok(path)
    }
}

fn boot(kind: Kind, disks: &[(&Path, Writes)], toml: &str) -> Result<Node> {
    Node::boot_with(kind, |guest| {
        guest.disks =
            disks.iter().map(|(path, writes)| Disk::raw((*path).to_owned(), *writes)).collect();
        configure(guest, toml, Passage::CommandLine).map(drop)
    })
}

/// A node whose configuration, if any, is on its disks.
fn boot_unconfigured(kind: Kind, disks: &[&Path], port: u16) -> Result<Node> {
    Node::boot_with(kind, |guest| {
        guest.disks =
            disks.iter().map(|path| Disk::raw((*path).to_owned(), Writes::Kept)).collect();
        let mut forwards = PORTS;
        forwards[0].guest_port = port;
        guest.network = Network::user(&forwards);
        Ok(())
    })
}

fn peer_id(node: &Node) -> Result<String> {
    let health: Value = serde_json::from_slice(&node.get("/health")?.body)?;
    Ok(health["peer_id"].as_str().context("/health without a peer id")?.to_owned())
}

fn says(vm: &Vm, mark: &str) -> Result<()> {
    ensure!(vm.text().contains(mark), "the log lacks {mark:?}\n{}", vm.report());
    Ok(())
}

fn same_key(kind: Kind) -> Result<()> {
    let files = Files::new()?;
    let volume = files.volume()?;
    let mut first = boot(kind, &[(&volume, Writes::Kept)], "")?;
    says(&first.vm, "key made, and kept on the volume")?;
    let id = peer_id(&first)?;
    first.vm.kill();
    for _ in 0..2 {
        let mut again = boot(kind, &[(&volume, Writes::Kept)], "")?;
        says(&again.vm, "key from the volume")?;
        ensure!(peer_id(&again)? == id, "another key\n{}", again.vm.report());
        again.vm.kill();
    }
    let named = format!("[identity]\nseed = \"{}\"\n", "01".repeat(32));
    let named = boot(kind, &[(&volume, Writes::Kept)], &named)?;
    says(&named.vm, "key from the configuration")?;
    ensure!(peer_id(&named)? == "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5");
    Ok(())
}

fn flushes(kind: Kind) -> Result<()> {
    let files = Files::new()?;
    let volume = files.volume()?;
    let socket = Socket::new()?;
    let mut node = Node::boot_with(kind, |guest| {
        guest.disks = vec![Disk::raw(volume.clone(), Writes::Kept)];
        socket.attach(guest);
        Ok(())
    })?;
    socket.connect()?.ask("system_powerdown")?;
    node.vm.wait_exit(BOOT_LIMIT)?;
    says(&node.vm, "the volume is flushed")?;
    says(&node.vm, "power: off")
}

fn read_only(kind: Kind) -> Result<()> {
    let files = Files::new()?;
    let volume = files.volume()?;
    let id = {
        let empty = boot(kind, &[(&volume, Writes::Refused)], "")?;
        says(&empty.vm, "key made, and lost at power-off")?;
        drop(empty);
        peer_id(&boot(kind, &[(&volume, Writes::Kept)], "")?)?
    };
    let before = fs::read(&volume)?;
    let node = boot(kind, &[(&volume, Writes::Refused)], "")?;
    says(&node.vm, "read-only")?;
    ensure!(peer_id(&node)? == id, "another key\n{}", node.vm.report());
    drop(node);
    ensure!(fs::read(&volume)? == before, "the disk was written");
    Ok(())
}

fn damaged(kind: Kind) -> Result<()> {
    let files = Files::new()?;
    let volume = files.volume()?;
    drop(boot(kind, &[(&volume, Writes::Kept)], "")?);
    // The header of the first half, which is in use.
    File::options().write(true).open(&volume)?.write_all_at(&[0xff; 512], 4096)?;
    let before = fs::read(&volume)?;
    let node = boot(kind, &[(&volume, Writes::Kept)], FORMAT)?;
    says(&node.vm, "the volume is damaged")?;
    says(&node.vm, "key made, and lost at power-off")?;
    node.check_alive()?;
    drop(node);
    ensure!(fs::read(&volume)? == before, "the disk was written");
    Ok(())
}

fn no_disk(kind: Kind) -> Result<()> {
    let node = boot(kind, &[], FORMAT)?;
    says(&node.vm, "key made, and lost at power-off")?;
    ensure!(!node.vm.text().contains("disk:"), "{}", node.vm.report());
    Ok(())
}

fn blank(kind: Kind) -> Result<()> {
    let files = Files::new()?;
    let disk = files.disk("blank", b"", 4 * MIB)?;
    let node = boot(kind, &[(&disk, Writes::Kept)], "")?;
    says(&node.vm, "not used, as volume.format is not set")?;
    drop(node);
    ensure!(fs::read(&disk)?.iter().all(|byte| *byte == 0), "the disk was written");
    let node = boot(kind, &[(&disk, Writes::Kept)], FORMAT)?;
    says(&node.vm, "made a volume")?;
    let id = peer_id(&node)?;
    drop(node);
    let again = boot(kind, &[(&disk, Writes::Kept)], "")?;
    ensure!(peer_id(&again)? == id, "another key\n{}", again.vm.report());
    Ok(())
}

fn too_small(kind: Kind) -> Result<()> {
    let files = Files::new()?;
    let disk = files.disk("small", b"", 60 << 10)?;
    let node = boot(kind, &[(&disk, Writes::Kept)], FORMAT)?;
    says(&node.vm, "not made a volume: it is too small for a volume")?;
    node.check_alive()
}

fn configured(kind: Kind) -> Result<()> {
    let files = Files::new()?;
    let blob = NodeConfig::parse("[http]\nport = 8123\n")?.blob()?;
    let disk = files.disk("config", &blob, MIB)?;
    let node = boot_unconfigured(kind, &[&disk], 8123)?;
    says(&node.vm, "config: from disk 0")?;
    node.check_alive()
}

/// A disk with two partitions: this blob of a configuration, and room for a volume.
pub fn partitioned(blob: &[u8]) -> Vec<u8> {
    let (sectors, parts) =
        (16384_u64, [(gpt::CONFIGURATION, 2048, 2048), (gpt::VOLUME, 4096, 8192)]);
    let mut entries = vec![0; 128 * 128];
    for ((kind, first, count), entry) in parts.iter().zip(entries.chunks_exact_mut(128)) {
        entry[..16].copy_from_slice(kind);
        entry[16..32].copy_from_slice(&[7; 16]);
        entry[32..40].copy_from_slice(&u64::to_le_bytes(*first));
        entry[40..48].copy_from_slice(&u64::to_le_bytes(first + count - 1));
    }
    let mut header = vec![0; 512];
    header[..16].copy_from_slice(b"EFI PART\0\0\x01\0\x5c\0\0\0");
    for (at, value) in [(24, 1), (32, sectors - 1), (40, 34), (48, sectors - 34), (72, 2)] {
        header[at..at + 8].copy_from_slice(&u64::to_le_bytes(value));
    }
    header[80..84].copy_from_slice(&128_u32.to_le_bytes());
    header[84..88].copy_from_slice(&128_u32.to_le_bytes());
    header[88..92].copy_from_slice(&crc32(&entries).to_le_bytes());
    let check = crc32(&header[..92]);
    header[16..20].copy_from_slice(&check.to_le_bytes());
    let mut disk = vec![0; 512];
    disk.extend(header);
    disk.extend(entries);
    disk.resize(2048 * 512, 0);
    disk.extend(blob);
    disk.resize(16384 * 512, 0);
    disk
}

fn partitions(kind: Kind) -> Result<()> {
    let files = Files::new()?;
    let blob = NodeConfig::parse("[http]\nport = 8124\n")?.blob()?;
    let disk = files.disk("disk", &partitioned(&blob), 16384 * 512)?;
    let node = boot_unconfigured(kind, &[&disk], 8124)?;
    says(&node.vm, "config: from disk 0, partition 1")?;
    says(&node.vm, "disk 0, partition 2: made a volume")?;
    let id = peer_id(&node)?;
    drop(node);
    ensure!(peer_id(&boot_unconfigured(kind, &[&disk], 8124)?)? == id, "another key");
    Ok(())
}

fn unknown(kind: Kind) -> Result<()> {
    let files = Files::new()?;
    let mut disks = Vec::new();
    for number in 0_u8..6 {
        disks.push(files.disk(
            &format!("d{number}"),
            &[number + 1; 5000],
            MIB + u64::from(number),
        )?);
    }
    let kept: Vec<_> = disks.iter().map(|path| (path.as_path(), Writes::Kept)).collect();
    let node = boot(kind, &kept, FORMAT)?;
    says(&node.vm, "disk 5: nothing that is known")?;
    node.check_alive()
}

/// An ISO 9660 disk as `cloud-localds` makes it, as far as it is read.
pub fn cidata(files: &[(&str, &[u8])]) -> Vec<u8> {
    const BLOCK: usize = 2048;
    fn record(name: &[u8], flags: u8, block: usize, bytes: usize) -> Vec<u8> {
        let mut record = vec![0; (33 + name.len()).next_multiple_of(2)];
        let word = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        record[0] = u8::try_from(record.len()).unwrap_or(u8::MAX);
        record[2..6].copy_from_slice(&word(block).to_le_bytes());
        record[6..10].copy_from_slice(&word(block).to_be_bytes());
        record[10..14].copy_from_slice(&word(bytes).to_le_bytes());
        record[14..18].copy_from_slice(&word(bytes).to_be_bytes());
        record[25] = flags;
        record[32] = u8::try_from(name.len()).unwrap_or(u8::MAX);
        record[33..33 + name.len()].copy_from_slice(name);
        record
    }
    let mut directory = [record(&[0], 2, 18, BLOCK), record(&[1], 2, 18, BLOCK)].concat();
    let mut content = Vec::new();
    for (name, bytes) in files {
        directory.extend(record(name.as_bytes(), 0, 19 + content.len() / BLOCK, bytes.len()));
        content.extend_from_slice(bytes);
        content.resize(content.len().next_multiple_of(BLOCK), 0);
    }
    let mut disk = vec![0; 19 * BLOCK];
    disk[16 * BLOCK..][..7].copy_from_slice(b"\x01CD001\x01");
    disk[16 * BLOCK + 40..][..32].copy_from_slice(b"cidata                          ");
    disk[16 * BLOCK + 128..][..2].copy_from_slice(&2048_u16.to_le_bytes());
    disk[16 * BLOCK + 156..][..34].copy_from_slice(&record(&[0], 2, 18, BLOCK));
    disk[17 * BLOCK..][..7].copy_from_slice(b"\xffCD001\x01");
    disk[18 * BLOCK..][..directory.len()].copy_from_slice(&directory);
    disk.extend(content);
    disk
}

fn cloud_init(kind: Kind) -> Result<()> {
    let network = b"ethernets:\n  eth0:\n    match:\n      driver: virtio_net\n    addresses:\n    \
        - 10.0.2.77/24\n    - fd00::77/64\n    gateway4: 10.0.2.2\n    nameservers:\n      addresses:\n      \
        - 10.0.2.3\nversion: 2\n";
    let meta = br#"{"instance-id": "iid-instance-4",
        "local-hostname": "nnusr7e54nroleguya4ege4sdi45xhap3oixkc5cn2wakkq7rbjq"}"#;
    let word = NodeConfig::parse("[http]\nport = 8123\n")?.command_line_word()?;
    let user = format!(
        "#cloud-config\nhostname: x\nssh_authorized_keys:\n- ssh-ed25519 AAAA a@b\n- {word}\n"
    );
    let files = Files::new()?;
    let parts: [(&str, &[u8]); 3] =
        [("META_DAT.;1", meta), ("NETWORK_.;1", network), ("USER_DAT.;1", user.as_bytes())];
    let bytes = cidata(&parts);
    let disk = files.disk("cidata", &bytes, bytes.len() as u64)?;
    let (root, volume) = (files.disk("root", b"\xeb\xfe", MIB)?, files.volume()?);
    let node = Node::boot_with(kind, |guest| {
        let raw = |path: &Path, writes| Disk::raw(path.to_owned(), writes);
        guest.disks =
            vec![raw(&root, Writes::Kept), raw(&disk, Writes::Refused), raw(&volume, Writes::Kept)];
        if let Network::User { forwards, .. } = &mut guest.network {
            for forward in forwards {
                forward.guest_address = "10.0.2.77".to_owned();
                if forward.guest_port == 80 {
                    forward.guest_port = 8123;
                }
            }
        }
        Ok(())
    })?;
    ensure!(node.guest_url()? == "http://10.0.2.77:8123/", "{}", node.ready_line);
    let hash = "6b6928fc9de362e590d4c0384313921a39db9c0fdb91750ba26eac052a1f8853";
    says(&node.vm, &format!("this machine is the instance {hash}"))?;
    says(&node.vm, "key made, and kept on the volume")?;
    node.check_alive()
}

fn ext4(kind: Kind, mkfs: &Path) -> Result<()> {
    let files = Files::new()?;
    let folder = files.path("folder");
    fs::create_dir(&folder)?;
    fs::write(folder.join("precious"), b"data")?;
    let make = |name: &str, words: &[&str]| -> Result<PathBuf> {
        let disk = files.disk(name, b"", 8 * MIB)?;
        let done = Command::new(mkfs).args(["-q", "-F"]).args(words).arg(&disk).status()?;
        ensure!(done.success(), "{} failed", mkfs.display());
        Ok(disk)
    };
    let used = make("used", &["-d", folder.to_str().context("a path that is no text")?])?;
    let before = fs::read(&used)?;
    let node = boot(kind, &[(&used, Writes::Kept)], FORMAT)?;
    says(&node.vm, "key made, and lost at power-off")?;
    drop(node);
    ensure!(fs::read(&used)? == before, "somebody's files were written over");
    let unused = make("unused", &[])?;
    let node = boot(kind, &[(&used, Writes::Kept), (&unused, Writes::Kept)], FORMAT)?;
    says(&node.vm, "disk 1: made a volume")?;
    says(&node.vm, "key made, and kept on the volume")
}
