//! The plugin's configuration: what people write (JSON) becomes what the rest of the crate may rely on.
//!
//! The steps, each a module: `document` turns bytes into a tree of JSON (`json`, by serde; or `wire`, for Envoy hands
//! over a `Struct` in protobuf's form), `block` reads an object of it field by field and lets a cluster's block fall
//! back on the global one, and `parse` puts the sections together. Each section is a module that knows its fields with
//! their ranges and defaults and the rules between them (`values` and `retry_on` know the values that have rules of
//! their own, `field` how values of each type are written). [`Config`] is validated and complete: no
//! reader of it needs to check or to default anything. A configuration with any error is refused whole, by one
//! [`ConfigError`] that names the field.

mod block;
mod document;
mod error;
mod field;
mod json;
mod keep;
mod matchers;
mod names;
mod order;
mod outlier_detection;
mod parse;
mod picking;
mod probe;
mod retry;
mod retry_limits;
mod retry_on;
mod slow;
mod status;
mod values;
mod wire;

pub use error::ConfigError;
pub use keep::{Backup, Etcd, Fleet, Keep, Quorum};
pub use matchers::{HeaderCondition, HeaderMatcher, MatchedOutcome, Matcher};
pub use order::Order;
pub use outlier_detection::OutlierDetection;
pub use picking::{Admin, Picking};
pub use probe::Probe;
pub use retry::{Engine, RetryBounds, RetryPolicy};
pub use retry_limits::{BackOff, Hedge, HedgeDelay, Report, RetryBudget};
pub use retry_on::RetryOn;
pub use slow::Slow;
pub use status::{StatusPolicy, Token};

use crate::model::{HostAddr, Map};
use std::rc::Rc;
use std::time::Duration;

/// What a plugin is there for.
#[derive(Clone, Debug, PartialEq)]
pub enum Role {
    /// To watch hosts, and to step around those that fail.
    Filter(Box<Config>),
    /// To answer people: `status`.
    Status(StatusPolicy),
}

impl Role {
    /// Reads and checks a plugin's configuration. No bytes, or only white space, is the default configuration of a filter.
    ///
    /// # Errors
    /// The first thing that is wrong: where, what was found, and what would be right.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConfigError> {
        parse::parse(bytes).map_err(|error| *error)
    }
}

/// The whole configuration of one plugin that is a filter.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `picking.header`: lower-case name of the request header that the cluster's `override_host` policy reads.
    pub override_header: String,
    /// What one VM may do for retries.
    pub bounds: RetryBounds,
    /// `picking.admin`: where the hosts of all clusters can be read.
    pub admin: Option<Admin>,
    /// `etcd`, `backup` and `fleet`.
    pub keep: Keep,
    default: Rc<ClusterPolicy>,
    clusters: Map<String, Rc<ClusterPolicy>>,
    routes: Map<String, Rc<RoutePolicy>>,
}

/// `routes.NAME`: what is decided for one route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutePolicy {
    /// Consulted before those of the cluster.
    pub matchers: Vec<Matcher>,
    /// `retry.idempotency_key`: whether a POST or PATCH that has an `Idempotency-Key` may be repeated.
    pub idempotency_key: bool,
}

/// Everything that is decided for one cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClusterPolicy {
    /// `hosts`: hosts that are known from the start and never forgotten.
    pub hosts: Vec<HostAddr>,
    /// `standby_cluster`: where requests go that no host of this cluster can take.
    pub standby_cluster: Option<String>,
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

impl Config {
    /// Reads and checks the configuration of a plugin that is a filter, as [`Role::from_json`] does.
    ///
    /// # Errors
    /// The first thing that is wrong: where, what was found, and what would be right.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConfigError> {
        match Role::from_json(bytes)? {
            Role::Filter(config) => Ok(*config),
            Role::Status(_) => Err(ConfigError {
                path: "status".to_owned(),
                found: "a status interface".to_owned(),
                expected: "a filter".to_owned(),
            }),
        }
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

    /// Whether some route lets requests be repeated by their `Idempotency-Key`.
    pub fn has_keyed_routes(&self) -> bool {
        self.routes.values().any(|route| route.idempotency_key)
    }

    /// Whether some route says by matchers what answers mean.
    pub fn has_route_matchers(&self) -> bool {
        self.routes.values().any(|route| !route.matchers.is_empty())
    }

    /// All policies: the global one and each cluster's.
    pub fn policies(&self) -> impl Iterator<Item = &ClusterPolicy> {
        std::iter::once(&self.default)
            .chain(self.clusters.values())
            .map(Rc::as_ref)
    }

    /// The clusters that have a block of their own.
    pub fn cluster_names(&self) -> impl Iterator<Item = &str> {
        self.clusters.keys().map(String::as_str)
    }

    /// How often a worker has to look whether something is to be done: every second, or an eighth of the shortest
    /// interval that is configured if that is shorter, but at most ten times a second.
    pub fn tick(&self) -> Duration {
        const SHORTEST: Duration = Duration::from_millis(100);
        const LONGEST: Duration = Duration::from_secs(1);
        let intervals = self.policies().flat_map(|policy| {
            let probes = policy.probe.as_ref().map(|probe| probe.interval);
            [Some(policy.outlier_detection.interval), probes]
        });
        let admin = self.admin.as_ref().map(|admin| admin.interval);
        // What the fleet says is heard at once, and what is to be said is said soon.
        let keep = self.keep.is_wanted().then_some(Duration::from_secs(2));
        let shortest = intervals.chain([admin, keep]).flatten().min();
        shortest.map_or(LONGEST, |shortest| (shortest / 8).clamp(SHORTEST, LONGEST))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            override_header: "x-sidestep-host".to_owned(),
            bounds: RetryBounds::default(),
            admin: None,
            keep: Keep::default(),
            default: Rc::default(),
            clusters: Map::default(),
            routes: Map::default(),
        }
    }
}
