//! A store that is gone at power-off: what a node without a volume has.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::RefCell;
use core::future::ready;
use core::ops::Bound;

use futures_util::future::{FutureExt, LocalBoxFuture};

use super::{Store, StoreError, check_key, check_value};
use crate::limits::{MAX_MEMORY_STORE_BYTES, MAX_STORE_KEYS};

/// Values in memory.
#[derive(Debug)]
pub struct Memory {
    held: RefCell<Held>,
    room: usize,
}

#[derive(Debug, Default)]
struct Held {
    values: BTreeMap<String, Vec<u8>>,
    bytes: usize,
}

impl Memory {
    /// An empty store for `room` bytes of keys and values, and [`MAX_MEMORY_STORE_BYTES`] at most.
    #[must_use]
    pub fn new(room: usize) -> Self {
        Self { held: RefCell::default(), room: room.min(MAX_MEMORY_STORE_BYTES) }
    }

    fn find(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check_key(key)?;
        match self.held.borrow().values.get(key) {
            Some(value) => copied(value).map(Some),
            None => Ok(None),
        }
    }

    fn replace(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        check_key(key)?;
        check_value(value)?;
        let mut held = self.held.borrow_mut();
        let older = held.values.get(key).map(|older| key.len() + older.len());
        if older.is_none() && held.values.len() >= MAX_STORE_KEYS {
            return Err(StoreError::Keys);
        }
        let bytes = held.bytes - older.unwrap_or(0) + key.len() + value.len();
        if bytes > self.room {
            return Err(StoreError::Full);
        }
        let value = copied(value)?;
        held.values.insert(key.to_string(), value);
        held.bytes = bytes;
        Ok(())
    }

    fn remove(&self, key: &str) -> Result<(), StoreError> {
        check_key(key)?;
        let mut held = self.held.borrow_mut();
        if let Some(value) = held.values.remove(key) {
            held.bytes -= key.len() + value.len();
        }
        Ok(())
    }

    fn listed(&self, prefix: &str) -> Vec<String> {
        let held = self.held.borrow();
        let from = held.values.range::<str, _>((Bound::Included(prefix), Bound::Unbounded));
        from.map(|(key, _)| key).take_while(|key| key.starts_with(prefix)).cloned().collect()
    }
}

fn copied(value: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(value.len()).map_err(|_| StoreError::Memory)?;
    copy.extend_from_slice(value);
    Ok(copy)
}

impl Store for Memory {
    fn get<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        async move { self.find(key) }.boxed_local()
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
    ) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        async move { self.replace(key, value) }.boxed_local()
    }

    fn delete<'a>(&'a self, key: &'a str) -> LocalBoxFuture<'a, Result<(), StoreError>> {
        async move { self.remove(key) }.boxed_local()
    }

    fn keys<'a>(&'a self, prefix: &'a str) -> LocalBoxFuture<'a, Result<Vec<String>, StoreError>> {
        async move { Ok(self.listed(prefix)) }.boxed_local()
    }

    fn flush(&self) -> LocalBoxFuture<'_, Result<(), StoreError>> {
        ready(Ok(())).boxed_local()
    }

    fn is_lasting(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{MAX_STORE_KEY_BYTES, MAX_STORE_VALUE_BYTES};
    use alloc::format;
    use alloc::vec;

    fn now<T>(future: LocalBoxFuture<'_, T>) -> T {
        future.now_or_never().unwrap()
    }

    #[test]
    fn values_are_kept_replaced_listed_and_taken_out() {
        let store = Memory::new(usize::MAX);
        assert_eq!(now(store.get("a")), Ok(None));
        for (key, value) in [("a/2", "x"), ("a/1", "y"), ("b", "z"), ("a/2", "longer")] {
            now(store.put(key, value.as_bytes())).unwrap();
        }
        assert_eq!(now(store.get("a/2")), Ok(Some(b"longer".to_vec())));
        assert_eq!(now(store.keys("a/")).unwrap(), ["a/1", "a/2"]);
        assert_eq!(now(store.keys("")).unwrap(), ["a/1", "a/2", "b"]);
        now(store.delete("a/1")).unwrap();
        now(store.delete("a/1")).unwrap();
        assert_eq!(now(store.keys("")).unwrap(), ["a/2", "b"]);
        assert_eq!(store.held.borrow().bytes, 3 + 6 + 1 + 1);
        assert!(!store.is_lasting());
    }

    #[test]
    fn keys_and_values_are_bounded() {
        let store = Memory::new(usize::MAX);
        let longest = "k".repeat(MAX_STORE_KEY_BYTES);
        now(store.put(&longest, b"")).unwrap();
        assert_eq!(now(store.put(&format!("{longest}k"), b"")), Err(StoreError::Key));
        assert_eq!(now(store.get("")), Err(StoreError::Key));
        let largest = vec![0; MAX_STORE_VALUE_BYTES];
        now(store.put("v", &largest)).unwrap();
        assert_eq!(now(store.put("v", &[&largest[..], b"0"].concat())), Err(StoreError::Value));
        now(store.delete(&longest)).unwrap();
        for number in 1..MAX_STORE_KEYS {
            now(store.put(&format!("{number}"), b"")).unwrap();
        }
        assert_eq!(now(store.put("one more", b"")), Err(StoreError::Keys));
        now(store.put("1", b"an older key")).unwrap();
    }

    #[test]
    fn what_all_hold_together_is_bounded() {
        let store = Memory::new(usize::MAX);
        let value = vec![0; MAX_STORE_VALUE_BYTES - 1];
        let fit = MAX_MEMORY_STORE_BYTES / MAX_STORE_VALUE_BYTES;
        for number in 0..fit {
            now(store.put(&format!("{number}"), &value)).unwrap();
        }
        assert_eq!(now(store.put("x", b"")), Err(StoreError::Full));
        now(store.put("0", b"")).unwrap();
        now(store.put("x", b"")).unwrap();
    }
}
