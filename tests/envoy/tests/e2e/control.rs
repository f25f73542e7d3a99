//! What a person wants of a host stands above all that detectors say. The way in is the one of the module for tests.

use serde_json::{Value, json};
use sidestep_envoy::Scene;
use sidestep_support::{Reply, Request, trap_wasm, wait_for};

async fn controllable(plugin: Value) -> Scene {
    Scene::start_with(plugin, |config| config.wasm(&trap_wasm())).await
}

fn asking(action: &str, host: &str, rest: &str) -> Request {
    let value = format!("{action} backend {host} {rest}");
    Request::get("/").header("x-sidestep-control", value)
}

async fn control(scene: &Scene, action: &str, rest: &str) {
    let host = scene.a.address().to_string();
    scene.client().send(asking(action, &host, rest)).await.unwrap();
}

/// Sends GETs over all workers; gives how many of them `a` got.
async fn share(scene: &Scene) -> u64 {
    let before = scene.a.count();
    let statuses = scene.statuses(60, |n| Request::get(&format!("/{n}"))).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    scene.a.count() - before
}

#[tokio::test]
async fn a_host_is_ejected_by_hand_and_released_by_hand() {
    let scene = controllable(json!({"picking": {"ramp_time": "0s"}})).await;
    assert!(share(&scene).await > 10);
    control(&scene, "eject", "300s disk being replaced").await;
    let line = scene.envoy.until_log("ejected host").await.unwrap();
    assert!(line.contains(&scene.a.address().to_string()), "{line}");
    assert_eq!(share(&scene).await, 0);
    scene.metric_is("sidestep.ejections.control", 1).await;
    scene.metric_is("sidestep.ejections_active", 1).await;
    control(&scene, "release", "0s done").await;
    // Without a trial: who releases it vouches for it.
    wait_for("a full share", || async { (share(&scene).await > 10).then_some(()) })
        .await
        .unwrap();
    scene.metric_is("sidestep.ejections_active", 0).await;
}

#[tokio::test]
async fn the_log_says_why_a_person_ejected_a_host() {
    let scene = controllable(json!({})).await;
    control(&scene, "eject", "300s disk being replaced").await;
    let line = scene.envoy.until_log("disk being replaced").await.unwrap();
    assert!(line.contains(&scene.a.address().to_string()), "{line}");
}

#[tokio::test]
async fn an_ejection_by_hand_ends_by_itself() {
    let scene = controllable(json!({"picking": {"ramp_time": "0s"}})).await;
    control(&scene, "eject", "1s short").await;
    scene.envoy.until_log("ejected host").await.unwrap();
    wait_for("traffic", || async { (share(&scene).await > 0).then_some(()) })
        .await
        .unwrap();
}

#[tokio::test]
async fn a_host_that_is_held_is_not_ejected_whatever_it_answers() {
    let scene = controllable(json!({})).await;
    control(&scene, "hold", "300s load test").await;
    scene.a.set(Reply::status(503));
    for _ in 0..3 {
        assert!(share(&scene).await > 10);
    }
    scene
        .envoy
        .until_metric("sidestep.ejections_refused.held", |n| n > 0)
        .await
        .unwrap();
    scene.metric_is("sidestep.ejections_active", 0).await;
    control(&scene, "release", "0s over").await;
    share(&scene).await;
    scene.metric_is("sidestep.ejections_active", 1).await;
}

#[tokio::test]
async fn the_last_host_is_not_ejected_by_hand_either() {
    let scene = controllable(json!({})).await;
    for server in scene.servers() {
        let host = server.address().to_string();
        scene
            .client()
            .send(asking("eject", &host, "300s all of them"))
            .await
            .unwrap();
    }
    scene.metric_is("sidestep.ejections.control", 2).await;
    scene.metric_is("sidestep.ejections_refused.last_host", 1).await;
    let statuses = scene.statuses(60, |_| Request::get("/")).await;
    assert!(statuses.iter().all(|status| *status == 200));
}

#[tokio::test]
async fn a_module_that_ships_does_not_listen() {
    let scene = Scene::start(json!({})).await;
    control(&scene, "eject", "300s no").await;
    assert!(share(&scene).await > 10);
    assert!(!scene.envoy.log().contains("ejected host"));
}
