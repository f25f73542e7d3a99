//! What Envoy loads, and what it refuses.

use serde_json::{Value, json};
use sidestep_core::bad_configs::{BAD_CONFIGS, BadConfig};
use sidestep_support::{Cluster, Envoy, EnvoyConfig, Reply, Request, Upstream, repository};

fn config() -> EnvoyConfig {
    EnvoyConfig::new([Cluster::new("backend")])
}

#[tokio::test]
async fn the_sample_configuration_is_good() {
    let sample = repository().join("envoy/envoy.yaml");
    assert_eq!(Envoy::validate_file(&sample).await.unwrap(), Ok(()));
}

#[tokio::test]
async fn nothing_at_all_is_a_good_configuration() {
    for good in [
        config().plugin_missing(),
        config().plugin_text(""),
        config().plugin_text("{}"),
    ] {
        assert_eq!(Envoy::validate(&good).await.unwrap(), Ok(()));
    }
}

/// The core's tests hold that all of them are refused. What is to be seen here is that Envoy says so: for that a sample
/// does. Each test takes another part of it, so that they run side by side.
async fn envoy_refuses(part: usize) {
    for bad in BAD_CONFIGS.iter().skip(part).step_by(8) {
        refused(bad).await;
    }
}

async fn refused(bad: &BadConfig) {
    let result = Envoy::validate(&config().plugin_text(bad.json)).await.unwrap();
    let Err(log) = result else {
        panic!("{}: Envoy takes {}", bad.name, bad.json);
    };
    assert!(
        log.lines().any(|line| line.contains(bad.error)),
        "{}: no line with {:?} in\n{log}",
        bad.name,
        bad.error
    );
    assert!(!log.contains("panicked"), "{}: {log}", bad.name);
}

#[tokio::test]
async fn bad_configurations_are_refused_by_a_line_that_says_what_would_be_right() {
    assert!(BAD_CONFIGS.len() >= 25);
    envoy_refuses(0).await;
}

#[tokio::test]
async fn more_bad_configurations_are_refused_by_a_line_that_says_what_would_be_right() {
    envoy_refuses(4).await;
}

#[tokio::test]
async fn a_bad_configuration_never_serves() {
    let bad = config().plugin(&json!({"retry": {"num_retries": -1}}));
    let error = Envoy::start(bad).await.unwrap_err().to_string();
    let line = "retry.num_retries: found -1; expected an integer from 0 to 10";
    assert!(error.contains(line), "{error}");
}

/// Whether one failure ejects: the sign that `consecutive_5xx: 1` got through.
async fn ejects_at_once(tell: impl FnOnce(EnvoyConfig, &Value) -> EnvoyConfig) {
    let servers = [Upstream::http1("a").await, Upstream::http1("b").await];
    let plugin = json!({"outlier_detection": {"consecutive_5xx": 1}});
    let plugin = sidestep_envoy::knowing("backend", &servers, plugin);
    let config = EnvoyConfig::new([Cluster::new("backend").hosts(&servers)]);
    let envoy = Envoy::start(tell(config, &plugin)).await.unwrap();
    servers[0].set(Reply::status(503));
    for answer in envoy.client().send_many(10, 1, |_| Request::get("/")).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert_eq!(servers[0].count(), 1);
}

#[tokio::test]
async fn a_configuration_can_be_text() {
    ejects_at_once(EnvoyConfig::plugin).await;
}

#[tokio::test]
async fn a_configuration_can_be_a_struct() {
    ejects_at_once(EnvoyConfig::plugin_struct).await;
}
