//! gRPC: the status that counts comes in the trailers, or in headers that stand alone.

use serde_json::json;
use sidestep_envoy::{Crowd, Scene};
use sidestep_support::{Connection, Reply, Request};

fn call() -> Request {
    Request::grpc("/package.Service/Method")
}

async fn connection(scene: &Scene) -> Connection {
    scene.client().http2().connect().await.unwrap()
}

/// Calls, one after the other; gives how many of them `a` got.
async fn calls(scene: &Scene, count: usize) -> u64 {
    let before = scene.a.count();
    let mut connection = connection(scene).await;
    for _ in 0..count {
        connection.send(call()).await.unwrap();
    }
    scene.a.count() - before
}

async fn well(scene: &Scene) {
    for server in scene.servers() {
        server.set(Reply::grpc(0));
    }
}

#[tokio::test]
async fn a_failure_in_the_trailers_counts_as_one_in_the_headers() {
    // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS.
    for status in [2, 4, 13, 14, 15] {
        for reply in [Reply::grpc(status), Reply::grpc_trailers_only(status)] {
            let scene = Scene::start_http2(json!({})).await;
            well(&scene).await;
            scene.a.set(reply.clone());
            assert_eq!(calls(&scene, 40).await, 5, "{reply:?}");
            scene.metric_is("sidestep.ejections.consecutive_5xx", 1).await;
            scene.metric_is("sidestep.attempts.failure_external", 5).await;
        }
    }
}

#[tokio::test]
async fn what_the_caller_did_wrong_is_nobodys_failure() {
    // OK, INVALID_ARGUMENT, NOT_FOUND, PERMISSION_DENIED, ABORTED, UNIMPLEMENTED, UNAUTHENTICATED.
    let scene = Scene::start_http2(json!({})).await;
    well(&scene).await;
    for status in [0, 3, 5, 7, 10, 12, 16] {
        for reply in [Reply::grpc(status), Reply::grpc_trailers_only(status)] {
            scene.a.set(reply);
            assert!(calls(&scene, 30).await >= 9, "{status}");
        }
    }
    scene.metric_is("sidestep.attempts.success", scene.count()).await;
    scene.metric_is("sidestep.ejections_active", 0).await;
}

#[tokio::test]
async fn a_call_that_was_cancelled_says_nothing() {
    // Neither a failure, nor a success that would start the count again.
    let scene = Scene::start_http2(json!({})).await;
    well(&scene).await;
    for status in [14, 14, 1, 14, 14, 1, 1, 14] {
        scene.a.set_next(Reply::grpc(status));
    }
    assert_eq!(calls(&scene, 40).await, 8);
    scene.metric_is("sidestep.attempts.ignored", 3).await;
    scene.metric_is("sidestep.ejections.consecutive_5xx", 1).await;
}

#[tokio::test]
async fn resource_exhausted_ejects_nobody() {
    let scene = Scene::start_http2(json!({})).await;
    well(&scene).await;
    for reply in [Reply::grpc(8), Reply::grpc_trailers_only(8)] {
        scene.a.set(reply);
        assert!(calls(&scene, 30).await >= 9);
    }
    scene
        .envoy
        .until_metric("sidestep.attempts.overload", |n| n >= 18)
        .await
        .unwrap();
    scene.metric_is("sidestep.ejections_active", 0).await;
}

#[tokio::test]
async fn the_caller_gets_the_status_as_the_host_gave_it() {
    let scene = Scene::start_http2(json!({"outlier_detection": {"consecutive_5xx": 0}})).await;
    for reply in [Reply::grpc(14), Reply::grpc_trailers_only(14), Reply::grpc(0)] {
        for server in scene.servers() {
            server.set(reply.clone());
        }
        let expected = sidestep_support::Client::new(scene.a.address())
            .http2()
            .send(call())
            .await
            .unwrap();
        for _ in 0..6 {
            let answer = connection(&scene).await.send(call()).await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.grpc_status(), expected.grpc_status());
            assert_eq!(answer.body(), expected.body());
            assert_eq!(answer.trailers(), expected.trailers());
        }
    }
}

#[tokio::test]
async fn a_grpc_status_of_an_ordinary_answer_is_a_header_like_any_other() {
    let scene = Scene::start_http2(json!({})).await;
    for reply in [
        Reply::status(200).header("grpc-status", "14"),
        Reply::status(200).body("x").trailer("grpc-status", "14"),
    ] {
        scene.a.set(reply);
        let before = scene.a.count();
        let mut connection = connection(&scene).await;
        for _ in 0..30 {
            connection.get("/").await.unwrap();
        }
        assert!(scene.a.count() - before >= 9);
    }
    scene.metric_is("sidestep.attempts.failure_external", 0).await;
}

#[tokio::test]
async fn rates_count_what_the_trailers_say() {
    let plugin = json!({"outlier_detection": {
        "interval": "1s",
        "base_ejection_time": "300s",
        "consecutive_5xx": 0,
        "success_rate_request_volume": 15,
    }});
    let crowd = Crowd::start_http2(5, plugin).await;
    for server in crowd.others() {
        server.set(Reply::grpc(0));
    }
    crowd.a().set(sidestep_support::Behaviour::sometimes(
        70.0,
        0,
        Reply::grpc(14),
        Reply::grpc(0),
    ));
    let _traffic = crowd.client().http2().traffic(200.0, |_| call());
    crowd.until_ejected(crowd.a(), "success_rate").await;
    crowd.only_ejected(crowd.a());
}
