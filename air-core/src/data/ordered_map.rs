//! A map that keeps the order of arrival, for what must be written in one definite order.

use alloc::vec::Vec;
use core::borrow::Borrow;
use core::fmt;
use core::hash::{BuildHasher, Hash};

use hashbrown::hash_table::Entry;
use hashbrown::{DefaultHashBuilder, HashTable};

/// Entries by key, found by hash and kept in the order in which their keys first came.
#[derive(Clone)]
pub struct OrderedMap<K, V> {
    entries: Vec<(K, V)>,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<K: Hash + Eq, V> OrderedMap<K, V> {
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

    /// The value of `key`.
    #[must_use]
    pub fn get<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let position = self.position(key)?;
        self.entries.get(position).map(|(_, value)| value)
    }

    /// The value of `key`, to change.
    pub fn get_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let position = self.position(key)?;
        self.entries.get_mut(position).map(|(_, value)| value)
    }

    /// The entries in order.
    pub fn iter(&self) -> core::slice::Iter<'_, (K, V)> {
        self.entries.iter()
    }

    /// Puts an entry in; on a known key the value is replaced and the place kept.
    pub fn put(&mut self, key: K, value: V) {
        let Self { entries, index, hasher } = self;
        let hash = hasher.hash_one(&key);
        let is_it = |known: &u32| entries.get(*known as usize).is_some_and(|e| e.0 == key);
        let hash_of = |known: &u32| hash_at(entries, hasher, *known);
        match index.entry(hash, is_it, hash_of) {
            Entry::Occupied(place) => {
                if let Some((_, known)) = entries.get_mut(*place.get() as usize) {
                    *known = value;
                }
            }
            Entry::Vacant(place) => {
                // Memory ends long before the positions do: an entry takes more than one byte.
                let Ok(position) = u32::try_from(entries.len()) else { return };
                place.insert(position);
                entries.push((key, value));
            }
        }
    }

    /// Puts an entry in, unless the key is known; `value` is made only when it is needed.
    pub fn put_absent(&mut self, key: K, value: impl FnOnce() -> V) {
        let Self { entries, index, hasher } = self;
        let hash = hasher.hash_one(&key);
        let is_it = |known: &u32| entries.get(*known as usize).is_some_and(|e| e.0 == key);
        let hash_of = |known: &u32| hash_at(entries, hasher, *known);
        if let (Entry::Vacant(place), Ok(position)) =
            (index.entry(hash, is_it, hash_of), u32::try_from(entries.len()))
        {
            place.insert(position);
            entries.push((key, value()));
        }
    }

    /// Makes room for so many more entries.
    pub fn reserve(&mut self, additional: usize) {
        let Self { entries, index, hasher } = self;
        entries.reserve(additional);
        index.reserve(additional, |known| hash_at(entries, hasher, *known));
    }

    /// Forgets all but the first `len` entries.
    pub fn truncate(&mut self, len: usize) {
        let Self { entries, index, .. } = self;
        if len < entries.len() {
            entries.truncate(len);
            index.retain(|position| (*position as usize) < len);
        }
    }

    fn position<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
    {
        let hash = self.hasher.hash_one(key);
        let is_it =
            |known: &u32| self.entries.get(*known as usize).is_some_and(|e| e.0.borrow() == key);
        self.index.find(hash, is_it).map(|position| *position as usize)
    }
}

fn hash_at<K: Hash, V>(entries: &[(K, V)], hasher: &DefaultHashBuilder, position: u32) -> u64 {
    entries.get(position as usize).map_or(0, |(key, _)| hasher.hash_one(key))
}

impl<K, V> IntoIterator for OrderedMap<K, V> {
    type Item = (K, V);
    type IntoIter = alloc::vec::IntoIter<(K, V)>;
    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

impl<K, V> Default for OrderedMap<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new(), index: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for OrderedMap<K, V> {
    /// The same entries in the same order.
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl<K: Eq, V: Eq> Eq for OrderedMap<K, V> {}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for OrderedMap<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|(key, value)| (key, value))).finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::OrderedMap;

    #[test]
    fn entries_keep_their_place_and_the_last_value() {
        let mut map = OrderedMap::default();
        for (key, value) in [(3, 'a'), (1, 'b'), (2, 'c'), (3, 'd')] {
            map.put(key, value);
        }
        map.put_absent(1, || 'x');
        assert_eq!(map.iter().copied().collect::<Vec<_>>(), [(3, 'd'), (1, 'b'), (2, 'c')]);
        assert_eq!(map.get(&2), Some(&'c'));
        assert_eq!(map.get(&4), None);
    }

    #[test]
    fn truncation_forgets_the_later_entries() {
        let mut map = OrderedMap::default();
        for key in 0..1000 {
            map.put(key, key);
        }
        map.truncate(500);
        assert_eq!(map.len(), 500);
        assert_eq!(map.get(&499), Some(&499));
        assert_eq!(map.get(&500), None);
        map.put(500, 7);
        assert_eq!(map.get(&500), Some(&7));
    }
}
