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
    default: Rc<ClusterPolicy>,
    clusters: HashMap<String, Rc<ClusterPolicy>>,
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
    /// For each such time without failures the next ejection gets shorter by `base_ejection_time`.
    pub interval: Duration,
    /// The n-th ejection lasts n times this.
    pub base_ejection_time: Duration,
    /// An ejection lasts at most this, before jitter. At least `base_ejection_time`.
    pub max_ejection_time: Duration,
    /// Up to this much is added to an ejection's time, evenly at random.
    pub max_ejection_time_jitter: Duration,
    /// At most this share of a cluster's known hosts is ejected at once; where there are two or more, and the
    /// share is not 0 %, at least one may go.
    pub max_ejection_percent: Percent,
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
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_time_jitter: Duration::ZERO,
            max_ejection_percent: Percent::HALF,
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
}

impl Default for Picking {
    fn default() -> Self {
        Self {
            discovery_percent: Percent::ONE,
            max_hosts: 1024,
            forget_after: Duration::from_secs(600),
        }
    }
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
            default: Rc::default(),
            clusters: HashMap::new(),
        }
    }
}
