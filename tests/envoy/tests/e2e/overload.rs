//! A host that asks for less gets less, until then, and is not ejected.

use serde_json::json;
use sidestep_envoy::Scene;
use sidestep_support::{Reply, Request, wait_for};

/// A date far from now: the cap decides.
const FAR: &str = "Fri, 31 Dec 2100 23:59:59 GMT";

/// Sends GETs and gives how many of them `a` got.
async fn share(scene: &Scene, count: usize) -> u64 {
    let before = scene.a.count();
    let statuses = scene.statuses(count, |_| Request::get("/")).await;
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    scene.a.count() - before
}

/// `a` asks once, and answers well from then on.
async fn ask_for_less(scene: &Scene, reply: Reply) {
    scene.a.set_next(reply);
    let before = scene.a.count();
    while scene.a.count() == before {
        scene.client().get("/").await.unwrap();
    }
    scene
        .envoy
        .until_metric("sidestep.attempts.overload", |n| n > 0)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_host_that_says_retry_after_gets_a_tenth_of_its_share() {
    for value in ["60", FAR] {
        let scene = Scene::start(json!({})).await;
        ask_for_less(&scene, Reply::status(429).header("retry-after", value)).await;
        // A tenth of a third of 900 is 30, and what the others leave to it.
        let got = share(&scene, 900).await;
        assert!((5..90).contains(&got), "{got} of 900 after {value}");
        assert!(scene.b.count() > 300 && scene.c.count() > 300);
        assert!(!scene.envoy.log().contains("ejected host"));
    }
}

#[tokio::test]
async fn its_full_share_is_back_when_the_time_is_over() {
    let scene = Scene::start(json!({})).await;
    ask_for_less(&scene, Reply::status(429).header("retry-after", "2")).await;
    wait_for("a full share", || async {
        (share(&scene, 90).await >= 25).then_some(())
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn without_retry_after_a_429_changes_nothing() {
    let scene = Scene::start(json!({})).await;
    for reply in [
        Reply::status(429),
        Reply::status(429).header("retry-after", "soon"),
        Reply::status(429).header("retry-after", "0"),
    ] {
        ask_for_less(&scene, reply).await;
        let got = share(&scene, 300).await;
        assert!((80..=120).contains(&got), "{got} of 300");
    }
}

#[tokio::test]
async fn only_an_overloaded_hosts_retry_after_counts() {
    // Others say it of a redirect or a failure; that says nothing about how much the host can take.
    let scene = Scene::start(json!({})).await;
    scene.a.set_next(Reply::status(301).header("retry-after", "60"));
    scene.statuses(60, |_| Request::get("/")).await;
    let got = share(&scene, 300).await;
    assert!((80..=120).contains(&got), "{got} of 300");
}

#[tokio::test]
async fn where_all_ask_for_less_all_are_asked_as_before() {
    let scene = Scene::start(json!({})).await;
    for server in scene.servers() {
        server.set_next(Reply::status(429).header("retry-after", "60"));
    }
    scene.statuses(30, |_| Request::get("/")).await;
    scene.metric_is("sidestep.attempts.overload", 3).await;
    let got = share(&scene, 300).await;
    assert!((60..=140).contains(&got), "{got} of 300");
}
