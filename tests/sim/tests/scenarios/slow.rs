//! Hosts that answer well and late.

use crate::common::{BACKEND, counted, merge, post};
use crate::crowd::{Watch, assert_only, crowd, ejections, hosts, lines, out, take_around};
use serde_json::{Value, json};
use sidestep_sim::{Latency, Load, Reply, Request, Sim};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Hosts around 30 ms, but for the fourth, which takes ten times as long.
fn one_slow(hosts: &[String], workers: usize, extra: Value) -> Sim {
    let mut sim = crowd(hosts, workers, extra);
    take_around(&mut sim, hosts, millis(30));
    sim.host(&hosts[3]).takes(Latency::around(millis(300), 0.3, 99));
    sim
}

#[test]
fn a_host_ten_times_as_slow_as_its_peers_is_out_within_two_intervals() {
    for workers in [1, 2, 4, 16] {
        let hosts = hosts(10);
        let mut sim = one_slow(&hosts, workers, json!({}));
        let start = sim.now();
        let mut load = Load::gets(300, workers as u64);
        sim.under(&mut load, Duration::from_secs(20));
        assert_only(&sim, &hosts[3]);
        let ejection = &ejections(&sim)[0];
        assert!(ejection.text.contains(": slow: "), "{ejection:?}");
        assert!(ejection.at - start <= 20 * SECOND);
        let served = sim.under(&mut load, Duration::from_secs(10));
        assert!(served.percentile(0.99) < millis(150), "{:?}", served.percentile(0.99));
    }
}

#[test]
fn a_host_that_stays_slow_is_out_most_of_the_time() {
    let hosts = hosts(10);
    let mut sim = one_slow(&hosts, 4, json!({"outlier_detection": {"base_ejection_time": "20s"}}));
    let served = sim.under(&mut Load::gets(60, 1), Duration::from_secs(400));
    let share = served.first_tried(&hosts[3]) as f64 * 10.0 / served.requests as f64;
    assert!(
        share < 0.25,
        "it still gets {share} of its share: {:?}",
        ejections(&sim)
    );
    assert_only(&sim, &hosts[3]);
}

#[test]
fn a_host_that_is_still_slow_fails_its_trials() {
    let hosts = hosts(10);
    let mut sim = one_slow(&hosts, 4, json!({"outlier_detection": {"base_ejection_time": "10s"}}));
    sim.host(&hosts[3]).takes(Latency::of(millis(300)));
    sim.under(&mut Load::gets(60, 1), Duration::from_secs(150));
    assert!(
        lines(&sim, "proved itself").is_empty(),
        "{:?}",
        lines(&sim, "proved itself")
    );
    assert!(counted(&mut sim, "sidestep.probation.failed") >= 3);
    assert_eq!(out(&sim), [hosts[3].as_str()]);
}

#[test]
fn a_host_that_was_slow_for_a_while_is_back_at_its_full_share() {
    let hosts = hosts(10);
    let mut sim = one_slow(&hosts, 4, json!({}));
    let mut load = Load::gets(200, 1);
    sim.under(&mut load, Duration::from_secs(20));
    assert_eq!(out(&sim), [hosts[3].as_str()]);
    sim.host(&hosts[3]).takes(Latency::around(millis(30), 0.3, 5));
    sim.under(&mut load, Duration::from_secs(60));
    assert!(out(&sim).is_empty());
    assert_eq!(ejections(&sim).len(), 1);
    let served = sim.under(&mut load, Duration::from_secs(20));
    let share = served.first_tried(&hosts[3]) as f64 * 10.0 / served.requests as f64;
    assert!((0.8..1.2).contains(&share), "{share}");
}

#[test]
fn hosts_that_are_all_as_slow_eject_nobody() {
    for median in [5, 300, 3_000] {
        let hosts = hosts(10);
        let mut sim = crowd(&hosts, 8, json!({}));
        take_around(&mut sim, &hosts, millis(median));
        let mut load = Load::gets(200, median);
        sim.under(&mut load, Duration::from_secs(31));
        assert!(ejections(&sim).is_empty(), "{median}: {:?}", ejections(&sim));
        // All of them become ten times as slow.
        take_around(&mut sim, &hosts, millis(median * 10));
        sim.under(&mut load, Duration::from_secs(31));
        assert!(ejections(&sim).is_empty(), "{median}: {:?}", ejections(&sim));
    }
}

#[test]
fn many_times_almost_nothing_is_almost_nothing() {
    let hosts = hosts(10);
    let mut sim = crowd(&hosts, 4, json!({}));
    take_around(&mut sim, &hosts, millis(2));
    sim.host(&hosts[3]).takes(Latency::around(millis(40), 0.1, 9));
    sim.under(&mut Load::gets(200, 1), Duration::from_secs(25));
    assert!(ejections(&sim).is_empty(), "{:?}", ejections(&sim));
}

#[test]
fn a_long_answer_whose_headers_come_at_once_is_not_slow() {
    let hosts = hosts(6);
    let mut sim = crowd(&hosts, 4, json!({}));
    take_around(&mut sim, &hosts, millis(20));
    sim.host(&hosts[3])
        .replies(Reply::status(200).lasting(Duration::from_secs(40)));
    sim.under(&mut Load::gets(60, 1), Duration::from_secs(90));
    assert!(ejections(&sim).is_empty(), "{:?}", ejections(&sim));
}

#[test]
fn a_request_whose_body_comes_slowly_makes_no_host_slow() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 2, json!({}));
    take_around(&mut sim, &hosts, millis(5));
    // A client that hangs up or never ends its request says nothing either.
    for number in 0..600 {
        sim.steer(BACKEND, Some(&hosts[number % 4]));
        sim.advance(millis(40));
        let request = Request::new("PUT", "/").chunks(["half of it"]);
        let id = sim.begin(request.on(number % 2));
        if number % 4 == 2 {
            sim.advance(millis(3));
            sim.client_gone(id);
        }
    }
    assert!(ejections(&sim).is_empty(), "{:?}", ejections(&sim));
}

#[test]
fn a_few_requests_are_no_proof() {
    let hosts = hosts(10);
    let mut sim = one_slow(&hosts, 4, json!({}));
    // Fewer than twenty for each host in ten seconds.
    sim.under(&mut Load::gets(15, 1), Duration::from_secs(45));
    assert!(ejections(&sim).is_empty(), "{:?}", ejections(&sim));
}

#[test]
fn what_each_worker_saw_too_little_of_is_seen_together() {
    let hosts = hosts(4);
    let mut sim = crowd(
        &hosts,
        16,
        json!({"outlier_detection": {"slow": {"request_volume": 64}}}),
    );
    take_around(&mut sim, &hosts, millis(20));
    sim.host(&hosts[3]).takes(Latency::of(millis(400)));
    for worker in 0..16 {
        sim.send(post().on(worker));
    }
    sim.advance_secs(2);
    // Four at each of the sixteen workers.
    for host in &hosts {
        sim.steer(BACKEND, Some(host));
        for number in 0..64 {
            sim.later(millis(number * 10), post().on(number as usize % 16));
        }
        sim.advance_secs(1);
    }
    sim.steer(BACKEND, None);
    sim.advance_secs(10);
    assert_only(&sim, &hosts[3]);
}

#[test]
fn three_slow_hosts_of_ten_go_and_no_other() {
    let hosts = hosts(10);
    let mut sim = crowd(&hosts, 4, json!({}));
    take_around(&mut sim, &hosts, millis(30));
    for host in &hosts[..3] {
        sim.host(host).takes(Latency::around(millis(400), 0.3, 4));
    }
    let mut watch = Watch::of(50);
    let mut load = Load::gets(300, 2);
    for _ in 0..20 {
        sim.under(&mut load, Duration::from_secs(1));
        watch.check(&sim);
    }
    assert_eq!(out(&sim), hosts[..3]);
    assert_eq!(ejections(&sim).len(), 3);
}

#[test]
fn of_five_hundred_hosts_the_slow_one_goes() {
    let hosts = hosts(500);
    let mut sim = crowd(&hosts, 16, json!({"outlier_detection": {"interval": "5s"}}));
    take_around(&mut sim, &hosts, millis(20));
    sim.host(&hosts[77]).takes(Latency::around(millis(300), 0.3, 4));
    sim.under(&mut Load::gets(3_000, 1), Duration::from_secs(13));
    assert_only(&sim, &hosts[77]);
}

#[test]
fn clock_jumps_make_no_host_slow_and_hide_none_for_long() {
    for jump in [1, -1, 3_600, -3_600] {
        let hosts = hosts(10);
        let mut sim = crowd(&hosts, 4, json!({}));
        take_around(&mut sim, &hosts, millis(30));
        let mut load = Load::gets(200, 3);
        for _ in 0..6 {
            sim.under(&mut load, millis(3_300));
            sim.jump_clock(jump);
        }
        sim.under(&mut load, Duration::from_secs(12));
        assert!(ejections(&sim).is_empty(), "{jump} s: {:?}", ejections(&sim));
        sim.host(&hosts[3]).takes(Latency::around(millis(300), 0.3, 9));
        sim.under(&mut load, Duration::from_secs(23));
        assert_only(&sim, &hosts[3]);
    }
}

#[test]
fn clock_jumps_make_no_host_slow_even_where_the_router_does_not_say_how_long_it_took() {
    for jump in [5, -5] {
        let hosts = hosts(10);
        let mut sim = crowd(&hosts, 4, json!({}));
        // Without the router's header time is told by the clock, which jumps while requests are under way.
        for (number, host) in (0u64..).zip(&hosts) {
            sim.host(host).replies(
                Reply::status(200)
                    .header("x-envoy-upstream-service-time", "none")
                    .after(millis(20 + number)),
            );
        }
        let mut load = Load::gets(400, 3);
        for _ in 0..30 {
            sim.under(&mut load, Duration::from_secs(1));
            sim.jump_clock(jump);
        }
        assert!(ejections(&sim).is_empty(), "{jump} s: {:?}", ejections(&sim));
    }
}

#[test]
fn a_slow_host_that_only_gets_reported_stays() {
    let hosts = hosts(10);
    let mut policy = json!({"outlier_detection": {"slow": {}}});
    merge(&mut policy, json!({"outlier_detection": {"slow": {"enforcing": 0}}}));
    let mut sim = one_slow(&hosts, 4, policy);
    sim.under(&mut Load::gets(200, 1), Duration::from_secs(25));
    assert!(ejections(&sim).is_empty());
    assert_eq!(counted(&mut sim, "sidestep.ejections_refused.not_enforced"), 2);
}
