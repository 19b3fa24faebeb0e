//! Values of canon streams and canon maps (air-language §4.6).

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::data::{Cid, Provenance, Tetraplet};
use crate::value::{Number, TooDeep, Value};

use super::datum::Datum;
use super::failure::Failure;

const KEY: &str = "key";
const VALUE: &str = "value";

/// A fixed stream.
#[derive(Debug)]
pub(crate) struct CanonStream {
    pub(crate) values: Vec<Datum>,
    /// `(peer, "", "", "")`
    pub(crate) tetraplet: Arc<Tetraplet>,
    /// The canon result.
    pub(crate) cid: Cid,
}

impl CanonStream {
    /// The array of the values.
    pub(crate) fn to_value(&self) -> Result<Value, TooDeep> {
        Value::array(self.values.iter().map(|datum| datum.value.clone()).collect())
    }

    pub(crate) fn provenance(&self) -> Provenance {
        Provenance::Canon(self.cid.clone())
    }
}

/// A key of a map; keys compare by type and value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// Any integer of JSON.
    Integer(i128),
    Text(Arc<str>),
}

impl Key {
    /// The key that `value` is, if it is a string or an integer.
    pub(crate) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Number(number) => integer(*number).map(Self::Integer),
            _ => None,
        }
    }

    fn text(&self) -> Arc<str> {
        match self {
            Self::Integer(integer) => integer.to_string().into(),
            Self::Text(text) => text.clone(),
        }
    }
}

fn integer(number: Number) -> Option<i128> {
    number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from))
}

/// Makes the objects that stream maps hold, which share the names of their members.
#[derive(Debug, Default)]
pub(crate) struct Pairs(Option<[Arc<str>; 2]>);

impl Pairs {
    /// The object for one pair.
    pub(crate) fn pair(&mut self, key: Value, value: Value) -> Result<Value, TooDeep> {
        let [key_name, value_name] =
            self.0.get_or_insert_with(|| [KEY.into(), VALUE.into()]).clone();
        Value::object(alloc::vec![(key_name, key), (value_name, value)])
    }
}

/// The key and value of a pair object.
fn parts(pair: &Value) -> Result<(Key, &Value), Failure> {
    let object = pair.as_object().ok_or_else(|| {
        Failure::map_pair("the value must be an object with key and value fields")
    })?;
    let key = object
        .get(KEY)
        .and_then(Key::of)
        .ok_or_else(|| Failure::map_pair("unsupported kvpair object or map key type"))?;
    let value = object
        .get(VALUE)
        .ok_or_else(|| Failure::map_pair("there must be a \"value\" field in kvpair object"))?;
    Ok((key, value))
}

/// A fixed stream map.
#[derive(Debug)]
pub(crate) struct CanonMap {
    /// All pairs, duplicates included; values are the pair objects.
    pub(crate) pairs: Vec<Datum>,
    /// By key: the places of its pairs, in order.
    index: BTreeMap<Key, Vec<u32>>,
    /// One pair for each key, the last one, in the order of these.
    latest: Vec<u32>,
    pub(crate) tetraplet: Arc<Tetraplet>,
    pub(crate) cid: Cid,
}

impl CanonMap {
    /// Builds the index; the pairs may be from elsewhere.
    pub(crate) fn new(canon: CanonStream) -> Result<Self, Failure> {
        let CanonStream { values: pairs, tetraplet, cid } = canon;
        let mut index: BTreeMap<Key, Vec<u32>> = BTreeMap::new();
        for (place, datum) in (0..).zip(&pairs) {
            let (key, _) = parts(&datum.value)?;
            index.entry(key).or_default().push(place);
        }
        let mut latest: Vec<u32> =
            index.values().filter_map(|of_key| of_key.last().copied()).collect();
        latest.sort_unstable();
        Ok(Self { pairs, index, latest, tetraplet, cid })
    }

    /// The values of a key, in order, with their pairs.
    pub(crate) fn values_of(&self, key: &Key) -> Option<KeyValues<'_>> {
        self.index.get(key).map(|places| KeyValues { pairs: &self.pairs, places })
    }

    /// The pairs that a fold visits: the last one of each key.
    pub(crate) fn unique_pairs(&self) -> impl Iterator<Item = &Datum> {
        self.latest.iter().filter_map(|&place| self.pairs.get(place as usize))
    }

    /// The object of arrays. Of an integer and a string key with the same text the one whose last pair
    /// came later counts (the reference leaves it to its hash order, §13 quirk 18).
    pub(crate) fn to_value(&self) -> Result<Value, TooDeep> {
        let mut members = Vec::with_capacity(self.latest.len());
        for pair in self.unique_pairs() {
            let Ok((key, _)) = parts(&pair.value) else { continue };
            let Some(values) = self.values_of(&key) else { continue };
            members.push((key.text(), values.to_value()?));
        }
        Value::object(members)
    }

    pub(crate) fn provenance(&self) -> Provenance {
        Provenance::Canon(self.cid.clone())
    }
}

/// The values that a canon map has for a key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyValues<'a> {
    pairs: &'a [Datum],
    places: &'a [u32],
}

impl<'a> KeyValues<'a> {
    /// How many there are.
    pub(crate) fn len(self) -> usize {
        self.places.len()
    }

    /// A value, and the pair that it is from.
    pub(crate) fn get(self, index: usize) -> Option<(&'a Datum, &'a Value)> {
        let pair = self.pairs.get(*self.places.get(index)? as usize)?;
        pair.value.as_object()?.get(VALUE).map(|value| (pair, value))
    }

    /// The array of them.
    pub(crate) fn to_value(self) -> Result<Value, TooDeep> {
        let values = (0..self.len()).filter_map(|index| self.get(index));
        Value::array(values.map(|(_, value)| value.clone()).collect())
    }
}

/// The object that the map→scalar form of canon makes: the first value of each key, keys compared by
/// their text.
pub(crate) fn first_values<'a>(pairs: impl Iterator<Item = &'a Datum>) -> Result<Value, Failure> {
    let mut members: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for datum in pairs {
        let (key, value) = parts(&datum.value)?;
        members.entry(key.text()).or_insert_with(|| value.clone());
    }
    Ok(Value::object(members.into_iter().collect())?)
}
