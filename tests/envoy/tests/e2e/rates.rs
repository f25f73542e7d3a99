//! Detectors that look at whole intervals: success rate and failure percentage, for answers and for what gets none.

use serde_json::{Value, json};
use sidestep_envoy::{Crowd, next_answers};
use sidestep_support::{Behaviour, Cluster, Envoy, EnvoyConfig, Reply, Request};

/// Nothing but what `more` says ejects, judged every second; and an ejection lasts longer than the test.
fn judged(more: Value) -> Value {
    let mut detection = json!({
        "interval": "1s",
        "base_ejection_time": "300s",
        "consecutive_5xx": 0,
        "consecutive_gateway_failure": 0,
        "consecutive_local_origin_failure": 0,
        "enforcing_success_rate": 0,
        "enforcing_local_origin_success_rate": 0,
        "success_rate_request_volume": 15,
        "failure_percentage_request_volume": 15,
        "slow": {"enforcing": 0},
    });
    if let (Some(detection), Some(more)) = (detection.as_object_mut(), more.as_object()) {
        detection.extend(more.clone());
    }
    json!({"outlier_detection": detection})
}

fn failing(percent: f64, seed: u64, failure: impl Into<Behaviour>) -> Behaviour {
    Behaviour::sometimes(percent, seed, failure, Reply::status(200))
}

/// With six hosts: 50 requests a second for each.
const RATE: f64 = 300.0;

#[tokio::test]
async fn success_rate_ejects_the_host_that_fails_more_than_its_peers_and_only_it() {
    let crowd = Crowd::start(6, judged(json!({"enforcing_success_rate": 100}))).await;
    for (server, seed) in crowd.others().iter().zip(1..) {
        server.set(failing(1.0, seed, Reply::status(500)));
    }
    crowd.a().set(failing(60.0, 0, Reply::status(500)));
    let traffic = crowd.traffic(RATE);
    let ejection = crowd.until_ejected(crowd.a(), "success_rate").await;
    assert!(ejection.why.contains("success rate"), "{ejection:?}");
    // Another interval, without the bad one: all that are left are equal.
    next_answers(&traffic, 600).await;
    crowd.only_ejected(crowd.a());
    crowd.until_metric("sidestep.ejections.success_rate", |n| n == 1).await;
    assert_eq!(crowd.a().in_flight(), 0);
}

#[tokio::test]
async fn failure_percentage_ejects_the_host_over_the_threshold_and_only_it() {
    let detection = json!({"enforcing_failure_percentage": 100, "failure_percentage_threshold": 50});
    let crowd = Crowd::start(6, judged(detection)).await;
    crowd.a().set(failing(80.0, 0, Reply::status(500)));
    // Bad, but below the threshold.
    crowd.servers[1].set(failing(20.0, 1, Reply::status(500)));
    let traffic = crowd.traffic(RATE);
    crowd.until_ejected(crowd.a(), "failure_percentage").await;
    next_answers(&traffic, 600).await;
    crowd.only_ejected(crowd.a());
    crowd
        .until_metric("sidestep.ejections.failure_percentage", |n| n == 1)
        .await;
}

#[tokio::test]
async fn local_origin_success_rate_sees_who_gives_no_answer_and_not_who_gives_a_bad_one() {
    let detection = json!({
        "enforcing_local_origin_success_rate": 100,
        "split_external_local_origin_errors": true,
    });
    let crowd = Crowd::start(6, judged(detection)).await;
    crowd.a().set(failing(60.0, 0, Behaviour::Close));
    crowd.servers[1].set(failing(90.0, 1, Reply::status(500)));
    let traffic = crowd.traffic(RATE);
    crowd.until_ejected(crowd.a(), "local_origin_success_rate").await;
    next_answers(&traffic, 600).await;
    crowd.only_ejected(crowd.a());
    crowd
        .until_metric("sidestep.ejections.local_origin_success_rate", |n| n == 1)
        .await;
}

#[tokio::test]
async fn failure_percentage_local_origin_sees_who_gives_no_answer_and_not_who_gives_a_bad_one() {
    let detection = json!({
        "enforcing_failure_percentage_local_origin": 100,
        "failure_percentage_threshold": 50,
        "split_external_local_origin_errors": true,
    });
    let crowd = Crowd::start(6, judged(detection)).await;
    crowd.a().set(failing(80.0, 0, Behaviour::Close));
    crowd.servers[1].set(failing(90.0, 1, Reply::status(500)));
    let traffic = crowd.traffic(RATE);
    crowd.until_ejected(crowd.a(), "failure_percentage_local_origin").await;
    next_answers(&traffic, 600).await;
    crowd.only_ejected(crowd.a());
    crowd
        .until_metric("sidestep.ejections.failure_percentage_local_origin", |n| n == 1)
        .await;
}

#[tokio::test]
async fn unless_split_a_host_that_gives_no_answer_fails_like_one_that_gives_a_bad_one() {
    let crowd = Crowd::start(6, judged(json!({"enforcing_success_rate": 100}))).await;
    crowd.a().set(failing(60.0, 0, Behaviour::Close));
    let _traffic = crowd.traffic(RATE);
    crowd.until_ejected(crowd.a(), "success_rate").await;
    crowd.only_ejected(crowd.a());
}

#[tokio::test]
async fn an_answer_that_is_cut_short_in_the_body_was_no_good_one() {
    // Failures in a row are told by headers, as in Envoy; rates know how an answer ended.
    let crowd = Crowd::start(6, judged(json!({"enforcing_success_rate": 100}))).await;
    crowd.a().set(Reply::status(200).body("12345678").cut_in_body());
    let traffic = crowd.traffic(RATE);
    crowd.until_ejected(crowd.a(), "success_rate").await;
    crowd.only_ejected(crowd.a());
    let broken = traffic.stop().await.errors.len() as u64;
    assert!(broken >= 15, "{broken}");
    crowd.until_metric("sidestep.attempts.cut", |n| n == broken).await;
}

#[tokio::test]
async fn a_body_cut_short_over_http2_is_seen_as_well() {
    let detection = json!({
        "enforcing_local_origin_success_rate": 100,
        "split_external_local_origin_errors": true,
    });
    let crowd = Crowd::start_http2(6, judged(detection)).await;
    crowd.a().set(Reply::status(200).body("12345678").cut_in_body());
    let _traffic = crowd.client().http2().traffic(RATE, |n| Request::get(&format!("/{n}")));
    crowd.until_ejected(crowd.a(), "local_origin_success_rate").await;
    crowd.only_ejected(crowd.a());
}

#[tokio::test]
async fn at_zero_per_cent_a_rate_is_only_reported() {
    let crowd = Crowd::start(6, judged(json!({}))).await;
    crowd.a().set(failing(60.0, 0, Reply::status(500)));
    let _traffic = crowd.traffic(RATE);
    crowd
        .until_metric("sidestep.ejections_refused.not_enforced", |n| n >= 2)
        .await;
    assert_eq!(crowd.ejections(), []);
    let stays = format!("host {} of cluster backend stays: success_rate", crowd.a().address());
    crowd.envoy.until_log(&stays).await.unwrap();
}

#[tokio::test]
async fn where_all_hosts_fail_alike_nobody_is_to_blame() {
    let detection = json!({
        "enforcing_success_rate": 100,
        "enforcing_failure_percentage": 100,
        "failure_percentage_threshold": 30,
    });
    let crowd = Crowd::start(6, judged(detection)).await;
    for (server, seed) in crowd.servers.iter().zip(0..) {
        server.set(failing(60.0, seed, Reply::status(500)));
    }
    let _traffic = crowd.traffic(RATE);
    // All six, in two intervals.
    crowd
        .until_metric("sidestep.ejections_refused.like_its_peers", |n| n >= 12)
        .await;
    assert_eq!(crowd.ejections(), []);
}

#[tokio::test]
async fn too_few_requests_say_nothing() {
    let detection = json!({
        "enforcing_success_rate": 100,
        "success_rate_request_volume": 500,
        "enforcing_failure_percentage": 100,
        "failure_percentage_request_volume": 500,
    });
    let crowd = Crowd::start(6, judged(detection)).await;
    crowd.a().set(failing(90.0, 0, Reply::status(500)));
    let traffic = crowd.traffic(RATE);
    next_answers(&traffic, 900).await;
    assert_eq!(crowd.ejections(), []);
    crowd
        .until_metric("sidestep.attempts.failure_external", |n| n > 50)
        .await;
    assert_eq!(
        crowd
            .envoy
            .metric("sidestep.ejections_refused.not_enforced")
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_block_pasted_from_a_cluster_of_envoys_works() {
    // As `config_dump` shows it, and as its YAML becomes by any converter: Envoy itself takes it too.
    let as_json = json!({
        "consecutive5xx": 3,
        "interval": "1s",
        "baseEjectionTime": "300s",
        "maxEjectionPercent": 50,
        "enforcingConsecutive5xx": 100,
        "enforcingSuccessRate": 0,
        "successfulActiveHealthCheckUnejectHost": true,
    });
    let as_yaml = json!({
        "consecutive_5xx": 3,
        "interval": "1s",
        "base_ejection_time": "300s",
        "max_ejection_time": "300s",
        "max_ejection_time_jitter": "0.000s",
        "max_ejection_percent": 50,
        "enforcing_consecutive_5xx": 100,
        "enforcing_success_rate": 0,
        "split_external_local_origin_errors": false,
        "always_eject_one_host": true,
    });
    // The fields of the messages, as a program prints them: not for Envoy's own reader.
    let as_messages = json!({
        "consecutive_5xx": {"value": 3},
        "interval": {"seconds": 1, "nanos": 0},
        "base_ejection_time": {"seconds": 300},
        "max_ejection_percent": {"value": 50},
        "enforcing_success_rate": {"value": 0},
    });
    for (block, is_envoys) in [(as_json, true), (as_yaml, true), (as_messages, false)] {
        if is_envoys {
            let cluster = Cluster::new("backend").with("outlier_detection", block.clone());
            let envoys = EnvoyConfig::new([cluster]).without_filter();
            assert_eq!(Envoy::validate(&envoys).await.unwrap(), Ok(()));
        }
        let crowd = Crowd::start(3, json!({"outlier_detection": block})).await;
        crowd.a().set(Reply::status(503));
        let mut connection = crowd.client().connect().await.unwrap();
        for _ in 0..30 {
            assert_eq!(connection.get("/").await.unwrap().status(), 200);
        }
        assert_eq!(crowd.a().count(), 3);
        let ejection = crowd.until_ejected(crowd.a(), "consecutive_5xx").await;
        assert_eq!(ejection.duration.as_secs(), 300);
    }
}
