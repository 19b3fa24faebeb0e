//! Disks: volumes, partition tables, and what cloud-init tells.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::pin::pin;
use std::rc::Rc;

use futures_util::future::{FutureExt, LocalBoxFuture, join};
use kernel::store::iso9660::Root;
use kernel::store::nocloud::{self, Nocloud};
use kernel::store::volume::{self, Volume};
use kernel::store::{BlockDevice, DeviceError, SECTOR_BYTES, Store, StoreError, check_range};

use super::reader::Reader;

/// A disk in memory that does so many writes and flushes, then is dead.
struct RamDisk {
    bytes: RefCell<Vec<u8>>,
    left: Cell<u32>,
}

impl RamDisk {
    fn new(bytes: Vec<u8>) -> Rc<Self> {
        Rc::new(Self { bytes: RefCell::new(bytes), left: Cell::new(u32::MAX) })
    }

    fn at(&self, sector: u64, bytes: usize) -> Result<std::ops::Range<usize>, DeviceError> {
        check_range(self.sectors(), sector, bytes)?;
        let at = usize::try_from(sector).unwrap() * SECTOR_BYTES;
        Ok(at..at + bytes)
    }

    fn spend(&self) -> Result<(), DeviceError> {
        let left = self.left.get().checked_sub(1).ok_or(DeviceError::Dead)?;
        self.left.set(left);
        Ok(())
    }
}

impl BlockDevice for RamDisk {
    fn sectors(&self) -> u64 {
        (self.bytes.borrow().len() / SECTOR_BYTES) as u64
    }

    fn read_only(&self) -> bool {
        false
    }

    fn read<'a>(
        &'a self,
        sector: u64,
        into: &'a mut [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        let result = self.at(sector, into.len()).map(|range| {
            into.copy_from_slice(&self.bytes.borrow()[range]);
        });
        ready(result).boxed_local()
    }

    fn write<'a>(
        &'a self,
        sector: u64,
        bytes: &'a [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        let result = self.at(sector, bytes.len()).and_then(|range| {
            self.spend()?;
            self.bytes.borrow_mut()[range].copy_from_slice(bytes);
            Ok(())
        });
        ready(result).boxed_local()
    }

    fn flush(&self) -> LocalBoxFuture<'_, Result<(), DeviceError>> {
        ready(self.spend()).boxed_local()
    }
}

/// What comes of a future that waits for nothing but its own parts.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Some(output) = future.as_mut().now_or_never() {
            return output;
        }
    }
}

const VOLUME_SECTORS: usize = 160;

/// The first byte says in how many sessions the rest is done: each puts, deletes, flushes, changes bytes
/// of the disk, and may end in the middle of a write.
pub fn volume(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let disk = RamDisk::new(vec![0; VOLUME_SECTORS * SECTOR_BYTES]);
    now(volume::format(&*disk, [1; 16])).expect("the disk is large enough");
    // All values that a key ever had.
    let mut ever: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for session in 0..=reader.byte() % 8 {
        disk.left.set(u32::MAX);
        let device: Rc<dyn BlockDevice> = disk.clone();
        let Ok((volume, worker)) = now(Volume::open(device, [session; 32])) else { return };
        disk.left.set(reader.byte().into());
        let task = async {
            let volume = volume;
            for key in volume.keys("").await.expect("keys are in memory") {
                match volume.get(&key).await {
                    Ok(Some(value)) => {
                        assert!(ever.get(&key).is_some_and(|ever| ever.contains(&value)));
                    }
                    Ok(None) => unreachable!("a key without a value"),
                    Err(error) => assert!(matches!(error, StoreError::Damaged)),
                }
            }
            for _ in 0..reader.byte() % 32 {
                let key = char::from(b'a' + reader.byte() % 5).to_string();
                match reader.byte() % 8 {
                    0..5 => {
                        let length = usize::from(reader.u16() % 4096);
                        let mut value = vec![reader.byte(); length];
                        value.push(session);
                        ever.entry(key.clone()).or_default().push(value.clone());
                        let put = volume.put(&key, &value).await;
                        if put.is_ok() {
                            assert_eq!(volume.get(&key).await, Ok(Some(value)));
                        }
                    }
                    5 => {
                        let _ = volume.delete(&key).await;
                    }
                    6 => {
                        let _ = volume.flush().await;
                    }
                    _ => {
                        let mut bytes = disk.bytes.borrow_mut();
                        let at = usize::from(reader.u16()) * 2 % bytes.len();
                        bytes[at] ^= reader.byte();
                        return;
                    }
                }
            }
        };
        now(join(task, worker.run()));
    }
}

/// The bytes of a table, as they are and with checksums that fit.
pub fn gpt(bytes: &[u8]) {
    let mut disk = vec![0; 256 * SECTOR_BYTES];
    disk[SECTOR_BYTES..][..bytes.len().min(8192)].copy_from_slice(&bytes[..bytes.len().min(8192)]);
    table(disk.clone());
    disk[SECTOR_BYTES..][..8].copy_from_slice(b"EFI PART");
    let word = |disk: &[u8], at: usize| {
        let bytes = disk[SECTOR_BYTES + at..][..4].try_into().expect("four bytes");
        usize::try_from(u32::from_le_bytes(bytes)).unwrap_or(usize::MAX)
    };
    disk[SECTOR_BYTES + 12..][..4].copy_from_slice(&92_u32.to_le_bytes());
    disk[SECTOR_BYTES + 24..][..8].copy_from_slice(&1_u64.to_le_bytes());
    let entries = word(&disk, 72).saturating_mul(SECTOR_BYTES);
    let length = word(&disk, 80).saturating_mul(word(&disk, 84));
    if let Some(entries) = disk.get(entries..).and_then(|rest| rest.get(..length)) {
        let check = crc32(entries);
        disk[SECTOR_BYTES + 88..][..4].copy_from_slice(&check.to_le_bytes());
    }
    disk[SECTOR_BYTES + 16..][..4].fill(0);
    let check = crc32(&disk[SECTOR_BYTES..][..92]);
    disk[SECTOR_BYTES + 16..][..4].copy_from_slice(&check.to_le_bytes());
    table(disk);
}

fn table(disk: Vec<u8>) {
    let sectors = (disk.len() / SECTOR_BYTES) as u64;
    match now(kernel::store::gpt::read(&*RamDisk::new(disk))) {
        Ok(partitions) => {
            for partition in partitions {
                assert!(partition.sectors > 0 && partition.first + partition.sectors <= sectors);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        let fold = |crc: u32, _| crc >> 1 ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        (0..8).fold(crc ^ u32::from(*byte), fold)
    })
}

/// A file of cloud-init's, each of both, and a directory of a disk.
pub fn nocloud(bytes: &[u8]) {
    let mut told = Nocloud::default();
    let _ = told.take_network_config(bytes);
    let _ = told.take_meta_data(bytes);
    told.take_user_data(bytes);
    let _ = told.instance();
    let mut network = kernel::config::NetworkConfig::default();
    told.complete(&mut network);
    let config = kernel::config::Config { network, ..Default::default() };
    let _ = config.validate();
    // The descriptor's root record points to the input itself.
    let mut disk = vec![0; 40 * 2048];
    let descriptor = &mut disk[16 * 2048..17 * 2048];
    descriptor[..7].copy_from_slice(b"\x01CD001\x01");
    descriptor[40..72].copy_from_slice(b"CIDATA                          ");
    descriptor[128..130].copy_from_slice(&2048_u16.to_le_bytes());
    descriptor[158..162].copy_from_slice(&18_u32.to_le_bytes());
    descriptor[166..170].copy_from_slice(&4096_u32.to_le_bytes());
    disk[18 * 2048..][..bytes.len().min(8192)].copy_from_slice(&bytes[..bytes.len().min(8192)]);
    let disk = RamDisk::new(disk);
    if let Ok(root) = now(Root::read(&*disk)) {
        assert!(root.label().eq_ignore_ascii_case(nocloud::LABEL));
        let _ = now(Nocloud::read(&*disk, &root));
    }
}
