//! The content-addressed stores that a trace refers to (air-data §5.5).
//!
//! A store remembers the order in which entries came, and that is the order in which they are
//! written: equal input gives equal bytes.

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use super::{Cid, OrderedMap, Provenance, Tetraplet};
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

impl CanonElement {
    /// Appends the JSON object that the CID is taken of.
    pub(super) fn write_json(&self, out: &mut String) {
        out.push_str("{\"value\":");
        self.value.write_json(out);
        out.push_str(",\"tetraplet\":");
        self.tetraplet.write_json(out);
        out.push_str(",\"provenance\":");
        self.provenance.write_json(out);
        out.push('}');
    }
}

impl CanonResult {
    /// Appends the JSON object that the CID is taken of.
    pub(super) fn write_json(&self, out: &mut String) {
        out.push_str("{\"tetraplet\":");
        self.tetraplet.write_json(out);
        out.push_str(",\"values\":[");
        for (index, value) in self.values.iter().enumerate() {
            if index > 0 {
                out.push(',');
            }
            value.write_json(out);
        }
        out.push_str("]}");
    }
}

impl ServiceResult {
    /// Appends the JSON object that the CID is taken of.
    pub(super) fn write_json(&self, out: &mut String) {
        out.push_str("{\"value_cid\":");
        self.value_cid.write_json(out);
        out.push_str(",\"argument_hash\":");
        self.argument_hash.write_json(out);
        out.push_str(",\"tetraplet_cid\":");
        self.tetraplet_cid.write_json(out);
        out.push('}');
    }
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

    /// About how much memory the text and the parsed value take at most beside this structure.
    pub(super) fn memory_used(&self) -> usize {
        let parsed = self.value.as_ref().map_or(0, |value| outside(value, LOOKED_INTO));
        ALLOCATION + self.text.len() + parsed
    }

    /// The text, as it is hashed and as it travels.
    #[must_use]
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}

/// What an allocation takes beside its content.
const ALLOCATION: usize = 32;
/// Parts of a value that are looked at one by one; of a value with more the text says how much it may take.
const LOOKED_INTO: usize = 64;

/// What a parsed value takes at most outside of itself.
fn outside(value: &Value, looks: usize) -> usize {
    /// The smallest part of a container, `1,`, makes a value.
    const PER_TEXT_BYTE: usize = 24;
    let part = |part: &Value| size_of::<Value>().saturating_add(outside(part, 0));
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => ALLOCATION.saturating_add(text.len()),
        Value::Array(items) if items.len() <= looks => {
            items.iter().map(part).fold(ALLOCATION, usize::saturating_add)
        }
        Value::Object(members) if members.len() <= looks => {
            let member = |(key, value): &(Arc<str>, Value)| {
                (size_of::<Arc<str>>() + ALLOCATION + key.len()).saturating_add(part(value))
            };
            members.iter().map(member).fold(ALLOCATION, usize::saturating_add)
        }
        Value::Array(_) | Value::Object(_) => value.size().saturating_mul(PER_TEXT_BYTE),
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

/// Entries by CID.
pub type Store<V> = OrderedMap<Cid, V>;

/// A state of the stores to come back to.
#[derive(Clone, Copy, Debug)]
pub struct StoresMark([usize; 5]);

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
    /// The tetraplets that were added last, each of which is in the store: the same ones come again
    /// and again.
    recent_tetraplets: VecDeque<(Arc<Tetraplet>, Cid)>,
    /// Values that were added and whose texts read back as others.
    inexact: Vec<Cid>,
}

/// How many tetraplets are remembered with their CIDs.
const RECENT_TETRAPLETS: usize = 8;

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

    /// Takes over all entries of `other`; on equal CIDs those of `other` count.
    pub fn absorb(&mut self, other: CidStores) {
        fn all<V>(into: &mut Store<V>, from: Store<V>) {
            if into.is_empty() {
                *into = from;
                return;
            }
            into.reserve(from.len());
            for (cid, entry) in from {
                into.put(cid, entry);
            }
        }
        for (cid, entry) in other.values {
            // An equal text may have been parsed already.
            if self.values.get(&cid).is_none_or(|known| known.text != entry.text) {
                self.values.put(cid, entry);
            }
        }
        all(&mut self.tetraplets, other.tetraplets);
        all(&mut self.canon_elements, other.canon_elements);
        all(&mut self.canon_results, other.canon_results);
        all(&mut self.service_results, other.service_results);
    }

    /// How many entries each store has, to come back to with [`CidStores::forget_since`].
    #[must_use]
    pub fn mark(&self) -> StoresMark {
        StoresMark([
            self.values.len(),
            self.tetraplets.len(),
            self.canon_elements.len(),
            self.canon_results.len(),
            self.service_results.len(),
        ])
    }

    /// Forgets the entries that were added since the mark was made.
    pub fn forget_since(&mut self, mark: StoresMark) {
        let StoresMark([values, tetraplets, canon_elements, canon_results, service_results]) = mark;
        self.recent_tetraplets.clear();
        self.inexact.clear();
        self.values.truncate(values);
        self.tetraplets.truncate(tetraplets);
        self.canon_elements.truncate(canon_elements);
        self.canon_results.truncate(canon_results);
        self.service_results.truncate(service_results);
    }

    /// Makes every value what its text says, as whoever gets the texts alone sees them; whether one of
    /// those that were added since the last time was another.
    pub fn make_exact(&mut self) -> bool {
        let inexact = mem::take(&mut self.inexact);
        for cid in &inexact {
            if let Some(stored) = self.values.get_mut(cid) {
                stored.value = None;
            }
        }
        !inexact.is_empty()
    }

    /// Adds a value; its CID.
    pub fn add_value(&mut self, value: &Value) -> Cid {
        let text = value.to_json();
        let cid = Cid::of_json(&text);
        if !value.reads_back() {
            self.inexact.push(cid.clone());
        }
        self.values.put_absent(cid.clone(), || StoredValue {
            text: text.into(),
            value: Some(value.clone()),
        });
        cid
    }

    /// Adds a tetraplet; its CID.
    pub fn add_tetraplet(&mut self, tetraplet: &Arc<Tetraplet>) -> Cid {
        let known = self.recent_tetraplets.iter().find(|(known, _)| known == tetraplet);
        if let Some((_, cid)) = known {
            return cid.clone();
        }
        let cid = Cid::of_tetraplet(tetraplet);
        self.tetraplets.put_absent(cid.clone(), || tetraplet.clone());
        if self.recent_tetraplets.len() == RECENT_TETRAPLETS {
            self.recent_tetraplets.pop_back();
        }
        self.recent_tetraplets.push_front((tetraplet.clone(), cid.clone()));
        cid
    }

    /// Adds an element of a canon; its CID.
    pub fn add_canon_element(&mut self, element: CanonElement) -> Cid {
        let cid = Cid::of_canon_element(&element);
        self.canon_elements.put_absent(cid.clone(), || Arc::new(element));
        cid
    }

    /// Adds a canon result; its CID.
    pub fn add_canon_result(&mut self, result: CanonResult) -> Cid {
        let cid = Cid::of_canon_result(&result);
        self.canon_results.put_absent(cid.clone(), || Arc::new(result));
        cid
    }

    /// Adds a service result; its CID.
    pub fn add_service_result(&mut self, result: ServiceResult) -> Cid {
        let cid = Cid::of_service_result(&result);
        self.service_results.put_absent(cid.clone(), || Arc::new(result));
        cid
    }
}
