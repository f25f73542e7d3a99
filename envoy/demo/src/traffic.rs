//! The users: steady traffic, the same on both sides, and what came of it.

use crate::clock::Clock;
use crate::phase::Phase;
use sidestep_support::{Client, Connection, Request};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// On each side. Envoy's workers share connections out by a hash: with so many, none goes without.
const CONNECTIONS: u32 = 16;
/// On each side, per second.
pub(crate) const RATE: u32 = 150;
/// Each n-th request is a POST: not idempotent, so never repeated. The others are GETs.
pub(crate) const POST_EVERY: u32 = 10;
/// A request that is still out at the end may take so long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which of Envoy's listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The one with the filter.
    With,
    /// The one without.
    Without,
}

impl Side {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::With, Self::Without];
}

/// What users got.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outcomes {
    /// Requests that came to an end.
    pub(crate) requests: u64,
    /// Those that were not answered by a 200.
    pub(crate) errors: u64,
    /// Those of them that were POSTs.
    pub(crate) post_errors: u64,
    /// How long each took.
    latencies: Vec<Duration>,
}

impl Outcomes {
    /// Errors in per cent.
    pub(crate) fn error_percent(&self) -> f64 {
        percent(self.errors, self.requests)
    }

    /// The time within which so much of the requests were answered; `share` is 0.5 for the median.
    pub(crate) fn latency(&self, share: f64) -> Duration {
        let mut sorted = self.latencies.clone();
        sorted.sort_unstable();
        // Truncating is what finds the place.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let place = (sorted.len() as f64 * share) as usize;
        sorted
            .get(place.min(sorted.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.post_errors += other.post_errors;
        self.latencies.extend_from_slice(&other.latencies);
    }
}

/// A part of a whole in per cent.
#[expect(clippy::cast_precision_loss, reason = "nobody makes that many requests")]
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

/// What users got, side by side.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    by_phase: [[Outcomes; Phase::ALL.len()]; 2],
    /// Requests and errors in each second.
    by_second: [Vec<(u64, u64)>; 2],
}

impl Tally {
    /// In one phase, by when the request was sent.
    pub(crate) fn phase(&self, side: Side, phase: Phase) -> &Outcomes {
        &self.by_phase[side as usize][phase as usize]
    }

    /// In all phases.
    pub(crate) fn total(&self, side: Side) -> Outcomes {
        let mut total = Outcomes::default();
        for outcomes in &self.by_phase[side as usize] {
            total.add(outcomes);
        }
        total
    }

    /// Requests and errors in each second of the run.
    pub(crate) fn seconds(&self, side: Side) -> &[(u64, u64)] {
        &self.by_second[side as usize]
    }

    /// A request was sent in `phase`, and at `second` it came to its end.
    fn note(&mut self, side: Side, phase: Phase, second: u64, what: &Done) {
        let outcomes = &mut self.by_phase[side as usize][phase as usize];
        outcomes.requests += 1;
        outcomes.errors += u64::from(!what.good);
        outcomes.post_errors += u64::from(!what.good && what.post);
        outcomes.latencies.push(what.took);
        let seconds = &mut self.by_second[side as usize];
        let second = usize::try_from(second).unwrap_or_default();
        if seconds.len() <= second {
            seconds.resize(second + 1, (0, 0));
        }
        seconds[second].0 += 1;
        seconds[second].1 += u64::from(!what.good);
    }
}

/// A request that came to its end.
struct Done {
    good: bool,
    post: bool,
    took: Duration,
}

/// The traffic. It ends with its value.
#[derive(Debug)]
pub(crate) struct Traffic {
    users: JoinSet<()>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    now: Mutex<(Phase, bool)>,
    tally: Mutex<Tally>,
}

impl Traffic {
    /// Starts it, with a client for each side.
    pub(crate) fn start(clock: Clock, clients: [Client; 2]) -> Self {
        let shared = Arc::new(Shared {
            clock,
            now: Mutex::new((Phase::AllWell, true)),
            tally: Mutex::default(),
        });
        let mut users = JoinSet::new();
        for (side, client) in Side::ALL.into_iter().zip(clients) {
            for number in 0..CONNECTIONS {
                users.spawn(user(number, side, client, Arc::clone(&shared)));
            }
        }
        Self { users, shared }
    }

    /// Requests from now on belong to this phase.
    pub(crate) fn enter(&self, phase: Phase) {
        lock(&self.shared.now).0 = phase;
    }

    /// What came of it so far.
    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        lock(&self.shared.tally)
    }

    /// Sends no more, and waits for the answers that are still to come.
    pub(crate) async fn end(&mut self) {
        lock(&self.shared.now).1 = false;
        let users = &mut self.users;
        let _ = tokio::time::timeout(PATIENCE, async { while users.join_next().await.is_some() {} }).await;
        users.abort_all();
    }
}

/// One user: a connection, and a request in each beat.
async fn user(number: u32, side: Side, client: Client, shared: Arc<Shared>) {
    let beat = Duration::from_secs(1) * CONNECTIONS / RATE;
    // One user after the other, so that requests come evenly.
    let first = tokio::time::Instant::now() + beat * number / CONNECTIONS;
    let mut beats = tokio::time::interval_at(first, beat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut connection = None;
    let mut sent = number;
    loop {
        beats.tick().await;
        let (phase, going_on) = *lock(&shared.now);
        if !going_on {
            return;
        }
        let post = sent.is_multiple_of(POST_EVERY);
        sent = sent.wrapping_add(1);
        let request = if post {
            Request::new("POST", "/orders").body("one of each")
        } else {
            Request::get("/items")
        };
        let start = Instant::now();
        let good = send(&mut connection, client, request).await;
        let done = Done {
            good,
            post,
            took: start.elapsed(),
        };
        lock(&shared.tally).note(side, phase, shared.clock.now().as_secs(), &done);
    }
}

/// Sends a request by the connection that there is, or a new one. Whether it was answered by a 200.
async fn send(connection: &mut Option<Connection>, client: Client, request: Request) -> bool {
    let mut open = match connection.take() {
        Some(open) => open,
        None => match client.connect().await {
            Ok(open) => open,
            Err(_) => return false,
        },
    };
    match open.send(request).await {
        Ok(answer) => {
            *connection = Some(open);
            answer.status() == 200
        }
        Err(_) => false,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
