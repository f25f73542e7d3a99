//! No user sees a failure that another host can make good.

use serde_json::json;
use sidestep_envoy::Scene;
use sidestep_support::{Behaviour, Reply, Request, wait_for};
use std::sync::atomic::{AtomicU64, Ordering};

/// 200 GETs, eight at a time, while one host of three fails in this way: each is answered well.
async fn no_get_fails_while_a(behaviour: impl Into<Behaviour>) {
    let scene = Scene::start(json!({})).await;
    scene.a.set(behaviour);
    all_gets_succeed(&scene).await;
    assert!(scene.a.count() >= 5, "it was tried, and failed");
}

async fn all_gets_succeed(scene: &Scene) {
    let statuses = scene.statuses(200, |n| Request::get(&format!("/{n}"))).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    scene.metric_is("sidestep.ejections_active", 1).await;
    let saved = "sidestep.retries.succeeded";
    scene.envoy.until_metric(saved, |n| n >= 5).await.unwrap();
}

#[tokio::test]
async fn no_get_fails_while_one_host_answers_503() {
    no_get_fails_while_a(Reply::status(503).body("out of order")).await;
}

#[tokio::test]
async fn no_get_fails_while_one_host_answers_503_without_a_body() {
    no_get_fails_while_a(Reply::status(503)).await;
}

#[tokio::test]
async fn no_get_fails_while_one_host_answers_503_in_chunks() {
    no_get_fails_while_a(Reply::status(503).body("out of order").chunked()).await;
}

#[tokio::test]
async fn no_get_fails_while_one_host_closes_before_the_headers() {
    no_get_fails_while_a(Behaviour::Close).await;
}

#[tokio::test]
async fn no_get_fails_while_one_host_closes_in_the_middle_of_the_headers() {
    no_get_fails_while_a(Reply::status(200).cut_in_headers()).await;
}

#[tokio::test]
async fn no_get_fails_while_one_host_refuses_connections() {
    let scene = Scene::start(json!({})).await;
    scene.a.stop().await;
    all_gets_succeed(&scene).await;
}

#[tokio::test]
async fn no_get_fails_when_a_host_goes_down_and_comes_back_under_traffic() {
    let plugin = json!({"outlier_detection": {"base_ejection_time": "100ms"}});
    let scene = Scene::start(plugin).await;
    for _ in 0..3 {
        let (statuses, ()) = tokio::join!(scene.statuses(100, |_| Request::get("/")), scene.a.stop());
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        scene.a.start().await;
        let before = scene.a.count();
        sidestep_support::wait_for("traffic at a again", || async {
            assert_eq!(scene.client().get("/").await.unwrap().status(), 200);
            (scene.a.count() > before).then_some(())
        })
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn hosts_that_nobody_configured_are_learned_from_answers() {
    // The cluster's hosts are not in the plugin's configuration: it has to have seen them.
    let plugin = json!({"clusters": {"backend": {"hosts": []}}});
    let scene = Scene::start(plugin).await;
    for mut connection in scene.envoy.connection_per_worker(2).await.unwrap() {
        for _ in 0..6 {
            connection.get("/").await.unwrap();
        }
    }
    scene.a.set(Reply::status(503));
    all_gets_succeed(&scene).await;
}

#[tokio::test]
async fn without_another_known_host_envoy_chooses_and_the_failure_is_passed_on_if_that_fails_too() {
    let plugin = json!({"clusters": {"backend": {"hosts": []}}});
    let scene = Scene::start(plugin).await;
    for server in scene.servers() {
        server.set(Reply::status(503).body("out of order"));
    }
    let answer = scene.client().get("/").await.unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (503, "out of order"));
    assert_eq!(scene.count(), 2);
    scene.metric_is("sidestep.retries_refused.num_retries", 1).await;
}

#[tokio::test]
async fn a_post_reaches_upstream_exactly_once() {
    let scene = Scene::start(json!({})).await;
    scene.a.set(Reply::status(503));
    let post = |n: usize| Request::new("POST", &format!("/{n}")).body(format!("order {n}"));
    let statuses = scene.statuses(60, post).await;
    let mut paths: Vec<_> = scene
        .servers()
        .iter()
        .flat_map(|server| server.received())
        .map(|r| r.path)
        .collect();
    paths.sort_unstable();
    let mut expected: Vec<_> = (0..60).map(|n| format!("/{n}")).collect();
    expected.sort_unstable();
    assert_eq!(paths, expected);
    let failed = statuses.iter().filter(|status| **status == 503).count() as u64;
    assert_eq!(failed, scene.a.count(), "each failure is the client's: {statuses:?}");
    scene.metric_is("sidestep.retries_refused.method", failed).await;
    scene.metric_is("sidestep.retries.attempted", 0).await;
}

#[tokio::test]
async fn each_idempotent_method_is_retried_and_no_other() {
    let scene = Scene::start(json!({"outlier_detection": {"consecutive_5xx": 0}})).await;
    scene.a.set(Reply::status(503));
    for (method, status) in [
        ("GET", 200),
        ("HEAD", 200),
        ("OPTIONS", 200),
        ("TRACE", 200),
        ("PUT", 200),
        ("DELETE", 200),
        ("POST", 503),
        ("PATCH", 503),
        ("PROPFIND", 503),
    ] {
        let answer = scene.reach_a(|| Request::new(method, "/")).await;
        assert_eq!(answer.status(), status, "{method}");
    }
}

#[tokio::test]
async fn a_500_is_passed_on_unless_asked_otherwise() {
    let scene = Scene::start(json!({})).await;
    scene.a.set(Reply::status(500).body("bug"));
    let answer = scene.reach_a(|| Request::get("/")).await;
    assert_eq!((answer.status(), answer.text().as_str()), (500, "bug"));

    let scene = Scene::start(json!({"retry": {"retry_on": ["5xx"]}})).await;
    scene.a.set(Reply::status(500).body("bug"));
    assert_eq!(scene.reach_a(|| Request::get("/")).await.status(), 200);
}

#[tokio::test]
async fn a_retry_goes_to_a_host_not_yet_tried() {
    let plugin = json!({"retry": {"num_retries": 5}, "outlier_detection": {"consecutive_5xx": 0}});
    let scene = Scene::start(plugin).await;
    for server in scene.servers() {
        server.set(Reply::status(503).body(server.name().to_owned()));
    }
    for n in 0..10 {
        let answer = scene.client().get(&format!("/{n}")).await.unwrap();
        assert_eq!(answer.status(), 503);
        let path = format!("/{n}");
        let mut tried: Vec<_> = scene
            .servers()
            .iter()
            .flat_map(|server| server.received().into_iter().map(|request| (request, server.name())))
            .filter(|(request, _)| request.path == path)
            .collect();
        tried.sort_by_key(|(request, _)| request.at);
        let tried: Vec<_> = tried.into_iter().map(|(_, name)| name).collect();
        let first: std::collections::HashSet<_> = tried[..3].iter().collect();
        assert_eq!(
            (tried.len(), first.len()),
            (6, 3),
            "each host once before any twice: {tried:?}"
        );
        assert!(tried.windows(2).all(|two| two[0] != two[1]), "{tried:?}");
    }
}

#[tokio::test]
async fn the_retry_is_the_same_request() {
    let scene = Scene::start(json!({})).await;
    for server in scene.servers() {
        server.set(Reply::status(503));
    }
    let request = Request::new("DELETE", "/a%20b?c=d&c=e")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .header("x-empty", "")
        .header("cookie", "a=b; c=d")
        .header("user-agent", "test");
    scene.client().send(request).await.unwrap();
    let mut received: Vec<_> = scene.servers().iter().flat_map(|server| server.received()).collect();
    received.sort_by_key(|request| request.at);
    let [first, second] = received.try_into().expect("two attempts");
    assert_eq!((&first.method, &first.path), (&second.method, &second.path));
    // What differs is said by Envoy about the attempt, not about the request.
    let comparable = |headers: &sidestep_support::HeaderMap| {
        let mut pairs: Vec<_> = headers
            .iter()
            .filter(|(name, _)| *name != "x-envoy-expected-rq-timeout-ms" && *name != "x-envoy-attempt-count")
            .map(|(name, value)| (name.as_str().to_owned(), value.clone()))
            .collect();
        pairs.sort();
        pairs
    };
    assert_eq!(comparable(&first.headers), comparable(&second.headers));
    assert_eq!(second.header("x-envoy-attempt-count"), Some("2"));
}

#[tokio::test]
async fn answers_go_to_those_who_asked() {
    // `a` fails in every way, comes and goes; the others say what they were asked, in two ways.
    let scene = Scene::start(json!({
        "outlier_detection": {"base_ejection_time": "50ms", "interval": "100ms"},
        "picking": {"ramp_time": "0s"},
    }))
    .await;
    for server in scene.servers() {
        let (broken, turn) = (server.name() == "a", AtomicU64::new(0));
        server.set_by(move |request| {
            let said = format!("{} {}", request.path, String::from_utf8_lossy(&request.body));
            match (broken, turn.fetch_add(1, Ordering::SeqCst) % 6) {
                (true, 0) => Reply::status(503).into(),
                (true, 1) => Reply::status(503).body("bad").chunked().into(),
                (true, 2) => Behaviour::Close,
                (true, 3) => Reply::status(502).body(vec![b'x'; 100_000]).into(),
                (_, 4) => Reply::status(200).body(said).chunked().into(),
                _ => Reply::status(200).body(said).into(),
            }
        });
    }
    let put = |n: usize| Request::new("PUT", &format!("/{n}")).body(format!("number {n}"));
    wait_for("retries that succeeded", || async {
        let answers = scene.client().send_many(500, 32, put).await;
        for (n, answer) in answers.into_iter().enumerate() {
            let answer = answer.unwrap();
            assert_eq!((answer.status(), answer.text()), (200, format!("/{n} number {n}")));
        }
        let succeeded = scene.envoy.metric("sidestep.retries.succeeded").await.unwrap();
        (succeeded > 10).then_some(())
    })
    .await
    .unwrap();
}
