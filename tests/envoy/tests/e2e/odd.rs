//! Odd requests and answers pass untouched, and crash nothing.

use serde_json::json;
use sidestep_envoy::Scene;
use sidestep_support::{Reply, Request};

#[tokio::test]
async fn large_headers_pass_and_are_retried_whole() {
    let scene = Scene::start(json!({})).await;
    scene
        .a
        .set(Reply::status(503).body("bad").header("x-large", "b".repeat(20_000)));
    for server in [&scene.b, &scene.c] {
        server.set(Reply::status(200).body("good").header("x-large", "g".repeat(20_000)));
    }
    let value = "v".repeat(20_000);
    let request = || Request::get("/").header("x-one", &value).header("x-two", &value);
    let answer = scene.reach_a(request).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("x-large"), Some("g".repeat(20_000).as_str()));
    for received in scene.servers().iter().flat_map(|server| server.received()) {
        assert_eq!(received.header("x-one").map(str::len), Some(20_000));
        assert_eq!(received.header("x-two").map(str::len), Some(20_000));
    }
}

#[tokio::test]
async fn many_headers_are_retried_all() {
    let scene = Scene::start(json!({})).await;
    scene.a.set(Reply::status(503).body("bad"));
    let request = || {
        (0..60).fold(Request::get("/"), |request, n| {
            request.header(&format!("x-{n}"), n.to_string())
        })
    };
    assert_eq!(scene.reach_a(request).await.status(), 200);
    for received in scene.servers().iter().flat_map(|server| server.received()) {
        assert!((0..60).all(|n| received.header(&format!("x-{n}")) == Some(n.to_string().as_str())));
    }
}

#[tokio::test]
async fn a_request_header_that_is_no_utf8_passes_and_is_not_retried() {
    let scene = Scene::start(json!({})).await;
    scene.a.set(Reply::status(503).body("bad"));
    let answer = scene.reach_a(|| Request::get("/").header("x-odd", b"\xff\xfe")).await;
    assert_eq!((answer.status(), answer.text().as_str()), (503, "bad"));
    assert_eq!(scene.a.received()[0].headers["x-odd"].as_bytes(), b"\xff\xfe");
    let name = "sidestep.retries_refused.headers_not_utf8";
    scene.metric_is(name, 1).await;
}

#[tokio::test]
async fn an_answers_header_that_is_no_utf8_passes() {
    let scene = Scene::start(json!({})).await;
    scene.a.set(Reply::status(200).header("x-odd", b"\xfe"));
    assert_eq!(
        scene.reach_a(|| Request::get("/")).await.headers()["x-odd"].as_bytes(),
        b"\xfe"
    );
    // Also as the one that is replaced, and as the one that replaces.
    scene.a.set(Reply::status(503).header("x-odd", b"\xfe").body("bad"));
    for server in [&scene.b, &scene.c] {
        server.set(Reply::status(200).header("x-odd", b"\xff").body("good"));
    }
    let answer = scene.reach_a(|| Request::get("/")).await;
    assert_eq!(
        (answer.status(), answer.headers()["x-odd"].as_bytes()),
        (200, &b"\xff"[..])
    );
    // And where it has to be a local reply.
    scene.a.set(Reply::status(503).header("x-odd", b"\xfe"));
    let answer = scene.reach_a(|| Request::get("/")).await;
    assert_eq!(
        (answer.status(), answer.headers()["x-odd"].as_bytes()),
        (200, &b"\xff"[..])
    );
}

#[tokio::test]
async fn odd_statuses_pass() {
    let scene = Scene::start(json!({})).await;
    for status in [201, 299, 302, 418, 499, 501, 505, 599, 700, 999] {
        scene.a.set(Reply::status(status).body("odd"));
        let answer = scene.reach_a(|| Request::get("/")).await;
        assert_eq!((answer.status(), answer.text().as_str()), (status, "odd"));
        scene.a.set(Reply::status(200));
        assert_eq!(scene.reach_a(|| Request::get("/")).await.status(), 200);
    }
}

#[tokio::test]
async fn an_upgrade_is_not_retried() {
    let scene = Scene::start_with(json!({}), |config| {
        config.route("upgrade_configs", json!([{"upgrade_type": "websocket"}]))
    })
    .await;
    scene.a.set(Reply::status(503).body("bad"));
    let request = || {
        Request::get("/")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
    };
    assert_eq!(scene.reach_a(request).await.status(), 503);
    scene.metric_is("sidestep.retries_refused.upgrade", 1).await;
}
