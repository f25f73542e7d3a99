//! The plugin's configuration: what people write (JSON) becomes what the rest of the crate may rely on.
//!
//! The steps, each a module: `document` turns bytes into a tree of JSON (`json`, by serde; or `wire`, for Envoy hands
//! over a `Struct` in protobuf's form), `block` reads an object of it field by field and lets a cluster's block fall
//! back on the global one, and `parse` knows every field with its range, its default and the rules between fields
//! (`values` and `retry_on` know the values that have rules of their own). [`Config`] is validated and complete: no
//! reader of it needs to check or to default anything. A configuration with any error is refused whole, by one
//! [`ConfigError`] that names the field.

mod block;
mod document;
mod error;
mod json;
mod names;
mod parse;
mod retry_on;
mod values;
mod wire;

pub use error::ConfigError;

use crate::model::{HostAddr, Percent};
use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::rc::Rc;
use std::time::Duration;

/// The whole configuration of one plugin.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `picking.header`: lower-case name of the request header that the cluster's `override_host` policy reads.
    pub override_header: String,
    /// `retry.max_held_bytes`: bound on the bodies that one VM holds for retries, of requests and of answers, in
    /// bytes.
    pub max_held_bytes: usize,
    /// `picking.admin`: where the hosts of all clusters can be read.
    pub admin: Option<Admin>,
    default: Rc<ClusterPolicy>,
    clusters: HashMap<String, Rc<ClusterPolicy>>,
    routes: HashMap<String, Rc<RoutePolicy>>,
}

/// `picking.admin`: Envoy's own admin interface, as a source of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// `picking.admin.cluster`: the cluster whose one host is the admin interface.
    pub cluster: String,
    /// `picking.admin.interval`: how often the hosts are read.
    pub interval: Duration,
}

/// `routes.NAME`: what is decided for one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePolicy {
    /// Consulted before those of the cluster.
    pub matchers: Vec<Matcher>,
}

/// Everything that is decided for one cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterPolicy {
    /// `hosts`: hosts that are known from the start and never forgotten.
    pub hosts: Vec<HostAddr>,
    /// When a host is ejected, and for how long.
    pub outlier_detection: OutlierDetection,
    /// Which failed requests get another attempt.
    pub retry: RetryPolicy,
    /// Which hosts are known, and how requests find them.
    pub picking: Picking,
    /// Whether and how hosts are asked for signs of life.
    pub probe: Option<Probe>,
    /// What answers say about their host, before the table of outcomes.
    pub matchers: Vec<Matcher>,
}

/// When a host is ejected, and for how long. Names, meanings and, but for `max_ejection_percent`, defaults are
/// those of Envoy's `envoy.config.cluster.v3.OutlierDetection`.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierDetection {
    /// Failures (5xx, and local-origin ones unless split) in a row that eject. 0: never.
    pub consecutive_5xx: u32,
    /// Gateway failures (502, 503, 504, and local-origin ones unless split) in a row that eject. 0: never.
    pub consecutive_gateway_failure: u32,
    /// Local-origin failures in a row that eject, if split. 0: never.
    pub consecutive_local_origin_failure: u32,
    /// Whether local-origin failures are counted apart from the host's own answers.
    pub split_external_local_origin_errors: bool,
    /// Chance that reaching `consecutive_5xx` is enforced; 0 %: report only.
    pub enforcing_consecutive_5xx: Percent,
    /// Chance that reaching `consecutive_gateway_failure` is enforced; 0 %: report only.
    pub enforcing_consecutive_gateway_failure: Percent,
    /// Chance that reaching `consecutive_local_origin_failure` is enforced; 0 %: report only.
    pub enforcing_consecutive_local_origin_failure: Percent,
    /// Success rate: a host is accused if its rate is below the mean of all by this many thousandths of their standard
    /// deviation.
    pub success_rate_stdev_factor: u32,
    /// Success rate: the fewest hosts with enough requests for the detector to look at them.
    pub success_rate_minimum_hosts: u32,
    /// Success rate: the fewest requests of an interval for a host to be looked at.
    pub success_rate_request_volume: u32,
    /// Chance that success rate's verdict on a host's own answers is enforced; 0 %: report only.
    pub enforcing_success_rate: Percent,
    /// Chance that success rate's verdict on local-origin failures is enforced, if split; 0 %: report only.
    pub enforcing_local_origin_success_rate: Percent,
    /// Failure percentage: a host is accused if at least this share of its requests failed.
    pub failure_percentage_threshold: Percent,
    /// Failure percentage: the fewest hosts with enough requests for the detector to look at them.
    pub failure_percentage_minimum_hosts: u32,
    /// Failure percentage: the fewest requests of an interval for a host to be looked at.
    pub failure_percentage_request_volume: u32,
    /// Chance that failure percentage's verdict on a host's own answers is enforced; 0 %: report only.
    pub enforcing_failure_percentage: Percent,
    /// Chance that failure percentage's verdict on local-origin failures is enforced, if split; 0 %: report only.
    pub enforcing_failure_percentage_local_origin: Percent,
    /// When a host is too slow.
    pub slow: Slow,
    /// How long the detectors that look at whole intervals collect before they judge; and for each such time without
    /// failures the next ejection gets shorter by `base_ejection_time`.
    pub interval: Duration,
    /// The n-th ejection lasts n times this.
    pub base_ejection_time: Duration,
    /// An ejection lasts at most this, before jitter. At least `base_ejection_time`.
    pub max_ejection_time: Duration,
    /// Up to this much is added to an ejection's time, evenly at random.
    pub max_ejection_time_jitter: Duration,
    /// At most this share of a cluster's known hosts is ejected at once.
    pub max_ejection_percent: Percent,
    /// Whether one host may go whatever share of two or more it is, unless `max_ejection_percent` is 0 %.
    pub always_eject_one_host: bool,
    /// Whether enough passing probes end an ejection early.
    pub successful_active_health_check_uneject_host: bool,
}

/// When a host is too slow: its typical time to response headers, over an interval, against its peers'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slow {
    /// A host is accused if its typical time is this many thousandths of the median of its peers' typical times.
    pub factor: u32,
    /// A host is accused if its typical time is over this and the median of its peers is not.
    pub threshold: Option<Duration>,
    /// What is typical: this percentile of the host's times.
    pub percentile: Percent,
    /// The least by which a host's typical time must be over its peers' median.
    pub minimum_difference: Duration,
    /// The fewest hosts with enough requests for the detector to look at them.
    pub minimum_hosts: u32,
    /// The fewest requests of an interval for a host to be looked at.
    pub request_volume: u32,
    /// Chance that the verdict is enforced; 0 %: report only.
    pub enforcing: Percent,
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            factor: 5000,
            threshold: None,
            percentile: Percent::HALF,
            minimum_difference: Duration::from_millis(50),
            minimum_hosts: 3,
            request_volume: 20,
            enforcing: Percent::ALL,
        }
    }
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            consecutive_gateway_failure: 5,
            consecutive_local_origin_failure: 5,
            split_external_local_origin_errors: false,
            enforcing_consecutive_5xx: Percent::ALL,
            enforcing_consecutive_gateway_failure: Percent::NONE,
            enforcing_consecutive_local_origin_failure: Percent::ALL,
            success_rate_stdev_factor: 1900,
            success_rate_minimum_hosts: 5,
            success_rate_request_volume: 100,
            enforcing_success_rate: Percent::ALL,
            enforcing_local_origin_success_rate: Percent::ALL,
            failure_percentage_threshold: Percent::new(85).unwrap_or(Percent::ALL),
            failure_percentage_minimum_hosts: 5,
            failure_percentage_request_volume: 50,
            enforcing_failure_percentage: Percent::NONE,
            enforcing_failure_percentage_local_origin: Percent::NONE,
            slow: Slow::default(),
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_time_jitter: Duration::ZERO,
            max_ejection_percent: Percent::HALF,
            always_eject_one_host: true,
            successful_active_health_check_uneject_host: true,
        }
    }
}

/// Which failed requests get another attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Which failures are worth another attempt.
    pub retry_on: RetryOn,
    /// `retriable_status_codes`: the statuses meant by `retriable-status-codes`, sorted.
    pub retriable_status_codes: Vec<u16>,
    /// Attempts after the first one; 0 turns retries off.
    pub num_retries: u32,
    /// From the request's arrival to the end of its last attempt. No retry runs past it.
    pub timeout: Duration,
    /// The largest request body, in bytes, that is kept for a retry.
    pub max_body_bytes: usize,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            retry_on: RetryOn {
                gateway_error: true,
                connect_failure: true,
                refused_stream: true,
                reset: true,
                ..RetryOn::default()
            },
            retriable_status_codes: Vec::new(),
            num_retries: 1,
            timeout: Duration::from_secs(15),
            max_body_bytes: 64 * 1024,
        }
    }
}

/// The conditions of Envoy's `x-envoy-retry-on` that a retry can be asked for, under Envoy's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "a set of independent conditions, as in Envoy"
)]
pub struct RetryOn {
    /// `5xx`: any 5xx answer, and no answer at all.
    pub any_5xx: bool,
    /// `gateway-error`: 502, 503, 504, and no answer at all.
    pub gateway_error: bool,
    /// `reset`: no answer at all (connection failure, reset).
    pub reset: bool,
    /// `connect-failure`: no connection to the host.
    pub connect_failure: bool,
    /// `refused-stream`: the host reset the stream with `REFUSED_STREAM`.
    pub refused_stream: bool,
    /// `retriable-4xx`: 409.
    pub retriable_4xx: bool,
    /// `retriable-status-codes`: see [`RetryPolicy::retriable_status_codes`].
    pub retriable_status_codes: bool,
    /// `envoy-ratelimited`: also retry an answer with `x-envoy-ratelimited`, which otherwise is never retried.
    pub envoy_ratelimited: bool,
}

/// Which hosts are known, and how requests find them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picking {
    /// While pins are set: share of the retriable requests that go unpinned, so that new hosts are found.
    pub discovery_percent: Percent,
    /// The most hosts that are kept for one cluster.
    pub max_hosts: usize,
    /// A host that no response came from for this long, and that is not configured, is forgotten.
    pub forget_after: Duration,
    /// After probation a host's share of traffic grows to a full one over this time.
    pub ramp_time: Duration,
    /// How long a host in probation may take for its response headers before its request is sent elsewhere.
    pub probation_timeout: Duration,
    /// If less than this share of the known hosts is available there are no pins: Envoy's load balancing takes over.
    pub panic_threshold: Percent,
}

impl Default for Picking {
    fn default() -> Self {
        Self {
            discovery_percent: Percent::ONE,
            max_hosts: 1024,
            forget_after: Duration::from_secs(600),
            ramp_time: Duration::from_secs(10),
            probation_timeout: Duration::from_secs(1),
            panic_threshold: Percent::HALF,
        }
    }
}

/// Active probes: requests that ask a host for a sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The path of the request.
    pub path: String,
    /// The method of the request.
    pub method: String,
    /// The authority of the request; without one the cluster's name, as in Envoy's health checks.
    pub host: Option<String>,
    /// The statuses that pass, as ranges; without any, whatever the host answers passes.
    pub expected_statuses: Vec<RangeInclusive<u16>>,
    /// The time from one probe of a host to the next.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many passes in a row end an ejection early.
    pub healthy_threshold: u32,
    /// So many failures in a row eject a host, if `all` is set.
    pub unhealthy_threshold: u32,
    /// Whether hosts that are not ejected are probed too.
    pub all: bool,
}

impl Default for Probe {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            method: "GET".to_owned(),
            host: None,
            expected_statuses: vec![200..=299],
            interval: Duration::from_secs(5),
            timeout: Duration::from_secs(1),
            healthy_threshold: 2,
            unhealthy_threshold: 3,
            all: false,
        }
    }
}

/// Gives the answers that it matches an outcome of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matcher {
    /// The statuses that match, as ranges; without any, every status.
    pub statuses: Vec<RangeInclusive<u16>>,
    /// The response header that matches; without one, every answer.
    pub header: Option<HeaderMatcher>,
    /// What the answer says about its host.
    pub outcome: MatchedOutcome,
}

/// A condition on a response header: its first value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatcher {
    /// The header's name, in lower case.
    pub name: String,
    /// The condition on its value.
    pub value: HeaderCondition,
}

/// A condition on a header's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderCondition {
    /// The header is there.
    Present,
    /// Its value is this one.
    Exact(String),
    /// Its value begins with this.
    Prefix(String),
}

/// What a [`Matcher`] makes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchedOutcome {
    /// The host failed.
    Failure,
    /// The host did its work.
    Success,
    /// The answer says nothing about the host.
    Ignored,
}

impl Config {
    /// Reads and checks the plugin's configuration. No bytes, or only white space, is the default configuration.
    ///
    /// # Errors
    /// The first thing that is wrong: where, what was found, and what would be right.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConfigError> {
        parse::parse(bytes).map_err(|error| *error)
    }

    /// The policy of the cluster called `name`: its own if it has one, else the global one.
    pub fn cluster(&self, name: &str) -> &Rc<ClusterPolicy> {
        self.clusters.get(name).unwrap_or(&self.default)
    }

    /// What is decided for the route called `name`, if anything.
    pub fn route(&self, name: &str) -> Option<&Rc<RoutePolicy>> {
        self.routes.get(name)
    }

    /// Whether anything is decided by route.
    pub fn has_routes(&self) -> bool {
        !self.routes.is_empty()
    }

    /// All policies: the global one and each cluster's.
    pub fn policies(&self) -> impl Iterator<Item = &ClusterPolicy> {
        std::iter::once(&self.default)
            .chain(self.clusters.values())
            .map(Rc::as_ref)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            override_header: "x-sidestep-host".to_owned(),
            max_held_bytes: 16 * 1024 * 1024,
            admin: None,
            default: Rc::default(),
            clusters: HashMap::new(),
            routes: HashMap::new(),
        }
    }
}
