//! What Envoy has counted: its own figures for each host, and the module's.

use crate::envoy::Envoy;
use crate::traffic::Side;
use serde_json::Value;
use sidestep::metrics::Metric;
use sidestep_support::EnvoyError;
use std::net::SocketAddr;
use std::time::Duration;

/// The clusters of the two sides.
const CLUSTERS: [&str; 2] = ["backend", "without"];

/// Attempts at one host, first ones and retries, as Envoy's router counts them. One that found the connection refused
/// is a failed one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attempts {
    /// Answered well.
    pub(crate) good: u64,
    /// Answered by a 5xx, or not at all.
    pub(crate) failed: u64,
}

impl Attempts {
    /// All.
    pub(crate) fn all(self) -> u64 {
        self.good + self.failed
    }

    /// Those since an earlier count.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            good: self.good.saturating_sub(earlier.good),
            failed: self.failed.saturating_sub(earlier.failed),
        }
    }
}

/// All that was counted up to some moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// That moment.
    pub(crate) at: Duration,
    /// Side by side, host by host.
    attempts: [[Attempts; 3]; 2],
    /// Requests whose failure a retry turned into a good answer. The module hands its figures over once a second.
    pub(crate) saved: u64,
    /// What went wrong inside the filter.
    pub(crate) internal_errors: u64,
}

impl Counts {
    /// Asks Envoy. `at` is the time now.
    pub(crate) async fn of(envoy: &Envoy, hosts: &[SocketAddr; 3], at: Duration) -> Result<Self, EnvoyError> {
        let clusters = envoy.admin_json("/clusters?format=json").await?;
        let stats = envoy.admin("/stats?filter=%5Ewasmcustom%5C.").await?;
        let mut counts = Self { at, ..Self::default() };
        for (name, hosts_of_side) in CLUSTERS.iter().zip(&mut counts.attempts) {
            for (host, attempts) in hosts.iter().zip(hosts_of_side) {
                *attempts = attempts_at(&clusters, name, host.port());
            }
        }
        for (name, value) in stats.lines().filter_map(|line| line.split_once(": ")) {
            let name = name.trim_start_matches("wasmcustom.");
            let value: u64 = value.parse().unwrap_or_default();
            if name == Metric::RetriesSucceeded.name() {
                counts.saved = value;
            } else if name.starts_with("sidestep.errors.") {
                counts.internal_errors += value;
            }
        }
        Ok(counts)
    }

    /// Attempts at one host.
    pub(crate) fn attempts(&self, side: Side, host: usize) -> Attempts {
        self.attempts[side as usize][host]
    }
}

/// What `/clusters` says of one host.
fn attempts_at(clusters: &Value, cluster: &str, port: u16) -> Attempts {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let host = list(&clusters["cluster_statuses"])
        .into_iter()
        .filter(|status| status["name"] == cluster)
        .flat_map(|status| list(&status["host_statuses"]))
        .find(|host| host["address"]["socket_address"]["port_value"] == port)
        .unwrap_or_default();
    let stats = list(&host["stats"]);
    let value = |name: &str| {
        let stat = stats.iter().find(|stat| stat["name"] == name);
        // Left out where it is 0, and a text where it is not.
        stat.and_then(|stat| stat["value"].as_str()?.parse().ok())
            .unwrap_or_default()
    };
    Attempts {
        good: value("rq_success"),
        failed: value("rq_error"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_figures_are_found_among_those_of_other_clusters_and_hosts() {
        let host = |port: u16, good: &str| {
            serde_json::json!({
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
                "stats": [{"name": "rq_error"}, {"name": "rq_success", "value": good}],
            })
        };
        let clusters = serde_json::json!({"cluster_statuses": [
            {"name": "without", "host_statuses": [host(1, "7")]},
            {"name": "backend", "host_statuses": [host(2, "8"), host(1, "9")]},
        ]});
        let found = attempts_at(&clusters, "backend", 1);
        assert_eq!((found.good, found.failed, found.all()), (9, 0, 9));
        assert_eq!(attempts_at(&clusters, "backend", 3).all(), 0);
    }
}
