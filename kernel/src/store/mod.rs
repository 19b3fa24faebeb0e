//! What a node keeps over power-off: bytes under names, and the disks that they are on.
//!
//! A [`Store`] is what the node's parts see; [`Memory`] is one that forgets, [`Volume`] one on a disk. Who keeps something owns a
//! part of the names:
//!
//! | key | whose | content |
//! |---|---|---|
//! | `identity` | the node | the 32 bytes from which its key is made |
//! | `program/<item hash>/…` | programs | what a program keeps |
//! | `installed/<item hash>` | programs | a program that was installed |
//! | `seen/<item hash>/…` | triggers | messages that a program has been run for |
//! | `cron/<item hash>` | triggers | the time that a program has been run for last |
//! | `aleph/cursor` | triggers | how far messages were polled |
//!
//! Below are [`BlockDevice`], which the machine implements over its disks, and what disks say of
//! themselves: [`Disks::survey`]. [`take_up`] goes from disks to what a node begins with.

mod device;
mod error;
pub mod gpt;
pub mod iso9660;
mod memory;
pub mod nocloud;
mod part;
mod survey;
mod taken_up;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
pub mod volume;

pub use device::{BlockDevice, DeviceError, SECTOR_BYTES, check_range};
pub use error::StoreError;
pub use memory::Memory;
pub use part::Part;
pub use survey::{Area, AreaError, Content, Disks, Place};
pub use taken_up::{TakenUp, take_up};
pub use volume::{Volume, VolumeError};

use alloc::string::String;
use alloc::vec::Vec;

use futures_util::future::LocalBoxFuture;

use crate::limits::{MAX_STORE_KEY_BYTES, MAX_STORE_VALUE_BYTES};

/// Values under keys. Object safe: the node's parts share one `Rc<dyn Store>`.
///
/// Keys are texts of 1 to [`MAX_STORE_KEY_BYTES`] bytes, values have up to [`MAX_STORE_VALUE_BYTES`];
/// there are at most [`MAX_STORE_KEYS`](crate::limits::MAX_STORE_KEYS) keys. Every operation takes
/// effect as a whole or, when it fails, not at all. Operations of several tasks are done one after the
/// other, in the order in which they were first polled; one whose future is dropped may still be done.
pub trait Store {
    /// The value of `key`, `None` if it has none.
    ///
    /// # Errors
    /// [`StoreError`]
    fn get<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<Option<Vec<u8>>, StoreError>>;

    /// Gives `key` this value, in place of an older one. Each later [`get`](Self::get) sees it; power-off
    /// before the end of a later [`flush`](Self::flush) may lose it, and then the older one is back.
    ///
    /// # Errors
    /// [`StoreError`]; the older value is still there.
    fn put<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
    ) -> LocalBoxFuture<'a, Result<(), StoreError>>;

    /// Takes `key` out, if it is there. As durable as [`put`](Self::put).
    ///
    /// # Errors
    /// [`StoreError`]; the value is still there.
    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<(), StoreError>>;

    /// The keys that begin with `prefix`, in the order of their bytes.
    ///
    /// # Errors
    /// [`StoreError`]
    fn keys<'a>(&'a self, prefix: &'a str) -> LocalBoxFuture<'a, Result<Vec<String>, StoreError>>;

    /// Makes everything that was put and deleted before survive power-off, where anything does.
    ///
    /// # Errors
    /// [`StoreError`]; what was put and deleted since the last flush may be lost at power-off.
    fn flush(&self) -> LocalBoxFuture<'_, Result<(), StoreError>>;

    /// Whether what is kept here is still there after power-off.
    fn is_lasting(&self) -> bool;
}

/// Whether a store takes this key.
fn check_key(key: &str) -> Result<(), StoreError> {
    match key.len() {
        1..=MAX_STORE_KEY_BYTES => Ok(()),
        _ => Err(StoreError::Key),
    }
}

/// Whether a store takes this value.
fn check_value(value: &[u8]) -> Result<(), StoreError> {
    if value.len() > MAX_STORE_VALUE_BYTES { Err(StoreError::Value) } else { Ok(()) }
}
