//! The same with HTTP/2 on the way to the hosts.

use serde_json::json;
use sidestep_envoy::Scene;
use sidestep_support::{Behaviour, Reply, Request};

async fn no_get_fails_while_a(behaviour: impl Into<Behaviour>) {
    let scene = Scene::start_http2(json!({})).await;
    scene.a.set(behaviour);
    let statuses = scene.statuses(100, |_| Request::get("/")).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    // Not always by five requests: a broken connection takes all of its streams along.
    assert!(scene.a.count() > 0);
    scene.metric_is("sidestep.ejections_active", 1).await;
}

#[tokio::test]
async fn no_get_fails_while_one_host_answers_503() {
    no_get_fails_while_a(Reply::status(503).body("bad")).await;
}

#[tokio::test]
async fn no_get_fails_while_one_host_answers_503_without_a_body() {
    no_get_fails_while_a(Reply::status(503)).await;
}

#[tokio::test]
async fn no_get_fails_while_one_host_resets_streams() {
    no_get_fails_while_a(Behaviour::Close).await;
}

#[tokio::test]
async fn no_get_fails_while_one_host_refuses_streams() {
    no_get_fails_while_a(Behaviour::RefuseStream).await;
}

#[tokio::test]
async fn no_get_fails_while_one_host_breaks_connections() {
    no_get_fails_while_a(Reply::status(200).cut_in_headers()).await;
}

#[tokio::test]
async fn a_puts_body_arrives_whole_at_the_retry() {
    let scene = Scene::start_http2(json!({})).await;
    let body = vec![0x5a; 60_000];
    scene.a.set(Reply::status(503).body("bad"));
    scene.b.set(Behaviour::Echo);
    scene.c.set(Behaviour::Echo);
    let answer = scene
        .reach_a(|| Request::new("PUT", "/").body(body.clone()).chunked(1000))
        .await;
    assert_eq!(answer.status(), 200);
    assert!(answer.body() == &body);
}

#[tokio::test]
async fn a_failed_answers_trailers_do_not_stay() {
    let scene = Scene::start_http2_with(json!({}), |config| {
        config.connection_manager("http_protocol_options", json!({"enable_trailers": true}))
    })
    .await;
    let request = || Request::get("/").header("te", "trailers");
    // A good one's do.
    scene.a.set(Reply::status(200).body("good").trailer("x-good", "1"));
    assert!(scene.reach_a(request).await.trailers().contains_key("x-good"));
    scene.a.set(Reply::status(503).body("bad").trailer("x-bad", "1"));
    let answer = scene.reach_a(request).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.trailers().is_empty(), "{:?}", answer.trailers());
}

#[tokio::test]
async fn grpc_is_left_alone() {
    let scene = Scene::start_http2(json!({})).await;
    scene.a.set(Reply::status(503).body("bad"));
    let grpc = || {
        Request::new("POST", "/s.S/M")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
    };
    for _ in 0..9 {
        scene.client().send(grpc()).await.unwrap();
    }
    assert_eq!(scene.count(), 9, "one attempt each");
    scene.metric_is("sidestep.retries_refused.grpc", scene.a.count()).await;
    scene.metric_is("sidestep.retries.attempted", 0).await;
}
