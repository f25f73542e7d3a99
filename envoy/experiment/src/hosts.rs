//! The hosts: real servers that follow the plan, and note when requests come.

use crate::dice::{hits, mix};
use crate::lock::lock;
use crate::plan::{Ailment, Plan};
use crate::warming::Warming;
use sidestep_support::{Behaviour, Received, Reply, Upstream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The shortest time a host takes when it is well, in milliseconds.
const FASTEST_MS: u64 = 15;
/// Times spread evenly over so many milliseconds from there on: 20 ms on average.
const SPREAD_MS: u64 = 10;
/// A request for this path is no user's: it is answered like any other, and noted nowhere. A cold host bears it, and does
/// not get warm of it.
pub(crate) const HEALTH_PATH: &str = "/health";
/// A cold host is warm after this, in the plan's seconds.
const WARM_AFTER: f64 = 4.0;

/// The servers of a cell. They end with their value.
#[derive(Debug)]
pub(crate) struct Hosts {
    servers: Vec<Upstream>,
    records: Vec<Arc<Record>>,
    start: Arc<OnceLock<Instant>>,
}

/// What one host does and has seen.
#[derive(Debug)]
struct Record {
    number: usize,
    plan: Plan,
    /// When the traffic began; before that nothing is noted, and all is well.
    start: Arc<OnceLock<Instant>>,
    requests: AtomicU64,
    checks: AtomicU64,
    posts: AtomicU64,
    arrivals: Mutex<Vec<Duration>>,
    warming: Mutex<Warming>,
}

impl Hosts {
    /// Starts them; `rate` is the traffic of the whole cluster in requests a second.
    pub(crate) async fn start(plan: &Plan, rate: u32, scale: f64) -> Self {
        let start = Arc::new(OnceLock::new());
        let mut servers = Vec::new();
        let mut records = Vec::new();
        for number in 0..plan.hosts {
            let record = Arc::new(Record {
                number,
                plan: plan.clone(),
                start: Arc::clone(&start),
                requests: AtomicU64::new(0),
                checks: AtomicU64::new(0),
                posts: AtomicU64::new(0),
                arrivals: Mutex::default(),
                warming: Mutex::new(Warming::new(
                    fair_rate(rate, plan.hosts),
                    Duration::from_secs_f64(WARM_AFTER * scale),
                )),
            });
            let server = Upstream::http1(&format!("host {number}")).await;
            let of_server = Arc::clone(&record);
            server.set_by(move |received| of_server.behave(received));
            servers.push(server);
            records.push(record);
        }
        Self {
            servers,
            records,
            start,
        }
    }

    /// The servers.
    pub(crate) fn servers(&self) -> &[Upstream] {
        &self.servers
    }

    /// From this moment on the plan is followed and requests are noted.
    pub(crate) fn follow_the_plan(&self, start: Instant) {
        // It is set once: a cell has one beginning.
        let _ = self.start.set(start);
    }

    /// For each host the times at which requests came, in order.
    pub(crate) fn arrivals(&self) -> Vec<Vec<Duration>> {
        self.records
            .iter()
            .map(|record| {
                let mut arrivals = lock(&record.arrivals).clone();
                arrivals.sort_unstable();
                arrivals
            })
            .collect()
    }

    /// POSTs that came to any host.
    pub(crate) fn posts(&self) -> u64 {
        let of_host = |record: &Arc<Record>| record.posts.load(Ordering::Relaxed);
        self.records.iter().map(of_host).sum()
    }
}

impl Record {
    fn behave(&self, received: &Received) -> Behaviour {
        let is_check = received.path_only() == HEALTH_PATH;
        let request = if is_check { &self.checks } else { &self.requests }.fetch_add(1, Ordering::Relaxed);
        // Apart for each host, and the same in every run, whoever checks the hosts.
        let dice = (self.number as u64) << 32 | u64::from(is_check) << 31 | request;
        let usual = Duration::from_millis(FASTEST_MS + mix(dice) % (SPREAD_MS + 1));
        let well = || Reply::status(200).body("here you are");
        let broken = || Reply::status(503).body("out of order");
        let Some(now) = self
            .start
            .get()
            .map(|start| received.at.saturating_duration_since(*start))
        else {
            return well().after(usual).into();
        };
        if !is_check {
            lock(&self.arrivals).push(now);
            self.posts
                .fetch_add(u64::from(received.method == "POST"), Ordering::Relaxed);
        }
        match self.plan.ailment(self.number, now) {
            Ailment::None => well().after(usual).into(),
            Ailment::Answers503 => broken().after(usual).into(),
            Ailment::Stumbles if hits(!dice, 2) => broken().after(usual).into(),
            Ailment::Fails { percent } if hits(!dice, percent) => broken().after(usual).into(),
            Ailment::Stumbles | Ailment::Fails { .. } => well().after(usual).into(),
            Ailment::Slow { factor } => well().after(usual * factor).into(),
            Ailment::Silent => Behaviour::Hang,
            Ailment::Cold if is_check || lock(&self.warming).bears(now) => well().after(usual).into(),
            Ailment::Cold => broken().after(usual).into(),
        }
    }
}

/// What each of so many hosts gets of the traffic, in requests a second.
#[expect(clippy::cast_precision_loss, reason = "a handful of hosts")]
pub(crate) fn fair_rate(rate: u32, hosts: usize) -> f64 {
    f64::from(rate) / hosts as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Spell;
    use sidestep_support::{Client, Request};

    async fn host(ailment: Ailment) -> Hosts {
        let hour = Duration::from_secs(3600);
        let plan = Plan {
            hosts: 1,
            spells: vec![Spell {
                hosts: 1,
                from: Duration::ZERO,
                until: hour,
                ailment,
            }],
            end: hour,
        };
        let hosts = Hosts::start(&plan, 1, 1000.0).await;
        hosts.follow_the_plan(Instant::now());
        hosts
    }

    /// What the host answers to these requests, one after the other.
    async fn statuses(hosts: &Hosts, requests: impl IntoIterator<Item = Request>) -> Vec<u16> {
        let client = Client::new(hosts.servers()[0].address());
        let mut statuses = Vec::new();
        for request in requests {
            statuses.push(client.send(request).await.expect("an answer").status());
        }
        statuses
    }

    #[tokio::test]
    async fn a_check_is_answered_like_a_request_and_noted_nowhere() {
        let hosts = host(Ailment::Answers503).await;
        let requests = [
            Request::get(HEALTH_PATH),
            Request::get("/items"),
            Request::new("POST", "/orders"),
        ];
        assert_eq!(statuses(&hosts, requests).await, [503; 3]);
        assert_eq!((hosts.arrivals()[0].len(), hosts.posts()), (2, 1));
    }

    #[tokio::test]
    async fn a_cold_host_bears_checks_and_is_as_cold_as_before() {
        let hosts = host(Ailment::Cold).await;
        let checks = || (0..5).map(|_| Request::get(HEALTH_PATH));
        let users = || (0..5).map(|_| Request::get("/items"));
        assert_eq!(statuses(&hosts, checks()).await, [200; 5]);
        assert_eq!(statuses(&hosts, users()).await, [200, 200, 503, 503, 503]);
    }

    #[tokio::test]
    async fn checks_do_not_change_what_users_meet() {
        let users = || (0..40).map(|_| Request::get("/items"));
        let stumbling = Ailment::Fails { percent: 20 };
        let (unchecked, checked) = (host(stumbling).await, host(stumbling).await);
        let checks = (0..7).map(|_| Request::get(HEALTH_PATH));
        statuses(&checked, checks).await;
        assert_eq!(statuses(&unchecked, users()).await, statuses(&checked, users()).await);
    }
}
