//! How workers learn what others wrote: also where the gauges that tell them don't count, fail, or were never raised.

use crate::common::{BACKEND, counted, eject, post};
use crate::crowd::{Watch, assert_one_trial_at_a_time, crowd, ejections, hosts, out, probes, take_around};
use serde_json::json;
use sidestep_sim::{Call, Latency, Load, Request, Sim, Status};
use std::time::Duration;

/// How long each host takes.
const TOOK: Duration = Duration::from_millis(30);

/// One host fails for a while, with several workers: it goes, and comes back, and nobody learns of that later than
/// `within` so many seconds. If at once, it was tried that often, one at a time.
fn whole_life(sim: &mut Sim, hosts: &[String], within: u64) -> Option<usize> {
    let strict = within == 0;
    let mut trials = None;
    for host in hosts {
        sim.host(host).takes(Latency::of(TOOK));
    }
    sim.host(&hosts[0]).answers(503);
    let mut load = Load::gets(60, 1);
    let mut watch = Watch::of(50);
    sim.under(&mut load, Duration::from_secs(1 + within));
    assert_eq!(out(sim), [hosts[0].as_str()]);
    for _ in 0..35 {
        sim.under(&mut load, Duration::from_secs(1));
        watch.check(sim);
    }
    sim.host(&hosts[0]).answers(200);
    for _ in 0..80 {
        sim.under(&mut load, Duration::from_secs(1));
        watch.check(sim);
        if strict && trials.is_none() && out(sim).is_empty() {
            trials = Some(assert_one_trial_at_a_time(sim, &hosts[0], TOOK));
        }
    }
    assert!(out(sim).is_empty());
    let served = sim.under(&mut load, Duration::from_secs(10));
    let share = served.first_tried(&hosts[0]) as f64 * hosts.len() as f64 / served.requests as f64;
    assert!((0.7..1.3).contains(&share), "{share}");
    trials
}

#[test]
fn without_gauges_everything_goes_on_and_that_is_said() {
    let hosts = hosts(6);
    let mut sim = crowd(&hosts, 6, json!({})).without_metrics();
    assert_eq!(whole_life(&mut sim, &hosts, 0), Some(2));
    let mut sim = crowd(&hosts, 3, json!({})).without_metrics();
    sim.start().expect("started");
    assert_eq!(sim.logged("sidestep.revision.* don't count").len(), 3);
}

#[test]
fn without_gauges_an_ejection_is_seen_by_another_worker_before_its_next_request() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 4, json!({})).without_metrics();
    for worker in 0..4 {
        sim.send(Request::get("/").on(worker));
    }
    eject(&mut sim, &hosts[0]);
    let before = sim.attempts(&hosts[0]);
    for number in 0..40 {
        assert_eq!(sim.send(post().on(number % 4)).status, 200);
    }
    assert_eq!(sim.attempts(&hosts[0]), before);
}

#[test]
fn gauges_that_cannot_be_read_any_more_are_read_past() {
    for call in [Call::GetMetric, Call::IncrementMetric] {
        for status in [Status::NotFound, Status::BadArgument, Status::InternalFailure] {
            let hosts = hosts(6);
            let mut sim = crowd(&hosts, 4, json!({}));
            sim.start().expect("started");
            sim.fault(|faults| faults.always(call, status));
            whole_life(&mut sim, &hosts, 2);
        }
    }
}

#[test]
fn gauges_that_fail_now_and_then_do_no_harm() {
    for seed in 0..6 {
        let hosts = hosts(6);
        let mut sim = crowd(&hosts, 4, json!({}));
        sim.start().expect("started");
        for call in [Call::GetMetric, Call::IncrementMetric, Call::RecordMetric] {
            sim.fault(|faults| faults.sometimes(call, 0.1, Status::InternalFailure, seed));
        }
        whole_life(&mut sim, &hosts, 2);
    }
}

#[test]
fn wherever_a_vm_dies_while_it_ejects_the_others_step_around_the_host_within_two_ticks() {
    let mut died = 0;
    for k in 0.. {
        let hosts = hosts(4);
        let mut sim = crowd(&hosts, 3, json!({}));
        for worker in 0..3 {
            sim.send(Request::get("/").on(worker));
        }
        // They have nothing of their own to write any more, by which they would learn of it.
        sim.advance_secs(3);
        sim.host(&hosts[0]).answers(503);
        crate::common::hit_on(&mut sim, 1, &hosts[0], 4);
        sim.steer(BACKEND, Some(&hosts[0]));
        sim.kill_vm_after(1, k);
        sim.send(post().on(1));
        let alive = sim.has_vm(1);
        sim.steer(BACKEND, None);
        let written = !out(&sim).is_empty();
        sim.advance_secs(2);
        let before = sim.attempts(&hosts[0]);
        for number in 0..40 {
            sim.advance(Duration::from_millis(1));
            sim.send(post().on([0, 2][number % 2]));
        }
        let met = sim.attempts(&hosts[0]) - before;
        if written {
            assert_eq!(met, 0, "killed before call {k}: the record says that it is out");
        } else {
            // It was killed before the fifth failure was on record, or the verdict: the next ones are as good.
            assert!(met <= 5, "killed before call {k}: {met}");
        }
        assert_eq!(out(&sim), [hosts[0].as_str()], "killed before call {k}");
        if alive {
            assert!(written);
            break;
        }
        died += 1;
    }
    assert!(died > 10, "{died} calls");
}

#[test]
fn wherever_a_vm_dies_during_a_tick_nothing_is_stuck() {
    for at in [29, 31] {
        for k in 0.. {
            let hosts = hosts(4);
            let policy = json!({"probe": {"interval": "4s", "timeout": "1s"}});
            let mut sim = crowd(&hosts, 2, policy);
            take_around(&mut sim, &hosts, Duration::from_millis(20));
            eject(&mut sim, &hosts[0]);
            sim.host(&hosts[0]).refuses();
            let mut load = Load::gets(10, 1);
            sim.under(&mut load, Duration::from_secs(at));
            sim.kill_vm_after(1, k);
            sim.advance_secs(1);
            let alive = sim.has_vm(1);
            sim.host(&hosts[0]).answers(200);
            sim.under(&mut load, Duration::from_secs(25));
            assert!(
                out(&sim).is_empty(),
                "at {at} s, killed before call {k}: {:?}",
                sim.logs()
            );
            let seen = probes(&sim, &hosts[0]);
            let late = seen.iter().filter(|probe| **probe + 8_000_000_000 > sim.now());
            assert_eq!(late.count(), 0, "at {at} s, killed before call {k}");
            if alive {
                break;
            }
        }
    }
}

#[test]
fn a_cluster_that_only_one_worker_has_met_is_kept_by_all() {
    let hosts = hosts(4);
    let mut sim = crowd(&hosts, 4, json!({}));
    eject(&mut sim, &hosts[0]);
    sim.host(&hosts[0]).answers(200);
    sim.advance_secs(2);
    // The only one that had traffic dies; the record is kept up to date by the others.
    sim.kill_vm(0);
    sim.advance_secs(31);
    assert_eq!(ejections(&sim).len(), 1);
    assert_eq!(sim.logged("is in probation").len(), 1, "{:?}", sim.logs());
    assert_eq!(counted(&mut sim, "sidestep.probation_active"), 1);
}
