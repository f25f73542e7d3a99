//! The way back: probation by real requests that nobody pays for, then a share that grows.

use serde_json::{Value, json};
use sidestep_envoy::{Crowd, next_answers};
use sidestep_support::{Behaviour, Reply, Request, Summary, wait_for};
use std::time::Duration;

/// Ejections begin with a second and never get shorter in a test.
fn quick(more: Value) -> Value {
    let mut plugin = json!({
        "outlier_detection": {
            "interval": "60s",
            "base_ejection_time": "1s",
            "success_rate_minimum_hosts": 100,
            "slow": {"enforcing": 0},
        },
        "picking": {"ramp_time": "2s", "probation_timeout": "300ms"},
    });
    for (section, fields) in more.as_object().into_iter().flatten() {
        let section = &mut plugin[section];
        for (field, value) in fields.as_object().into_iter().flatten() {
            section[field] = value.clone();
        }
    }
    plugin
}

/// Breaks `a` by 503s, which users do not see, until it is ejected.
async fn eject_a(crowd: &Crowd) {
    crowd.a().set(Reply::status(503));
    let traffic = crowd.traffic(100.0);
    crowd.until_ejected(crowd.a(), "consecutive_5xx").await;
    assert_eq!(traffic.stop().await.failed(), 0);
}

/// Whatever a host in probation does, users get good answers; and no more than one request at a time is risked.
async fn nobody_pays_for(behaviour: impl Into<Behaviour>) {
    let behaviour = behaviour.into();
    let crowd = Crowd::start(3, quick(json!({}))).await;
    eject_a(&crowd).await;
    wait_for("quiet", || async { (crowd.a().in_flight() == 0).then_some(()) })
        .await
        .unwrap();
    crowd.a().set(behaviour.clone());
    crowd.a().reset();
    let traffic = crowd.traffic(100.0);
    crowd.until_metric("sidestep.probation.failed", |n| n >= 2).await;
    let seen = traffic.stop().await;
    assert_eq!(
        seen.statuses.keys().collect::<Vec<_>>(),
        [&200],
        "{behaviour:?}: {seen:?}"
    );
    assert_eq!(seen.errors, [""; 0], "{behaviour:?}");
    assert_eq!(crowd.a().most_in_flight(), 1, "{behaviour:?}");
    assert!(crowd.a().count() < 10, "{} requests: {behaviour:?}", crowd.a().count());
    crowd.only_ejected(crowd.a());
    assert_eq!(crowd.envoy.metric("sidestep.probation.passed").await.unwrap(), 0);
}

#[tokio::test]
async fn nobody_pays_for_a_trial_that_is_answered_by_an_error() {
    // Not among the failures that are retried otherwise.
    nobody_pays_for(Reply::status(500).body("out of order")).await;
}

#[tokio::test]
async fn nobody_pays_for_a_trial_that_is_answered_by_an_error_without_a_body() {
    nobody_pays_for(Reply::status(500)).await;
}

#[tokio::test]
async fn nobody_pays_for_a_trial_that_is_answered_by_503() {
    nobody_pays_for(Reply::status(503)).await;
}

#[tokio::test]
async fn nobody_pays_for_a_trial_that_hangs() {
    nobody_pays_for(Behaviour::Hang).await;
}

#[tokio::test]
async fn nobody_pays_for_a_trial_that_is_reset() {
    nobody_pays_for(Behaviour::Close).await;
}

#[tokio::test]
async fn nobody_pays_for_a_trial_that_is_cut_short_in_the_headers() {
    nobody_pays_for(Reply::status(200).cut_in_headers()).await;
}

#[tokio::test]
async fn nobody_pays_for_a_trial_that_asks_for_less() {
    nobody_pays_for(Reply::status(429)).await;
}

#[tokio::test]
async fn nobody_pays_for_a_trial_that_finds_nobody() {
    let crowd = Crowd::start(3, quick(json!({}))).await;
    eject_a(&crowd).await;
    crowd.a().stop().await;
    let traffic = crowd.traffic(100.0);
    crowd.until_metric("sidestep.probation.failed", |n| n >= 2).await;
    let seen = traffic.stop().await;
    assert_eq!(seen.failed(), 0, "{seen:?}");
    crowd.only_ejected(crowd.a());
}

#[tokio::test]
async fn a_late_answer_of_a_trial_is_not_waited_for() {
    let crowd = Crowd::start(3, quick(json!({}))).await;
    eject_a(&crowd).await;
    crowd.a().set(Behaviour::Hang);
    let traffic = crowd.traffic(100.0);
    crowd.until_metric("sidestep.probation.failed", |n| n >= 1).await;
    let seen = traffic.stop().await;
    assert_eq!(seen.failed(), 0);
    // probation_timeout is 300 ms; the route's own is 15 s.
    assert!(
        seen.percentile(100) < Duration::from_secs(5),
        "{:?}",
        seen.percentile(100)
    );
}

#[tokio::test]
async fn a_good_answer_is_proof_and_the_share_grows_from_then_on() {
    let crowd = Crowd::start(3, quick(json!({"picking": {"ramp_time": "12s"}}))).await;
    eject_a(&crowd).await;
    crowd.a().set(Reply::status(200));
    crowd.a().reset();
    let traffic = crowd.traffic(300.0);
    crowd.a().until_count(1).await.unwrap();
    traffic.take();
    let early = next_answers(&traffic, 300).await;
    assert!(
        early.answers_of("a") < early.answers_of("b") / 2,
        "{} of {}",
        early.answers_of("a"),
        early.count()
    );
    crowd.until_metric("sidestep.ejections_active", |n| n == 0).await;
    wait_for("a full share", || async {
        let later = next_answers(&traffic, 300).await;
        (later.answers_of("a") >= 80).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(traffic.stop().await.failed(), 0);
    let counts = crowd.counts().await;
    assert_eq!(counts.get("sidestep.probation.passed"), Some(&1), "{counts:#?}");
    assert_eq!(counts.get("sidestep.probation.failed"), None);
}

#[tokio::test]
async fn a_host_that_flaps_ends_up_out_for_longer_and_longer() {
    let crowd = Crowd::start(3, quick(json!({}))).await;
    crowd.a().set(Behaviour::in_turn([
        (Duration::from_millis(1500), Reply::status(503).into()),
        (Duration::from_millis(1500), Reply::status(200).into()),
    ]));
    let traffic = crowd.traffic(100.0);
    let ejections = wait_for("four ejections", || async {
        let all = crowd.ejections();
        (all.len() >= 4).then_some(all)
    })
    .await
    .unwrap();
    let seconds: Vec<_> = ejections.iter().map(|ejection| ejection.duration.as_secs()).collect();
    assert_eq!(seconds[..4], [1, 2, 3, 4]);
    assert_eq!(traffic.look(Summary::failed), 0);
    crowd.only_ejected(crowd.a());
}

#[tokio::test]
async fn requests_that_can_not_be_retried_are_no_trials() {
    // They go elsewhere while others can be tried by.
    let crowd = Crowd::start(3, quick(json!({}))).await;
    eject_a(&crowd).await;
    crowd.a().set(Reply::status(503));
    crowd.a().reset();
    let posts = crowd
        .client()
        .traffic(100.0, |n| Request::new("POST", &format!("/post/{n}")).body("x"));
    let gets = crowd.client().traffic(20.0, |n| Request::get(&format!("/get/{n}")));
    crowd.until_metric("sidestep.probation.failed", |n| n >= 2).await;
    let (posts, gets) = (posts.stop().await, gets.stop().await);
    assert_eq!((posts.failed(), gets.failed()), (0, 0));
    assert!(crowd.a().received().iter().all(|request| request.method == "GET"));
}

#[tokio::test]
async fn where_no_request_can_be_retried_a_host_comes_back_all_the_same() {
    // After an interval in which nobody could try it.
    let crowd = Crowd::start(3, quick(json!({"outlier_detection": {"interval": "1s"}}))).await;
    eject_a(&crowd).await;
    crowd.a().set(Reply::status(200));
    crowd.a().reset();
    let _posts = crowd
        .client()
        .traffic(100.0, |n| Request::new("POST", &format!("/post/{n}")).body("x"));
    crowd.a().until_count(10).await.unwrap();
    crowd.until_metric("sidestep.ejections_active", |n| n == 0).await;
}
