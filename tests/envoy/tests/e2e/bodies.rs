//! A request's body arrives whole at the retry, and its first attempt is never held up for it.

use serde_json::json;
use sidestep_envoy::Scene;
use sidestep_support::{Behaviour, Gate, Reply, Request};

/// The scene, with `a` failing and the others sending the body back.
async fn echoing() -> Scene {
    let scene = Scene::start(json!({"outlier_detection": {"consecutive_5xx": 0}})).await;
    scene.a.set(Reply::status(503).body("bad"));
    scene.b.set(Behaviour::Echo);
    scene.c.set(Behaviour::Echo);
    scene
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length)
        .map(|n| u8::try_from(n * 31 % 251).unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn a_puts_body_arrives_whole_at_the_retry() {
    let scene = echoing().await;
    for length in [0, 1, 1000, 16_384, 65_535, 65_536] {
        let body = bytes(length);
        for request in [
            Request::new("PUT", "/").body(body.clone()),
            Request::new("PUT", "/").body(body.clone()).chunked(length / 7 + 1),
        ] {
            for server in scene.servers() {
                server.reset();
            }
            let answer = scene.reach_a(|| request.clone()).await;
            assert_eq!(answer.status(), 200, "{length} bytes");
            assert!(answer.body() == &body, "{length} bytes come back");
            for server in scene.servers() {
                for request in server.received() {
                    assert!(
                        request.whole && request.body == body,
                        "{length} bytes at {}",
                        server.name()
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_not_retried_and_arrives_whole_at_the_first() {
    let scene = echoing().await;
    let body = bytes(65_537);
    for request in [
        Request::new("PUT", "/").body(body.clone()),
        Request::new("PUT", "/").body(body.clone()).chunked(5000),
    ] {
        let before = scene.count();
        let answer = scene.reach_a(|| request.clone()).await;
        assert_eq!(answer.status(), 503);
        assert!(scene.count() > before);
        assert!(
            scene
                .a
                .received()
                .iter()
                .all(|request| request.whole && request.body == body)
        );
    }
    scene.metric_is("sidestep.retries_refused.body_too_large", 2).await;
    scene.metric_is("sidestep.retries.attempted", 0).await;
}

#[tokio::test]
async fn the_limit_can_be_set() {
    let plugin = json!({"retry": {"max_body_bytes": 10}, "outlier_detection": {"consecutive_5xx": 0}});
    let scene = Scene::start(plugin).await;
    scene.a.set(Reply::status(503));
    for (length, status) in [(10, 200), (11, 503)] {
        let answer = scene.reach_a(|| Request::new("PUT", "/").body(bytes(length))).await;
        assert_eq!(answer.status(), status, "{length} bytes");
    }
}

#[tokio::test]
async fn all_bodies_that_a_worker_holds_are_bounded() {
    // One request's body fits, two don't: those that are under way together.
    let plugin = json!({
        "retry": {"max_held_bytes": 1000, "max_body_bytes": 1000},
        "outlier_detection": {"consecutive_5xx": 0},
    });
    let scene = Scene::start_with(plugin, |config| config.workers(1)).await;
    let gate = Gate::new();
    for server in scene.servers() {
        server.set(Reply::status(503).held_at(&gate));
    }
    let put = || Request::new("PUT", "/").body(bytes(900));
    let client = scene.client();
    let (both, ()) = tokio::join!(client.send_many(2, 2, |_| put()), async {
        gate.until_arrived(2).await.unwrap();
        gate.open();
    });
    assert!(both.into_iter().all(|answer| answer.unwrap().status() == 503));
    assert_eq!(scene.count(), 3, "one of the two was sent again");
    let refused = "sidestep.retries_refused.held_bytes";
    scene.metric_is(refused, 1).await;
    // The bytes are given back: the next one is retried.
    for server in scene.servers() {
        server.set(Reply::status(200));
    }
    scene.a.set(Reply::status(503));
    assert_eq!(scene.reach_a(put).await.status(), 200);
}

#[tokio::test]
async fn an_answer_that_is_too_much_to_hold_leaves_the_first_one() {
    let plugin = json!({
        "retry": {"max_held_bytes": 1000, "max_body_bytes": 1000},
        "outlier_detection": {"consecutive_5xx": 0},
    });
    let scene = Scene::start(plugin).await;
    scene.a.set(Reply::status(503).body("bad"));
    for (length, status) in [(1000, 200), (1001, 503)] {
        for server in [&scene.b, &scene.c] {
            server.set(Reply::status(200).body(bytes(length)));
        }
        assert_eq!(
            scene.reach_a(|| Request::get("/")).await.status(),
            status,
            "{length} bytes"
        );
    }
    scene.metric_is("sidestep.retries_refused.held_bytes", 1).await;
}

#[tokio::test]
async fn a_body_that_was_asked_for_first_or_that_a_get_has_arrives_as_well() {
    let scene = echoing().await;
    for request in [
        Request::get("/").body("odd, but allowed"),
        Request::new("PUT", "/")
            .header("expect", "100-continue")
            .body("asked for"),
    ] {
        let answer = scene.reach_a(|| request.clone()).await;
        assert_eq!(answer.status(), 200);
        assert!(!answer.body().is_empty());
        assert_eq!(*answer.body(), scene.a.received().last().unwrap().body);
    }
}
