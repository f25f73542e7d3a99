//! Where a retry can't be had, or would be too much: the client gets what Envoy had.

use serde_json::json;
use sidestep_envoy::Scene;
use sidestep_support::{Cluster, Envoy, EnvoyConfig, Gate, Reply, Request, Upstream, wait_for};

#[tokio::test]
async fn a_callout_that_the_circuit_breaker_stops_leaves_the_first_answer() {
    // The first attempt's body is still to come while the retry is sent, and no second request is allowed.
    let scene = Scene::start_cluster(json!({}), |cluster| cluster.circuit_breaker(1)).await;
    let gate = Gate::new();
    scene.a.set(Reply::status(503).body("out of order").body_held_at(&gate));
    let client = scene.client();
    let answer = tokio::spawn(async move {
        loop {
            // Envoy's own 503s are for requests that came before the last one was quite over.
            let answer = client.get("/").await.unwrap();
            if answer.upstream() == "a" {
                return answer;
            }
        }
    });
    gate.until_arrived(1).await.unwrap();
    // Envoy says so at once, or by an answer with `x-envoy-overloaded`.
    let refused = || async {
        let metrics = scene.envoy.metrics().await.ok()?;
        let count = |name| metrics.get(name).copied().unwrap_or_default();
        let refused = count("sidestep.retries_refused.dispatch_failed") + count("sidestep.retries_refused.overloaded");
        (refused == 1).then_some(())
    };
    wait_for("a refusal", refused).await.unwrap();
    gate.open();
    let answer = answer.await.unwrap();
    assert_eq!((answer.status(), answer.text().as_str()), (503, "out of order"));
    scene.a.set(Reply::status(200));
    let again = || async { (scene.client().get("/").await.unwrap().status() == 200).then_some(()) };
    wait_for("an answer", again).await.unwrap();
    assert!(!scene.envoy.log().contains("panicked"));
}

#[tokio::test]
async fn what_the_circuit_breaker_stops_is_not_retried_and_nobodys_failure() {
    let scene = Scene::start_cluster(json!({}), |cluster| cluster.circuit_breaker(0)).await;
    for _ in 0..10 {
        let answer = scene.client().get("/").await.unwrap();
        assert_eq!(
            (answer.status(), answer.header("x-envoy-overloaded")),
            (503, Some("true"))
        );
    }
    assert_eq!(scene.count(), 0);
    scene.metric_is("sidestep.attempts.ignored", 10).await;
    scene.metric_is("sidestep.retries.attempted", 0).await;
}

#[tokio::test]
async fn a_cluster_without_hosts_answers_as_ever() {
    let config = EnvoyConfig::new([Cluster::new("backend")]).plugin(&json!({}));
    let envoy = Envoy::start(config).await.unwrap();
    for _ in 0..10 {
        let answer = envoy.client().get("/").await.unwrap();
        assert_eq!((answer.status(), answer.text().as_str()), (503, "no healthy upstream"));
    }
    envoy
        .until_metric("sidestep.attempts.ignored", |n| n == 10)
        .await
        .unwrap();
    assert_eq!(envoy.metric("sidestep.retries.attempted").await.unwrap(), 0);
}

#[tokio::test]
async fn no_route_is_nobodys_failure() {
    let scene = Scene::start_with(json!({}), |config| config.virtual_host("domains", json!(["elsewhere"]))).await;
    assert_eq!(scene.client().get("/").await.unwrap().status(), 404);
    scene.metric_is("sidestep.attempts.ignored", 1).await;
}

#[tokio::test]
async fn where_the_route_retries_the_filter_does_not() {
    let policy = json!({"retry_on": "5xx", "num_retries": 1});
    let scene = Scene::start_with(json!({}), |config| config.route_retry_policy(policy)).await;
    for server in scene.servers() {
        server.set(Reply::status(503));
    }
    assert_eq!(scene.client().get("/").await.unwrap().status(), 503);
    assert_eq!(scene.count(), 2);
    scene.metric_is("sidestep.retries_refused.route_retries", 1).await;
}

#[tokio::test]
async fn where_the_client_has_the_router_retry_the_filter_does_not() {
    let scene = Scene::start(json!({})).await;
    for server in scene.servers() {
        server.set(Reply::status(503));
    }
    let request = Request::get("/")
        .header("x-envoy-retry-on", "5xx")
        .header("x-envoy-max-retries", "1");
    assert_eq!(scene.client().send(request).await.unwrap().status(), 503);
    assert!(scene.count() <= 2, "{} attempts", scene.count());
}

#[tokio::test]
async fn a_client_that_leaves_while_a_retry_is_out_takes_nothing_along() {
    let scene = Scene::start(json!({"outlier_detection": {"consecutive_5xx": 0}})).await;
    for (n, failure) in [Reply::status(503), Reply::status(503).body("bad")]
        .into_iter()
        .enumerate()
    {
        let gate = Gate::new();
        scene.fail_and_retry(failure, Reply::status(200).body("late").held_at(&gate));
        let client = scene.client();
        let leaving = tokio::spawn(async move {
            for request in 0.. {
                client.get(&format!("/{n}/{request}")).await.unwrap();
            }
        });
        gate.until_arrived(1).await.unwrap();
        leaving.abort();
        scene
            .envoy
            .until_stat("http.main.downstream_rq_active", |n| n == 0)
            .await
            .unwrap();
        gate.open();
        gate.until_empty().await.unwrap();
        // The retry's answer comes back to nobody.
        let statuses = scene
            .statuses(30, |request| Request::get(&format!("/after/{n}/{request}")))
            .await;
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    }
    assert!(!scene.envoy.log().contains("panicked"));
}

#[tokio::test]
async fn a_retry_that_takes_too_long_leaves_the_first_answer() {
    let scene = Scene::start(json!({"retry": {"timeout": "200ms"}})).await;
    let gate = Gate::new();
    scene.fail_and_retry(
        Reply::status(503).body("out of order"),
        Reply::status(200).held_at(&gate),
    );
    let mut failed = 0;
    for n in 0..6 {
        let answer = scene.client().get(&format!("/{n}")).await.unwrap();
        if answer.upstream() == "a" {
            assert_eq!((answer.status(), answer.text().as_str()), (503, "out of order"));
            failed += 1;
        } else {
            assert_eq!(answer.status(), 200);
        }
    }
    assert!(failed > 0);
    scene.metric_is("sidestep.retries.failed", failed).await;
}

#[tokio::test]
async fn a_host_that_breaks_off_in_the_body_is_not_retried() {
    // The response had begun: the client sees the same as without the filter.
    let servers = [Upstream::http1("a").await, Upstream::http1("b").await];
    let plugin = sidestep_envoy::knowing("backend", &servers, json!({}));
    let cluster = Cluster::new("backend").hosts(&servers);
    let envoy = Envoy::start(EnvoyConfig::new([cluster]).plugin(&plugin)).await.unwrap();
    servers[0].set(Reply::status(200).body("12345678").cut_in_body());
    let answers = envoy.client().send_many(4, 1, |_| Request::get("/")).await;
    let broken = answers.iter().filter(|answer| answer.is_err()).count() as u64;
    assert_eq!(broken, servers[0].count());
    assert_eq!(servers[0].count() + servers[1].count(), 4);
}

#[tokio::test]
async fn a_failed_answer_that_breaks_off_while_the_retry_is_out_becomes_envoys_502() {
    // Envoy answers past all filters then: the retry comes too late, whatever it brings. It still counts as a failure,
    // so that there are no more of them than the threshold.
    let scene = Scene::start(json!({})).await;
    scene.a.set(Reply::status(503).body("12345678").cut_in_body());
    let mut failed = 0;
    for _ in 0..60 {
        match scene.client().get("/").await.unwrap().status() {
            200 => {}
            502 => failed += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!(scene.a.count(), 5);
    assert!(failed <= 5);
}
