//! A disk in memory whose power can be cut, and stores that last or are damaged, for tests.

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::future::ready;

use futures_util::future::{FutureExt, LocalBoxFuture};

use super::{BlockDevice, DeviceError, Memory, SECTOR_BYTES, Store, StoreError, check_range};

/// Sectors that a disk writes together: what a cut may spoil around one that is being written.
const BLOCK: u64 = 8;

/// Clones are the same disk.
#[derive(Clone)]
pub struct RamDisk {
    state: Rc<RefCell<State>>,
    sectors: u64,
    pub read_only: Rc<Cell<bool>>,
}

struct State {
    /// What survives.
    stable: Vec<u8>,
    /// Writes since the last flush, by sector, in the order in which they came.
    written: BTreeMap<u64, Vec<[u8; SECTOR_BYTES]>>,
    /// Writes and flushes that are still done before the disk dies.
    budget: Option<u32>,
    done: u32,
}

/// A stream of numbers that one seed determines.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

impl RamDisk {
    pub fn new(sectors: u64) -> Self {
        Self::of(vec![0; usize::try_from(sectors).unwrap() * SECTOR_BYTES])
    }

    pub fn of(stable: Vec<u8>) -> Self {
        let sectors = (stable.len() / SECTOR_BYTES) as u64;
        let state = State { stable, written: BTreeMap::new(), budget: None, done: 0 };
        Self { state: Rc::new(RefCell::new(state)), sectors, read_only: Rc::default() }
    }

    /// From now on so many writes and flushes are done, then the disk is dead.
    pub fn die_after(&self, operations: u32) {
        self.state.borrow_mut().budget = Some(operations);
    }

    /// Writes and flushes that were done.
    pub fn done(&self) -> u32 {
        self.state.borrow().done
    }

    /// What is on the disk, what was not flushed included.
    pub fn bytes(&self) -> Vec<u8> {
        let state = self.state.borrow();
        let mut bytes = state.stable.clone();
        for (&sector, writes) in &state.written {
            let at = usize::try_from(sector).unwrap() * SECTOR_BYTES;
            bytes[at..at + SECTOR_BYTES].copy_from_slice(writes.last().unwrap());
        }
        bytes
    }

    /// What the disk is after its power was cut: of what was not flushed each sector as any of the writes
    /// left it, or torn; at times everything around it spoilt.
    pub fn after_cut(&self, dice: &mut Dice) -> Self {
        let state = self.state.borrow();
        let mut bytes = state.stable.clone();
        for (&sector, writes) in &state.written {
            let at = usize::try_from(sector).unwrap() * SECTOR_BYTES;
            let kept = &mut bytes[at..at + SECTOR_BYTES];
            match dice.below(8) {
                0 => {
                    let torn = usize::try_from(dice.below(SECTOR_BYTES as u64)).unwrap();
                    kept[..torn].copy_from_slice(&writes.last().unwrap()[..torn]);
                }
                1..4 => {}
                4 => {
                    let which = usize::try_from(dice.below(writes.len() as u64)).unwrap();
                    kept.copy_from_slice(&writes[which]);
                }
                _ => kept.copy_from_slice(writes.last().unwrap()),
            }
        }
        if dice.below(2) == 0 {
            let blocks: Vec<u64> = state.written.keys().map(|sector| sector / BLOCK).collect();
            if let Some(&block) =
                blocks.get(usize::try_from(dice.below(1 + blocks.len() as u64)).unwrap())
            {
                let at = usize::try_from(block * BLOCK).unwrap() * SECTOR_BYTES;
                let end = bytes.len().min(at + usize::try_from(BLOCK).unwrap() * SECTOR_BYTES);
                for byte in &mut bytes[at..end] {
                    *byte = dice.below(256).to_le_bytes()[0];
                }
            }
        }
        Self::of(bytes)
    }

    fn spend(&self) -> Result<(), DeviceError> {
        let mut state = self.state.borrow_mut();
        match &mut state.budget {
            Some(0) => return Err(DeviceError::Dead),
            Some(left) => *left -= 1,
            None => {}
        }
        state.done += 1;
        Ok(())
    }
}

impl BlockDevice for RamDisk {
    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn read_only(&self) -> bool {
        self.read_only.get()
    }

    fn read<'a>(
        &'a self,
        sector: u64,
        into: &'a mut [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        let result = check_range(self.sectors, sector, into.len()).map(|_| {
            let state = self.state.borrow();
            for (number, chunk) in (sector..).zip(into.chunks_mut(SECTOR_BYTES)) {
                let at = usize::try_from(number).unwrap() * SECTOR_BYTES;
                chunk.copy_from_slice(match state.written.get(&number) {
                    Some(writes) => writes.last().unwrap(),
                    None => &state.stable[at..at + SECTOR_BYTES],
                });
            }
        });
        ready(result).boxed_local()
    }

    fn write<'a>(
        &'a self,
        sector: u64,
        bytes: &'a [u8],
    ) -> LocalBoxFuture<'a, Result<(), DeviceError>> {
        if self.read_only() {
            return ready(Err(DeviceError::ReadOnly)).boxed_local();
        }
        let result = check_range(self.sectors, sector, bytes.len()).and_then(|_| {
            let spent = self.spend();
            // The last write, which the cut interrupts, may leave something too.
            let mut state = self.state.borrow_mut();
            for (number, chunk) in (sector..).zip(bytes.chunks(SECTOR_BYTES)) {
                state.written.entry(number).or_default().push(chunk.try_into().unwrap());
            }
            spent
        });
        ready(result).boxed_local()
    }

    fn flush(&self) -> LocalBoxFuture<'_, Result<(), DeviceError>> {
        let result = self.spend().map(|()| {
            let bytes = self.bytes();
            let mut state = self.state.borrow_mut();
            state.stable = bytes;
            state.written.clear();
        });
        ready(result).boxed_local()
    }
}

/// A memory that says that it lasts.
pub struct Lasting(pub Memory);

impl Store for Lasting {
    fn get<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.0.get(key)
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
    ) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        self.0.put(key, value)
    }

    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        self.0.delete(key)
    }

    fn keys<'a>(&'a self, prefix: &'a str) -> LocalBoxFuture<'a, Result<Vec<String>, StoreError>> {
        self.0.keys(prefix)
    }

    fn flush(&self) -> LocalBoxFuture<'_, Result<(), StoreError>> {
        self.0.flush()
    }

    fn is_lasting(&self) -> bool {
        true
    }
}

/// A store one of whose values cannot be read.
pub struct Damaged {
    pub store: Rc<dyn Store>,
    pub key: String,
}

impl Store for Damaged {
    fn get<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        if key == self.key {
            return ready(Err(StoreError::Damaged)).boxed_local();
        }
        self.store.get(key)
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
    ) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        self.store.put(key, value)
    }

    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        self.store.delete(key)
    }

    fn keys<'a>(&'a self, prefix: &'a str) -> LocalBoxFuture<'a, Result<Vec<String>, StoreError>> {
        self.store.keys(prefix)
    }

    fn flush(&self) -> LocalBoxFuture<'_, Result<(), StoreError>> {
        self.store.flush()
    }

    fn is_lasting(&self) -> bool {
        self.store.is_lasting()
    }
}
