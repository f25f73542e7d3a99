//! What Envoy loads, and what it refuses.

use serde_json::json;
use sidestep_support::{Cluster, Envoy, EnvoyConfig, repository};

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

#[tokio::test]
async fn a_bad_configuration_never_serves() {
    let bad = config().plugin(&json!({"retry": {"num_retries": -1}}));
    let error = Envoy::start(bad).await.unwrap_err().to_string();
    assert!(error.contains("retry.num_retries"), "{error}");
}
