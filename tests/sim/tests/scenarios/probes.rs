//! Active probes: one worker asks hosts for a sign of life.

use crate::common::{BACKEND, counted, eject, merge};
use crate::crowd::{Watch, crowd, ejections, elected, hosts, lines, out, probes};
use serde_json::{Value, json};
use sidestep_sim::{Failure, Latency, Load, Reply, Request};
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;

/// A probe every two seconds.
fn probing(extra: Value) -> Value {
    let mut config = json!({"probe": {"path": "/health", "interval": "2s", "timeout": "1s"}});
    merge(&mut config, extra);
    config
}

/// The shortest time between two of these moments, in milliseconds.
fn closest(moments: &[u64]) -> u64 {
    let gaps = moments.windows(2).map(|two| (two[1] - two[0]) / 1_000_000);
    gaps.min().unwrap_or(u64::MAX)
}

#[test]
fn exactly_one_worker_probes_an_ejected_host() {
    for workers in [1, 2, 4, 16] {
        let hosts = hosts(4);
        let mut sim = crowd(&hosts, workers, probing(json!({})));
        eject(&mut sim, &hosts[0]);
        sim.advance_secs(60);
        let seen = probes(&sim, &hosts[0]);
        assert!((28..=31).contains(&seen.len()), "{workers} workers sent {}", seen.len());
        assert!(closest(&seen) >= 1_900, "{workers} workers: {seen:?}");
        for host in &hosts[1..] {
            assert_eq!(probes(&sim, host).len(), 0);
        }
        let failed = counted(&mut sim, "sidestep.probes.failed");
        assert!((28..=31).contains(&failed), "{failed}");
        assert_eq!(sim.metric("sidestep.probes.passed"), 0);
    }
}

#[test]
fn a_host_that_fails_its_probes_stays_out_when_its_time_is_over() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 4, probing(json!({})));
    eject(&mut sim, &hosts[0]);
    let served = sim.under(&mut Load::gets(100, 1), Duration::from_secs(120));
    assert_eq!((served.errors, served.first_tried(&hosts[0])), (0, 0));
    assert_eq!(out(&sim), [hosts[0].as_str()]);
}

#[test]
fn enough_probes_end_an_ejection_early_and_then_they_stop() {
    for workers in [2, 16] {
        let hosts = hosts(4);
        let mut sim = crowd(
            &hosts,
            workers,
            probing(json!({"outlier_detection": {"base_ejection_time": "200s"}})),
        );
        eject(&mut sim, &hosts[0]);
        let mut load = Load::gets(100, 1);
        sim.under(&mut load, Duration::from_secs(20));
        sim.host(&hosts[0]).answers(200);
        sim.under(&mut load, Duration::from_secs(8));
        assert_eq!(lines(&sim, "is in probation").len(), 1, "{:?}", sim.logs());
        assert!(out(&sim).is_empty());
        let back = lines(&sim, "proved itself")[0].at;
        sim.under(&mut load, Duration::from_secs(30));
        let late = probes(&sim, &hosts[0]).into_iter().filter(|at| *at > back);
        assert_eq!(late.count(), 0, "probes go on after {back}");
        assert_eq!(ejections(&sim).len(), 1);
    }
}

#[test]
fn one_probe_that_passes_is_not_enough_and_a_failure_starts_the_count_anew() {
    let hosts = hosts(4);
    let policy = probing(json!({"probe": {"healthy_threshold": 3}}));
    let mut sim = crowd(&hosts, 2, policy);
    sim.start().expect("started");
    eject(&mut sim, &hosts[0]);
    // Two of three pass, for ever.
    let mut count = 0;
    sim.host(&hosts[0]).behaves(move |_| {
        count += 1;
        Reply::status(if count % 3 == 0 { 500 } else { 200 })
    });
    sim.advance_secs(100);
    assert_eq!(out(&sim), [hosts[0].as_str()]);
}

#[test]
fn a_prober_whose_vm_dies_is_followed_by_another_within_two_intervals() {
    for workers in [2, 3, 16] {
        for moment in 0..20 {
            let hosts = hosts(4);
            let mut sim = crowd(&hosts, workers, probing(json!({})));
            eject(&mut sim, &hosts[0]);
            sim.advance(Duration::from_millis(7_000 + moment * 100));
            let killed = elected(&sim);
            sim.kill_vm(killed);
            let at = sim.now();
            sim.advance_secs(30);
            let seen = probes(&sim, &hosts[0]);
            let next = seen.iter().find(|probe| **probe > at).expect("probes go on");
            let told = format!("{workers} workers, {} ms after {moment}", (next - at) / 1_000_000);
            assert!(next - at <= 4 * SECOND, "{told}");
            assert_ne!(elected(&sim), killed, "{told}");
            let after: Vec<u64> = seen.into_iter().filter(|probe| *probe > at).collect();
            assert!(closest(&after) >= 1_900, "{told}: {after:?}");
        }
    }
}

#[test]
fn a_prober_may_die_before_any_of_its_host_calls() {
    let mut died = 0;
    for k in 0.. {
        let hosts = hosts(4);
        let mut sim = crowd(
            &hosts,
            2,
            probing(json!({"outlier_detection": {"slow": {"enforcing": 0}}})),
        );
        eject(&mut sim, &hosts[0]);
        sim.host(&hosts[0]).takes(Latency::of(Duration::from_millis(100)));
        sim.advance(Duration::from_millis(6_000));
        let worker = elected(&sim);
        sim.kill_vm_after(worker, k);
        // Two of its ticks, a probe and its answer.
        sim.advance(Duration::from_millis(2_100));
        let alive = sim.has_vm(worker);
        let at = sim.now();
        sim.host(&hosts[0]).answers(200);
        sim.advance_secs(4);
        let told = format!("killed before call {k}");
        let seen = probes(&sim, &hosts[0]);
        assert!(seen.iter().any(|probe| *probe > at), "{told}: {seen:?}");
        let mut load = Load::gets(50, k);
        let mut watch = Watch::of(50);
        for _ in 0..30 {
            sim.under(&mut load, Duration::from_secs(1));
            watch.check(&sim);
        }
        assert!(out(&sim).is_empty(), "{told}: {:?}", sim.logs());
        let late = probes(&sim, &hosts[0]).into_iter();
        let late: Vec<_> = late.filter(|probe| *probe > at + 25 * SECOND).collect();
        assert!(late.is_empty(), "{told}: {late:?}");
        if alive {
            break;
        }
        died += 1;
    }
    assert!(died > 20, "{died} calls");
}

#[test]
fn workers_that_tick_in_the_same_moment_elect_one() {
    for (workers, seed) in (2..=16).step_by(2).zip(0..) {
        let hosts = hosts(4);
        let mut sim = crowd(&hosts, workers, probing(json!({}))).ticking_together();
        eject(&mut sim, &hosts[0]);
        sim.advance_interleaved(Duration::from_secs(20), seed);
        let seen = probes(&sim, &hosts[0]);
        assert!((9..=11).contains(&seen.len()), "{workers} workers sent {}", seen.len());
        assert!(closest(&seen) >= 1_900, "{workers} workers: {seen:?}");
    }
}

#[test]
fn workers_that_all_die_and_come_back_elect_one_again() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 4, probing(json!({})));
    eject(&mut sim, &hosts[0]);
    sim.advance_secs(10);
    for worker in 0..4 {
        sim.kill_vm(worker);
    }
    sim.advance_secs(10);
    let before = probes(&sim, &hosts[0]).len();
    for worker in 0..4 {
        sim.send(Request::get("/").on(worker));
    }
    sim.advance_secs(40);
    let seen = probes(&sim, &hosts[0]);
    assert!((18..=21).contains(&(seen.len() - before)), "{}", seen.len() - before);
    assert!(closest(&seen) >= 1_900);
}

#[test]
fn after_a_jump_of_the_clock_one_worker_goes_on_within_two_intervals() {
    for jump in [5, -5, 3_600, -3_600, 86_400 * 365, -86_400 * 365] {
        let hosts = hosts(4);
        let mut sim = crowd(
            &hosts,
            8,
            probing(json!({"outlier_detection": {"base_ejection_time": "300s"}})),
        );
        eject(&mut sim, &hosts[0]);
        sim.advance_secs(9);
        sim.jump_clock(jump);
        let at = sim.now();
        sim.advance_secs(60);
        let after: Vec<u64> = probes(&sim, &hosts[0])
            .into_iter()
            .filter(|probe| *probe > at)
            .collect();
        let told = format!("{jump} s: {} probes", after.len());
        assert!(after[0] - at <= 4 * SECOND, "{told}");
        // The old one and the new one, once.
        assert!((27..=33).contains(&after.len()), "{told}");
        let late: Vec<u64> = after.into_iter().filter(|probe| *probe > at + 5 * SECOND).collect();
        assert!(closest(&late) >= 1_900, "{told}");
    }
}

#[test]
fn only_a_host_s_own_answer_passes() {
    let passes = |reply: Reply, policy: Value| {
        let hosts = hosts(4);
        let config = probing(json!({"probe": policy, "outlier_detection": {"base_ejection_time": "300s"}}));
        let mut sim = crowd(&hosts, 2, config);
        eject(&mut sim, &hosts[0]);
        sim.host(&hosts[0]).replies(reply);
        sim.advance_secs(10);
        counted(&mut sim, "sidestep.probes.passed") > 0
    };
    assert!(passes(Reply::status(204), json!({})));
    assert!(!passes(Reply::status(404), json!({})));
    assert!(passes(Reply::status(404), json!({"expected_statuses": "any"})));
    assert!(
        passes(Reply::status(503), json!({"expected_statuses": "any"})),
        "it is alive"
    );
    for failure in [Failure::Refused, Failure::Closed, Failure::Reset, Failure::Overflow] {
        assert!(
            !passes(Reply::failure(failure), json!({"expected_statuses": "any"})),
            "{failure:?}"
        );
    }
    assert!(!passes(Reply::status(200).cut(), json!({})), "broken off");
    let late = Reply::status(200).after(Duration::from_secs(5));
    assert!(!passes(late, json!({"expected_statuses": "any"})), "late");
}

#[test]
fn a_probe_says_who_it_is_and_what_it_wants() {
    let hosts = hosts(4);
    let policy = probing(json!({"probe": {"method": "HEAD", "host": "health.example"}}));
    let mut sim = crowd(&hosts, 1, policy);
    eject(&mut sim, &hosts[0]);
    let before = sim.seen(&hosts[0]).len();
    sim.advance_secs(3);
    let probe = &sim.seen(&hosts[0])[before];
    assert_eq!((probe.method.as_str(), probe.path.as_str()), ("HEAD", "/health"));
    assert_eq!(probe.headers.get(":authority"), Some("health.example"));
    assert_eq!(probe.pin.as_deref(), Some(hosts[0].as_str()));
    assert!(probe.callout);
}

#[test]
fn with_a_heartbeat_every_host_is_probed_once_an_interval() {
    for (workers, count) in [(2, 10), (16, 100)] {
        let hosts = hosts(count);
        let mut sim = crowd(&hosts, workers, probing(json!({"probe": {"all": true}})));
        sim.send(Request::get("/"));
        sim.advance_secs(4);
        let before: BTreeMap<_, _> = hosts.iter().map(|host| (host, probes(&sim, host).len())).collect();
        sim.advance_secs(40);
        for host in &hosts {
            let seen = probes(&sim, host);
            let count = seen.len() - before[host];
            assert!((19..=21).contains(&count), "{host}: {count}");
            assert!(closest(&seen) >= 1_900);
        }
        assert!(ejections(&sim).is_empty());
    }
}

#[test]
fn with_a_heartbeat_a_host_that_stops_answering_goes_without_a_single_request() {
    for workers in [1, 8] {
        let hosts = hosts(6);
        let mut sim = crowd(&hosts, workers, probing(json!({"probe": {"all": true}})));
        sim.send(Request::get("/"));
        sim.advance_secs(10);
        sim.host(&hosts[4]).refuses();
        let at = sim.now();
        sim.advance_secs(10);
        assert_eq!(out(&sim), [hosts[4].as_str()]);
        let ejection = &ejections(&sim)[0];
        assert!(ejection.text.contains("3 probes failed in a row"), "{ejection:?}");
        assert!(ejection.at - at <= 9 * SECOND);
        assert_eq!(counted(&mut sim, "sidestep.ejections.probe"), 1);
        sim.host(&hosts[4]).answers(200);
        sim.under(&mut Load::gets(50, 1), Duration::from_secs(30));
        assert!(out(&sim).is_empty());
    }
}

#[test]
fn with_a_heartbeat_no_more_hosts_go_than_may() {
    let hosts = hosts(10);
    let policy = probing(json!({"probe": {"all": true}, "outlier_detection": {"max_ejection_percent": 30}}));
    let mut sim = crowd(&hosts, 4, policy);
    sim.send(Request::get("/"));
    for host in &hosts {
        sim.host(host).refuses();
    }
    let mut watch = Watch::of(30);
    for _ in 0..60 {
        sim.advance_secs(1);
        watch.check(&sim);
    }
    assert_eq!(watch.most_out, 3);
    assert!(counted(&mut sim, "sidestep.ejections_refused.max_ejection_percent") > 0);
}

#[test]
fn five_hundred_hosts_of_which_many_swallow_their_probes_are_all_asked() {
    let hosts = hosts(500);
    let policy =
        probing(json!({"probe": {"all": true, "interval": "10s", "timeout": "2s", "unhealthy_threshold": 100}}));
    let mut sim = crowd(&hosts, 4, policy);
    sim.send(Request::get("/"));
    for host in &hosts[..100] {
        sim.host(host)
            .replies(Reply::status(200).after(Duration::from_secs(100)));
    }
    sim.advance_secs(60);
    for host in &hosts {
        let count = probes(&sim, host).len();
        assert!((3..=6).contains(&count), "{host}: {count}");
    }
}

#[test]
fn hosts_of_a_cluster_that_ignores_pins_are_not_probed() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 2, probing(json!({})));
    sim.honours_pins(BACKEND, false);
    eject(&mut sim, &hosts[0]);
    for number in 0..20 {
        sim.advance(Duration::from_millis(10));
        sim.send(Request::get("/").on(number % 2));
    }
    let before = sim.metric("sidestep.probes.sent");
    sim.advance_secs(30);
    assert!(sim.metric("sidestep.probes.sent") - before <= 1);
    assert_eq!(sim.logged("can't be probed").len(), 1, "{:?}", sim.logs());
}

#[test]
fn without_probes_nobody_is_elected() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 2, json!({}));
    eject(&mut sim, &hosts[0]);
    sim.advance_secs(10);
    assert!(!sim.shared_keys().iter().any(|key| key.contains("elected")));
}
