//! A failing host is left alone: after how many failures, for how long, and when not.

use serde_json::json;
use sidestep_envoy::{Scene, knowing};
use sidestep_support::{Behaviour, Client, Cluster, Envoy, EnvoyConfig, Gate, Reply, Request, Upstream, wait_for};
use std::time::{Duration, Instant};

const AT_ONCE: u64 = 8;

#[tokio::test]
async fn a_failing_host_gets_its_threshold_and_what_was_under_way_and_then_nothing() {
    let scene = Scene::start(json!({})).await;
    for behaviour in [Behaviour::from(Reply::status(503).body("bad"))] {
        scene.a.set(behaviour);
        scene.statuses(300, |_| Request::get("/")).await;
        let got = scene.a.count();
        assert!((5..=5 + AT_ONCE).contains(&got), "{got} requests");
        scene.statuses(300, |_| Request::get("/")).await;
        assert_eq!(scene.a.count(), got, "none while it is ejected");
    }
    assert!(
        scene.b.count() > 200 && scene.c.count() > 200,
        "the others share the traffic"
    );
}

#[tokio::test]
async fn one_after_the_other_the_threshold_is_exact() {
    for (threshold, expected) in [(1, 1), (3, 3), (7, 7)] {
        let plugin = json!({"outlier_detection": {"consecutive_5xx": threshold}});
        let scene = Scene::start(plugin).await;
        scene.a.set(Reply::status(503));
        for _ in 0..60 {
            assert_eq!(scene.client().get("/").await.unwrap().status(), 200);
        }
        assert_eq!(scene.a.count(), expected);
    }
}

#[tokio::test]
async fn an_ejected_host_comes_back_when_its_time_is_over_and_not_before() {
    let time = Duration::from_secs(1);
    let scene = Scene::start(json!({"outlier_detection": {"base_ejection_time": "1s"}})).await;
    scene.eject_a().await;
    let last = scene.a.received().last().map(|request| request.at).unwrap();
    scene.metric_is("sidestep.ejections_active", 1).await;
    scene.a.set(Reply::status(200));
    scene.a.reset();
    wait_for("traffic at a again", || async {
        scene.client().get("/").await.unwrap();
        (scene.a.count() > 0).then_some(())
    })
    .await
    .unwrap();
    let back = scene.a.received()[0].at;
    assert!(back - last >= time, "{:?} after its last failure", back - last);
    scene.metric_is("sidestep.ejections_active", 0).await;
    scene.metric_is("sidestep.ejections.consecutive_5xx", 1).await;
}

#[tokio::test]
async fn the_second_ejection_is_twice_as_long() {
    let plugin = json!({"outlier_detection": {"base_ejection_time": "500ms", "interval": "60s"}});
    let scene = Scene::start(plugin).await;
    scene.a.set(Reply::status(503));
    let mut ends = Vec::new();
    for ejection in 1..=2 {
        let line = format!("(ejection {ejection})");
        wait_for(&line, || async {
            assert_eq!(scene.client().get("/").await.unwrap().status(), 200);
            scene.envoy.log().contains(&line).then_some(())
        })
        .await
        .unwrap();
        let last = scene.a.received().last().map(|request| request.at).unwrap();
        scene.a.reset();
        wait_for("traffic at a again", || async {
            scene.client().get("/").await.unwrap();
            (scene.a.count() > 0).then_some(())
        })
        .await
        .unwrap();
        ends.push(scene.a.received()[0].at - last);
    }
    assert!(ends[0] >= Duration::from_millis(500), "{ends:?}");
    assert!(ends[1] >= Duration::from_millis(1000), "{ends:?}");
}

#[tokio::test]
async fn the_log_says_who_was_ejected_and_why() {
    let scene = Scene::start(json!({})).await;
    scene.eject_a().await;
    let line = scene.envoy.until_log("ejected host").await.unwrap();
    let expected = format!(
        "ejected host {} of cluster backend for 30s: consecutive_5xx reached 5 (ejection 1)",
        scene.a.address()
    );
    assert!(line.contains(&expected), "{line}");
}

#[tokio::test]
async fn a_success_starts_the_count_again() {
    let scene = Scene::start(json!({})).await;
    let good_one = std::sync::atomic::AtomicU64::new(0);
    // Four failures, a success, four failures, a success: never five in a row.
    scene.a.set_by(move |_| {
        let n = good_one.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        Reply::status(if n % 5 == 4 { 200 } else { 503 }).into()
    });
    for _ in 0..90 {
        assert_eq!(scene.client().get("/").await.unwrap().status(), 200);
    }
    assert!(scene.a.count() >= 29, "{} requests", scene.a.count());
    assert!(!scene.envoy.log().contains("ejected host"));
}

#[tokio::test]
async fn half_of_the_hosts_may_go_and_no_more() {
    let scene = Scene::start(json!({"retry": {"num_retries": 2}})).await;
    scene.a.set(Reply::status(503));
    scene.b.set(Reply::status(503));
    let statuses = scene.statuses(200, |_| Request::get("/")).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    let refused = "sidestep.ejections_refused.max_ejection_percent";
    scene.envoy.until_metric(refused, |n| n > 0).await.unwrap();
    scene.metric_is("sidestep.ejections_active", 1).await;
}

#[tokio::test]
async fn the_last_host_is_never_ejected() {
    let a = Upstream::http1("a").await;
    let cluster = Cluster::new("backend").host(&a);
    let servers = [a];
    let plugin = knowing(
        "backend",
        &servers,
        json!({"outlier_detection": {"max_ejection_percent": 100}}),
    );
    let envoy = Envoy::start(EnvoyConfig::new([cluster]).plugin(&plugin)).await.unwrap();
    let [a] = servers;
    a.set(Reply::status(503));
    for n in 1..=20 {
        // It is asked once more, after a while: there is nobody else.
        assert_eq!(envoy.client().get("/").await.unwrap().status(), 503);
        assert_eq!(a.count(), 2 * n);
    }
    envoy
        .until_metric("sidestep.ejections_refused.last_host", |n| n > 0)
        .await
        .unwrap();
    a.set(Reply::status(200));
    assert_eq!(envoy.client().get("/").await.unwrap().status(), 200);
}

#[tokio::test]
async fn zero_per_cent_only_reports() {
    let plugin = json!({"outlier_detection": {"enforcing_consecutive_5xx": 0}});
    let scene = Scene::start(plugin).await;
    scene.a.set(Reply::status(503));
    for _ in 0..60 {
        assert_eq!(scene.client().get("/").await.unwrap().status(), 200);
    }
    assert!(scene.a.count() > 15);
    scene
        .envoy
        .until_metric("sidestep.ejections_refused.not_enforced", |n| n > 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_slow_host_meets_the_routes_timeout_is_not_retried_and_is_ejected() {
    let scene = Scene::start_with(json!({}), |config| config.route_timeout(Duration::from_millis(100))).await;
    let gate = Gate::new();
    scene.a.set(Reply::status(200).held_at(&gate));
    let mut timeouts = 0;
    for _ in 0..60 {
        let before = scene.count();
        match scene.client().get("/").await.unwrap().status() {
            200 => {}
            504 => timeouts += 1,
            other => panic!("{other}"),
        }
        if timeouts < 5 {
            assert_eq!(
                scene.count() + gate.held() as u64,
                before + 1 + gate.held() as u64,
                "one attempt"
            );
        }
    }
    assert_eq!((timeouts, scene.a.count()), (5, 5));
    scene.metric_is("sidestep.attempts.failure_local_origin", 5).await;
    scene.metric_is("sidestep.retries_refused.deadline", 5).await;
    scene.metric_is("sidestep.retries.attempted", 0).await;
}

#[tokio::test]
async fn clusters_do_not_speak_for_each_other() {
    // The same hosts under two names, one with a policy of its own.
    let servers = [Upstream::http1("a").await, Upstream::http1("b").await];
    let clusters = ["one", "two"].map(|name| Cluster::new(name).hosts(&servers));
    let hosts: Vec<_> = servers.iter().map(|server| server.address().to_string()).collect();
    let plugin = json!({
        "picking": {"discovery_percent": 0},
        "clusters": {
            "one": {"hosts": hosts},
            "two": {"hosts": hosts, "outlier_detection": {"consecutive_5xx": 0}, "retry": {"num_retries": 0}},
        },
    });
    let envoy = Envoy::start(EnvoyConfig::new(clusters).plugin(&plugin)).await.unwrap();
    servers[0].set(Reply::status(503));
    let statuses = |path: &'static str| {
        let client: Client = envoy.client();
        async move {
            let mut failed = 0;
            for _ in 0..40 {
                failed += u64::from(client.get(path).await.unwrap().status() == 503);
            }
            failed
        }
    };
    assert_eq!(statuses("/one/").await, 0);
    assert_eq!(servers[0].count(), 5, "ejected in one");
    let failed = statuses("/two/").await;
    assert!(failed > 15, "neither ejected nor retried in two: {failed}");
    assert_eq!(servers[0].count(), 5 + failed);
}

#[tokio::test]
async fn a_429_and_a_404_eject_nobody() {
    let scene = Scene::start(json!({})).await;
    let start = Instant::now();
    for status in [404, 429, 425] {
        scene.a.set(Reply::status(status));
        scene.a.reset();
        for _ in 0..45 {
            scene.client().get("/").await.unwrap();
        }
        assert!(scene.a.count() >= 12, "{status} after {:?}", start.elapsed());
    }
    scene
        .envoy
        .until_metric("sidestep.attempts.overload", |n| n >= 12)
        .await
        .unwrap();
    scene.metric_is("sidestep.ejections.consecutive_5xx", 0).await;
}
