//! Active probes: who is asked, by whom, and what comes of the answers.

use serde_json::{Value, json};
use sidestep_envoy::Crowd;
use sidestep_support::{
    Behaviour, Cluster, Envoy, EnvoyConfig, Received, Reply, Request, Upstream, trap_wasm, wait_for,
};
use std::time::Duration;

const AGENT: &str = "sidestep-probe";
const INTERVAL: Duration = Duration::from_millis(400);

fn probing(base_ejection_time: &str, more: Value) -> Value {
    let mut probe = json!({"path": "/health", "interval": "400ms", "timeout": "200ms"});
    if let (Some(probe), Some(more)) = (probe.as_object_mut(), more.as_object()) {
        probe.extend(more.clone());
    }
    json!({
        "outlier_detection": {"interval": "60s", "base_ejection_time": base_ejection_time},
        "picking": {"ramp_time": "0s"},
        "probe": probe,
    })
}

fn probes(server: &Upstream) -> u64 {
    server.count_from(AGENT)
}

fn users_requests(server: &Upstream) -> u64 {
    server.count() - probes(server)
}

/// Breaks `a`, in all that it answers, until it is ejected.
async fn eject_a(crowd: &Crowd) {
    crowd.a().set(Reply::status(503));
    crowd.a().set_path("/health", Reply::status(503));
    let traffic = crowd.traffic(100.0);
    crowd.until_ejected(crowd.a(), "consecutive_5xx").await;
    assert_eq!(traffic.stop().await.failed(), 0);
}

async fn until_back(crowd: &Crowd) {
    let before = users_requests(crowd.a());
    wait_for("users at a again", || async {
        assert_eq!(crowd.client().get("/").await.unwrap().status(), 200);
        (users_requests(crowd.a()) > before + 3).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn probes_that_pass_end_an_ejection_early_and_stop_when_the_host_is_back() {
    let crowd = Crowd::start(3, probing("300s", json!({}))).await;
    eject_a(&crowd).await;
    wait_for("probes", || async { (probes(crowd.a()) >= 2).then_some(()) })
        .await
        .unwrap();
    crowd.a().set(Reply::status(200));
    crowd.a().set_path("/health", Reply::status(200));
    until_back(&crowd).await;
    crowd.until_metric("sidestep.ejections_active", |n| n == 0).await;
    crowd.until_metric("sidestep.probes.passed", |n| n >= 2).await;
    // One may be under way.
    tokio::time::sleep(INTERVAL * 2).await;
    let sent = probes(crowd.a());
    tokio::time::sleep(INTERVAL * 4).await;
    assert_eq!(probes(crowd.a()), sent);
    assert!(crowd.others().iter().all(|server| probes(server) == 0));
}

#[tokio::test]
async fn a_failing_probe_holds_a_host_back_after_its_time() {
    // The application would answer: users' requests alone would bring the host back.
    for failure in [Behaviour::from(Reply::status(503)), Behaviour::Hang, Behaviour::Close] {
        // The first probe fails before the ejection is over, and each holds the host until the next should have been
        // answered: with times that a busy machine keeps.
        let crowd = Crowd::start(3, probing("3s", json!({"interval": "1s", "timeout": "1s"}))).await;
        eject_a(&crowd).await;
        crowd.a().set(Reply::status(200));
        crowd.a().set_path("/health", failure.clone());
        crowd.a().reset();
        let traffic = crowd.traffic(100.0);
        // More than twice its ejection.
        wait_for("probes", || async { (probes(crowd.a()) >= 8).then_some(()) })
            .await
            .unwrap();
        assert_eq!(users_requests(crowd.a()), 0, "{failure:?}");
        crowd.until_metric("sidestep.probes.failed", |n| n >= 4).await;
        crowd.a().set_path("/health", Reply::status(200));
        until_back(&crowd).await;
        assert_eq!(traffic.stop().await.failed(), 0);
    }
}

#[tokio::test]
async fn a_probe_asks_what_the_configuration_says() {
    let more = json!({"path": "/are/you?there", "method": "HEAD", "host": "probe.test"});
    let crowd = Crowd::start(3, probing("300s", more)).await;
    crowd.a().set_path("/are/you", Reply::status(503));
    crowd.a().set(Reply::status(503));
    let traffic = crowd.traffic(100.0);
    crowd.until_ejected(crowd.a(), "consecutive_5xx").await;
    drop(traffic);
    wait_for("a probe", || async { (probes(crowd.a()) >= 1).then_some(()) })
        .await
        .unwrap();
    let all = crowd.a().received();
    let probe = all
        .iter()
        .find(|request| request.header("user-agent") == Some(AGENT))
        .unwrap();
    assert_eq!((probe.method.as_str(), probe.path.as_str()), ("HEAD", "/are/you?there"));
    assert_eq!(probe.header("host"), Some("probe.test"));
    assert!(probe.body.is_empty());
    for name in ["x-sidestep-host", "x-envoy-internal"] {
        assert_eq!(probe.header(name), None, "{name}");
    }
}

#[tokio::test]
async fn what_passes_is_what_the_configuration_says() {
    // 404 is no sign of life unless it is said to be one; with "any" it is, like every answer.
    for (expected, passes) in [(json!([404]), true), (json!("any"), true), (json!(["200-299"]), false)] {
        let crowd = Crowd::start(3, probing("300s", json!({"expected_statuses": expected}))).await;
        eject_a(&crowd).await;
        crowd.a().set(Reply::status(200));
        crowd.a().set_path("/health", Reply::status(404));
        if passes {
            until_back(&crowd).await;
        } else {
            crowd.until_metric("sidestep.probes.failed", |n| n >= 4).await;
            assert_eq!(crowd.envoy.metric("sidestep.probes.passed").await.unwrap(), 0);
        }
    }
}

#[tokio::test]
async fn a_cluster_that_the_configuration_does_not_name_is_probed_too() {
    let servers = Crowd::http1(3).await;
    let cluster = Cluster::new("backend").hosts(&servers);
    let plugin = probing("300s", json!({"all": true}));
    let envoy = Envoy::start(EnvoyConfig::new([cluster]).plugin(&plugin)).await.unwrap();
    for answer in envoy
        .client()
        .send_many(30, 1, |n| Request::get(&format!("/{n}")))
        .await
    {
        answer.unwrap();
    }
    wait_for("probes everywhere", || async {
        servers.iter().all(|server| probes(server) >= 2).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn one_worker_probes_and_not_each() {
    let crowd = Crowd::start(3, probing("300s", json!({}))).await;
    eject_a(&crowd).await;
    crowd.a().reset();
    wait_for("probes", || async { (probes(crowd.a()) >= 8).then_some(()) })
        .await
        .unwrap();
    let probes: Vec<Received> = crowd.a().received();
    let took = probes[7].at - probes[0].at;
    // By two workers they would be seven in half of that time.
    assert!(took >= INTERVAL * 5, "{took:?}");
}

#[tokio::test]
async fn a_host_that_stops_answering_is_ejected_without_a_users_request_if_all_are_watched() {
    let more = json!({"all": true, "unhealthy_threshold": 3});
    for goes_down in [true, false] {
        let crowd = Crowd::start(3, probing("300s", more.clone())).await;
        wait_for("probes everywhere", || async {
            crowd.servers.iter().all(|server| probes(server) >= 2).then_some(())
        })
        .await
        .unwrap();
        assert_eq!(crowd.ejections(), []);
        if goes_down {
            crowd.a().stop().await;
        } else {
            crowd.a().set(Behaviour::Hang);
            crowd.a().set_path("/health", Behaviour::Hang);
        }
        crowd.until_ejected(crowd.a(), "probe").await;
        crowd.only_ejected(crowd.a());
        let before = crowd.a().count();
        let answers = crowd
            .client()
            .send_many(60, 4, |n| Request::get(&format!("/{n}")))
            .await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_ref().is_ok_and(|answer| answer.status() == 200))
        );
        assert_eq!(users_requests(crowd.a()), 0, "{before}");
        assert_eq!(crowd.envoy.metric("sidestep.retries.attempted").await.unwrap(), 0);
        crowd.until_metric("sidestep.ejections.probe", |n| n == 1).await;
    }
}

#[tokio::test]
async fn a_watched_host_comes_back_when_it_answers_again() {
    let crowd = Crowd::start(3, probing("300s", json!({"all": true}))).await;
    crowd.a().stop().await;
    crowd.until_ejected(crowd.a(), "probe").await;
    crowd.a().start().await;
    until_back(&crowd).await;
    assert_eq!(crowd.ejections().len(), 1);
}

#[tokio::test]
async fn another_worker_goes_on_when_the_probing_one_dies() {
    let plugin = probing("300s", json!({}));
    let crowd = Crowd::start_with(
        Crowd::http1(3).await,
        plugin,
        |cluster| cluster,
        |config| config.wasm(&trap_wasm()),
    )
    .await;
    eject_a(&crowd).await;
    for _ in 0..2 {
        for mut worker in crowd.envoy.connection_per_worker(2).await.unwrap() {
            let before = probes(crowd.a());
            let crash = Request::get("/").header("x-sidestep-trap", "now");
            assert_eq!(worker.send(crash).await.unwrap().status(), 503);
            wait_for("more probes", || async {
                (probes(crowd.a()) >= before + 2).then_some(())
            })
            .await
            .unwrap();
        }
    }
    crowd.a().set(Reply::status(200));
    crowd.a().set_path("/health", Reply::status(200));
    wait_for("the host", || async {
        // A VM that is being built answers 503.
        let _ = crowd.client().get("/").await;
        (users_requests(crowd.a()) > 8).then_some(())
    })
    .await
    .unwrap();
}
