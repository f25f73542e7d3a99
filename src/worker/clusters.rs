//! The clusters that one worker watches, found by name.

use super::view::ClusterView;
use crate::model::Map;
use std::cell::Cell;
use std::rc::Rc;

/// What the worker knows of each cluster, in the order in which they were met.
///
/// A request asks for its cluster a dozen times, and nearly always it is the one that was asked for last: then the name is
/// only compared, not looked up.
#[derive(Debug, Default)]
pub(super) struct Clusters {
    views: Vec<(Rc<str>, ClusterView)>,
    /// Where each cluster stands in `views`.
    index: Map<Rc<str>, usize>,
    /// Where the one stands that was asked for last.
    last: Cell<usize>,
}

/// Where a cluster stands, until all are forgotten: what is known by this is found without its name being looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(usize);

impl Clusters {
    /// Where a cluster stands, if it is watched.
    pub(super) fn place(&self, name: &str) -> Option<Place> {
        self.index_of(name).map(Place)
    }

    /// The cluster that stands there, which is taken to be the one that is asked for next.
    pub(super) fn name_at(&self, Place(place): Place) -> Option<Rc<str>> {
        let (name, _) = self.views.get(place)?;
        self.last.set(place);
        Some(Rc::clone(name))
    }

    /// What is known of the cluster that stands there.
    pub(super) fn at_mut(&mut self, Place(place): Place) -> Option<&mut ClusterView> {
        self.views.get_mut(place).map(|(_, view)| view)
    }

    /// Where all of them stand.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<> {
        (0..self.views.len()).map(Place)
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        let last = self.last.get();
        let is_same = |found: &str| std::ptr::eq(found, name) || is_same(found.as_bytes(), name.as_bytes());
        if self.views.get(last).is_some_and(|(found, _)| is_same(found)) {
            return Some(last);
        }
        let place = *self.index.get(name)?;
        self.last.set(place);
        Some(place)
    }

    /// The name of a cluster that is watched, shared: to look it up by this is to compare two pointers.
    pub(super) fn name(&self, name: &[u8]) -> Option<Rc<str>> {
        let last = self.views.get(self.last.get()).map(|(found, _)| found);
        if let Some(found) = last.filter(|found| is_same(found.as_bytes(), name)) {
            return Some(Rc::clone(found));
        }
        let place = self.index_of(std::str::from_utf8(name).ok()?)?;
        self.views.get(place).map(|(found, _)| Rc::clone(found))
    }

    /// What is known of a cluster.
    pub(super) fn get(&self, name: &str) -> Option<&ClusterView> {
        self.views.get(self.index_of(name)?).map(|(_, view)| view)
    }

    /// What is known of a cluster.
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut ClusterView> {
        let place = self.index_of(name)?;
        self.views.get_mut(place).map(|(_, view)| view)
    }

    /// Whether the cluster is watched.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.index_of(name).is_some()
    }

    /// How many there are.
    pub(super) const fn len(&self) -> usize {
        self.views.len()
    }

    /// Adds a cluster that is [not there](Self::contains).
    pub(super) fn insert(&mut self, name: &str, view: ClusterView) {
        let name: Rc<str> = Rc::from(name);
        self.index.insert(Rc::clone(&name), self.views.len());
        self.views.push((name, view));
    }

    /// Forgets all of them.
    pub(super) fn clear(&mut self) {
        self.views.clear();
        self.index.clear();
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &Rc<str>> {
        self.views.iter().map(|(name, _)| name)
    }

    /// Their names and what is known of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Rc<str>, &ClusterView)> {
        self.views.iter().map(|(name, view)| (name, view))
    }
}

/// Whether two names are the same, eight bytes at a time: wasm's own comparison goes byte by byte.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    let (words, rest) = one.as_chunks::<8>();
    let (other_words, other_rest) = other.as_chunks::<8>();
    let same = |(one, other): (&[u8; 8], &[u8; 8])| u64::from_le_bytes(*one) == u64::from_le_bytes(*other);
    one.len() == other.len() && words.iter().zip(other_words).all(same) && rest == other_rest
}

#[cfg(test)]
impl Place {
    /// The place of the cluster that came after so many others.
    pub(super) const fn nth(others: usize) -> Self {
        Self(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::pick::Rotation;

    #[test]
    fn a_cluster_is_found_whichever_was_asked_for_before() {
        let names = [
            "backend",
            "backend-one",
            "backend-two",
            "inbound|8080||backend",
            "inbound|8081||backend",
            "",
        ];
        let config = Config::default();
        let mut clusters = Clusters::default();
        for (at, name) in names.into_iter().enumerate() {
            assert!(!clusters.contains(name));
            clusters.insert(name, ClusterView::new(name, &config, Rotation::starting_at(at)));
        }
        for before in names {
            for name in names {
                assert!(clusters.contains(before));
                assert_eq!(
                    clusters.get(name).map(|view| view.key.clone()),
                    Some(super::super::shared::record_key(name))
                );
                assert!(clusters.get_mut(name).is_some());
                assert!(clusters.contains(before));
                assert_eq!(clusters.name(name.as_bytes()).as_deref(), Some(name));
                let place = clusters.place(before).expect("it is watched");
                assert_eq!(clusters.name_at(place).as_deref(), Some(before));
            }
            assert!(clusters.get("backend-").is_none());
            assert!(clusters.name(b"backend-").is_none() && clusters.name(b"\xff").is_none());
        }
        clusters.clear();
        assert!(!clusters.contains("backend") && clusters.len() == 0);
    }

    #[test]
    fn names_are_the_same_only_in_all_their_bytes() {
        for (one, other) in [
            ("", "a"),
            ("12345678", "12345679"),
            ("12345678", "123456780"),
            ("123456789", "12345678"),
            ("12345678a", "12345678b"),
            ("1234567812345678", "12345678"),
        ] {
            let same = |one: &str, other: &str| is_same(one.as_bytes(), other.as_bytes());
            assert!(same(one, one) && same(other, other));
            assert!(!same(one, other) && !same(other, one), "{one} {other}");
        }
    }
}
