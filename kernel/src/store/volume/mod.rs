//! A store on a disk that survives the end of power at any moment.
//!
//! An append-only log with checksums in one of two halves of the disk. When the half is full, what is
//! live is written to the other half, which then is the log; the older half counts until that is done.
//! After a crash the log is read up to the first record that is not whole: every operation that was
//! flushed is there, of the later ones the first few or none, in the order in which they were done, and
//! nothing else. The disk may write unflushed sectors in any order, partly, or not at all, and spoil the
//! 4 KiB around a sector while it writes it. Damage of what had been flushed is an error: nothing older
//! comes back in its place. [`layout`] and [`record`] have the form of the bytes, `scan` the recovery.
//!
//! The index of all keys is in memory; values are on the disk only. Half of the disk is usable, less an
//! eighth, and at most [`MAX_VOLUME_HALF_SECTORS`](crate::limits::MAX_VOLUME_HALF_SECTORS).
//!
//! Why not a crate: `sequential-storage` 8 and `ekv` 1 are kept and need no `std`, but are made for NOR
//! flash: they write in order to memory that keeps what was written, erase before they write, and have
//! no word for a flush, so what a virtual disk's cache loses or reorders is outside of what they bear.
//! Besides, `sequential-storage` wants an item within one page and searches linearly, and the bounds of
//! `ekv` are fixed when it is compiled. `redb` needs `std`, `littlefs2` a C library.
//!
//! Not supported: transactions over several keys, growing with the disk, repair.

mod layout;
mod log;
mod record;
mod scan;
#[cfg(test)]
mod tests;

pub use layout::MAGIC;
pub(super) use record::at as bytes_at;

use alloc::collections::VecDeque;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::{Future, poll_fn};
use core::task::{Poll, Waker};

use futures_util::future::{FutureExt, LocalBoxFuture};

use super::{BlockDevice, DeviceError, Store, StoreError, check_key, check_value};
use crate::executor::Slot;
use crate::limits::MAX_STORE_QUEUED_BYTES;
use crate::secret::Secret;
use log::Log;

/// Sectors that are read or written at a time.
const CHUNK_SECTORS: u64 = 64;

/// Why a disk is no volume that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeError {
    /// There is something else on it.
    NoVolume,
    /// It is too small to become one.
    TooSmall,
    /// It was made by a build that writes another form.
    Version(u32),
    /// What is on it is not what was written there.
    Damaged,
    /// The disk does not do its work.
    Device(DeviceError),
}

impl fmt::Display for VolumeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoVolume => f.write_str("it is no volume"),
            Self::TooSmall => f.write_str("it is too small for a volume"),
            Self::Version(version) => write!(f, "it is a volume of version {version}"),
            Self::Damaged => f.write_str("the volume is damaged"),
            Self::Device(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for VolumeError {}

impl From<DeviceError> for VolumeError {
    fn from(error: DeviceError) -> Self {
        Self::Device(error)
    }
}

/// Makes a volume of a disk; what is on it is lost. `id` tells it from what was on the disk before: it
/// must be random.
///
/// # Errors
/// [`VolumeError`]
pub async fn format(device: &dyn BlockDevice, id: [u8; 16]) -> Result<(), VolumeError> {
    Log::format(device, id).await
}

/// A store on a disk. Its operations are done by a [`Worker`]; when it is dropped, the worker ends.
pub struct Volume {
    queue: Rc<RefCell<Queue>>,
}

/// What does the operations of a [`Volume`]. A task of its own, so that an operation whose future is
/// dropped is done to its end nevertheless.
pub struct Worker {
    queue: Rc<RefCell<Queue>>,
    log: Log,
}

/// How much is on a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Number of keys.
    pub keys: usize,
    /// Bytes that are taken.
    pub used: u64,
    /// Bytes that can be taken.
    pub total: u64,
}

#[derive(Default)]
struct Queue {
    operations: VecDeque<Operation>,
    /// Bytes of the values that wait.
    bytes: usize,
    worker: Option<Waker>,
    closed: bool,
}

enum Operation {
    Get(String, Slot<Result<Option<Vec<u8>>, StoreError>>),
    Put(String, Secret, Slot<Result<(), StoreError>>),
    Delete(String, Slot<Result<(), StoreError>>),
    Keys(String, Slot<Result<Vec<String>, StoreError>>),
    Flush(Slot<Result<(), StoreError>>),
}

impl Volume {
    /// Takes up the volume on a disk. It does nothing unless the worker runs. `seed` tells what is written
    /// from now on from what interrupted writes left: it must be random, each time anew.
    ///
    /// # Errors
    /// [`VolumeError`]
    pub async fn open(
        device: Rc<dyn BlockDevice>,
        seed: [u8; 32],
    ) -> Result<(Self, Worker), VolumeError> {
        let log = Log::open(device, seed).await?;
        let queue = Rc::new(RefCell::new(Queue::default()));
        Ok((Self { queue: queue.clone() }, Worker { queue, log }))
    }

    /// Leaves an operation to the worker and waits for what becomes of it.
    async fn ask<T>(
        &self,
        operation: impl FnOnce(Slot<Result<T, StoreError>>) -> Operation,
    ) -> Result<T, StoreError> {
        let slot = Slot::new();
        let worker = {
            let mut queue = self.queue.borrow_mut();
            queue.operations.push_back(operation(slot.clone()));
            queue.worker.take()
        };
        if let Some(worker) = worker {
            worker.wake();
        }
        slot.take().await
    }

    /// A copy of a value, if all that wait are not too many.
    fn copied(&self, value: &[u8]) -> Result<Secret, StoreError> {
        let mut copy = Vec::new();
        let bytes = self.queue.borrow().bytes.saturating_add(value.len());
        if bytes > MAX_STORE_QUEUED_BYTES || copy.try_reserve_exact(value.len()).is_err() {
            return Err(StoreError::Memory);
        }
        self.queue.borrow_mut().bytes = bytes;
        copy.extend_from_slice(value);
        Ok(copy.into())
    }
}

impl Store for Volume {
    fn get<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        async move {
            check_key(key)?;
            self.ask(|slot| Operation::Get(key.to_string(), slot)).await
        }
        .boxed_local()
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
    ) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        async move {
            check_key(key)?;
            check_value(value)?;
            let value = self.copied(value)?;
            self.ask(|slot| Operation::Put(key.to_string(), value, slot)).await
        }
        .boxed_local()
    }

    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        async move {
            check_key(key)?;
            self.ask(|slot| Operation::Delete(key.to_string(), slot)).await
        }
        .boxed_local()
    }

    fn keys<'a>(&'a self, prefix: &'a str) -> LocalBoxFuture<'a, Result<Vec<String>, StoreError>> {
        self.ask(|slot| Operation::Keys(prefix.to_string(), slot)).boxed_local()
    }

    fn flush(&self) -> LocalBoxFuture<'_, Result<(), StoreError>> {
        self.ask(Operation::Flush).boxed_local()
    }

    fn is_lasting(&self) -> bool {
        true
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let worker = {
            let mut queue = self.queue.borrow_mut();
            queue.closed = true;
            queue.worker.take()
        };
        if let Some(worker) = worker {
            worker.wake();
        }
    }
}

impl fmt::Debug for Volume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Volume").finish_non_exhaustive()
    }
}

impl Worker {
    /// How much is on the volume.
    #[must_use]
    pub fn room(&self) -> Room {
        let (used, total) = self.log.room();
        Room { keys: self.log.len(), used, total }
    }

    /// Whether nothing can be put.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.log.read_only()
    }

    /// Does the operations of the volume, until it is dropped and the last is done.
    pub async fn run(mut self) {
        while let Some(operation) = self.next().await {
            let log = &mut self.log;
            match operation {
                Operation::Get(key, slot) => slot.put(log.get(&key).await),
                Operation::Put(key, value, slot) => {
                    let result = log.put(&key, &value).await;
                    let mut queue = self.queue.borrow_mut();
                    queue.bytes = queue.bytes.saturating_sub(value.len());
                    slot.put(result)
                }
                Operation::Delete(key, slot) => slot.put(log.delete(&key).await),
                Operation::Keys(prefix, slot) => slot.put(Ok(log.keys(&prefix))),
                Operation::Flush(slot) => slot.put(log.flush().await),
            };
            log.forget_values();
        }
    }

    fn next(&self) -> impl Future<Output = Option<Operation>> {
        poll_fn(|context| {
            let mut queue = self.queue.borrow_mut();
            if let Some(operation) = queue.operations.pop_front() {
                return Poll::Ready(Some(operation));
            }
            if queue.closed {
                return Poll::Ready(None);
            }
            queue.worker = Some(context.waker().clone());
            Poll::Pending
        })
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("room", &self.room()).finish_non_exhaustive()
    }
}
