//! The retry's answer takes the failed one's place, whatever both look like.

use serde_json::json;
use sidestep_envoy::Scene;
use sidestep_support::{Behaviour, Gate, Reply, Request, Response};

/// What the client gets for a GET where `a` gives `first`, and `b` and `c` give `second`.
async fn instead(first: impl Into<Behaviour>, second: &Reply) -> Response {
    let scene = Scene::start(json!({})).await;
    scene.a.set(first);
    for server in [&scene.b, &scene.c] {
        server.set(second.clone());
    }
    scene.reach_a(|| Request::get("/")).await
}

fn good() -> Reply {
    Reply::status(200)
        .body("all is well")
        .header("x-custom", "1")
        .header("x-custom", "2")
}

fn assert_good(answer: &Response) {
    assert_eq!((answer.status(), answer.text().as_str()), (200, "all is well"));
    assert_ne!(answer.upstream(), "a");
    assert_eq!(answer.headers().get_all("x-custom").iter().count(), 2);
    assert_eq!(answer.header("x-bad"), None, "nothing of the failed one is left");
    match (answer.header("content-length"), answer.header("transfer-encoding")) {
        (Some(length), None) => assert_eq!(length, "11"),
        (None, Some(encoding)) => assert_eq!(encoding, "chunked"),
        other => panic!("framing: {other:?}"),
    }
}

fn bad() -> Reply {
    Reply::status(503)
        .header("x-bad", "1")
        .header("content-type", "text/bad")
}

#[tokio::test]
async fn in_place_of_one_with_a_body() {
    let answer = instead(bad().body("a much longer complaint than the answer"), &good()).await;
    assert_good(&answer);
    assert_eq!(answer.header("content-type"), None);
}

#[tokio::test]
async fn in_place_of_one_in_chunks() {
    assert_good(&instead(bad().body("bad").chunked(), &good()).await);
}

#[tokio::test]
async fn in_place_of_one_without_a_body() {
    assert_good(&instead(bad(), &good()).await);
}

#[tokio::test]
async fn in_place_of_no_answer() {
    assert_good(&instead(Behaviour::Close, &good()).await);
}

#[tokio::test]
async fn chunks_in_place_of_a_body() {
    assert_good(&instead(bad().body("bad"), &good().chunked()).await);
}

#[tokio::test]
async fn chunks_in_place_of_one_without_a_body() {
    assert_good(&instead(bad(), &good().chunked()).await);
}

#[tokio::test]
async fn one_without_a_body_in_place_of_one_with() {
    for second in [Reply::status(204), Reply::status(200)] {
        let answer = instead(bad().body("bad"), &second).await;
        assert_eq!(answer.header("x-bad"), None);
        assert_eq!(answer.body().len(), 0);
    }
}

#[tokio::test]
async fn one_without_a_body_in_place_of_another() {
    for (second, status) in [(Reply::status(204), 204), (Reply::status(200), 200)] {
        let answer = instead(bad(), &second).await;
        assert_eq!((answer.status(), answer.body().len()), (status, 0));
        assert_eq!((answer.header("x-bad"), answer.upstream() == "a"), (None, false));
    }
}

#[tokio::test]
async fn a_large_body_in_place_of_a_small_one() {
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[1]).collect();
    for first in [bad(), bad().body("bad")] {
        let answer = instead(first, &Reply::status(200).body(large.clone())).await;
        assert_eq!((answer.status(), answer.body().len()), (200, large.len()));
        assert!(answer.body() == &large, "byte for byte");
    }
}

#[tokio::test]
async fn a_small_body_in_place_of_a_large_one() {
    assert_good(&instead(bad().body(vec![b'x'; 3_000_000]), &good()).await);
    assert_good(&instead(bad().body(vec![b'x'; 3_000_000]).chunked(), &good()).await);
}

#[tokio::test]
async fn head_gets_the_length_and_no_body() {
    let scene = Scene::start(json!({})).await;
    scene.a.set(bad().body("bad"));
    let answer = scene.reach_a(|| Request::new("HEAD", "/")).await;
    assert_eq!((answer.status(), answer.body().len()), (200, 0));
    assert_eq!(answer.header("content-length"), Some("1"));
    assert_eq!(answer.header("x-bad"), None);
}

#[tokio::test]
async fn the_connection_is_good_for_more() {
    // What is left of a failed answer would be taken for the next one.
    let scene = Scene::start(json!({"outlier_detection": {"consecutive_5xx": 0}})).await;
    let mut connection = scene.client().connect().await.unwrap();
    let large = vec![b'x'; 3_000_000];
    for first in [
        bad(),
        bad().body("bad"),
        bad().body("bad").chunked(),
        bad().body(large.clone()),
        bad().body(large).chunked(),
    ] {
        scene.a.set(first);
        let before = scene.a.count();
        for _ in 0..6 {
            let answer = connection.get("/").await.unwrap();
            assert_eq!((answer.status(), answer.body().len()), (200, 1));
        }
        assert!(scene.a.count() >= before + 2);
    }
}

#[tokio::test]
async fn what_comes_late_of_the_failed_answer_is_swallowed() {
    let scene = Scene::start(json!({"outlier_detection": {"consecutive_5xx": 0}})).await;
    let mut connection = scene.client().connect().await.unwrap();
    for first in [bad().body("12345678"), bad().body("12345678").chunked()] {
        let gate = Gate::new();
        scene.a.reset();
        scene.a.set(first.body_held_at(&gate));
        while scene.a.count() == 0 {
            assert_eq!(connection.get("/").await.unwrap().body().len(), 1);
        }
        // The client has its answer; the failed one's other half is still to come.
        gate.until_arrived(1).await.unwrap();
        gate.open();
        for _ in 0..3 {
            assert_eq!(connection.get("/").await.unwrap().body().len(), 1);
        }
    }
}

#[tokio::test]
async fn a_retry_that_did_worse_leaves_the_first_answer() {
    let scene = Scene::start(json!({})).await;
    scene.a.set(bad().body("a says sorry").header("retry-after", "7"));
    scene.b.stop().await;
    scene.c.stop().await;
    let answer = scene.reach_a(|| Request::get("/")).await;
    let retried = scene
        .envoy
        .until_metric("sidestep.retries.failed", |n| n > 0)
        .await
        .unwrap();
    assert!(retried > 0);
    // Whichever attempt came first: a's own words are more useful than Envoy's.
    assert_eq!((answer.status(), answer.text().as_str()), (503, "a says sorry"));
    assert_eq!(answer.header("retry-after"), Some("7"));
}

#[tokio::test]
async fn a_retry_that_did_no_better_leaves_the_first_answer() {
    let scene = Scene::start(json!({})).await;
    for server in scene.servers() {
        let (say, gate) = (server.name().to_owned(), server.address().to_string());
        server.set(bad().body(say).header("x-said-by", gate));
    }
    for _ in 0..5 {
        for server in scene.servers() {
            server.reset();
        }
        let answer = scene.client().get("/").await.unwrap();
        let mut received: Vec<_> = scene
            .servers()
            .iter()
            .flat_map(|server| server.received().into_iter().map(|r| (r.at, server.name().to_owned())))
            .collect();
        received.sort();
        assert_eq!((answer.status(), received.len()), (503, 2));
        assert_eq!(answer.text(), received[0].1, "the first one's words");
    }
}

#[tokio::test]
async fn a_hosts_own_failure_is_better_than_envoys() {
    // The first attempt gets no answer at all, the retry a failure with words.
    let scene = Scene::start(json!({"outlier_detection": {"consecutive_5xx": 0}})).await;
    scene.a.set(Behaviour::Close);
    for server in [&scene.b, &scene.c] {
        server.set(Reply::status(503).body("says sorry"));
    }
    let answer = scene.reach_a(|| Request::get("/")).await;
    assert_eq!((answer.status(), answer.text().as_str()), (503, "says sorry"));
}
