//! Requests at a fixed rate, and what they tell.

use sidestep_support::{Behaviour, Client, Reply, Request, Summary, Upstream, wait_for};
use std::time::Duration;

#[tokio::test]
async fn a_rate_is_kept_however_slow_the_answers_are() {
    // A closed loop of as many connections would send one request each.
    let a = Upstream::http1("a").await;
    a.set(Behaviour::Hang);
    let traffic = Client::new(a.address()).traffic(200.0, |n| Request::get(&format!("/{n}")));
    wait_for("requests that do not wait for each other", || async {
        (a.in_flight() >= 20).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(traffic.look(Summary::count), 0);
    drop(traffic);
    wait_for("an end with its value", || async { (a.in_flight() == 0).then_some(()) })
        .await
        .unwrap();
}

#[tokio::test]
async fn answers_are_told_by_status_and_the_rest_as_errors() {
    let a = Upstream::http1("a").await;
    a.set_by(|request| match request.path.as_str() {
        "/0" => Behaviour::Close,
        "/1" => Reply::status(503).into(),
        _ => Reply::status(200).into(),
    });
    let traffic = Client::new(a.address()).traffic(500.0, |n| Request::get(&format!("/{}", n % 4)));
    a.until_count(400).await.unwrap();
    let all = traffic.stop().await;
    assert_eq!(all.count(), a.count());
    // Requests come in a different order than they leave in, but all of them come.
    let quarter = all.count() / 4;
    assert!(
        (quarter..=quarter + 1).contains(&(all.errors.len() as u64)),
        "{:?}",
        all.errors
    );
    assert!((quarter..=quarter + 1).contains(&all.statuses[&503]));
    assert_eq!(all.failed(), all.errors.len() as u64 + all.statuses[&503]);
    assert_eq!(all.answers_of("a"), all.times.len());
    assert!(a.connections() > all.count() / 50, "connections are replaced");
    assert!(a.connections() < all.count(), "connections are kept");
}

#[tokio::test]
async fn times_are_those_since_the_last_look() {
    let a = Upstream::http1("a").await;
    let traffic = Client::new(a.address()).traffic(200.0, |_| Request::get("/"));
    a.until_count(50).await.unwrap();
    let slow = Duration::from_millis(50);
    a.set_latency(slow, Duration::ZERO);
    traffic.take();
    let enough = || async { traffic.look(|seen| (seen.count() >= 50).then_some(())) };
    wait_for("slow answers", enough).await.unwrap();
    let seen = traffic.stop().await;
    assert!(seen.percentile(90) >= slow, "{:?}", seen.percentile(90));
    assert_eq!(seen.failed(), 0);
}

#[test]
fn percentiles_are_nearest_ranks() {
    let times = (1..=10).map(|n| (if n == 10 { "b" } else { "a" }.to_owned(), Duration::from_millis(n)));
    let summary = Summary {
        times: times.rev().collect(),
        ..Summary::default()
    };
    for (percent, rank) in [(0, 1), (1, 1), (10, 1), (11, 2), (50, 5), (90, 9), (99, 10), (100, 10)] {
        assert_eq!(summary.percentile(percent), Duration::from_millis(rank), "{percent}");
    }
    assert_eq!(
        summary.percentile_where(99, |name| name == "a"),
        Duration::from_millis(9)
    );
    assert_eq!(summary.percentile_where(99, |name| name == "c"), Duration::ZERO);
}
