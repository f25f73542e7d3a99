//! Some workers over one fake host: what a proxy with several threads is to the filter.

use crate::fake_host::FakeHost;
use sidestep::config::Config;
use sidestep::health::{Census, ClusterTable, HostHealth, HostState};
use sidestep::metrics::Metric;
use sidestep::model::{FailureOrigin, HostAddr, Outcome, Timestamp};
use sidestep::worker::{Attempt, Steering, Worker};
use std::time::Duration;

/// The cluster that all is about.
pub const CLUSTER: &str = "backend";

/// A failure: the host answered 503.
pub const E503: Outcome = Outcome::Failure(FailureOrigin::External { gateway: true });
/// A failure: the host answered 500.
pub const E500: Outcome = Outcome::Failure(FailureOrigin::External { gateway: false });
/// A failure: the host was not reached, or gave no answer.
pub const RESET: Outcome = Outcome::Failure(FailureOrigin::LocalOrigin);

/// A second.
pub const SECOND: Duration = Duration::from_secs(1);
/// The smallest step of time.
pub const NANOSECOND: Duration = Duration::from_nanos(1);

/// The host with this number.
pub fn addr(number: u16) -> HostAddr {
    let [high, low] = number.to_be_bytes();
    HostAddr::from(std::net::SocketAddr::from(([10, 0, high, low], 80)))
}

/// The number of a host.
pub fn number(addr: HostAddr) -> u16 {
    match addr.socket_addr().ip() {
        std::net::IpAddr::V4(ip) => u16::from_be_bytes([ip.octets()[2], ip.octets()[3]]),
        std::net::IpAddr::V6(_) => u16::MAX,
    }
}

/// Workers that share a host, on a clock that stands still unless it is told to go on. Workers are named by their
/// index.
#[derive(Debug)]
pub struct Workers {
    /// The host.
    pub host: FakeHost,
    /// The workers.
    pub workers: Vec<Worker<FakeHost>>,
    /// Hosts 1 to this are configured.
    pub hosts: u16,
    config: Config,
    salt: u64,
}

impl Workers {
    /// So many workers, whose cluster has so many configured hosts and these settings: the rest of the cluster's
    /// object in JSON, without braces.
    ///
    /// # Panics
    /// If the settings are wrong.
    pub fn start(workers: usize, hosts: u16, settings: &str) -> Self {
        let named: Vec<String> = (1..=hosts).map(|number| addr(number).to_string()).collect();
        let comma = if settings.is_empty() { "" } else { ", " };
        Self::with_config(
            workers,
            hosts,
            &format!(r#"{{"clusters": {{"{CLUSTER}": {{"hosts": {named:?}{comma}{settings}}}}}}}"#),
        )
    }

    /// So many workers with this configuration.
    ///
    /// # Panics
    /// If the configuration is wrong.
    pub fn with_config(workers: usize, hosts: u16, json: &str) -> Self {
        let config = Config::from_json(json.as_bytes()).unwrap_or_else(|error| panic!("{error}: {json}"));
        let mut this = Self {
            host: FakeHost::default(),
            workers: Vec::new(),
            hosts,
            config,
            salt: 0,
        };
        // A moment well after the epoch, as on a real clock.
        this.host.set_time(Timestamp::from_nanos(1_000_000_000_000_000));
        for _ in 0..workers {
            let worker = this.new_worker();
            this.workers.push(worker);
        }
        this
    }

    fn new_worker(&mut self) -> Worker<FakeHost> {
        self.salt += 1;
        Worker::start(self.host.clone(), self.config.clone(), self.salt)
    }

    /// A worker's VM dies, and another one takes its place. What the old one knew and had not written is lost.
    pub fn replace(&mut self, worker: usize) {
        let new = self.new_worker();
        self.workers[worker] = new;
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.host.time()
    }

    /// Lets time pass.
    pub fn pass(&self, time: Duration) {
        self.host.pass(time);
    }

    /// Sets the clock back.
    pub fn set_back(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let now = self.now().as_nanos().saturating_sub(nanos);
        self.host.set_time(Timestamp::from_nanos(now));
    }

    /// Time passes, with a tick of every worker every second, the last one at its end.
    pub fn live(&mut self, time: Duration) {
        let mut left = time;
        while !left.is_zero() {
            let step = left.min(SECOND);
            self.pass(step);
            left -= step;
            self.tick_all();
        }
    }

    /// A worker's tick.
    pub fn tick(&mut self, worker: usize) {
        self.workers[worker].on_tick();
    }

    /// Every worker's tick.
    pub fn tick_all(&mut self) {
        for worker in &mut self.workers {
            worker.on_tick();
        }
    }

    /// An attempt at a host began and ended just now.
    pub fn attempt(&mut self, worker: usize, host: u16, outcome: Outcome) {
        self.attempt_begun(worker, host, outcome, self.now());
    }

    /// An attempt at a host that began then has ended.
    pub fn attempt_begun(&mut self, worker: usize, host: u16, outcome: Outcome, began: Timestamp) {
        let attempt = Attempt {
            host: addr(host),
            began,
            took: None,
            outcome,
            seen: true,
        };
        self.workers[worker].record(CLUSTER, &attempt);
    }

    /// Lets a host fail once, a moment from now, and says for how long it is ejected then.
    pub fn fail(&mut self, worker: usize, host: u16) -> Option<Duration> {
        self.pass(NANOSECOND);
        self.attempt(worker, host, E503);
        self.ejected_for(host)
    }

    /// For how long a host is ejected, from now.
    pub fn ejected_for(&self, host: u16) -> Option<Duration> {
        match self.state(host) {
            HostState::Ejected(ejection) => {
                let left = ejection.until.since(self.now());
                (!left.is_zero()).then_some(left)
            }
            _ => None,
        }
    }

    /// How the next request of a worker is steered.
    pub fn steer(&mut self, worker: usize, retriable: bool) -> Option<Steering> {
        self.host.request(&[]);
        self.workers[worker].steer(retriable)
    }

    /// The table that all workers share.
    ///
    /// # Panics
    /// If the record is none.
    pub fn table(&self) -> ClusterTable {
        let record = self.host.shared(&format!("sidestep/2/cluster/{CLUSTER}"));
        record.map_or_else(ClusterTable::default, |bytes| {
            ClusterTable::decode(&bytes).expect("workers write records that can be read")
        })
    }

    /// What is on record of a host.
    pub fn health(&self, host: u16) -> HostHealth {
        let known = self.table().get(addr(host)).copied();
        known.unwrap_or_else(|| HostHealth::new(addr(host), Timestamp::ZERO))
    }

    /// Where a host is in its life, as it is on record.
    pub fn state(&self, host: u16) -> HostState {
        self.health(host).state
    }

    /// Where a host is in its life, in a word.
    pub fn stage(&self, host: u16) -> Stage {
        let health = self.health(host);
        match health.state {
            HostState::Healthy => Stage::Healthy,
            HostState::Ramp { .. } => Stage::Ramp,
            _ if health.probation(self.now()).is_some() => Stage::Probation,
            _ => Stage::Ejected,
        }
    }

    /// The cluster's hosts, counted.
    pub fn census(&self) -> Census {
        self.table().census()
    }

    /// A metric's value, with what every worker has not handed over yet.
    pub fn count(&mut self, metric: Metric) -> u64 {
        for worker in &mut self.workers {
            worker.report.flush(&self.host);
        }
        self.host.metric_value(metric)
    }
}

/// Where a host is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It gets its full share.
    Healthy,
    /// It gets nothing.
    Ejected,
    /// Its ejection is over, whether that is written down yet or not.
    Probation,
    /// Its share grows.
    Ramp,
}
