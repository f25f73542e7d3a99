//! What an upstream counts: requests by who asked for what, and those under way.

use super::Received;
use crate::server::lock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// The most paths and the most user agents that are told apart.
const TOLD_APART: usize = 10_000;

/// An upstream's counts. Clones are the same counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    by_path: HashMap<String, u64>,
    by_agent: HashMap<String, u64>,
    in_flight: usize,
    most_in_flight: usize,
}

/// A request under way, until it is dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Tally);

impl Drop for UnderWay {
    fn drop(&mut self) {
        lock(&self.0.0).in_flight -= 1;
    }
}

impl Tally {
    pub(super) fn enter(&self) -> UnderWay {
        let mut counts = lock(&self.0);
        counts.in_flight += 1;
        counts.most_in_flight = counts.most_in_flight.max(counts.in_flight);
        UnderWay(self.clone())
    }

    pub(super) fn add(&self, request: &Received) {
        let mut counts = lock(&self.0);
        count(&mut counts.by_path, request.path_only());
        count(&mut counts.by_agent, request.header("user-agent").unwrap_or_default());
    }

    pub(super) fn at(&self, path: &str) -> u64 {
        lock(&self.0).by_path.get(path).copied().unwrap_or_default()
    }

    pub(super) fn from(&self, agent: &str) -> u64 {
        lock(&self.0).by_agent.get(agent).copied().unwrap_or_default()
    }

    pub(super) fn in_flight(&self) -> usize {
        lock(&self.0).in_flight
    }

    pub(super) fn most_in_flight(&self) -> usize {
        lock(&self.0).most_in_flight
    }

    /// Forgets all but what is under way.
    pub(super) fn reset(&self) {
        let mut counts = lock(&self.0);
        let in_flight = counts.in_flight;
        *counts = Counts {
            in_flight,
            most_in_flight: in_flight,
            ..Counts::default()
        };
    }
}

fn count(counts: &mut HashMap<String, u64>, key: &str) {
    if let Some(count) = counts.get_mut(key) {
        *count += 1;
    } else if counts.len() < TOLD_APART {
        counts.insert(key.to_owned(), 1);
    }
}
