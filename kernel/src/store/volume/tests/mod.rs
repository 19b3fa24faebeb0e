//! Volumes on a disk in memory: what they keep, what they survive, what they refuse.

mod crash;
mod damage;

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::future::Future;
use core::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::FutureExt;

use super::log::Log;
use super::*;
use crate::executor::Executor;
use crate::limits::{
    MAX_STORE_KEY_BYTES, MAX_STORE_KEYS, MAX_STORE_VALUE_BYTES, MIN_VOLUME_SECTORS,
};
use crate::machine::Simulated;
use crate::store::testing::RamDisk;
use crate::store::{SECTOR_BYTES, StoreError};

const ID: [u8; 16] = *b"0123456789abcdef";

/// What a volume should hold.
type Model = BTreeMap<String, Vec<u8>>;

/// The output of a future that waits for nothing.
fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap()
}

fn formatted(sectors: u64) -> RamDisk {
    let disk = RamDisk::new(sectors);
    now(format(&disk, ID)).unwrap();
    disk
}

/// Takes up a volume; no two times are the same.
fn open(disk: &RamDisk) -> Result<Log, VolumeError> {
    static TIMES: AtomicU64 = AtomicU64::new(0);
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&TIMES.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    now(Log::open(Rc::new(disk.clone()), seed))
}

/// Everything that a volume holds.
fn contents(log: &mut Log) -> Result<Model, StoreError> {
    let mut all = Model::new();
    for key in log.keys("") {
        let value = now(log.get(&key))?.unwrap();
        all.insert(key, value);
    }
    Ok(all)
}

#[test]
fn values_are_there_after_the_disk_is_taken_up_again() {
    let disk = formatted(2048);
    let mut log = open(&disk).unwrap();
    let large = vec![7; 100_000];
    for (key, value) in [("a/2", &b"x"[..]), ("a/1", &large), ("b", b""), ("a/2", b"newer")] {
        now(log.put(key, value)).unwrap();
    }
    now(log.delete("b")).unwrap();
    now(log.delete("never there")).unwrap();
    now(log.flush()).unwrap();
    for _ in 0..3 {
        let mut again = open(&disk).unwrap();
        assert_eq!(again.keys("a/"), ["a/1", "a/2"]);
        assert_eq!(now(again.get("a/1")), Ok(Some(large.clone())));
        assert_eq!(now(again.get("a/2")), Ok(Some(b"newer".to_vec())));
        assert_eq!(now(again.get("b")), Ok(None));
        assert_eq!(again.room(), log.room());
        now(again.put("c", b"one more session")).unwrap();
        now(again.delete("c")).unwrap();
        now(again.flush()).unwrap();
    }
}

#[test]
fn what_is_no_volume_is_told_apart() {
    assert_eq!(open(&RamDisk::new(2048)).map(drop), Err(VolumeError::NoVolume));
    assert_eq!(now(format(&RamDisk::new(MIN_VOLUME_SECTORS - 1), ID)), Err(VolumeError::TooSmall));
    let least = formatted(MIN_VOLUME_SECTORS);
    now(open(&least).unwrap().put("k", &[1; 10_000])).unwrap();
    let mut bytes = least.bytes();
    bytes[8] = 2;
    assert_eq!(open(&RamDisk::of(bytes)).map(drop), Err(VolumeError::Version(2)));
}

#[test]
fn a_full_volume_says_so_and_loses_nothing() {
    let disk = formatted(MIN_VOLUME_SECTORS);
    let mut log = open(&disk).unwrap();
    let mut model = Model::new();
    let error = loop {
        let key = model.len().to_string();
        match now(log.put(&key, key.as_bytes())) {
            Ok(()) => model.insert(key.clone(), key.into_bytes()),
            Err(error) => break error,
        };
    };
    assert_eq!(error, StoreError::Full);
    let (used, total) = log.room();
    assert_eq!(used, total);
    for round in 0..200_u32 {
        let value = format!("{round}").into_bytes();
        now(log.put("3", &value)).unwrap();
        model.insert("3".to_string(), value);
        assert_eq!(now(log.put("new", b"")), Err(StoreError::Full));
    }
    now(log.flush()).unwrap();
    assert_eq!(contents(&mut open(&disk).unwrap()), Ok(model.clone()));
    for key in model.keys() {
        now(log.delete(key)).unwrap();
    }
    now(log.flush()).unwrap();
    let mut again = open(&disk).unwrap();
    assert_eq!(contents(&mut again), Ok(Model::new()));
    now(again.put("new", b"")).unwrap();
}

#[test]
fn a_value_larger_than_the_room_is_refused_before_anything_is_written() {
    let disk = formatted(MIN_VOLUME_SECTORS);
    let mut log = open(&disk).unwrap();
    now(log.put("k", b"older")).unwrap();
    let done = disk.done();
    assert_eq!(now(log.put("k", &[0; 40_000])), Err(StoreError::Full));
    assert_eq!(disk.done(), done);
    assert_eq!(now(log.get("k")), Ok(Some(b"older".to_vec())));
}

#[test]
fn keys_and_values_are_bounded() {
    let disk = formatted(4 * (MAX_STORE_VALUE_BYTES / SECTOR_BYTES) as u64);
    let mut log = open(&disk).unwrap();
    let longest = "k".repeat(MAX_STORE_KEY_BYTES);
    let largest = vec![5; MAX_STORE_VALUE_BYTES];
    now(log.put(&longest, &largest)).unwrap();
    assert_eq!(now(log.put(&format!("{longest}k"), b"")), Err(StoreError::Key));
    assert_eq!(now(log.put("", b"")), Err(StoreError::Key));
    assert_eq!(now(log.put("k", &[&largest[..], b"0"].concat())), Err(StoreError::Value));
    for number in 1..MAX_STORE_KEYS {
        now(log.put(&format!("{number}"), b"")).unwrap();
    }
    assert_eq!(now(log.put("one more", b"")), Err(StoreError::Keys));
    now(log.put("1", b"an older key")).unwrap();
    now(log.flush()).unwrap();
    let mut again = open(&disk).unwrap();
    assert_eq!(again.len(), MAX_STORE_KEYS);
    assert_eq!(now(again.get(&longest)), Ok(Some(largest)));
}

#[test]
fn a_disk_to_be_read_only_is_read_and_never_written() {
    let disk = formatted(2048);
    now(open(&disk).unwrap().put("k", b"v")).unwrap();
    disk.read_only.set(true);
    let mut log = open(&disk).unwrap();
    assert_eq!(now(log.get("k")), Ok(Some(b"v".to_vec())));
    assert_eq!(now(log.put("k", b"w")), Err(StoreError::ReadOnly));
    assert_eq!(now(log.delete("k")), Err(StoreError::ReadOnly));
    assert_eq!(now(log.flush()), Ok(()));
    assert_eq!(now(log.get("k")), Ok(Some(b"v".to_vec())));
}

#[test]
fn after_a_write_that_failed_nothing_more_is_written() {
    let disk = formatted(2048);
    let mut log = open(&disk).unwrap();
    now(log.put("k", b"v")).unwrap();
    now(log.flush()).unwrap();
    disk.die_after(0);
    assert_eq!(now(log.put("k", b"w")), Err(StoreError::Device(DeviceError::Dead)));
    disk.die_after(1000);
    assert_eq!(now(log.put("k", b"w")), Err(StoreError::Failed));
    assert_eq!(now(log.flush()), Err(StoreError::Failed));
    assert_eq!(now(log.get("k")), Ok(Some(b"v".to_vec())));
}

#[test]
fn operations_of_several_tasks_are_done_in_turn_by_the_worker() {
    let executor = Executor::new(Rc::new(Simulated::new(1)));
    let disk = formatted(2048);
    let (volume, worker) = now(Volume::open(Rc::new(disk.clone()), [1; 32])).unwrap();
    assert_eq!(worker.room().keys, 0);
    executor.spawn(worker.run());
    let volume: Rc<dyn Store> = Rc::new(volume);
    assert!(volume.is_lasting());
    let ended = Slot::new();
    for task in 0..4 {
        let (volume, ended) = (volume.clone(), ended.clone());
        executor.spawn(async move {
            for number in 0..10 {
                let key = format!("{task}/{number}");
                volume.put(&key, key.as_bytes()).await.unwrap();
                assert_eq!(volume.get(&key).await, Ok(Some(key.into_bytes())));
            }
            volume.delete(&format!("{task}/0")).await.unwrap();
            volume.flush().await.unwrap();
            if volume.keys("").await.unwrap().len() == 36 {
                ended.put(());
            }
        });
    }
    // One that is dropped after it was begun.
    let dropped = volume.put("dropped", b"").now_or_never();
    assert_eq!(dropped, None);
    for _ in 0..100 {
        executor.turn();
    }
    assert!(!ended.is_filled(), "the one that was dropped is done too");
    assert_eq!(executor.live_tasks(), 1);
    let keys = volume.keys("").now_or_never();
    assert_eq!(keys, None);
    drop(volume);
    executor.turn();
    assert_eq!(executor.live_tasks(), 0, "the worker ends with its volume");
    assert_eq!(open(&disk).unwrap().len(), 37);
}
