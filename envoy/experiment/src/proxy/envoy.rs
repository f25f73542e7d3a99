//! Envoy, by itself and with sidestep: four ways to configure it.

use crate::aims::{
    BASE_EJECTION_TIME, CONSECUTIVE, INTERVAL, MAX_EJECTION_TIME, MINIMUM_HOSTS, PER_TRY_TIMEOUT, RAMP_TIME, RETRIES,
    ROUTE_TIMEOUT, SLOW_VOLUME, VOLUME,
};
use crate::hosts::Hosts;
use serde_json::{Value, json};
use sidestep_support::{Cluster, Envoy, EnvoyConfig, EnvoyError};
use std::collections::BTreeMap;
use std::time::Duration;

/// The cluster that all requests go to.
const CLUSTER: &str = "backend";

/// Neither outlier detection nor retries.
pub(super) fn nothing(hosts: &Hosts) -> EnvoyConfig {
    plain(cluster(hosts)).route_timeout(ROUTE_TIMEOUT)
}

/// Envoy's defaults, in their own times.
pub(super) fn default(hosts: &Hosts) -> EnvoyConfig {
    plain(cluster(hosts).with("outlier_detection", json!({}))).route_timeout(ROUTE_TIMEOUT)
}

/// Envoy's own, as good as it gets.
pub(super) fn tuned(hosts: &Hosts, scale: f64) -> EnvoyConfig {
    plain(tuned_cluster(cluster(hosts), scale)).virtual_host("routes", tuned_routes())
}

/// With the filter.
pub(super) fn with_sidestep(hosts: &Hosts, scale: f64) -> EnvoyConfig {
    EnvoyConfig::new([cluster(hosts).with("load_balancing_policy", override_host())])
        .plugin(&sidestep(hosts, scale))
        .route_timeout(ROUTE_TIMEOUT)
        // Envoy's time-out, sidestep's retry.
        .route_retry_policy(json!({"num_retries": 0, "per_try_timeout": per_try_timeout()}))
}

fn cluster(hosts: &Hosts) -> Cluster {
    Cluster::new(CLUSTER)
        .hosts(hosts.servers())
        .connect_timeout(Duration::from_secs(1))
}

fn plain(cluster: Cluster) -> EnvoyConfig {
    EnvoyConfig::new([cluster.without_override_policy()]).without_filter()
}

/// What Envoy and the module counted.
pub(super) async fn counted(envoy: &Envoy) -> Result<BTreeMap<String, u64>, EnvoyError> {
    let mut counted = envoy
        .stats(&format!(
            "^cluster\\.{CLUSTER}\\.(outlier_detection|upstream_rq_|retry)"
        ))
        .await?;
    counted.extend(envoy.stats("^wasmcustom\\.").await?);
    Ok(counted)
}

fn seconds(plan: f64, scale: f64) -> String {
    format!("{:.3}s", plan * scale)
}

fn per_try_timeout() -> String {
    format!("{}s", PER_TRY_TIMEOUT.as_secs_f64())
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
fn tuned_cluster(cluster: Cluster, scale: f64) -> Cluster {
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
                "retry_policy": {"num_retries": 0, "per_try_timeout": per_try_timeout()},
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
                    "num_retries": RETRIES,
                    "per_try_timeout": per_try_timeout(),
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

/// Hosts by the header; whom it does not name, the same load balancing picks as in [`tuned_cluster`].
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
            "num_retries": RETRIES,
            "timeout": "2s",
        },
        // All hosts are listed: there is none to discover.
        "picking": {"ramp_time": seconds(RAMP_TIME, scale), "discovery_percent": 0},
        "clusters": {CLUSTER: {"hosts": addresses}},
    })
}
