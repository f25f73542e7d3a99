//! A map in one sorted piece of memory.

use std::ops::{Bound, RangeBounds};

/// A map whose entries lie sorted by key.
///
/// For maps that are small, or are filled in the order of their keys: what comes between others moves them. The standard
/// library's `BTreeMap` has no such weakness, and each kind of it adds 8 kB to the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortedMap<K, V> {
    entries: Vec<(K, V)>,
}

/// A set of that kind.
pub type SortedSet<K> = SortedMap<K, ()>;

impl<K, V> Default for SortedMap<K, V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<K: Ord, V> SortedMap<K, V> {
    fn position<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.entries.binary_search_by(|(known, _)| known.borrow().cmp(key))
    }

    /// What is at this key.
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let at = self.position(key).ok()?;
        self.entries.get(at).map(|(_, value)| value)
    }

    /// What is at this key, to be changed.
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let at = self.position(key).ok()?;
        self.entries.get_mut(at).map(|(_, value)| value)
    }

    /// Whether something is at this key.
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: std::borrow::Borrow<Q>,
    {
        self.position(key).is_ok()
    }

    /// Puts a value at a key. Returns what was there.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        // Nearly always the next one in order.
        let is_last = self.entries.last().is_none_or(|(last, _)| *last < key);
        let at = if is_last {
            Err(self.entries.len())
        } else {
            self.position(&key)
        };
        match at {
            Ok(at) => self
                .entries
                .get_mut(at)
                .map(|(_, known)| std::mem::replace(known, value)),
            Err(at) => {
                self.entries.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes out what is at a key.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: std::borrow::Borrow<Q>,
    {
        let at = self.position(key).ok()?;
        Some(self.entries.remove(at).1)
    }

    /// Keeps those entries only.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        self.entries.retain_mut(|(key, value)| keep(key, value));
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.entries.clear();
    }

    /// How many entries there are.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All entries, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + ExactSizeIterator {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// All keys, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + ExactSizeIterator {
        self.entries.iter().map(|(key, _)| key)
    }

    /// The entries whose keys are in a range.
    pub fn range(&self, range: impl RangeBounds<K>) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        let first = match range.start_bound() {
            Bound::Included(key) => self.entries.partition_point(|(known, _)| known < key),
            Bound::Excluded(key) => self.entries.partition_point(|(known, _)| known <= key),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(key) => self.entries.partition_point(|(known, _)| known <= key),
            Bound::Excluded(key) => self.entries.partition_point(|(known, _)| known < key),
            Bound::Unbounded => self.entries.len(),
        };
        let found = self.entries.get(first..end).unwrap_or_default();
        found.iter().map(|(key, value)| (key, value))
    }
}

impl<K: Ord, V: Default> SortedMap<K, V> {
    /// What is at a key; if nothing is, the default is put there.
    pub fn get_or_default(&mut self, key: K) -> Option<&mut V> {
        let at = match self.position(&key) {
            Ok(at) => at,
            Err(at) => {
                self.entries.insert(at, (key, V::default()));
                at
            }
        };
        self.entries.get_mut(at).map(|(_, value)| value)
    }
}

impl<K: Ord, V> Extend<(K, V)> for SortedMap<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for SortedMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        map.extend(entries);
        map
    }
}

impl<K, V> IntoIterator for SortedMap<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sorted_whatever_the_order_and_the_last_value_counts() {
        let mut map: SortedMap<u8, u8> = [(5, 0), (1, 1), (3, 2), (5, 3), (9, 4)].into_iter().collect();
        let all = |map: &SortedMap<u8, u8>| map.iter().map(|(key, value)| (*key, *value)).collect::<Vec<_>>();
        assert_eq!(all(&map), [(1, 1), (3, 2), (5, 3), (9, 4)]);
        assert_eq!((map.get(&5), map.get(&4), map.len()), (Some(&3), None, 4));
        assert_eq!((map.remove(&3), map.remove(&3)), (Some(2), None));
        assert_eq!(map.insert(1, 7), Some(1));
        assert_eq!(map.get_or_default(2), Some(&mut 0));
        map.retain(|key, _| *key != 9);
        assert_eq!(all(&map), [(1, 7), (2, 0), (5, 3)]);
    }

    #[test]
    fn a_range_has_its_ends_or_not_as_it_says() {
        let set: SortedSet<u8> = [1, 3, 5, 7].map(|key| (key, ())).into_iter().collect();
        let keys = |range: (Bound<u8>, Bound<u8>)| set.range(range).map(|(key, ())| *key).collect::<Vec<_>>();
        assert_eq!(keys((Bound::Included(3), Bound::Excluded(7))), [3, 5]);
        assert_eq!(keys((Bound::Excluded(3), Bound::Included(7))), [5, 7]);
        assert_eq!(keys((Bound::Unbounded, Bound::Included(4))), [1, 3]);
        assert!(keys((Bound::Included(8), Bound::Unbounded)).is_empty());
    }
}
