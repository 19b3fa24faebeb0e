//! What a node takes up from disks: by content, in the documented order, and never more than it may.

use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;

use futures_util::FutureExt;

use super::testing::RamDisk;
use super::*;
use crate::config::{Config, HttpConfig, IdentityConfig, Seed, VolumeConfig};
use crate::executor::{Executor, Slot};
use crate::identity::STORE_KEY;
use crate::limits::{BLANK_LOOK_SECTORS, MAX_DISKS};
use crate::machine::Simulated;
use crate::program::Bundle;

const SECTORS: u64 = 8192;

/// A node's beginning on these disks.
struct Begun {
    taken: TakenUp,
    executor: Executor,
}

impl Begun {
    fn new(disks: &[RamDisk], given: Option<Config>, seed: u64) -> Self {
        let machine = Simulated::new(seed);
        let executor = Executor::new(Rc::new(machine.clone()));
        let disk = |disk: &RamDisk| -> Rc<dyn BlockDevice> { Rc::new(disk.clone()) };
        let disks = Disks::new(disks.iter().map(disk).collect());
        let (slot, runs_in) = (Slot::new(), executor.clone());
        let done = slot.clone();
        executor.spawn(async move {
            done.put(take_up(&runs_in, &machine, disks, given).await);
        });
        for _ in 0..100 {
            executor.turn();
        }
        Self { taken: slot.take().now_or_never().unwrap(), executor }
    }

    fn seed(&self) -> Seed {
        self.taken.config.identity.seed.clone().unwrap()
    }

    fn done<T: 'static>(&self, operation: impl AsyncFnOnce(Rc<dyn Store>) -> T + 'static) -> T {
        let (slot, store) = (Slot::new(), self.taken.store.clone());
        let done = slot.clone();
        self.executor.spawn(async move {
            done.put(operation(store).await);
        });
        for _ in 0..100 {
            self.executor.turn();
        }
        slot.take().now_or_never().unwrap()
    }
}

/// A configuration that can be told from others by its port.
fn config(port: u16, format: bool) -> Config {
    Config {
        http: HttpConfig { port, ..HttpConfig::default() },
        volume: VolumeConfig { format },
        ..Config::default()
    }
}

/// A disk with these bytes at its beginning.
fn disk_of(bytes: &[u8]) -> RamDisk {
    let mut disk = bytes.to_vec();
    disk.resize(usize::try_from(SECTORS).unwrap() * SECTOR_BYTES, 0);
    RamDisk::of(disk)
}

/// A disk with partitions, at the beginning of each these bytes.
fn partitioned(parts: &[(gpt::Guid, Vec<u8>)]) -> RamDisk {
    let places: Vec<_> = (0..).zip(parts).map(|(n, part)| (part.0, 64 + n * 1024, 1024)).collect();
    let mut disk = gpt::tests::disk(SECTORS, &places);
    for ((_, first, _), (_, bytes)) in places.iter().zip(parts) {
        let at = usize::try_from(*first).unwrap() * SECTOR_BYTES;
        disk[at..at + bytes.len()].copy_from_slice(bytes);
    }
    RamDisk::of(disk)
}

fn volume() -> RamDisk {
    let disk = RamDisk::new(SECTORS);
    volume::format(&disk, [3; 16]).now_or_never().unwrap().unwrap();
    disk
}

/// An ext4 file system as it is after it was made: the fields that are looked at.
fn ext4(free_inodes: u32, mounts: u16) -> RamDisk {
    let mut head = vec![0; 4096];
    for (offset, value) in [(0, 8192_u32), (16, free_inodes), (84, 11)] {
        head[1024 + offset..1024 + offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    head[1024 + 52..1024 + 54].copy_from_slice(&mounts.to_le_bytes());
    head[1024 + 56..1024 + 58].copy_from_slice(&0xef53_u16.to_le_bytes());
    disk_of(&head)
}

#[test]
fn a_key_is_made_once_and_kept_on_the_volume() {
    let disk = volume();
    let first = Begun::new(core::slice::from_ref(&disk), None, 1);
    assert!(first.taken.store.is_lasting());
    let again = Begun::new(core::slice::from_ref(&disk), None, 2);
    assert_eq!(first.seed(), again.seed());
    let kept = again.done(async |store| store.get(STORE_KEY).await);
    assert_eq!(kept.unwrap().unwrap(), first.seed().expose());
    let named =
        Config { identity: IdentityConfig { seed: Some(Seed::new([5; 32])) }, ..Config::default() };
    assert_eq!(Begun::new(core::slice::from_ref(&disk), Some(named), 3).seed(), Seed::new([5; 32]));
    assert_eq!(
        Begun::new(&[disk], None, 4).seed(),
        first.seed(),
        "that of the volume is still there"
    );
    assert_ne!(Begun::new(&[], None, 5).seed(), first.seed());
}

#[test]
fn a_key_that_cannot_be_read_or_kept_is_made_for_now() {
    let disk = volume();
    let begun = Begun::new(core::slice::from_ref(&disk), None, 1);
    begun.done(async |store| store.put(STORE_KEY, b"too short").await).unwrap();
    let other = Begun::new(core::slice::from_ref(&disk), None, 2);
    assert_ne!(other.seed(), begun.seed());
    let kept = other.done(async |store| store.get(STORE_KEY).await);
    assert_eq!(kept.unwrap().unwrap(), b"too short", "it is left for a person to look at");
    let read_only = volume();
    read_only.read_only.set(true);
    let bytes = read_only.bytes();
    assert_ne!(
        Begun::new(core::slice::from_ref(&read_only), None, 1).seed(),
        Begun::new(core::slice::from_ref(&read_only), None, 2).seed()
    );
    assert_eq!(read_only.bytes(), bytes);
}

#[test]
fn a_configuration_comes_from_the_start_else_from_the_first_place_that_has_one() {
    let whole = disk_of(&config(8001, false).encode().unwrap());
    let part = partitioned(&[(gpt::CONFIGURATION, config(8002, false).encode().unwrap())]);
    let port = |disks: &[RamDisk], given| Begun::new(disks, given, 1).taken.config.http.port;
    assert_eq!(port(&[whole.clone(), part.clone()], Some(config(8000, false))), 8000);
    assert_eq!(port(&[whole.clone(), part.clone()], None), 8001);
    assert_eq!(port(&[part.clone(), whole.clone()], None), 8002);
    let mut damaged = config(8003, false).encode().unwrap();
    damaged.truncate(20);
    damaged.extend([0xff; 40]);
    assert_eq!(port(&[disk_of(&damaged), part], None), 8002, "a damaged one is passed over");
    assert_eq!(port(&[RamDisk::new(0), RamDisk::new(1)], None), HttpConfig::default().port);
}

#[test]
fn programs_come_from_a_partition_or_a_whole_disk() {
    let bundle = Bundle::default().encode().unwrap();
    for disk in [disk_of(&bundle), partitioned(&[(gpt::PROGRAMS, bundle.clone())])] {
        assert_eq!(Begun::new(&[disk], None, 1).taken.programs, Some(bundle.clone()));
    }
    let mut endless = bundle;
    endless[12..16].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Begun::new(&[disk_of(&endless)], None, 1).taken.programs, None);
    let mut long = Bundle::default().encode().unwrap();
    long[12..16].copy_from_slice(&(u32::try_from(SECTORS).unwrap() * 512).to_le_bytes());
    assert_eq!(Begun::new(&[disk_of(&long)], None, 1).taken.programs, None, "longer than the disk");
}

#[test]
fn a_partition_made_for_a_volume_becomes_one() {
    let disk = partitioned(&[([7; 16], vec![1; 512]), (gpt::VOLUME, Vec::new())]);
    let begun = Begun::new(core::slice::from_ref(&disk), None, 1);
    assert!(begun.taken.store.is_lasting());
    assert_eq!(Begun::new(core::slice::from_ref(&disk), None, 2).seed(), begun.seed());
    let other = partitioned(&[(gpt::VOLUME, b"somebody's data".to_vec())]);
    let before = other.bytes();
    assert!(
        !Begun::new(core::slice::from_ref(&other), Some(config(80, true)), 1)
            .taken
            .store
            .is_lasting()
    );
    assert_eq!(other.bytes(), before);
}

#[test]
fn a_blank_disk_becomes_a_volume_only_if_that_is_wanted() {
    for blank in [RamDisk::new(SECTORS), ext4(8192 - 11, 0)] {
        let before = blank.bytes();
        assert!(!Begun::new(core::slice::from_ref(&blank), None, 1).taken.store.is_lasting());
        assert_eq!(blank.bytes(), before, "nothing was written");
        assert!(
            Begun::new(core::slice::from_ref(&blank), Some(config(80, true)), 1)
                .taken
                .store
                .is_lasting()
        );
        assert!(Begun::new(&[blank], None, 1).taken.store.is_lasting(), "from now on it is one");
    }
}

#[test]
fn a_disk_with_anything_on_it_is_never_made_a_volume() {
    let mark = |sector: u64| {
        let mut bytes = vec![0; usize::try_from(SECTORS).unwrap() * SECTOR_BYTES];
        bytes[usize::try_from(sector).unwrap() * SECTOR_BYTES] = 1;
        RamDisk::of(bytes)
    };
    let mut used = vec![
        mark(0),
        mark(BLANK_LOOK_SECTORS - 1),
        mark(SECTORS - 1),
        ext4(8192 - 12, 0),
        ext4(8192 - 11, 1),
        disk_of(b"hsqs"),
        RamDisk::of(iso9660::tests::disk("Debian", &[])),
        volume(),
    ];
    let damaged = used.last().unwrap().bytes();
    used.pop();
    let mut spoilt = damaged;
    spoilt[40] ^= 1;
    used.push(RamDisk::of(spoilt));
    for (number, disk) in used.iter().enumerate() {
        let before = disk.bytes();
        let begun = Begun::new(core::slice::from_ref(disk), Some(config(80, true)), 1);
        assert!(!begun.taken.store.is_lasting(), "disk {number}");
        assert_eq!(disk.bytes(), before, "disk {number}");
    }
    // A volume that is damaged is not passed over for a blank disk either.
    let blank = RamDisk::new(SECTORS);
    let disks = [blank.clone(), used.pop().unwrap()];
    assert!(!Begun::new(&disks, Some(config(80, true)), 1).taken.store.is_lasting());
    assert!(blank.bytes().iter().all(|byte| *byte == 0));
}

#[test]
fn an_instance_learns_its_addresses_and_its_hash_from_its_disk() {
    let network = b"version: 2\nethernets:\n  eth0:\n    addresses:\n    - 172.16.4.2/24\n    gateway4: 172.16.4.1\n";
    let label = "nnusr7e54nroleguya4ege4sdi45xhap3oixkc5cn2wakkq7rbjq";
    let meta = alloc::format!(r#"{{"instance-id": "iid", "local-hostname": "{label}"}}"#);
    let files = [("META_DAT.;1", meta.as_bytes()), ("NETWORK_.;1", &network[..])];
    let disk = RamDisk::of(iso9660::tests::disk("CIDATA", &files));
    let taken = Begun::new(&[RamDisk::new(64), disk.clone()], None, 1).taken;
    let network = &taken.config.network;
    assert_eq!(network.addresses[0].to_string(), "172.16.4.2/24");
    assert_eq!(network.hostname, label);
    let hash = "6b6928fc9de362e590d4c0384313921a39db9c0fdb91750ba26eac052a1f8853";
    assert_eq!(
        taken.instance.map(|instance| instance.as_str().to_string()),
        Some(hash.to_string())
    );
    let mut own = Config::default();
    own.network.addresses = vec!["10.0.0.9/8".parse().unwrap()];
    let taken = Begun::new(&[disk], Some(own.clone()), 1).taken;
    assert_eq!(taken.config.network.addresses, own.network.addresses);
    assert!(taken.config.network.gateways.is_empty());
    let loopback = b"version: 2\nethernets:\n  eth0:\n    addresses: [\"127.0.0.1/8\"]\n";
    let disk = RamDisk::of(iso9660::tests::disk("cidata", &[("NETWORK_.;1", loopback)]));
    let taken = Begun::new(&[disk], None, 1).taken;
    assert!(taken.config.network.addresses.is_empty(), "what the node cannot use is left out");
}

#[test]
fn an_instance_is_configured_by_a_key_of_its_message_before_its_disk() {
    let part = partitioned(&[(gpt::CONFIGURATION, config(8002, false).encode().unwrap())]);
    let network = b"version: 2\nethernets:\n  eth0:\n    addresses:\n    - 172.16.4.2/24\n";
    let began = |user: &[u8], given| {
        let files = [("NETWORK_.;1", &network[..]), ("USER_DAT.;1", user)];
        let disk = RamDisk::of(iso9660::tests::disk("cidata", &files));
        let network_and_port = Begun::new(&[part.clone(), disk], given, 1).taken.config;
        (network_and_port.network.addresses.len(), network_and_port.http.port)
    };
    let word = config(8001, false).encode_word().unwrap();
    let user = alloc::format!(
        "#cloud-config\nhostname: x\nssh_authorized_keys:\n- ssh-rsa AAAAB3Nza {}\n  a@b\n- {word}\npackages:\n- x\n",
        "A".repeat(400)
    );
    assert_eq!(began(user.as_bytes(), None), (1, 8001));
    assert_eq!(began(user.as_bytes(), Some(config(8000, false))), (1, 8000));
    let cut = user.replace(&word, word.get(..30).unwrap());
    assert_eq!(began(cut.as_bytes(), None), (1, 8002), "one that is none is passed over");
    assert_eq!(began(b"#!/bin/sh\n\xff\n", None), (1, 8002));
    let long = vec![b' '; crate::limits::MAX_CIDATA_FILE_BYTES + 1];
    assert_eq!(began(&long, None), (1, 8002), "the addresses are still taken");
    let fits = [&vec![b'\n'; crate::limits::MAX_CIDATA_FILE_BYTES - word.len()], word.as_bytes()];
    assert_eq!(began(&fits.concat(), None), (1, 8001));
}

#[test]
fn disks_have_names_in_their_order_up_to_the_bound() {
    let disks: Vec<_> = (0..=MAX_DISKS as u64).map(|number| RamDisk::new(64 + number)).collect();
    let disks = Begun::new(&disks, None, 1).taken.disks;
    assert_eq!(disks.len(), MAX_DISKS);
    let sectors = |name| disks.named(name).map(|disk| disk.sectors());
    assert_eq!([sectors("vda"), sectors("vdb"), sectors("vdp")], [Some(64), Some(65), Some(79)]);
    for name in ["vdq", "vd", "vdaa", "sda", "vdA", "", "vd1"] {
        assert_eq!(sectors(name), None, "{name}");
    }
}
