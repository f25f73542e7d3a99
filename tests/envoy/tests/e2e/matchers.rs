//! Answers that say something else about their host than they do by themselves.

use serde_json::{Value, json};
use sidestep_envoy::{Crowd, Scene};
use sidestep_support::{Client, Cluster, Envoy, EnvoyConfig, Reply, Request, Route, Upstream};

async fn gets(client: Client, path: &str, count: usize) {
    let mut connection = client.connect().await.unwrap();
    for _ in 0..count {
        connection.get(path).await.unwrap();
    }
}

async fn matching(matchers: Value) -> Scene {
    Scene::start(json!({"matchers": matchers, "outlier_detection": {"base_ejection_time": "300s"}})).await
}

#[tokio::test]
async fn a_status_can_be_made_a_failure() {
    let scene = matching(json!([{"status": "400-404", "outcome": "failure"}])).await;
    scene.a.set(Reply::status(404));
    gets(scene.client(), "/", 40).await;
    assert_eq!(scene.a.count(), 5);
    // The host was reached: it is no failure of the local origin.
    scene.metric_is("sidestep.attempts.failure_external", 5).await;
    // One beside the range is what it was.
    scene.b.set(Reply::status(405));
    gets(scene.client(), "/", 40).await;
    assert!(scene.b.count() > 20);
    scene.metric_is("sidestep.ejections_active", 1).await;
}

#[tokio::test]
async fn a_status_can_be_made_a_success() {
    // Which also starts the count again.
    let scene = matching(json!([{"status": 500, "outcome": "success"}])).await;
    for status in [503, 503, 503, 503, 500, 503, 503, 503, 503, 500] {
        scene.a.set_next(Reply::status(status));
    }
    gets(scene.client(), "/", 60).await;
    assert!(scene.a.count() > 15, "{}", scene.a.count());
    scene.metric_is("sidestep.ejections_active", 0).await;
}

#[tokio::test]
async fn a_status_can_be_made_to_say_nothing() {
    // Neither a failure nor a success, which would start the count again.
    let scene = matching(json!([{"status": 500, "outcome": "ignored"}])).await;
    scene.a.set(Reply::status(500));
    gets(scene.client(), "/", 30).await;
    assert!(scene.a.count() >= 9);
    scene.a.reset();
    for status in [503, 500, 503, 503, 500, 500, 503] {
        scene.a.set_next(Reply::status(status));
    }
    scene.a.set(Reply::status(503));
    gets(scene.client(), "/", 60).await;
    assert_eq!(scene.a.count(), 8);
    scene.metric_is("sidestep.ejections.consecutive_5xx", 1).await;
}

#[tokio::test]
async fn a_header_makes_the_difference_by_being_there_by_its_value_or_by_its_beginning() {
    for (header, matching, other) in [
        (json!({"name": "x-app-error", "present": true}), "anything", None),
        (
            json!({"name": "x-app-error", "exact": "broken"}),
            "broken",
            Some("broken-not"),
        ),
        (
            json!({"name": "X-App-Error", "prefix": "broken"}),
            "broken-down",
            Some("not-broken"),
        ),
    ] {
        let scene = self::matching(json!([{"header": header, "outcome": "failure"}])).await;
        scene.a.set(Reply::status(200).header("x-app-error", matching));
        let harmless = match other {
            Some(value) => Reply::status(200).header("x-app-error", value),
            None => Reply::status(200).header("x-app", "1"),
        };
        scene.b.set(harmless);
        gets(scene.client(), "/", 40).await;
        assert_eq!(scene.a.count(), 5, "{header}");
        assert!(scene.b.count() > 10, "{header}");
        scene.metric_is("sidestep.ejections_active", 1).await;
    }
}

#[tokio::test]
async fn the_first_that_matches_wins() {
    let scene = matching(json!([
        {"status": 503, "header": {"name": "x-maintenance", "present": true}, "outcome": "ignored"},
        {"status": "500-599", "outcome": "failure"},
    ]))
    .await;
    scene.a.set(Reply::status(503).header("x-maintenance", "1"));
    gets(scene.client(), "/", 30).await;
    assert!(scene.a.count() >= 9);
    scene.metric_is("sidestep.ejections_active", 0).await;
    scene.a.set(Reply::status(503));
    scene.a.reset();
    gets(scene.client(), "/", 30).await;
    assert_eq!(scene.a.count(), 5);
}

#[tokio::test]
async fn a_cluster_has_its_own() {
    // The same hosts under two names.
    let servers = [Upstream::http1("a").await, Upstream::http1("b").await];
    let clusters = ["one", "two"].map(|name| Cluster::new(name).hosts(&servers));
    let hosts: Vec<_> = servers.iter().map(|server| server.address().to_string()).collect();
    let plugin = json!({
        "picking": {"discovery_percent": 0},
        "clusters": {
            "one": {"hosts": hosts, "matchers": [{"status": 404, "outcome": "failure"}]},
            "two": {"hosts": hosts},
        },
    });
    let envoy = Envoy::start(EnvoyConfig::new(clusters).plugin(&plugin)).await.unwrap();
    servers[0].set(Reply::status(404));
    gets(envoy.client(), "/one/", 30).await;
    assert_eq!(servers[0].count(), 5);
    gets(envoy.client(), "/two/", 30).await;
    assert!(servers[0].count() >= 15);
}

#[tokio::test]
async fn a_route_has_its_own_that_come_before_the_clusters() {
    let plugin = json!({
        "matchers": [{"status": 404, "outcome": "ignored"}],
        "routes": {"strict": {"matchers": [{"status": 404, "outcome": "failure"}]}},
        "outlier_detection": {"base_ejection_time": "300s"},
    });
    let crowd = Crowd::start_with(
        Crowd::http1(3).await,
        plugin,
        |cluster| cluster,
        |config| config.route_first(Route::new("strict", "/strict/", "backend")),
    )
    .await;
    crowd.a().set(Reply::status(404));
    gets(crowd.client(), "/", 30).await;
    assert!(crowd.a().count() >= 9);
    assert_eq!(crowd.ejections(), []);
    crowd.a().reset();
    gets(crowd.client(), "/strict/x", 40).await;
    assert_eq!(crowd.a().count(), 5);
    crowd.until_ejected(crowd.a(), "consecutive_5xx").await;
}

#[tokio::test]
async fn a_matcher_speaks_of_the_host_and_not_of_the_answer() {
    // The client gets what the host said, and a 404 is not retried for being a failure.
    let scene = matching(json!([{"status": 404, "outcome": "failure"}])).await;
    scene.a.set(Reply::status(404).body("not here"));
    let answer = scene.reach_a(|| Request::get("/")).await;
    assert_eq!((answer.status(), answer.text().as_str()), (404, "not here"));
    scene.metric_is("sidestep.attempts.failure_external", 1).await;
    scene.metric_is("sidestep.retries.attempted", 0).await;
}
