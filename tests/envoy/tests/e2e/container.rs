//! One pass through all of it. `./build.sh test container` runs it with Envoy in a container.

use serde_json::json;
use sidestep_envoy::Scene;
use sidestep_support::{Request, wait_for};

#[tokio::test]
async fn a_host_fails_is_stepped_around_and_comes_back_in_a_container_as_well() {
    let scene = Scene::start(json!({"outlier_detection": {"base_ejection_time": "1s"}})).await;
    scene.eject_a().await;
    let failed = scene.a.count();
    scene.a.stop().await;
    let statuses = scene.statuses(100, |_| Request::get("/")).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    scene.a.set(sidestep_support::Reply::status(200));
    scene.a.start().await;
    wait_for("traffic at a again", || async {
        assert_eq!(scene.client().get("/").await.unwrap().status(), 200);
        (scene.a.count() > failed).then_some(())
    })
    .await
    .unwrap();
    scene.metric_is("sidestep.ejections_active", 0).await;
    let saved = "sidestep.retries.succeeded";
    scene.envoy.until_metric(saved, |n| n >= 5).await.unwrap();
}
