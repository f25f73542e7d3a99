//! What an upstream does with the requests to come.

use super::behaviour::Behaviour;
use super::chance::Chance;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// What is done with the requests to come.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) normal: Behaviour,
    pub(super) next: VecDeque<Behaviour>,
    /// Paths that have a behaviour of their own.
    pub(super) paths: HashMap<String, Behaviour>,
    pub(super) latency: Latency,
}

/// How long every answer is held back, whatever it says.
#[derive(Debug)]
pub(super) struct Latency {
    pub(super) base: Duration,
    pub(super) jitter: Duration,
    chance: Chance,
}

impl Latency {
    pub(super) fn new(base: Duration, jitter: Duration) -> Self {
        Self {
            base,
            jitter,
            chance: Chance::new(0),
        }
    }

    fn draw(&self) -> Duration {
        self.base + self.jitter.mul_f64(self.chance.draw())
    }
}

impl Script {
    pub(super) fn new(normal: Behaviour) -> Self {
        Self {
            normal,
            next: VecDeque::new(),
            paths: HashMap::new(),
            latency: Latency::new(Duration::ZERO, Duration::ZERO),
        }
    }

    /// What to do with a request for this path, and when.
    pub(super) fn take(&mut self, path: &str) -> (Behaviour, Duration) {
        if let Some(behaviour) = self.paths.get(path) {
            return (behaviour.clone(), Duration::ZERO);
        }
        let behaviour = self.next.pop_front().unwrap_or_else(|| self.normal.clone());
        (behaviour, self.latency.draw())
    }
}
