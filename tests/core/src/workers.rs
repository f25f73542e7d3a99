//! Some workers over one fake host: what a proxy with several threads is to the filter.

use crate::fake_host::FakeHost;
use sidestep::config::Config;
use sidestep::health::{Census, ClusterTable, HostHealth, HostState};
use sidestep::host::{Attribute, CalloutToken, Host, StreamId};
use sidestep::metrics::Metric;
use sidestep::model::{FailureOrigin, HostAddr, Outcome, Timestamp};
use sidestep::stream::{Flow, Stream};
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
            // The engine whose retries can be seen here.
            &format!(
                r#"{{"retry": {{"engine": "filter"}}, "clusters": {{"{CLUSTER}": {{"hosts": {named:?}{comma}{settings}}}}}}}"#
            ),
        )
    }

    /// Workers whose cluster has so many hosts, of which one failure ejects for 30 s, in intervals of 10 s; nobody is
    /// sent out to discover. `more` is settings of the cluster other than `outlier_detection` and `picking`.
    pub fn touchy(workers: usize, hosts: u16, more: &str) -> Self {
        let comma = if more.is_empty() { "" } else { ", " };
        let settings = format!(
            r#""outlier_detection": {{"consecutive_5xx": 1, "interval": "10s"}},
               "picking": {{"discovery_percent": 0}}{comma}{more}"#
        );
        Self::start(workers, hosts, &settings)
    }

    /// [`Self::touchy`] workers, with host 1 in probation since just now.
    ///
    /// # Panics
    /// If it does not come to that.
    pub fn in_probation(workers: usize, hosts: u16, more: &str) -> Self {
        let mut this = Self::touchy(workers, hosts, more);
        assert_eq!(this.fail(0, 1), Some(30 * SECOND));
        this.live(30 * SECOND);
        assert_eq!(this.stage(1), Stage::Probation);
        this
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
            repeated: false,
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
        steer_request(&mut self.workers[worker], || retriable)
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

/// How a request that has just come is steered.
pub fn steer_request<H: Host>(worker: &mut Worker<H>, retriable: impl FnOnce() -> bool) -> Option<Steering> {
    let now = worker.is_restless()?;
    let cluster = worker.cluster_name()?;
    worker.steer(cluster, now, retriable)
}

/// A request without a body on its way through the filter, and what is to be known of it later.
#[derive(Debug)]
pub struct Flight {
    /// The worker that it came to.
    pub worker: usize,
    /// The filter's part.
    pub stream: Stream,
    /// When it came.
    pub began: Timestamp,
    /// The hosts that its pin names.
    pub pin: Vec<u16>,
    /// How long the host may take, in milliseconds, if the filter said so.
    pub limit: Option<u64>,
}

/// Host, status, Envoy's flags, headers.
pub type Answer<'a> = (u16, &'a str, u64, &'a [(&'a str, &'a str)]);

impl Workers {
    /// A request comes to a worker.
    pub fn request(&mut self, worker: usize, headers: &[(&str, &str)]) -> Flight {
        self.host.request(headers);
        let mut stream = Stream::new(StreamId(1));
        let flow = stream.on_request_headers(&mut self.workers[worker], true);
        assert_eq!(flow, Flow::Continue);
        let pin = self.host.request_header("x-sidestep-host").unwrap_or_default();
        Flight {
            worker,
            stream,
            began: self.now(),
            pin: pin
                .split(',')
                .filter_map(|host| host.parse().ok())
                .map(number)
                .collect(),
            limit: self
                .host
                .request_header("x-envoy-upstream-rq-per-try-timeout-ms")
                .and_then(|millis| millis.parse().ok()),
        }
    }

    /// The headers of a request's answer come; its body is still to follow. `Flow::Pause` means that a retry is out.
    pub fn answer(&mut self, flight: &mut Flight, answer: Answer<'_>) -> Flow {
        self.host
            .response(&addr(answer.0).to_string(), answer.1, answer.2, answer.3);
        self.host.began(flight.began);
        flight
            .stream
            .on_response_headers(&mut self.workers[flight.worker], false)
    }

    /// The hosts that the last callout names.
    pub fn callout(&self) -> Vec<u16> {
        let callouts = self.host.seen().callouts;
        let is_pin = |header: &&(String, String)| header.0 == "x-sidestep-host";
        let pin = callouts.last().and_then(|headers| headers.iter().find(is_pin));
        let hosts = pin.map(|(_, hosts)| hosts.as_str()).unwrap_or_default();
        hosts
            .split(',')
            .filter_map(|host| host.parse().ok())
            .map(number)
            .collect()
    }

    /// The retry that is out is answered with this status.
    pub fn answer_retry(&mut self, flight: &mut Flight, status: &str) {
        self.host
            .callout(&[(":status", status), ("x-envoy-upstream-service-time", "1")], b"");
        let token = u32::try_from(self.host.seen().callouts.len()).unwrap_or(u32::MAX);
        self.host.began(flight.began);
        flight
            .stream
            .on_callout_response(&mut self.workers[flight.worker], CalloutToken(token), 2, 0);
    }

    /// The answer ends as it should, and the request with it.
    pub fn end(&mut self, mut flight: Flight) {
        let _ = flight
            .stream
            .on_response_body(&mut self.workers[flight.worker], 0, true);
        self.gone(flight, 0);
    }

    /// The request ends with these flags of Envoy's, wherever it stands.
    pub fn gone(&mut self, mut flight: Flight, flags: u64) {
        self.host.attribute_is(Attribute::ResponseFlags, &flags.to_le_bytes());
        self.host.began(flight.began);
        let worker = &mut self.workers[flight.worker];
        flight.stream.on_log(worker);
        flight.stream.on_done(worker);
    }

    /// A whole request: it comes, is answered at once, and ends. Returns whether a retry would have been sent.
    pub fn whole(&mut self, worker: usize, headers: &[(&str, &str)], answer: Answer<'_>) -> Flow {
        let mut flight = self.request(worker, headers);
        let flow = self.answer(&mut flight, answer);
        self.end(flight);
        flow
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
