//! Many users who do not wait for each other.
//!
//! An open loop: requests leave at the times of a fixed rate, however slow the answers are, and a request's time runs
//! from the moment it was due. A closed loop would send less to a slow server, and so hide its slowness.

use super::{Client, ClientError, Connection, Request, Response};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, MissedTickBehavior};

/// A connection takes so many requests, then a new one comes in its place: perhaps at another worker.
const REQUESTS_PER_CONNECTION: u32 = 50;

/// Requests that leave at a fixed rate, until this value is [stopped](Self::stop) or goes.
///
/// Connections are kept for several requests each, and are replaced in time, so that every worker gets some.
#[derive(Debug)]
pub struct Traffic {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

#[derive(Debug)]
struct Shared {
    client: Client,
    free: Mutex<VecDeque<(Connection, u32)>>,
    seen: Mutex<Summary>,
}

/// What became of requests. `Debug` shows it without the single times.
#[derive(Clone, Default)]
pub struct Summary {
    /// Answers by their status.
    pub statuses: BTreeMap<u16, u64>,
    /// Requests that got no whole answer, and why.
    pub errors: Vec<String>,
    /// Each answer: who gave it (by `x-upstream`; empty if none says) and how long after the request was due it was
    /// there.
    pub times: Vec<(String, Duration)>,
}

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Summary")
            .field("statuses", &self.statuses)
            .field("errors", &self.errors)
            .field("p50", &self.percentile(50))
            .field("p99", &self.percentile(99))
            .finish_non_exhaustive()
    }
}

impl Summary {
    /// How many requests are over.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.statuses.values().sum::<u64>() + self.errors.len() as u64
    }

    /// How many of them did not get an answer below 500.
    #[must_use]
    pub fn failed(&self) -> u64 {
        let bad: u64 = self.statuses.range(500..).map(|(_, count)| count).sum();
        bad + self.errors.len() as u64
    }

    /// How many answers this upstream gave.
    #[must_use]
    pub fn answers_of(&self, upstream: &str) -> usize {
        self.times.iter().filter(|(name, _)| name == upstream).count()
    }

    /// The time within which so many per cent of the answers were there; zero if there are none.
    #[must_use]
    pub fn percentile(&self, percent: u32) -> Duration {
        self.percentile_where(percent, |_| true)
    }

    /// The same, of the answers of some upstreams only.
    #[must_use]
    pub fn percentile_where(&self, percent: u32, of: impl Fn(&str) -> bool) -> Duration {
        let mut times: Vec<_> = self
            .times
            .iter()
            .filter_map(|(name, time)| of(name).then_some(*time))
            .collect();
        times.sort_unstable();
        // The nearest rank: the smallest time that so many per cent do not exceed.
        let rank = (times.len() * percent.min(100) as usize).div_ceil(100);
        times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
    }

    fn add(&mut self, answer: Result<Response, ClientError>, time: Duration) {
        match answer {
            Ok(answer) => {
                *self.statuses.entry(answer.status()).or_default() += 1;
                self.times.push((answer.upstream().to_owned(), time));
            }
            Err(error) => self.errors.push(error.to_string()),
        }
    }
}

impl Traffic {
    pub(super) fn start(client: Client, per_second: f64, request: impl Fn(u64) -> Request + Send + 'static) -> Self {
        let shared = Arc::new(Shared {
            client,
            free: Mutex::default(),
            seen: Mutex::default(),
        });
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let for_task = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            let mut clock = tokio::time::interval(Duration::from_secs_f64(1.0 / per_second));
            clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut under_way = JoinSet::new();
            for n in 0.. {
                let due = tokio::select! {
                    _ = &mut stopped => break,
                    due = clock.tick() => due,
                };
                under_way.spawn(send(Arc::clone(&for_task), request(n), due));
                while under_way.try_join_next().is_some() {}
            }
            while under_way.join_next().await.is_some() {}
        });
        Self {
            shared,
            task,
            stop: Some(stop),
        }
    }

    /// What became of the requests that are over since the last time this was asked.
    #[expect(clippy::must_use_candidate, reason = "also starts a new account")]
    pub fn take(&self) -> Summary {
        std::mem::take(&mut *lock(&self.shared.seen))
    }

    /// Looks at what [`take`](Self::take) would give, and leaves it there.
    pub fn look<T>(&self, at: impl FnOnce(&Summary) -> T) -> T {
        at(&lock(&self.shared.seen))
    }

    /// Sends no more, waits for the answers to come, and gives what `take` would.
    pub async fn stop(mut self) -> Summary {
        self.stop.take();
        let _ = (&mut self.task).await;
        self.take()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn send(shared: Arc<Shared>, request: Request, due: Instant) {
    let free = lock(&shared.free).pop_front();
    let connected = match free {
        Some(connection) => Ok(connection),
        None => shared.client.connect().await.map(|connection| (connection, 0)),
    };
    let answer = match connected {
        Ok((mut connection, used)) => {
            let answer = connection.send(request).await;
            // After an answer that says `connection: close`, the next request would find nobody there.
            if answer
                .as_ref()
                .is_ok_and(|answer| answer.header("connection").is_none())
                && used + 1 < REQUESTS_PER_CONNECTION
            {
                lock(&shared.free).push_back((connection, used + 1));
            }
            answer
        }
        Err(error) => Err(error),
    };
    lock(&shared.seen).add(answer, due.elapsed());
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
