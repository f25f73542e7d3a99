//! Who makes the retries, and that the host sees the same request again.

use serde_json::{Value, json};
use sidestep_envoy::{Scene, knowing};
use sidestep_support::{Behaviour, Cluster, Envoy, EnvoyConfig, Received, Reply, Request, Route, Upstream};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// What the access log says of attempts.
pub(crate) const LOG: &str = "%REQ(x-test)% %RESPONSE_CODE% attempts=%FILTER_STATE(wasm.sidestep.attempts:PLAIN)% \
    hosts=%FILTER_STATE(wasm.sidestep.hosts:PLAIN)% engine=%FILTER_STATE(wasm.sidestep.engine:PLAIN)% \
    refused=%FILTER_STATE(wasm.sidestep.refused:PLAIN)%";

fn with_engine(engine: &str) -> Value {
    json!({"retry": {"engine": engine}, "outlier_detection": {"consecutive_5xx": 0}})
}

/// Each path's first request fails like this, wherever it goes; the second is answered well.
pub(crate) fn fail_first(servers: &[&Upstream], failure: impl Into<Behaviour>) {
    let (failure, seen) = (failure.into(), Arc::new(Mutex::new(HashSet::new())));
    for server in servers {
        let (failure, seen) = (failure.clone(), Arc::clone(&seen));
        server.set_by(move |request| {
            let key = (request.path.clone(), request.body.clone());
            if seen.lock().is_ok_and(|mut seen| seen.insert(key)) {
                failure.clone()
            } else {
                Reply::status(200).body("good").into()
            }
        });
    }
}

/// All requests that reached the servers, in their order.
fn received(scene: &Scene) -> Vec<Received> {
    let mut all: Vec<_> = scene.servers().iter().flat_map(|server| server.received()).collect();
    all.sort_by_key(|request| request.at);
    all
}

fn same(first: &Received, second: &Received) {
    let documented = ["x-envoy-attempt-count", "x-envoy-expected-rq-timeout-ms"];
    let sorted = |request: &Received| {
        let head = request.head.clone().without(&documented);
        let mut headers = head.headers;
        headers.sort();
        (head.line, headers)
    };
    assert_eq!(sorted(second), sorted(first));
    assert_eq!(second.body, first.body);
}

/// Routes that change requests, each in its way; `/NAME/...` takes them.
fn changing(config: EnvoyConfig) -> EnvoyConfig {
    config
        .access_log(LOG)
        .route_first(Route::new("prefix", "/prefix", "backend").with("prefix_rewrite", json!("/rewritten")))
        .route_first(Route::new("host", "/host", "backend").with("host_rewrite_literal", json!("inside.test")))
        .route_first(Route::new("adds", "/adds", "backend").adding_to_request("x-team", "blue"))
        .route_first(Route::new("removes", "/removes", "backend").removing_from_request("user-agent"))
        .route_first(Route::new("", "/nameless", "backend").adding_to_request("x-nameless", "1"))
        .route_first(Route::new("regex", "/regex", "backend").with(
            "regex_rewrite",
            json!({"pattern": {"regex": "^/regex/[0-9]+/(.*)$"}, "substitution": "/number/\\1"}),
        ))
}

#[tokio::test]
async fn whatever_a_route_changes_the_host_sees_the_same_request_twice() {
    let scene = Scene::start_with(with_engine("auto"), changing).await;
    let servers = scene.servers();
    fail_first(&servers, Reply::status(503).body("bad"));
    let mut client = scene.client().connect().await.unwrap();
    for round in 0..12 {
        for name in ["plain", "prefix", "host", "adds", "removes", "nameless", "regex"] {
            for server in servers {
                server.reset();
            }
            let request = Request::new("PUT", &format!("/{name}/{round}/x"))
                .header("user-agent", "test")
                .header("x-test", name)
                .body(format!("{name} {round}"));
            let answer = client.send(request).await.unwrap();
            assert_eq!(
                (answer.status(), answer.text().as_str()),
                (200, "good"),
                "{name} {round}"
            );
            let [first, second] = received(&scene).try_into().expect("two attempts");
            same(&first, &second);
            assert_eq!(second.header("x-team").is_some(), name == "adds");
            assert_eq!(second.header("user-agent").is_some(), name != "removes");
            assert_eq!(
                second.path.starts_with("/rewritten"),
                name == "prefix",
                "{}",
                second.path
            );
        }
    }
    let log = scene.envoy.until_access_log(84).await.unwrap();
    let made_by = |name: &str, engine: &str| {
        let engine = format!("engine={engine} ");
        let lines = log.iter().filter(|line| line.starts_with(&format!("{name} ")));
        lines.filter(|line| line.contains(&engine)).count()
    };
    assert_eq!(made_by("plain", "filter") + made_by("plain", "router"), 12);
    assert!(made_by("plain", "filter") >= 10, "{log:#?}");
    for name in ["prefix", "host", "adds", "removes", "nameless", "regex"] {
        assert_eq!(made_by(name, "router"), 12, "{name}: {log:#?}");
    }
}

#[tokio::test]
async fn the_router_blames_each_host_that_failed_on_the_way_once() {
    let plugin = json!({"retry": {"engine": "router", "num_retries": 2}});
    let scene = Scene::start(plugin).await;
    // By then it is known that pins are followed.
    for _ in 0..10 {
        scene.client().get("/").await.unwrap();
    }
    let before = scene.a.count();
    scene.a.set(Reply::status(503));
    for number in 0..60 {
        let answer = scene.client().get(&format!("/{number}")).await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let line = format!("ejected host {} of cluster backend", scene.a.address());
    scene.envoy.until_log(&line).await.unwrap();
    assert_eq!(scene.a.count() - before, 5);
    scene.metric_is("sidestep.attempts.failure_external", 5).await;
    scene.metric_is("sidestep.retries.router", 5).await;
    scene.metric_is("sidestep.retries.succeeded", 5).await;
}

#[tokio::test]
async fn hosts_that_refuse_connections_are_the_routers_to_step_over_too() {
    let scene = Scene::start(json!({"retry": {"engine": "router"}})).await;
    scene.a.stop().await;
    let statuses = scene.statuses(120, |n| Request::get(&format!("/{n}"))).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    scene.metric_is("sidestep.ejections_active", 1).await;
}

#[tokio::test]
async fn large_and_endless_bodies_are_the_routers() {
    let plugin =
        json!({"retry": {"engine": "auto", "max_body_bytes": 1000}, "outlier_detection": {"consecutive_5xx": 0}});
    let scene = Scene::start(plugin).await;
    let servers = scene.servers();
    fail_first(&servers, Reply::status(503));
    let client = scene.client();
    for number in 0..8 {
        client.get(&format!("/warm/{number}")).await.unwrap();
    }
    let large = vec![b'x'; 200_000];
    let answer = client
        .send(Request::new("PUT", "/large").body(large.clone()))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let answer = client
        .send(Request::new("PUT", "/chunks").body(large).chunked(10_000))
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let all: Vec<_> = received(&scene)
        .into_iter()
        .filter(|request| !request.path.starts_with("/warm"))
        .collect();
    assert_eq!(all.iter().filter(|request| request.body.len() == 200_000).count(), 4);
}

#[tokio::test]
async fn a_route_that_retries_by_itself_is_left_alone() {
    let policy = json!({"retry_on": "5xx", "num_retries": 3, "retry_back_off": {"base_interval": "0.001s"}});
    for engine in ["auto", "filter", "router"] {
        let scene = Scene::start_with(with_engine(engine), |config| config.route_retry_policy(policy.clone())).await;
        for server in scene.servers() {
            server.set(Reply::status(503));
        }
        for number in 0..6 {
            let before = scene.count();
            let answer = scene.client().get(&format!("/{number}")).await.unwrap();
            assert_eq!(answer.status(), 503);
            assert!(
                scene.count() - before <= 4,
                "{engine}: {} attempts",
                scene.count() - before
            );
        }
    }
}

#[tokio::test]
async fn no_post_is_repeated_by_any_engine_whatever_fails() {
    for engine in ["auto", "filter", "router"] {
        let plugin = json!({
            "retry": {
                "engine": engine,
                "retry_on": "5xx,reset,connect-failure,refused-stream,retriable-4xx,unavailable",
                "num_retries": 3,
                "per_try_timeout": "200ms",
            },
            "outlier_detection": {"consecutive_5xx": 0, "consecutive_gateway_failure": 0},
        });
        let scene = Scene::start(plugin).await;
        let failures: [(&str, Behaviour); 4] = [
            ("503", Reply::status(503).into()),
            ("409", Reply::status(409).into()),
            ("close", Behaviour::Close),
            ("hang", Behaviour::Hang),
        ];
        let mut sent = 0;
        for (name, failure) in failures {
            for server in scene.servers() {
                server.set(failure.clone());
            }
            for method in ["POST", "PATCH"] {
                let request = Request::new(method, "/").header("idempotency-key", "\"k\"").body("x");
                let answer = scene.client().send(request).await.unwrap();
                assert!(answer.status() >= 400, "{engine} {method} {name}");
                sent += 1;
                assert_eq!(scene.count(), sent, "{engine} {method} {name}");
            }
        }
    }
}

#[tokio::test]
async fn a_post_with_a_key_is_repeated_where_its_route_opts_in_and_a_conflict_never_hides_the_failure() {
    let plugin = json!({
        "routes": {"payments": {"retry": {"idempotency_key": true}}},
        "outlier_detection": {"consecutive_5xx": 0},
    });
    let adapt = |config: EnvoyConfig| config.route_first(Route::new("payments", "/pay", "backend"));
    let scene = Scene::start_with(plugin, adapt).await;
    let servers = scene.servers();
    let post = |path: &str, key: bool| {
        let request = Request::new("POST", path).body("money");
        if key {
            request.header("idempotency-key", "\"8e03978e\"")
        } else {
            request
        }
    };
    fail_first(&servers, Reply::status(503).body("bad"));
    for (path, key, status, attempts) in [
        ("/pay/1", true, 200, 2),
        ("/pay/2", false, 503, 1),
        ("/other/3", true, 503, 1),
    ] {
        let before = scene.count();
        let answer = scene.client().send(post(path, key)).await.unwrap();
        assert_eq!(
            (answer.status(), scene.count() - before),
            (status, attempts),
            "{path} {key}"
        );
    }
    scene.fail_and_retry(Reply::status(503).body("first"), Reply::status(409).body("in progress"));
    for number in 0..30 {
        let answer = scene
            .client()
            .send(post(&format!("/pay/x{number}"), true))
            .await
            .unwrap();
        assert!(
            [200, 503].contains(&answer.status()),
            "{} {}",
            answer.status(),
            answer.text()
        );
    }
}

#[tokio::test]
async fn too_early_is_repeated_only_for_who_did_not_send_early_data() {
    let plugin = json!({"retry": {"retry_on": "retriable-status-codes", "retriable_status_codes": [425]}});
    let scene = Scene::start(plugin).await;
    fail_first(&scene.servers(), Reply::status(425));
    let early = Request::get("/early").header("early-data", "1");
    assert_eq!(scene.client().send(early).await.unwrap().status(), 425);
    scene.metric_is("sidestep.retries_refused.early_data", 1).await;
    assert_eq!(scene.client().get("/late").await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_host_that_does_not_answer_in_time_is_given_up_for_another_and_blamed() {
    for engine in ["filter", "router"] {
        let plugin = json!({"retry": {"engine": engine, "per_try_timeout": "150ms"}});
        let scene = Scene::start(plugin).await;
        scene.a.set(Behaviour::Hang);
        let statuses = scene.statuses(60, |n| Request::get(&format!("/{n}"))).await;
        assert!(statuses.iter().all(|status| *status == 200), "{engine}: {statuses:?}");
        scene.metric_is("sidestep.ejections_active", 1).await;
    }
}

#[tokio::test]
async fn the_circuit_breaker_for_retries_is_no_reason_to_spare_a_host() {
    let servers = [Upstream::http1("a").await, Upstream::http1("b").await];
    let cluster = Cluster::new("backend")
        .hosts(&servers)
        .with("circuit_breakers", json!({"thresholds": [{"max_retries": 0}]}));
    let plugin = knowing("backend", &servers, json!({"retry": {"engine": "router"}}));
    let envoy = Envoy::start(EnvoyConfig::new([cluster]).plugin(&plugin)).await.unwrap();
    servers[0].set(Reply::status(503));
    for number in 0..30 {
        envoy.client().get(&format!("/{number}")).await.unwrap();
    }
    envoy
        .until_log(&format!("ejected host {}", servers[0].address()))
        .await
        .unwrap();
}
