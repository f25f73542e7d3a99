//! The four that are compared: ways to configure one and the same Envoy.

use crate::hosts::Hosts;
use serde_json::{Value, json};
use sidestep_support::{Cluster, EnvoyConfig};
use std::time::Duration;

/// The cluster that all requests go to.
pub(crate) const CLUSTER: &str = "backend";

/// In every configuration: no request takes longer.
const ROUTE_TIMEOUT: Duration = Duration::from_secs(2);
/// Where there are retries: an attempt that takes longer has failed. Well over what a healthy host ever takes, and over
/// what a slow one takes, as people set it.
const PER_TRY_TIMEOUT: &str = "0.5s";

/// Failures in a row that eject.
const CONSECUTIVE: u32 = 3;
/// The plan's seconds.
const INTERVAL: f64 = 2.0;
/// The plan's seconds.
const BASE_EJECTION_TIME: f64 = 3.0;
/// The plan's seconds.
const MAX_EJECTION_TIME: f64 = 30.0;
/// From little traffic to a full share, in the plan's seconds.
const RAMP_TIME: f64 = 4.0;
/// For detectors that look at whole intervals: the fewest requests to a host, of the 50 that an interval has for each of
/// ten hosts.
const VOLUME: u32 = 20;
/// For the detector of slow hosts: fewer, for a slow host gets fewer.
const SLOW_VOLUME: u32 = 10;
/// For the detectors that look at whole intervals: the fewest hosts.
const MINIMUM_HOSTS: u32 = 3;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Configuration {
    /// Envoy with neither outlier detection nor retries.
    NoDetection,
    /// Envoy with `outlier_detection: {}`: all of its defaults, in their own times, and no retries.
    EnvoyDefault,
    /// Envoy with outlier detection and retries as good as they get.
    EnvoyTuned,
    /// Envoy with sidestep, in the same times.
    Sidestep,
}

impl Configuration {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::NoDetection, Self::EnvoyDefault, Self::EnvoyTuned, Self::Sidestep];

    /// What it is called in the files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::NoDetection => "no_detection",
            Self::EnvoyDefault => "envoy_default",
            Self::EnvoyTuned => "envoy_tuned",
            Self::Sidestep => "sidestep",
        }
    }

    /// What it is called in the table and in the plot.
    pub(crate) fn says(self) -> &'static str {
        match self {
            Self::NoDetection => "Envoy, nothing",
            Self::EnvoyDefault => "Envoy, default",
            Self::EnvoyTuned => "Envoy, tuned",
            Self::Sidestep => "sidestep",
        }
    }

    /// What Envoy gets to run. The plan's times are multiplied by `scale`; Envoy's defaults are not.
    pub(crate) fn envoy(self, hosts: &Hosts, scale: f64) -> EnvoyConfig {
        let cluster = Cluster::new(CLUSTER)
            .hosts(hosts.servers())
            .connect_timeout(Duration::from_secs(1));
        let plain = |cluster: Cluster| EnvoyConfig::new([cluster.without_override_policy()]).without_filter();
        match self {
            Self::NoDetection => plain(cluster).route_timeout(ROUTE_TIMEOUT),
            Self::EnvoyDefault => plain(cluster.with("outlier_detection", json!({}))).route_timeout(ROUTE_TIMEOUT),
            Self::EnvoyTuned => plain(tuned(cluster, scale)).virtual_host("routes", tuned_routes()),
            Self::Sidestep => EnvoyConfig::new([cluster.with("load_balancing_policy", override_host())])
                .plugin(&sidestep(hosts, scale))
                .route_timeout(ROUTE_TIMEOUT)
                // Envoy's time-out, sidestep's retry.
                .route_retry_policy(json!({"num_retries": 0, "per_try_timeout": PER_TRY_TIMEOUT})),
        }
    }
}

fn seconds(plan: f64, scale: f64) -> String {
    format!("{:.3}s", plan * scale)
}

/// What both detections have in common: those names that Envoy and sidestep share.
fn outlier_detection(scale: f64) -> Value {
    json!({
        "consecutive_5xx": CONSECUTIVE,
        "consecutive_gateway_failure": CONSECUTIVE,
        "enforcing_consecutive_gateway_failure": 100,
        "interval": seconds(INTERVAL, scale),
        "base_ejection_time": seconds(BASE_EJECTION_TIME, scale),
        "max_ejection_time": seconds(MAX_EJECTION_TIME, scale),
        "max_ejection_percent": 50,
        "always_eject_one_host": true,
        "success_rate_minimum_hosts": MINIMUM_HOSTS,
        "success_rate_request_volume": VOLUME,
        "enforcing_success_rate": 100,
        "failure_percentage_threshold": 50,
        "failure_percentage_minimum_hosts": MINIMUM_HOSTS,
        "failure_percentage_request_volume": VOLUME,
        "enforcing_failure_percentage": 100,
    })
}

/// Envoy's own, as good as it gets: all detectors, a load balancing that turns to hosts with few requests in flight and
/// so away from slow ones, hosts that come back start slowly (as far as Envoy does that for hosts without active health
/// checks), and room for retries.
fn tuned(cluster: Cluster, scale: f64) -> Cluster {
    cluster
        .with("outlier_detection", outlier_detection(scale))
        .with("lb_policy", json!("LEAST_REQUEST"))
        .with(
            "least_request_lb_config",
            json!({"slow_start_config": {"slow_start_window": seconds(RAMP_TIME, scale)}}),
        )
        .with(
            "circuit_breakers",
            json!({"thresholds": [{
                "retry_budget": {"budget_percent": {"value": 20.0}, "min_retry_concurrency": 10},
            }]}),
        )
}

/// A retry at another host, at once; not for POST, which a proxy must not repeat (RFC 9110, 9.2.2).
fn tuned_routes() -> Value {
    let timeout = format!("{}s", ROUTE_TIMEOUT.as_secs_f64());
    json!([
        {
            "name": "post",
            "match": {"prefix": "/", "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]},
            "route": {
                "cluster": CLUSTER,
                "timeout": timeout,
                "retry_policy": {"num_retries": 0, "per_try_timeout": PER_TRY_TIMEOUT},
            },
        },
        {
            "name": "rest",
            "match": {"prefix": "/"},
            "route": {
                "cluster": CLUSTER,
                "timeout": timeout,
                "retry_policy": {
                    "retry_on": "5xx,reset,connect-failure,refused-stream",
                    "num_retries": 1,
                    "per_try_timeout": PER_TRY_TIMEOUT,
                    "retry_host_predicate": [{
                        "name": "envoy.retry_host_predicates.previous_hosts",
                        "typed_config": {
                            "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                        },
                    }],
                    "host_selection_retry_max_attempts": 5,
                    // Without it Envoy waits up to 25 ms first.
                    "retry_back_off": {"base_interval": "0.001s", "max_interval": "0.010s"},
                },
            },
        },
    ])
}

/// Hosts by the header; whom it does not name, the same load balancing picks as in [`tuned`].
fn override_host() -> Value {
    json!({"policies": [{"typed_extension_config": {
        "name": "envoy.load_balancing_policies.override_host",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.override_host.v3.OverrideHost",
            "override_host_sources": [{"header": "x-sidestep-host"}],
            "fallback_policy": {"policies": [{"typed_extension_config": {
                "name": "envoy.load_balancing_policies.least_request",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest",
                },
            }}]},
        },
    }}]})
}

/// The module's configuration: the same detection, and its own slow detector and ramp.
fn sidestep(hosts: &Hosts, scale: f64) -> Value {
    let addresses: Vec<_> = hosts
        .servers()
        .iter()
        .map(|server| server.address().to_string())
        .collect();
    let mut detection = outlier_detection(scale);
    detection["slow"] = json!({"request_volume": SLOW_VOLUME, "minimum_hosts": MINIMUM_HOSTS});
    json!({
        "outlier_detection": detection,
        "retry": {
            // The router's would go by the route's policy, which is there for the time-out.
            "engine": "filter",
            "retry_on": ["5xx", "reset", "connect-failure", "refused-stream"],
            "num_retries": 1,
            "timeout": "2s",
        },
        // All hosts are listed: there is none to discover.
        "picking": {"ramp_time": seconds(RAMP_TIME, scale), "discovery_percent": 0},
        "clusters": {CLUSTER: {"hosts": addresses}},
    })
}
