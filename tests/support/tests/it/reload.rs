//! A configuration that changes while Envoy runs, and an Envoy that is gone at once.

use serde_json::json;
use sidestep_support::{Cluster, Envoy, EnvoyConfig, Upstream};

#[tokio::test]
async fn new_listeners_take_over_in_a_running_envoy() {
    let a = Upstream::http1("a").await;
    let config = EnvoyConfig::new([Cluster::new("backend").host(&a)])
        .without_filter()
        .listeners_from_file();
    let mut envoy = Envoy::start(config.clone()).await.unwrap();
    let pid = envoy.pid();
    assert_eq!(envoy.client().get("/").await.unwrap().header("x-version"), None);
    let header = json!([{"header": {"key": "x-version", "value": "2"}}]);
    let changed = config.virtual_host("response_headers_to_add", header);
    envoy.reload(&changed).await.unwrap();
    // The workers hear of it a little later than the statistics.
    sidestep_support::wait_for("the new listener", || async {
        let answer = envoy.client().get("/").await.ok()?;
        (answer.header("x-version") == Some("2")).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(envoy.pid(), pid);
}

#[tokio::test]
async fn an_envoy_that_is_killed_is_gone_and_another_takes_its_configuration() {
    let a = Upstream::http1("a").await;
    let config = EnvoyConfig::new([Cluster::new("backend").host(&a)])
        .without_filter()
        .node("one");
    let envoy = Envoy::start(config.clone()).await.unwrap();
    let client = envoy.client();
    envoy.kill();
    assert!(client.get("/").await.is_err());
    let again = Envoy::start(config).await.unwrap();
    assert_eq!(again.client().get("/").await.unwrap().status(), 200);
    let info = again.admin("/server_info").await.unwrap();
    assert!(info.contains("\"id\": \"one\""), "{info}");
}
