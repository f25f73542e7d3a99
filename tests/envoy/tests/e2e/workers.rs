//! Envoy's workers have a VM each, and one opinion.

use serde_json::json;
use sidestep_envoy::Scene;
use sidestep_support::{Reply, Request};

#[tokio::test]
async fn what_one_worker_ejects_the_other_avoids_at_once() {
    let scene = Scene::start(json!({})).await;
    let mut workers = scene.envoy.connection_per_worker(2).await.unwrap();
    // Now it is a's turn at the second worker: its very next request would go there.
    while workers[1].get("/").await.unwrap().upstream() != "c" {}
    scene.a.reset();
    scene.a.set(Reply::status(503));
    while scene.a.count() < 5 {
        assert_eq!(workers[0].get("/").await.unwrap().status(), 200);
    }
    for _ in 0..30 {
        assert_eq!(workers[1].get("/").await.unwrap().status(), 200);
    }
    assert_eq!(scene.a.count(), 5);
    // The other one asked the healthy ones, without a retry.
    scene.metric_is("sidestep.retries.attempted", 5).await;
}

#[tokio::test]
async fn failures_that_both_see_are_one_count() {
    for threshold in [2, 5] {
        let plugin = json!({"outlier_detection": {"consecutive_5xx": threshold}});
        let scene = Scene::start(plugin).await;
        let mut workers = scene.envoy.connection_per_worker(2).await.unwrap();
        scene.a.set(Reply::status(503));
        for n in 0..60 {
            // Three by one, three by the other: whatever the load balancer's rhythm, both meet `a`.
            assert_eq!(workers[n / 3 % 2].get("/").await.unwrap().status(), 200);
        }
        assert_eq!(scene.a.count(), threshold);
        scene.metric_is("sidestep.ejections.consecutive_5xx", 1).await;
    }
}

#[tokio::test]
async fn a_success_that_one_sees_ends_the_others_count() {
    let scene = Scene::start(json!({})).await;
    let mut workers = scene.envoy.connection_per_worker(2).await.unwrap();
    scene.a.set(Reply::status(503));
    while scene.a.count() < 4 {
        workers[0].get("/").await.unwrap();
    }
    scene.a.set(Reply::status(200));
    while scene.a.count() < 5 {
        workers[1].get("/").await.unwrap();
    }
    scene.a.set(Reply::status(503));
    while scene.a.count() < 9 {
        workers[0].get("/").await.unwrap();
    }
    assert!(!scene.envoy.log().contains("ejected host"));
    while scene.a.count() < 10 {
        workers[1].get("/").await.unwrap();
    }
    scene.envoy.until_log("ejected host").await.unwrap();
}

#[tokio::test]
async fn many_at_once_through_both_eject_once() {
    let scene = Scene::start(json!({})).await;
    scene.a.set(Reply::status(503));
    let answers = scene.client().send_many(200, 32, |_| Request::get("/")).await;
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().is_ok_and(|answer| answer.status() == 200))
    );
    scene.metric_is("sidestep.ejections.consecutive_5xx", 1).await;
    assert_eq!(scene.envoy.log().matches("ejected host").count(), 1);
}
