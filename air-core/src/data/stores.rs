//! The content-addressed stores that a trace refers to (air-data §5.5).
//!
//! A store remembers the order in which entries came, and that is the order in which they are
//! written: equal input gives equal bytes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{Cid, Provenance, Tetraplet};
use crate::value::{JsonError, Value};

/// An element of a canon: a value with where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonElement {
    /// CID of the value.
    pub value: Cid,
    /// CID of its tetraplet.
    pub tetraplet: Cid,
    /// What the value was made by.
    pub provenance: Provenance,
}

/// What a canon fixed: its elements in the order of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonResult {
    /// CID of the canon's own tetraplet.
    pub tetraplet: Cid,
    /// CIDs of the elements.
    pub values: Vec<Cid>,
}

/// What a service answered to which call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceResult {
    /// CID of the value.
    pub value_cid: Cid,
    /// CID of the arguments; any text in data from elsewhere.
    pub argument_hash: Cid,
    /// CID of the call's tetraplet.
    pub tetraplet_cid: Cid,
}

/// A value in the store: its JSON text and, once it has been asked for, the value.
#[derive(Clone, Debug)]
pub struct StoredValue {
    text: Arc<str>,
    value: Option<Value>,
}

impl StoredValue {
    /// A text that nobody has looked at yet.
    #[must_use]
    pub fn from_text(text: Arc<str>) -> Self {
        Self { text, value: None }
    }

    /// The text, as it is hashed and as it travels.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

/// Why a stored value cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredValueError {
    /// The store has no such CID.
    NotFound,
    /// The text that came with the CID is not JSON.
    NotJson(JsonError),
}

/// Entries by CID, in the order in which they came.
#[derive(Clone)]
pub struct Store<V> {
    entries: Vec<(Cid, V)>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<V> Store<V> {
    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of `cid`.
    #[must_use]
    pub fn get(&self, cid: &Cid) -> Option<&V> {
        let position = self.position(cid)?;
        self.entries.get(position).map(|(_, value)| value)
    }

    /// The entry of `cid`, to change.
    pub fn get_mut(&mut self, cid: &Cid) -> Option<&mut V> {
        let position = self.position(cid)?;
        self.entries.get_mut(position).map(|(_, value)| value)
    }

    /// The entries in order.
    pub fn iter(&self) -> core::slice::Iter<'_, (Cid, V)> {
        self.entries.iter()
    }

    /// Puts an entry in; on a known CID the value is replaced and the place kept.
    pub fn put(&mut self, cid: Cid, value: V) {
        if let Some(known) = self.get_mut(&cid) {
            *known = value;
            return;
        }
        let Ok(position) = u32::try_from(self.entries.len()) else { return };
        let Self { entries, index, hasher } = self;
        index.insert_unique(hasher.hash_one(&cid), position, |known| {
            entries.get(*known as usize).map_or(0, |(cid, _)| hasher.hash_one(cid))
        });
        entries.push((cid, value));
    }

    /// Makes room for so many more entries.
    pub fn reserve(&mut self, additional: usize) {
        let Self { entries, index, hasher } = self;
        entries.reserve(additional);
        index.reserve(additional, |known| {
            entries.get(*known as usize).map_or(0, |(cid, _)| hasher.hash_one(cid))
        });
    }

    fn position(&self, cid: &Cid) -> Option<usize> {
        let hash = self.hasher.hash_one(cid);
        let is_it = |known: &u32| self.entries.get(*known as usize).is_some_and(|e| e.0 == *cid);
        self.index.find(hash, is_it).map(|position| *position as usize)
    }
}

impl<V> Default for Store<V> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl<V: fmt::Debug> fmt::Debug for Store<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|(cid, value)| (cid, value))).finish()
    }
}

/// The five stores.
#[derive(Clone, Debug, Default)]
pub struct CidStores {
    /// Values, by the CID of their text.
    pub values: Store<StoredValue>,
    /// Tetraplets.
    pub tetraplets: Store<Arc<Tetraplet>>,
    /// Elements of canons.
    pub canon_elements: Store<Arc<CanonElement>>,
    /// Canon results.
    pub canon_results: Store<Arc<CanonResult>>,
    /// Service results.
    pub service_results: Store<Arc<ServiceResult>>,
}

impl CidStores {
    /// The value with this CID. Its text is parsed when it is first asked for.
    pub fn value(&mut self, cid: &Cid) -> Result<Value, StoredValueError> {
        let stored = self.values.get_mut(cid).ok_or(StoredValueError::NotFound)?;
        if let Some(value) = &stored.value {
            return Ok(value.clone());
        }
        let value = Value::parse(&stored.text).map_err(StoredValueError::NotJson)?;
        stored.value = Some(value.clone());
        Ok(value)
    }

    /// Adds a value; its CID.
    pub fn add_value(&mut self, value: &Value) -> Cid {
        let text = value.to_json();
        let cid = Cid::of_json(&text);
        if self.values.get(&cid).is_none() {
            let stored = StoredValue { text: text.into(), value: Some(value.clone()) };
            self.values.put(cid.clone(), stored);
        }
        cid
    }

    /// Adds a tetraplet; its CID.
    pub fn add_tetraplet(&mut self, tetraplet: &Arc<Tetraplet>) -> Cid {
        let cid = Cid::of_tetraplet(tetraplet);
        if self.tetraplets.get(&cid).is_none() {
            self.tetraplets.put(cid.clone(), tetraplet.clone());
        }
        cid
    }

    /// Adds an element of a canon; its CID.
    pub fn add_canon_element(&mut self, element: CanonElement) -> Cid {
        let cid = Cid::of_canon_element(&element);
        if self.canon_elements.get(&cid).is_none() {
            self.canon_elements.put(cid.clone(), Arc::new(element));
        }
        cid
    }

    /// Adds a canon result; its CID.
    pub fn add_canon_result(&mut self, result: CanonResult) -> Cid {
        let cid = Cid::of_canon_result(&result);
        if self.canon_results.get(&cid).is_none() {
            self.canon_results.put(cid.clone(), Arc::new(result));
        }
        cid
    }

    /// Adds a service result; its CID.
    pub fn add_service_result(&mut self, result: ServiceResult) -> Cid {
        let cid = Cid::of_service_result(&result);
        if self.service_results.get(&cid).is_none() {
            self.service_results.put(cid.clone(), Arc::new(result));
        }
        cid
    }
}
