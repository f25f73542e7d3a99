//! The same with HTTP/2 on the way to the hosts, and from the client.

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
    // By HTTP/2 up and down: over HTTP/1.1 an answer with a length can't have trailers.
    let scene = Scene::start_http2(json!({"outlier_detection": {"consecutive_5xx": 0}})).await;
    let mut connection = scene.client().http2().connect().await.unwrap();
    for (status, body) in [(200, "good"), (503, "bad")] {
        scene.a.reset();
        scene.a.set(Reply::status(status).body(body).trailer("x-of-a", "1"));
        while scene.a.count() == 0 {
            let answer = connection.get("/").await.unwrap();
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.trailers().contains_key("x-of-a"), answer.upstream() == "a");
        }
    }
}

#[tokio::test]
async fn a_failed_answer_of_headers_and_trailers_has_no_place_for_a_body() {
    // Envoy shows a filter its trailers when the new headers are on their way. An error is better than half an answer.
    let scene = Scene::start_http2(json!({"outlier_detection": {"consecutive_5xx": 0}})).await;
    scene.a.set(Reply::status(503).trailer("x-of-a", "1"));
    for client in [scene.client(), scene.client().http2()] {
        scene.a.reset();
        while scene.a.count() == 0 {
            let answer = client.get("/").await;
            assert_eq!(answer.is_err(), scene.a.count() == 1, "{answer:?}");
        }
    }
    scene.metric_is("sidestep.errors.delivery", 2).await;
    scene.a.set(Reply::status(200));
    assert_eq!(scene.client().get("/").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_failed_answer_of_headers_and_trailers_gives_way_to_one_without_a_body() {
    let scene = Scene::start_http2(json!({"outlier_detection": {"consecutive_5xx": 0}})).await;
    scene.a.set(Reply::status(503).trailer("x-of-a", "1"));
    scene.b.set(Reply::status(204));
    scene.c.set(Reply::status(204));
    for client in [scene.client(), scene.client().http2()] {
        for _ in 0..6 {
            let answer = client.get("/").await.unwrap();
            assert_eq!((answer.status(), answer.trailers().len()), (204, 0));
        }
    }
    assert!(scene.a.count() > 1);
}

#[tokio::test]
async fn failed_answers_that_break_off_crash_nothing() {
    let scene = Scene::start_http2(json!({"outlier_detection": {"consecutive_5xx": 0}})).await;
    for body in ["", "12345678"] {
        scene.a.set(Reply::status(503).body(body).cut_in_body());
        for client in [scene.client(), scene.client().http2()] {
            let answers = client.send_many(60, 8, |_| Request::get("/")).await;
            let good = answers
                .iter()
                .filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status() == 200));
            assert!(good.count() >= 30);
        }
    }
    scene.a.set(Reply::status(200));
    assert_eq!(scene.client().get("/").await.unwrap().status(), 200);
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

#[tokio::test]
async fn no_get_of_an_http2_client_fails_while_one_host_does() {
    for body in ["", "out of order"] {
        let scene = Scene::start_http2(json!({})).await;
        scene.a.set(Reply::status(503).body(body));
        let answers = scene.client().http2().send_many(60, 8, |_| Request::get("/")).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_ref().is_ok_and(|answer| answer.status() == 200))
        );
        assert!(scene.a.count() >= 5);
    }
}
