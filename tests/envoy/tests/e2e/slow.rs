//! Hosts that answer well and late.

use serde_json::{Value, json};
use sidestep_envoy::{Crowd, next_answers};
use sidestep_support::{Reply, Summary, wait_for};
use std::time::{Duration, Instant};

/// So long that what a busy machine adds to every answer does not hide a host that is ten times as slow.
const USUAL: Duration = Duration::from_millis(50);
const JITTER: Duration = Duration::from_millis(10);
const SLOW: Duration = Duration::from_millis(500);

/// With five hosts: 40 requests a second for each.
const RATE: f64 = 200.0;

fn judged_every(interval: &str) -> Value {
    json!({"outlier_detection": {"interval": interval, "base_ejection_time": "300s"}})
}

async fn five(plugin: Value) -> Crowd {
    let crowd = Crowd::start(5, plugin).await;
    for server in &crowd.servers {
        server.set_latency(USUAL, JITTER);
    }
    crowd
}

#[tokio::test]
async fn a_slow_host_is_out_within_two_intervals_and_the_clients_times_are_as_before() {
    let interval = Duration::from_secs(2);
    let crowd = five(judged_every("2s")).await;
    let traffic = crowd.traffic(RATE);
    next_answers(&traffic, 200).await;
    crowd.a().set_latency(SLOW, JITTER);
    let slow_since = Instant::now();
    crowd.until_ejected(crowd.a(), "slow").await;
    // Two intervals, and one for the ticks and a busy machine.
    assert!(slow_since.elapsed() < interval * 3, "after {:?}", slow_since.elapsed());
    let meanwhile = traffic.take();
    assert!(meanwhile.percentile(99) >= SLOW, "{:?}", meanwhile.percentile(99));
    let times = wait_for("usual times", || async {
        let now = next_answers(&traffic, 200).await;
        (now.percentile(99) < SLOW / 2).then_some(now)
    })
    .await
    .unwrap();
    assert_eq!(times.answers_of("a"), 0);
    assert_eq!(times.failed(), 0);
    crowd.only_ejected(crowd.a());
    crowd.until_metric("sidestep.ejections.slow", |n| n == 1).await;
}

#[tokio::test]
async fn where_all_hosts_are_slow_alike_nobody_is_slow() {
    let crowd = five(judged_every("1s")).await;
    for server in &crowd.servers {
        server.set_latency(SLOW, JITTER);
    }
    let traffic = crowd.traffic(RATE);
    // More than three intervals.
    next_answers(&traffic, 700).await;
    assert_eq!(crowd.ejections(), []);
}

#[tokio::test]
async fn what_counts_is_the_time_to_the_headers_whatever_the_body_takes() {
    let crowd = five(judged_every("1s")).await;
    let stream = Reply::status(200).body("1234").pausing_in_body(SLOW);
    crowd.servers[1].set(stream.clone());
    let traffic = crowd.traffic(RATE);
    next_answers(&traffic, 500).await;
    assert_eq!(crowd.ejections(), []);
    // And a stream whose headers are late is late.
    crowd.a().set(stream);
    crowd.a().set_latency(SLOW, JITTER);
    crowd.until_ejected(crowd.a(), "slow").await;
    crowd.only_ejected(crowd.a());
}

#[tokio::test]
async fn a_slow_hosts_share_of_slow_answers_is_what_the_percentile_says() {
    // A third of its answers is slow: typical at 50 %, and not at 90 %.
    let plugin = |percentile| {
        json!({"outlier_detection": {
            "interval": "1s",
            "base_ejection_time": "300s",
            "slow": {"percentile": percentile},
        }})
    };
    for (percentile, goes) in [(50, false), (90, true)] {
        let crowd = five(plugin(percentile)).await;
        let count = std::sync::atomic::AtomicU64::new(0);
        crowd.a().set_by(move |_| {
            let n = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let late = if n.is_multiple_of(3) { SLOW } else { Duration::ZERO };
            Reply::status(200).after(late).into()
        });
        let traffic = crowd.traffic(RATE);
        if goes {
            crowd.until_ejected(crowd.a(), "slow").await;
            crowd.only_ejected(crowd.a());
        } else {
            let seen = next_answers(&traffic, 700).await;
            assert!(seen.percentile_where(90, |name| name == "a") >= SLOW);
            assert_eq!(crowd.ejections(), []);
        }
    }
}

#[tokio::test]
async fn a_slow_host_is_only_reported_if_so_configured() {
    let detection = json!({"interval": "1s", "slow": {"enforcing": 0}});
    let crowd = five(json!({"outlier_detection": detection})).await;
    crowd.a().set_latency(SLOW, JITTER);
    let traffic = crowd.traffic(RATE);
    crowd
        .until_metric("sidestep.ejections_refused.not_enforced", |n| n > 0)
        .await;
    assert_eq!(crowd.ejections(), []);
    assert!(traffic.look(Summary::count) > 0);
}

#[tokio::test]
async fn a_slow_host_comes_back_when_it_is_quick_again_and_not_before() {
    // A good answer that is late is no proof.
    let plugin = json!({
        "outlier_detection": {"interval": "1s", "base_ejection_time": "1s"},
        "picking": {"ramp_time": "1s"},
    });
    let crowd = five(plugin).await;
    crowd.a().set_latency(SLOW * 2, JITTER);
    let traffic = crowd.traffic(RATE);
    crowd.until_ejected(crowd.a(), "slow").await;
    crowd.until_ejected(crowd.a(), "probation").await;
    crowd.until_metric("sidestep.probation.failed", |n| n >= 2).await;
    assert_eq!(crowd.envoy.metric("sidestep.probation.passed").await.unwrap(), 0);
    crowd.a().set_latency(USUAL, JITTER);
    crowd.until_metric("sidestep.probation.passed", |n| n == 1).await;
    wait_for("a full share", || async {
        let now = next_answers(&traffic, 200).await;
        (now.answers_of("a") >= 30).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(traffic.stop().await.failed(), 0);
    crowd.only_ejected(crowd.a());
}
