//! Who chooses the host: the filter while somebody is ejected, else Envoy; never the client.

use serde_json::json;
use sidestep_envoy::{Scene, knowing};
use sidestep_support::{Cluster, Envoy, EnvoyConfig, Reply, Request, Upstream};

#[tokio::test]
async fn a_client_cannot_choose_a_host() {
    let scene = Scene::start(json!({})).await;
    let address = scene.a.address().to_string();
    let request = |_| {
        Request::get("/")
            .header("X-Sidestep-Host", &address)
            .header("x-sidestep-host", &address)
    };
    scene.statuses(60, request).await;
    let counts = scene.servers().map(Upstream::count);
    assert!(counts.iter().all(|count| *count > 5), "{counts:?}");
    scene.metric_is("sidestep.pins.client", 60).await;
}

#[tokio::test]
async fn a_client_cannot_reach_an_ejected_host() {
    let scene = Scene::start(json!({})).await;
    scene.eject_a().await;
    let before = scene.a.count();
    let address = scene.a.address().to_string();
    let request = |_| Request::get("/").header("x-sidestep-host", &address);
    let statuses = scene.statuses(60, request).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(scene.a.count(), before);
}

#[tokio::test]
async fn what_steers_is_not_for_the_upstream() {
    let scene = Scene::start(json!({})).await;
    scene.eject_a().await;
    scene.a.set(Reply::status(503));
    scene.b.set_next(Reply::status(503));
    scene
        .statuses(60, |_| Request::get("/").header("x-sidestep-host", "1.2.3.4:5"))
        .await;
    scene.metric_is("sidestep.pins.set", 60).await;
    scene
        .envoy
        .until_metric("sidestep.retries.attempted", |n| n >= 6)
        .await
        .unwrap();
    for request in scene.servers().iter().flat_map(|server| server.received()) {
        for name in ["x-sidestep-host", "x-envoy-internal"] {
            assert!(
                request.header(name).is_none(),
                "{name} reaches the upstream: {request:?}"
            );
        }
    }
}

#[tokio::test]
async fn nothing_is_pinned_while_all_is_well() {
    let scene = Scene::start(json!({})).await;
    scene.statuses(60, |_| Request::get("/")).await;
    scene.metric_is("sidestep.attempts.success", 60).await;
    scene.metric_is("sidestep.pins.set", 0).await;
}

#[tokio::test]
async fn the_header_can_have_another_name() {
    let plugin = json!({"picking": {"header": "x-other"}});
    let scene = Scene::start_with(plugin, |config| config.override_header("x-other")).await;
    scene.eject_a().await;
    let before = scene.a.count();
    let address = scene.a.address().to_string();
    let request = |_| {
        Request::get("/")
            .header("x-other", &address)
            .header("x-sidestep-host", "mine")
    };
    scene.statuses(60, request).await;
    assert_eq!(scene.a.count(), before);
    let received = scene.b.received();
    assert!(received.iter().all(|request| request.header("x-other").is_none()));
    // The usual name is then a header like any other.
    assert_eq!(
        received.last().and_then(|request| request.header("x-sidestep-host")),
        Some("mine")
    );
}

#[tokio::test]
async fn a_cluster_without_the_policy_is_told_apart() {
    let plugin = json!({"retry": {"num_retries": 0}});
    let scene = Scene::start_cluster(plugin, Cluster::without_override_policy).await;
    scene.eject_a().await;
    scene.a.set(Reply::status(200));
    let before = scene.a.count();
    let statuses = scene.statuses(60, |_| Request::get("/")).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert!(scene.a.count() > before, "Envoy goes on choosing");
    scene
        .envoy
        .until_metric("sidestep.pins.ignored", |n| n > 0)
        .await
        .unwrap();
    scene.envoy.until_log("override_host").await.unwrap();
}

#[tokio::test]
async fn a_new_host_is_found_while_another_is_ejected() {
    // The plugin knows two of three: what it never sends there, it can only learn of unpinned.
    let servers = [Upstream::http1("a").await, Upstream::http1("b").await];
    let c = Upstream::http1("c").await;
    let plugin = knowing("backend", &servers, json!({"picking": {"discovery_percent": 100}}));
    let cluster = Cluster::new("backend").hosts(&servers).host(&c);
    let envoy = Envoy::start(EnvoyConfig::new([cluster]).plugin(&plugin)).await.unwrap();
    servers[0].set(Reply::status(503));
    for answer in envoy.client().send_many(100, 4, |_| Request::get("/")).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    assert!(c.count() > 10);
    envoy.until_metric("sidestep.discovery", |n| n > 0).await.unwrap();
}
