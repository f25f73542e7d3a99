//! Detectors that look at whole intervals: what all workers saw together.

use crate::common::{BACKEND, counted, post};
use crate::crowd::{assert_only, crowd, ejections, hosts, out, take_around};
use serde_json::{Value, json};
use sidestep_sim::{Load, Reply, Request, Sim};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// Only the detectors that look at whole intervals.
fn rates(extra: Value) -> Value {
    let mut policy = json!({"outlier_detection": {"consecutive_5xx": 0}});
    crate::common::merge(&mut policy, extra);
    policy
}

#[test]
fn a_host_that_fails_more_than_its_peers_goes_and_only_it_whatever_the_number_of_workers() {
    for workers in [2, 3, 8, 16] {
        let hosts = hosts(10);
        let mut sim = crowd(&hosts, workers, rates(json!({})));
        sim.host(&hosts[3]).answers_some(0.3, 500, 1);
        let start = sim.now();
        sim.under(&mut Load::gets(300, workers as u64), Duration::from_secs(20));
        assert_only(&sim, &hosts[3]);
        let ejections = ejections(&sim);
        assert_eq!(ejections.len(), 1, "{workers} workers: {ejections:?}");
        assert!(ejections[0].text.contains("success_rate"), "{ejections:?}");
        assert!(ejections[0].at - start <= 13 * SECOND, "{workers} workers");
    }
}

/// Every worker sends `each` requests to every host, of which the first host fails all, in one interval.
fn one_interval(sim: &mut Sim, hosts: &[String], workers: usize, each: usize) {
    sim.host(&hosts[0]).answers(500);
    // What a worker counts before its first tick with a cluster is of no interval.
    for worker in 0..workers {
        sim.steer(BACKEND, Some(&hosts[1]));
        sim.send(post().on(worker));
    }
    sim.advance_secs(2);
    for host in hosts {
        sim.steer(BACKEND, Some(host));
        for number in 0..workers * each {
            sim.advance(Duration::from_micros(100));
            sim.send(post().on(number % workers));
        }
    }
    sim.steer(BACKEND, None);
}

#[test]
fn not_one_request_is_lost_however_the_workers_take_turns_at_handing_over() {
    for seed in 0..40 {
        let (hosts, workers, each) = (hosts(5), 6, 5);
        // So many that a single one less would be too few.
        let policy = rates(json!({"outlier_detection": {"success_rate_request_volume": workers * each}}));
        let mut sim = crowd(&hosts, workers, policy).ticking_together();
        one_interval(&mut sim, &hosts, workers, each);
        sim.advance(Duration::from_secs(7));
        assert!(ejections(&sim).is_empty());
        sim.advance_interleaved(Duration::from_secs(5), seed);
        assert_only(&sim, &hosts[0]);
        assert_eq!(ejections(&sim).len(), 1, "seed {seed}");
        assert_eq!(counted(&mut sim, "sidestep.errors.shared_data_contention"), 0);
        assert_eq!(sim.metric("sidestep.ejections.success_rate"), 1);
    }
}

#[test]
fn sixteen_workers_that_hand_over_in_the_same_moment_lose_nothing() {
    for seed in 0..10 {
        let (hosts, workers, each) = (hosts(5), 16, 2);
        let policy = rates(json!({"outlier_detection": {"success_rate_request_volume": workers * each}}));
        let mut sim = crowd(&hosts, workers, policy).ticking_together();
        one_interval(&mut sim, &hosts, workers, each);
        sim.advance(Duration::from_secs(7));
        sim.advance_interleaved(Duration::from_secs(5), seed);
        assert_eq!(ejections(&sim).len(), 1, "seed {seed}: {:?}", sim.logs());
        assert_eq!(counted(&mut sim, "sidestep.errors.shared_data_contention"), 0);
    }
}

#[test]
fn an_interval_is_judged_by_another_worker_if_the_first_dies_before_any_of_its_host_calls() {
    let mut died = 0;
    for k in 0.. {
        let hosts = hosts(5);
        let policy = rates(json!({"outlier_detection": {"success_rate_request_volume": 20}}));
        let mut sim = crowd(&hosts, 2, policy);
        one_interval(&mut sim, &hosts, 2, 10);
        // Both have handed over, and worker 1 will be the first to judge.
        let start = sim.now() / (10 * SECOND) * (10 * SECOND);
        sim.advance(Duration::from_nanos(start + 11 * SECOND + SECOND / 10 - sim.now()));
        sim.kill_vm_after(1, k);
        sim.advance(Duration::from_millis(800));
        let alive = sim.has_vm(1);
        sim.advance_secs(2);
        // Who dies between writing and logging leaves no line.
        assert!(ejections(&sim).len() <= 1, "killed before call {k}: {:?}", sim.logs());
        assert_eq!(out(&sim), [hosts[0].as_str()], "killed before call {k}");
        if alive {
            break;
        }
        died += 1;
    }
    assert!(died > 8, "{died} calls");
}

#[test]
fn what_a_dead_worker_counted_is_lost_and_nothing_else() {
    for k in 0.. {
        let hosts = hosts(5);
        let policy = rates(json!({"outlier_detection": {"success_rate_request_volume": 10}}));
        let mut sim = crowd(&hosts, 2, policy);
        one_interval(&mut sim, &hosts, 2, 10);
        let start = sim.now() / (10 * SECOND) * (10 * SECOND);
        sim.advance(Duration::from_nanos(start + 10 * SECOND + SECOND / 10 - sim.now()));
        // It dies while it hands over; what the other one saw is enough.
        sim.kill_vm_after(1, k);
        sim.advance(Duration::from_millis(800));
        let alive = sim.has_vm(1);
        sim.advance_secs(3);
        // Who dies between writing and logging leaves no line.
        assert!(ejections(&sim).len() <= 1, "killed before call {k}: {:?}", sim.logs());
        assert_eq!(out(&sim), [hosts[0].as_str()], "killed before call {k}");
        if alive {
            break;
        }
    }
}

#[test]
fn hosts_that_are_all_alike_eject_nobody() {
    let hosts = hosts(20);
    let mut sim = crowd(&hosts, 16, json!({}));
    take_around(&mut sim, &hosts, Duration::from_millis(20));
    for (seed, host) in (1_000..).zip(&hosts) {
        sim.host(host).answers_some(0.01, 503, seed);
    }
    let served = sim.under(&mut Load::gets(500, 1), Duration::from_secs(60));
    assert!(served.requests > 29_000);
    assert!(ejections(&sim).is_empty(), "{:?}", ejections(&sim));
    // Errors of one in a hundred are gone, and the chance of two in a row is one in ten thousand.
    assert!(served.errors <= 10, "{}", served.errors);
}

#[test]
fn where_all_hosts_fail_alike_nobody_is_an_outlier() {
    let hosts = hosts(10);
    let policy =
        json!({"outlier_detection": {"enforcing_failure_percentage": 100, "failure_percentage_threshold": 20}});
    let mut sim = crowd(&hosts, 4, rates(policy));
    for (seed, host) in (0..).zip(&hosts) {
        sim.host(host).answers_some(0.4, 500, seed);
    }
    sim.under(&mut Load::gets(300, 5), Duration::from_secs(45));
    assert!(ejections(&sim).is_empty(), "{:?}", ejections(&sim));
    assert!(counted(&mut sim, "sidestep.ejections_refused.like_its_peers") > 0);
}

#[test]
fn a_detector_that_only_reports_counts_and_ejects_nobody() {
    let hosts = hosts(10);
    let mut sim = crowd(
        &hosts,
        4,
        rates(json!({"outlier_detection": {"enforcing_success_rate": 0}})),
    );
    sim.host(&hosts[3]).answers_some(0.5, 500, 1);
    sim.under(&mut Load::gets(300, 1), Duration::from_secs(25));
    assert!(ejections(&sim).is_empty());
    // Once for each interval, not once for each worker.
    assert_eq!(counted(&mut sim, "sidestep.ejections_refused.not_enforced"), 2);
}

#[test]
fn a_report_is_made_once_however_the_workers_take_turns_at_judging() {
    for seed in 0..20 {
        let (hosts, workers) = (hosts(5), 6);
        let policy = json!({"outlier_detection": {"success_rate_request_volume": 20, "enforcing_success_rate": 0}});
        let mut sim = crowd(&hosts, workers, rates(policy)).ticking_together();
        one_interval(&mut sim, &hosts, workers, 5);
        sim.advance(Duration::from_secs(7));
        sim.advance_interleaved(Duration::from_secs(5), seed);
        let reports = counted(&mut sim, "sidestep.ejections_refused.not_enforced");
        assert_eq!(reports, 1, "seed {seed}");
    }
}

#[test]
fn failures_of_the_local_origin_have_a_rate_of_their_own_where_they_are_split() {
    let hosts = hosts(10);
    let policy = rates(json!({"outlier_detection": {
        "split_external_local_origin_errors": true, "consecutive_local_origin_failure": 0}}));
    let mut sim = crowd(&hosts, 4, policy);
    let mut count = 0;
    sim.host(&hosts[2]).behaves(move |_| {
        count += 1;
        match count % 3 {
            0 => Reply::failure(sidestep_sim::Failure::Refused),
            _ => Reply::status(200),
        }
    });
    sim.host(&hosts[5]).answers_some(0.3, 500, 1);
    sim.under(&mut Load::gets(400, 1), Duration::from_secs(15));
    assert_eq!(counted(&mut sim, "sidestep.ejections.local_origin_success_rate"), 1);
    assert_eq!(sim.metric("sidestep.ejections.success_rate"), 1);
    let lines = ejections(&sim);
    let of = |host: &str| lines.iter().filter(|line| line.text.contains(host)).count();
    assert_eq!((lines.len(), of(&hosts[2]), of(&hosts[5])), (2, 1, 1), "{lines:?}");
}

#[test]
fn of_five_hundred_hosts_the_one_that_fails_goes() {
    let hosts = hosts(500);
    let policy = rates(json!({"outlier_detection": {"success_rate_request_volume": 20, "interval": "5s"}}));
    let mut sim = crowd(&hosts, 16, policy);
    sim.host(&hosts[321]).answers_some(0.7, 500, 9);
    sim.under(&mut Load::gets(3_000, 1), Duration::from_secs(12));
    assert_only(&sim, &hosts[321]);
}

#[test]
fn clock_jumps_eject_nobody_and_hide_no_failing_host_for_long() {
    for jump in [3_600, -3_600, -7] {
        let hosts = hosts(10);
        let mut sim = crowd(&hosts, 4, rates(json!({})));
        take_around(&mut sim, &hosts, Duration::from_millis(30));
        let mut load = Load::gets(150, 3);
        sim.under(&mut load, Duration::from_secs(14));
        sim.jump_clock(jump);
        sim.under(&mut load, Duration::from_secs(25));
        assert!(ejections(&sim).is_empty(), "after {jump} s: {:?}", ejections(&sim));
        sim.host(&hosts[6]).answers_some(0.5, 500, 3);
        sim.under(&mut load, Duration::from_secs(23));
        assert_only(&sim, &hosts[6]);
    }
}

#[test]
fn a_verdict_from_before_the_clock_was_set_back_hides_no_failing_host() {
    let hosts = hosts(10);
    let mut sim = crowd(&hosts, 4, rates(json!({})));
    let mut load = Load::gets(200, 3);
    sim.host(&hosts[1]).answers_some(0.5, 500, 3);
    sim.under(&mut load, Duration::from_secs(14));
    assert_eq!(out(&sim), [hosts[1].as_str()]);
    sim.jump_clock(-3_600);
    sim.host(&hosts[6]).answers_some(0.5, 500, 4);
    sim.under(&mut load, Duration::from_secs(25));
    assert_eq!(out(&sim), [hosts[1].as_str(), hosts[6].as_str()]);
}

#[test]
fn what_was_under_way_when_its_host_went_counts_in_no_later_interval() {
    let hosts = hosts(6);
    let policy = json!({"outlier_detection": {"base_ejection_time": "5s", "success_rate_request_volume": 20},
        "picking": {"ramp_time": "0s"}});
    let mut sim = crowd(&hosts, 2, policy);
    sim.steer(BACKEND, Some(&hosts[0]));
    sim.host(&hosts[0])
        .replies(Reply::status(500).after(Duration::from_secs(27)));
    for number in 0..60 {
        sim.later(Duration::from_millis(number), post().on(number as usize % 2));
    }
    sim.advance_secs(1);
    sim.host(&hosts[0]).answers(500);
    for _ in 0..5 {
        sim.advance(Duration::from_millis(1));
        sim.send(post());
    }
    sim.steer(BACKEND, None);
    assert_eq!(ejections(&sim).len(), 1);
    sim.host(&hosts[0]).answers(200);
    // It is back when the sixty answers come, in the middle of an interval with enough others.
    sim.under(&mut Load::gets(100, 1), Duration::from_secs(40));
    assert_eq!(ejections(&sim).len(), 1, "{:?}", ejections(&sim));
}

#[test]
fn an_answer_that_its_host_cuts_short_counts_as_a_failure() {
    let hosts = hosts(10);
    let mut sim = crowd(&hosts, 4, rates(json!({})));
    let mut count = 0;
    sim.host(&hosts[4]).behaves(move |_| {
        count += 1;
        match count % 2 {
            0 => Reply::status(200).body("half of").reset_midway(),
            _ => Reply::status(200).body("all"),
        }
    });
    sim.under(&mut Load::gets(300, 1), Duration::from_secs(20));
    assert_only(&sim, &hosts[4]);
}

#[test]
fn a_client_that_leaves_says_nothing_about_the_host() {
    let hosts = hosts(10);
    let mut sim = crowd(&hosts, 4, rates(json!({})));
    sim.host(&hosts[4])
        .replies(Reply::status(200).lasting(Duration::from_secs(30)));
    for number in 0..3_000 {
        sim.advance(Duration::from_millis(7));
        let id = sim.begin(Request::get("/").on(number % 4));
        if sim.until_answering(id) {
            sim.client_gone(id);
        }
    }
    assert!(ejections(&sim).is_empty(), "{:?}", ejections(&sim));
}
