//! Many requests, as many clients send them: each when it likes, whether or not the others are answered.

use crate::chance::Chance;
use crate::request::{Answer, Request};
use crate::sim::Sim;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

/// Requests at random times (a Poisson process), to random workers.
pub struct Load {
    gap: Duration,
    make: Box<dyn FnMut(u64) -> Request>,
    chance: Chance,
    /// The next request's time in nanoseconds of the virtual clock; none before the first.
    next: Option<u64>,
    count: u64,
    open: HashSet<u32>,
}

impl Load {
    /// That many GETs a second.
    pub fn gets(per_second: u32, seed: u64) -> Load {
        Load::of(per_second, seed, |_| Request::get("/"))
    }

    /// That many requests a second; `make` gets the number of each, from 0.
    pub fn of(per_second: u32, seed: u64, make: impl FnMut(u64) -> Request + 'static) -> Load {
        Load {
            gap: Duration::from_secs(1) / per_second,
            make: Box::new(make),
            chance: Chance::new(seed),
            next: None,
            count: 0,
            open: HashSet::new(),
        }
    }

    fn gap(&mut self) -> u64 {
        let part = 1.0 - self.chance.part();
        (self.gap.as_nanos() as f64 * -part.ln()) as u64
    }
}

/// What came of the requests that ended.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// How many ended.
    pub requests: u64,
    /// How many of them with no answer, half an answer or a 5xx.
    pub errors: u64,
    /// How many attempts they took.
    pub attempts: u64,
    /// How many were answered with each status; 0: with none.
    pub by_status: BTreeMap<u16, u64>,
    /// How many first attempts each host got.
    pub first_tried: BTreeMap<String, u64>,
    /// How long each took.
    pub took: Vec<Duration>,
}

impl Served {
    fn add(&mut self, answer: Answer) {
        self.requests += 1;
        self.errors += u64::from(answer.status == 0 || answer.status >= 500 || answer.cut);
        self.attempts += answer.tried.len() as u64;
        *self.by_status.entry(answer.status).or_default() += 1;
        if let Some(first) = answer.tried.into_iter().next() {
            *self.first_tried.entry(first).or_default() += 1;
        }
        self.took.push(answer.took);
    }

    /// How long all but this share of them took at most: 0.99 for the 99th percentile.
    pub fn percentile(&self, share: f64) -> Duration {
        let mut took = self.took.clone();
        took.sort_unstable();
        let place = (took.len() as f64 * share) as usize;
        took.get(place.min(took.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }

    /// The first attempts that this host got.
    pub fn first_tried(&self, host: &str) -> u64 {
        self.first_tried.get(host).copied().unwrap_or(0)
    }
}

impl Sim {
    /// Lets that much virtual time pass under this load. Requests that are still open at its end are counted by the
    /// next call that ends them.
    pub fn under(&mut self, load: &mut Load, time: Duration) -> Served {
        let mut served = Served::default();
        let end = self.now() + time.as_nanos() as u64;
        let workers = self.engine.workers.len();
        while self.now() < end {
            // A step at a time: what is sent later need not wait in the queue.
            let step = (self.now() + 10_000_000).min(end);
            loop {
                // Time that passed under no load has no requests to catch up with.
                let next = match load.next.filter(|next| *next >= self.now()) {
                    Some(next) => next,
                    None => self.now() + load.gap(),
                };
                load.next = Some(next);
                if next >= step {
                    break;
                }
                let request = (load.make)(load.count).on(load.chance.below(workers));
                let id = self.later(Duration::from_nanos(next.saturating_sub(self.now())), request);
                load.open.insert(id.0);
                load.count += 1;
                load.next = Some(next + load.gap());
            }
            self.advance(Duration::from_nanos(step - self.now()));
            self.collect(load, &mut served);
        }
        self.collect(load, &mut served);
        served
    }

    fn collect(&mut self, load: &mut Load, served: &mut Served) {
        let over: Vec<u32> = self.engine.answers.keys().copied().collect();
        for id in over {
            if load.open.remove(&id)
                && let Some(answer) = self.engine.answers.remove(&id)
            {
                served.add(answer);
            }
        }
    }
}
