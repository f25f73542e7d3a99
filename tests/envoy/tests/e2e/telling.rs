//! What a request went through, as its client and the access log are told.

use super::engines::LOG;
use serde_json::{Value, json};
use sidestep_envoy::Scene;
use sidestep_support::{Reply, Request};

fn telling(engine: &str) -> Value {
    json!({"retry": {"engine": engine, "report": {"attempts": true, "proxy_status": "edge"}}})
}

/// Requests before a host begins to fail.
const BEFORE: usize = 6;

#[tokio::test]
async fn attempts_are_told_by_headers_and_to_the_access_log() {
    for engine in ["filter", "router"] {
        let scene = Scene::start_with(telling(engine), |config| config.access_log(LOG)).await;
        // By then it is known that pins are followed.
        for _ in 0..BEFORE {
            scene.client().get("/").await.unwrap();
        }
        scene.a.set(Reply::status(503).body("bad"));
        let mut retried = 0;
        for number in 0..10 {
            let request = Request::get(&format!("/{number}")).header("x-test", number.to_string());
            let answer = scene.client().send(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            let attempts = answer.header("x-sidestep-attempts").map(str::to_owned);
            let told = answer.header("proxy-status").map(str::to_owned);
            if attempts.as_deref() == Some("2") {
                retried += 1;
                assert_eq!(
                    told.as_deref(),
                    Some("edge; received-status=200; details=\"2 attempts\"")
                );
            } else {
                assert_eq!((attempts.as_deref(), told), (Some("1"), None));
            }
        }
        assert!((1..=5).contains(&retried), "{engine}: {retried}");
        let log = scene.envoy.until_access_log(BEFORE + 10).await.unwrap();
        let log = &log[BEFORE..];
        let a = scene.a.address().to_string();
        let told = log.iter().filter(|line| {
            line.contains("200 attempts=2 ")
                && line.contains(&format!("hosts={a},"))
                && line.contains(&format!("engine={engine} "))
        });
        assert_eq!(told.count(), retried, "{log:#?}");
        let silent = log
            .iter()
            .filter(|line| line.contains("attempts=- hosts=- engine=- refused=-"));
        assert_eq!(silent.count(), 10 - retried, "{log:#?}");
    }
}

#[tokio::test]
async fn a_refusal_has_its_reason_in_the_log_and_in_proxy_status() {
    let scene = Scene::start_with(telling("filter"), |config| config.access_log(LOG)).await;
    for server in scene.servers() {
        server.stop().await;
    }
    let answer = scene.client().send(Request::new("POST", "/").body("x")).await.unwrap();
    assert_eq!(answer.status(), 503);
    let told = answer.header("proxy-status").unwrap_or_default();
    assert_eq!(
        told,
        "edge; error=connection_refused; details=\"1 attempt, no further one: method\""
    );
    let log = scene.envoy.until_access_log(1).await.unwrap();
    assert!(
        log[0].contains("attempts=1 ") && log[0].ends_with("refused=method"),
        "{log:?}"
    );
}

#[tokio::test]
async fn where_nobody_is_left_the_client_gets_envoys_answer_and_the_reason() {
    let scene = Scene::start_cluster(telling("filter"), |_| sidestep_support::Cluster::new("backend")).await;
    let answer = scene.client().get("/").await.unwrap();
    assert_eq!(answer.status(), 503);
    let told = answer.header("proxy-status").unwrap_or_default();
    assert_eq!(told, "edge; error=destination_unavailable; details=\"1 attempt\"");
}
