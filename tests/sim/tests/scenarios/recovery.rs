//! The way back: an ejected host proves itself by one request at a time, and then its share grows.

use crate::common::{BACKEND, counted, eject, post};
use crate::crowd::{Watch, assert_one_trial_at_a_time, crowd, ejections, health, hosts, lines, out, take_around};
use serde_json::json;
use sidestep_sim::{Failure, Latency, Load, Reply, Request, Sim};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Without a verdict on hosts that are slower than others, as those here are on purpose.
fn patient() -> serde_json::Value {
    json!({"outlier_detection": {"slow": {"enforcing": 0}}})
}

/// Ejects the first host, which then is well and takes `took`; lets the time of its ejection pass.
fn in_probation(sim: &mut Sim, hosts: &[String], took: Duration) {
    eject(sim, &hosts[0]);
    sim.host(&hosts[0]).answers(200);
    sim.host(&hosts[0]).takes(Latency::of(took));
    sim.advance_secs(29);
    let at = ejections(sim)[0].at;
    sim.advance(Duration::from_nanos(at + 30 * SECOND + 1_000_000 - sim.now()));
}

#[test]
fn when_its_time_is_over_one_request_of_all_workers_tries_the_host() {
    for workers in [1, 2, 5, 16] {
        for seed in 0..12 {
            let hosts = hosts(4);
            let mut sim = crowd(&hosts, workers, json!({}));
            in_probation(&mut sim, &hosts, millis(300));
            let before = sim.attempts(&hosts[0]);
            for number in 0..workers * 3 {
                sim.later(millis(number as u64 % 3), Request::get("/").on(number % workers));
            }
            sim.settle_interleaved(seed);
            let told = format!("{workers} workers, seed {seed}");
            assert_eq!(sim.attempts(&hosts[0]) - before, 1, "{told}");
            assert_eq!(lines(&sim, "proved itself").len(), 1, "{told}: {:?}", sim.logs());
            assert_eq!(counted(&mut sim, "sidestep.probation.trials"), 1, "{told}");
            assert_eq!(sim.metric("sidestep.probation.passed"), 1, "{told}");
        }
    }
}

#[test]
fn under_load_trials_follow_one_another_and_never_overlap() {
    for (workers, seed) in [(2, 1), (4, 2), (16, 3)] {
        let hosts = hosts(6);
        let mut sim = crowd(
            &hosts,
            workers,
            json!({"outlier_detection": {"base_ejection_time": "3s"}}),
        );
        take_around(&mut sim, &hosts[1..], millis(10));
        let host = &hosts[0];
        sim.host(host).takes(Latency::of(millis(400)));
        sim.host(host).answers(503);
        let mut load = Load::gets(200, seed);
        let mut watch = Watch::of(50);
        for _ in 0..60 {
            let served = sim.under(&mut load, Duration::from_secs(1));
            assert_eq!(served.errors, 0, "no client sees what a trial meets");
            watch.check(&sim);
        }
        let trials = assert_one_trial_at_a_time(&sim, host, millis(400));
        // After 3, 6, 9, 12 and 15 s, each time with what a trial takes.
        assert!((3..=5).contains(&trials), "{trials} trials");
        assert_eq!(counted(&mut sim, "sidestep.ejections.probation"), trials as i64);
        assert_eq!(sim.metric("sidestep.probation.failed"), trials as i64);
    }
}

#[test]
fn each_failed_trial_makes_the_next_ejection_longer() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 4, json!({}));
    sim.host(&hosts[0]).answers(503);
    sim.under(&mut Load::gets(50, 1), Duration::from_secs(310));
    let ejections = ejections(&sim);
    let gaps: Vec<u64> = ejections
        .windows(2)
        .map(|two| (two[1].at - two[0].at) / SECOND)
        .collect();
    assert_eq!(gaps, [30, 60, 90, 120], "{ejections:?}");
}

#[test]
fn a_host_that_flaps_is_out_for_longer_and_longer() {
    let hosts = hosts(6);
    let mut sim = crowd(
        &hosts,
        4,
        json!({"outlier_detection": {"base_ejection_time": "5s", "interval": "5s"}}),
    );
    let started = sim.now();
    // Well for three seconds, then not for three.
    sim.host(&hosts[2]).behaves(move |seen| {
        let second = (seen.at - started) / SECOND;
        Reply::status(if second % 6 < 3 { 200 } else { 503 })
    });
    let served = sim.under(&mut Load::gets(100, 1), Duration::from_secs(240));
    assert_eq!(served.errors, 0);
    let ejections = ejections(&sim);
    assert!(
        ejections.iter().all(|line| line.text.contains(&hosts[2])),
        "{ejections:?}"
    );
    let share = served.first_tried(&hosts[2]) as f64 / served.requests as f64;
    assert!(share < 0.05, "it still gets {share} of the requests: {ejections:?}");
}

#[test]
fn a_host_that_swallows_its_trial_costs_its_client_a_second_and_no_error() {
    for failure in [
        None,
        Some(Failure::Closed),
        Some(Failure::Refused),
        Some(Failure::Reset),
    ] {
        let hosts = hosts(4);
        let mut sim = crowd(&hosts, 2, json!({}));
        in_probation(&mut sim, &hosts, Duration::ZERO);
        match failure {
            None => sim
                .host(&hosts[0])
                .replies(Reply::status(200).after(Duration::from_secs(300))),
            Some(failure) => sim.host(&hosts[0]).fails(failure),
        }
        let answer = sim.get("/");
        assert_eq!((answer.status, &answer.tried[0]), (200, &hosts[0]), "{failure:?}");
        assert!(answer.took <= millis(1_050), "{:?}", answer.took);
        assert_eq!(ejections(&sim).len(), 2, "{failure:?}: {:?}", sim.logs());
        assert!(ejections(&sim)[1].text.contains("for 1m"));
    }
}

#[test]
fn a_trial_with_a_long_body_is_not_cut() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 2, json!({}));
    in_probation(&mut sim, &hosts, Duration::ZERO);
    sim.host(&hosts[0])
        .replies(Reply::status(200).lasting(Duration::from_secs(50)));
    let answer = sim.get("/");
    assert_eq!((&answer.tried[0], answer.cut), (&hosts[0], false));
    assert_eq!(answer.text(), "it begins\nit ends\n");
    assert_eq!(lines(&sim, "proved itself").len(), 1);
}

#[test]
fn an_overloaded_host_fails_its_trial() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 2, json!({}));
    in_probation(&mut sim, &hosts, Duration::ZERO);
    sim.host(&hosts[0]).answers(429);
    assert_eq!(
        sim.get("/").status,
        200,
        "a trial is repeated elsewhere whatever it met"
    );
    assert_eq!(ejections(&sim).len(), 2);
}

#[test]
fn a_client_that_leaves_a_trial_makes_room_for_the_next() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 2, json!({}));
    in_probation(&mut sim, &hosts, millis(300));
    let id = sim.begin(Request::get("/").on(1));
    sim.advance(millis(100));
    assert_eq!(sim.client_gone(id).tried, [hosts[0].as_str()]);
    sim.advance(millis(1));
    assert_eq!(sim.get("/").tried, [hosts[0].as_str()]);
    assert_eq!(lines(&sim, "proved itself").len(), 1);
}

#[test]
fn wherever_a_vm_dies_during_a_trial_the_host_comes_back_to_its_full_share() {
    let mut died = 0;
    for k in 0.. {
        let hosts = hosts(4);
        let mut sim = crowd(&hosts, 2, patient());
        in_probation(&mut sim, &hosts, millis(300));
        sim.kill_vm_after(1, k);
        let id = sim.begin(Request::get("/").on(1));
        sim.advance(millis(350));
        let alive = sim.has_vm(1);
        let mut load = Load::gets(25, k);
        let mut watch = Watch::of(50);
        for _ in 0..30 {
            sim.under(&mut load, Duration::from_secs(1));
            watch.check(&sim);
        }
        let told = format!("killed before call {k}: {:?}", sim.logs());
        assert!(out(&sim).is_empty(), "{told}");
        let served = sim.under(&mut load, Duration::from_secs(10));
        let share = served.first_tried(&hosts[0]) as f64 / served.requests as f64;
        assert!((0.15..0.35).contains(&share), "a share of {share}, {told}");
        assert_eq!(ejections(&sim).len(), 1, "{told}");
        // A trial whose VM died may still be out when the next begins, but not before its lease is over.
        if alive {
            assert!(sim.answer(id).is_some());
            break;
        }
        died += 1;
    }
    assert!(died > 15, "{died} calls");
}

#[test]
fn wherever_a_vm_dies_during_a_failing_trial_the_host_goes_and_comes_back_when_it_is_well() {
    for k in 0.. {
        let hosts = hosts(4);
        let mut sim = crowd(&hosts, 2, patient());
        in_probation(&mut sim, &hosts, millis(300));
        sim.host(&hosts[0]).next([Reply::status(503)]);
        sim.kill_vm_after(1, k);
        sim.begin(Request::get("/").on(1));
        sim.advance(millis(350));
        let alive = sim.has_vm(1);
        let mut load = Load::gets(20, k);
        let mut watch = Watch::of(50);
        for _ in 0..100 {
            sim.under(&mut load, Duration::from_secs(1));
            watch.check(&sim);
        }
        assert!(out(&sim).is_empty(), "killed before call {k}: {:?}", sim.logs());
        if alive {
            assert_eq!(ejections(&sim).len(), 2);
            break;
        }
    }
}

#[test]
fn the_share_grows_from_a_tenth_to_a_full_one_and_never_falls() {
    for workers in [2, 16] {
        let hosts = hosts(10);
        let mut sim = crowd(&hosts, workers, json!({"picking": {"ramp_time": "20s"}}));
        take_around(&mut sim, &hosts[1..], millis(5));
        in_probation(&mut sim, &hosts, millis(5));
        let mut load = Load::gets(500, workers as u64);
        while lines(&sim, "proved itself").is_empty() {
            sim.under(&mut load, millis(10));
        }
        let shares: Vec<f64> = (0..10)
            .map(|_| {
                let served = sim.under(&mut load, Duration::from_secs(2));
                served.first_tried(&hosts[0]) as f64 * 10.0 / served.requests as f64
            })
            .collect();
        println!("{workers} workers: {shares:.2?}");
        assert!(shares[0] < 0.35, "{shares:?}");
        assert!(shares[9] > 0.75, "{shares:?}");
        for two in shares.windows(3) {
            assert!(two[2] > two[0] - 0.1, "{shares:?}");
        }
        for bucket in 0..10 {
            // In the middle of its two seconds, of twenty; what it leaves comes back to it by a tenth at most.
            let expected = 0.1 + 0.9 * (bucket as f64 + 0.5) / 10.0;
            assert!((shares[bucket] - expected).abs() < 0.25, "{bucket}: {shares:?}");
        }
        let served = sim.under(&mut load, Duration::from_secs(20));
        for host in &hosts {
            let share = served.first_tried(host) as f64 * 10.0 / served.requests as f64;
            assert!((0.85..1.15).contains(&share), "{host}: {share}");
        }
    }
}

#[test]
fn where_no_request_could_be_tried_elsewhere_a_host_comes_back_without_proof() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 2, json!({}));
    in_probation(&mut sim, &hosts, Duration::ZERO);
    let before = sim.attempts(&hosts[0]);
    let mut load = Load::of(100, 1, |_| post());
    sim.under(&mut load, Duration::from_secs(9));
    assert_eq!(sim.attempts(&hosts[0]), before, "not before an interval is over");
    sim.under(&mut load, Duration::from_secs(3));
    assert_eq!(lines(&sim, "could not be tried").len(), 1, "{:?}", sim.logs());
    assert!(sim.attempts(&hosts[0]) > before);
    sim.under(&mut load, Duration::from_secs(12));
    let served = sim.under(&mut load, Duration::from_secs(10));
    assert!(served.first_tried(&hosts[0]) > 150);
}

#[test]
fn many_hosts_at_once_all_come_back() {
    for workers in [2, 16] {
        let hosts = hosts(40);
        let mut sim = crowd(
            &hosts,
            workers,
            json!({"outlier_detection": {"success_rate_minimum_hosts": 100}}),
        );
        take_around(&mut sim, &hosts, millis(20));
        let sick = &hosts[..20];
        for host in sick {
            sim.host(host).answers(503);
        }
        let mut load = Load::gets(200, 7);
        let mut watch = Watch::of(50);
        for _ in 0..10 {
            sim.under(&mut load, Duration::from_secs(1));
            watch.check(&sim);
        }
        assert_eq!(out(&sim).len(), 20, "{:?}", sim.logs());
        for host in sick {
            sim.host(host).answers(200);
        }
        for _ in 0..50 {
            let served = sim.under(&mut load, Duration::from_secs(1));
            assert_eq!(served.errors, 0);
            watch.check(&sim);
        }
        assert!(out(&sim).is_empty());
        let served = sim.under(&mut load, Duration::from_secs(20));
        for host in &hosts {
            let share = served.first_tried(host) as f64 * 40.0 / served.requests as f64;
            assert!((0.6..1.4).contains(&share), "{host}: {share}");
        }
    }
}

#[test]
fn after_any_jump_of_the_clock_an_ejected_host_comes_back_in_the_time_it_had_to_go() {
    for jump in [20, -20, 3_600, -3_600, 86_400 * 365, -86_400 * 365] {
        for at in [1, 15, 29, 31] {
            let hosts = hosts(4);
            let mut sim = crowd(&hosts, 3, json!({}));
            let mut load = Load::gets(25, 1);
            sim.under(&mut load, Duration::from_secs(2));
            eject(&mut sim, &hosts[0]);
            sim.host(&hosts[0]).answers(200);
            sim.advance_secs(at);
            sim.jump_clock(jump);
            // Its whole time at worst, what a ramp takes, and a few seconds.
            sim.under(&mut load, Duration::from_secs(30 + 10 + 7));
            let told = format!("{jump} s after {at} s");
            assert!(out(&sim).is_empty(), "{told}: {:?}", health(&sim, &hosts[0]));
            let served = sim.under(&mut load, Duration::from_secs(20));
            let share = served.first_tried(&hosts[0]) as f64 / served.requests as f64;
            assert!((0.15..0.35).contains(&share), "{told}: a share of {share}");
            assert_eq!(ejections(&sim).len(), 1, "{told}");
        }
    }
}

#[test]
fn a_jump_of_the_clock_during_a_trial_or_a_ramp_does_no_harm() {
    for jump in [20, -20, 3_600, -3_600] {
        for (at, state) in [(100, "trial"), (3_000, "ramp")] {
            let hosts = hosts(4);
            let mut sim = crowd(&hosts, 3, patient());
            in_probation(&mut sim, &hosts, millis(300));
            let id = sim.begin(Request::get("/"));
            sim.advance(millis(at));
            sim.jump_clock(jump);
            let mut load = Load::gets(50, 1);
            sim.under(&mut load, Duration::from_secs(20));
            assert!(sim.answer(id).is_some());
            let told = format!("{jump} s in the {state}");
            assert!(out(&sim).is_empty(), "{told}");
            let served = sim.under(&mut load, Duration::from_secs(20));
            let share = served.first_tried(&hosts[0]) as f64 / served.requests as f64;
            assert!((0.15..0.35).contains(&share), "{told}: a share of {share}");
            assert_eq!(ejections(&sim).len(), 1, "{told}: {:?}", sim.logs());
        }
    }
}

#[test]
fn a_new_configuration_during_a_trial_lets_the_host_come_back() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 2, json!({}));
    in_probation(&mut sim, &hosts, millis(300));
    let id = sim.begin(Request::get("/").on(1));
    let names: Vec<&str> = hosts.iter().map(String::as_str).collect();
    sim.reconfigure(crate::common::config(&names, json!({"picking": {"ramp_time": "5s"}})))
        .expect("taken");
    assert_eq!(sim.finish(id).tried, [hosts[0].as_str()]);
    assert_eq!(lines(&sim, "proved itself").len(), 1);
    sim.under(&mut Load::gets(50, 1), Duration::from_secs(8));
    assert_eq!(
        lines(&sim, &format!("{} of cluster {BACKEND} is back", hosts[0])).len(),
        1
    );
}

#[test]
fn a_host_in_probation_that_left_the_cluster_costs_no_request() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 2, json!({}));
    in_probation(&mut sim, &hosts, Duration::ZERO);
    sim.remove_host(BACKEND, &hosts[0]);
    let served = sim.under(&mut Load::gets(50, 1), Duration::from_secs(30));
    assert_eq!(served.errors, 0);
    assert_eq!(served.attempts, served.requests);
    assert_eq!(counted(&mut sim, "sidestep.pins.ignored"), 0);
    assert!(counted(&mut sim, "sidestep.probation.trials") < 5);
}
