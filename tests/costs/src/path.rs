//! The paths whose costs are counted, and the settings that they are counted in.

use serde_json::{Value, json};
use sidestep_sim::Request;
use std::fmt;

/// A way that a request takes through the filter, or what happens at ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// A GET, answered with 200, all hosts healthy; the filter would make the retry.
    Success,
    /// The same with the engine as it comes, `auto`, on a route that was seen to change nothing. One request in 64 is watched.
    SuccessAuto,
    /// The same on a route without a name: Envoy's router would make the retry.
    SuccessRouter,
    /// As the first, with 60 headers of 8 kB in all.
    SuccessManyHeaders,
    /// As the first, but a PUT with a body of 16 kB, of which a copy is kept.
    SuccessPut,
    /// As the first, where the answer ends a row of failures of its host.
    SuccessAfterFailure,
    /// As the first, with one host ejected (or as many as the setting says): requests are pinned.
    Ejected,
    /// A POST that its host answers with 503, and that is not retried. One host fails.
    Failure,
    /// The same where all hosts fail.
    FailureOfAll,
    /// A GET answered with 503, repeated by a callout that is answered with 200.
    Retry,
    /// A tick with nothing to do.
    Tick,
    /// The ten ticks of an interval, after each host answered once in it.
    Interval,
}

impl Path {
    /// All of them, in the order in which they are told.
    pub const ALL: [Path; 12] = [
        Path::Success,
        Path::SuccessAuto,
        Path::SuccessRouter,
        Path::SuccessManyHeaders,
        Path::SuccessPut,
        Path::SuccessAfterFailure,
        Path::Ejected,
        Path::Failure,
        Path::FailureOfAll,
        Path::Retry,
        Path::Tick,
        Path::Interval,
    ];

    /// Whether it is done at ticks, not for requests.
    pub fn is_of_ticks(self) -> bool {
        matches!(self, Path::Tick | Path::Interval)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Path::Success => "success",
            Path::SuccessAuto => "success, engine auto",
            Path::SuccessRouter => "success, engine router",
            Path::SuccessManyHeaders => "success, 60 headers of 8 kB",
            Path::SuccessPut => "success, PUT of 16 kB",
            Path::SuccessAfterFailure => "success after a failure",
            Path::Ejected => "success, one host ejected",
            Path::Failure => "failure",
            Path::FailureOfAll => "failure, all hosts fail",
            Path::Retry => "retry",
            Path::Tick => "tick",
            Path::Interval => "interval of ten ticks",
        })
    }
}

/// How much there is of what a cost might grow with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Hosts of each cluster.
    pub hosts: usize,
    /// Clusters, which requests go to in turn.
    pub clusters: usize,
    /// Headers of a request.
    pub headers: usize,
    /// Ejected hosts of each cluster, where the path has any.
    pub ejected: usize,
}

impl Setting {
    /// One cluster of so many hosts, usual requests, one host ejected where the path has any.
    pub fn hosts(hosts: usize) -> Setting {
        Setting {
            hosts,
            clusters: 1,
            headers: USUAL_HEADERS,
            ejected: 1,
        }
    }
}

/// Headers of a browser's request as it comes through Envoy.
pub const USUAL_HEADERS: usize = 12;

/// Bodies of answers, bytes.
pub(crate) const ANSWER: usize = 1832;

/// The name of the route that changes nothing.
pub(crate) const ROUTE: &str = "plain";

/// The name of a cluster.
pub(crate) fn cluster(number: usize) -> String {
    // All names are of one length.
    format!("inbound|{}||backend.shop.svc.cluster.local", 8000 + number)
}

/// The address of a host of a cluster; all are of one length.
pub(crate) fn host(cluster: usize, number: usize) -> String {
    format!("10.{}.{}.{}:8080", 100 + cluster, 10 + number / 90, 10 + number % 90)
}

/// One path in one setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scene {
    /// The path.
    pub path: Path,
    /// The setting.
    pub setting: Setting,
}

impl Scene {
    /// The addresses of all hosts of a cluster.
    pub(crate) fn hosts(&self, cluster: usize) -> Vec<String> {
        (0..self.setting.hosts).map(|number| host(cluster, number)).collect()
    }

    /// The plugin's configuration. Detectors never reach their bounds, but where hosts are to be ejected; intervals never end,
    /// but where that is what is counted; nothing is left to chance.
    pub(crate) fn configuration(&self) -> Value {
        /// A bound that no row of failures here reaches.
        const NEVER: u32 = 4_000_000_000;
        let engine = match self.path {
            Path::SuccessAuto | Path::SuccessRouter => "auto",
            _ => "filter",
        };
        let interval = match self.path {
            Path::Interval => "10s",
            _ => "1h",
        };
        let failures = match self.path {
            Path::Ejected => 5,
            _ => NEVER,
        };
        let clusters = (0..self.setting.clusters).map(|number| (cluster(number), json!({"hosts": self.hosts(number)})));
        json!({
            "picking": {"discovery_percent": 0},
            "retry": {"engine": engine, "budget": {"min_retries_per_second": 10_000}},
            "outlier_detection": {
                "consecutive_5xx": failures,
                "consecutive_gateway_failure": NEVER,
                "interval": interval,
                "base_ejection_time": "1h",
                "max_ejection_time": "1h",
            },
            "clusters": clusters.collect::<serde_json::Map<_, _>>(),
        })
    }

    /// A request of this path to that cluster.
    pub(crate) fn request(&self, cluster_number: usize) -> Request {
        let method = match self.path {
            Path::Failure | Path::FailureOfAll => "POST",
            Path::SuccessPut => "PUT",
            _ => "GET",
        };
        let mut request = Request::new(method, "/api/v1/products?category=lamps&page=2").to(&cluster(cluster_number));
        if self.path == Path::SuccessAuto {
            request = request.route(ROUTE);
        }
        for (name, value) in self.headers() {
            request = request.header(&name, &value);
        }
        match method {
            "POST" => request.body("name=lamp"),
            "PUT" => request.body([b'x'; 16 * 1024]),
            _ => request,
        }
    }

    /// The request's headers beside those that all have.
    fn headers(&self) -> Vec<(String, String)> {
        const USUAL: [(&str, &str); USUAL_HEADERS - OF_ALL] = [
            ("accept", "application/json"),
            ("accept-encoding", "gzip, deflate, br, zstd"),
            ("accept-language", "en-GB,en;q=0.5"),
            ("cookie", "session=5f2b1c9de0a84417"),
            ("x-forwarded-for", "192.0.2.17"),
        ];
        /// The pseudo-headers, and what the simulator's requests have anyway.
        const OF_ALL: usize = 7;
        let (count, size) = match self.path {
            Path::SuccessManyHeaders => (60, 125),
            _ => (self.setting.headers, 40),
        };
        let usual = USUAL.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let more = (USUAL_HEADERS..count).map(|number| (format!("x-header-{number:03}"), "v".repeat(size)));
        usual
            .into_iter()
            .chain(more)
            .take(count.saturating_sub(OF_ALL))
            .collect()
    }
}
