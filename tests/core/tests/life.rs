//! A host's life over several workers: ejected, in probation, ramping up, healthy.

use sidestep::health::HostState;
use sidestep::metrics::Metric;
use sidestep::model::{Outcome, Share, Timestamp};
use sidestep::stream::Flow;
use sidestep_core::test;
use sidestep_core::workers::{CLUSTER, E503, NANOSECOND, RESET, SECOND, Stage, Workers, addr};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

const GET: &[(&str, &str)] = &[];

/// How many hosts are ejected, in probation and ramping, as the gauges say.
fn gauges(workers: &mut Workers) -> [u64; 3] {
    workers.tick_all();
    [Metric::EjectionsActive, Metric::ProbationActive, Metric::RampActive]
        .map(|metric| workers.host.metric_value(metric))
}

#[test]
fn a_host_goes_from_ejected_to_probation_to_ramp_to_healthy_and_the_gauges_follow() {
    let mut workers = Workers::touchy(2, 3, "");
    assert_eq!(gauges(&mut workers), [0, 0, 0]);
    workers.fail(0, 1);
    assert_eq!(gauges(&mut workers), [1, 0, 0]);
    workers.live(30 * SECOND);
    assert_eq!(gauges(&mut workers), [0, 1, 0]);
    let mut trial = workers.request(1, GET);
    assert_eq!(trial.pin[0], 1);
    assert_eq!(workers.answer(&mut trial, (1, "200", 0, &[])), Flow::Continue);
    workers.end(trial);
    assert_eq!(workers.stage(1), Stage::Ramp);
    assert_eq!(gauges(&mut workers), [0, 0, 1]);
    workers.live(10 * SECOND);
    assert_eq!(workers.stage(1), Stage::Healthy);
    assert_eq!(gauges(&mut workers), [0, 0, 0]);
    assert!(workers.request(0, GET).pin.is_empty());
    assert_eq!(workers.count(Metric::ProbationTrials), 1);
    assert_eq!(workers.count(Metric::ProbationPassed), 1);
}

#[test]
fn a_second_ejection_needs_no_more_failures_than_the_first() {
    let settings = r#""outlier_detection": {"consecutive_5xx": 3, "base_ejection_time": "1s", "interval": "1h"},
        "picking": {"ramp_time": "2s"}"#;
    let mut workers = Workers::start(2, 3, settings);
    for ejection in 1..=4 {
        for failure in 1..=3 {
            assert_eq!(workers.stage(1), Stage::Healthy);
            let ejected = workers.fail(failure % 2, 1);
            assert_eq!(ejected, (failure == 3).then_some(ejection * SECOND));
        }
        workers.live(ejection * SECOND);
        workers.attempt(0, 1, Outcome::Success);
        assert_eq!(workers.stage(1), Stage::Ramp);
        workers.live(2 * SECOND);
    }
}

#[test]
fn failures_at_several_workers_at_the_same_moment_eject_once() {
    // Two failures eject, for twice as long the second time: each of three workers sees one, the third in the middle
    // of what the second one does.
    for write in 0..4 {
        let mut workers = Workers::start(3, 4, r#""outlier_detection": {"consecutive_5xx": 2, "interval": "1h"}"#);
        let attempt = sidestep::worker::Attempt {
            host: addr(1),
            began: workers.now().after(SECOND),
            took: None,
            outcome: E503,
            seen: true,
            repeated: false,
        };
        workers.pass(2 * SECOND);
        workers.attempt(1, 1, Outcome::Success);
        workers.workers[0].record(CLUSTER, &attempt);
        let third = Rc::new(RefCell::new(workers.workers.pop().expect("three")));
        interrupt_write(&workers, write, move || third.borrow_mut().record(CLUSTER, &attempt));
        workers.workers[1].record(CLUSTER, &attempt);
        assert_eq!(workers.ejected_for(1), Some(30 * SECOND), "at write {write}");
        assert_eq!(workers.health(1).ejections, 1, "at write {write}");
        assert_eq!(workers.census().out, 1);
    }
}

#[test]
fn a_failure_that_another_workers_overtakes_is_not_lost() {
    let mut workers = Workers::start(2, 4, r#""outlier_detection": {"consecutive_5xx": 3}"#);
    workers.fail(0, 1);
    workers.pass(NANOSECOND);
    let attempt = sidestep::worker::Attempt {
        host: addr(1),
        began: workers.now(),
        took: None,
        outcome: E503,
        seen: true,
        repeated: false,
    };
    let other = Rc::new(RefCell::new(workers.workers.pop().expect("two")));
    workers
        .host
        .interrupt_next_write(move || other.borrow_mut().record(CLUSTER, &attempt));
    workers.attempt(0, 1, E503);
    assert_eq!(workers.ejected_for(1), Some(30 * SECOND));
}

/// This happens at the write after so many others.
fn interrupt_write(workers: &Workers, others: u32, interruption: impl FnOnce() + 'static) {
    let host = workers.host.clone();
    if others == 0 {
        host.interrupt_next_write(interruption);
    } else {
        let next = host.clone();
        let boxed: Box<dyn FnOnce()> = Box::new(interruption);
        host.interrupt_next_write(move || wait(&next, others, boxed));
    }
}

fn wait(host: &sidestep_core::fake_host::FakeHost, others: u32, interruption: Box<dyn FnOnce()>) {
    if others <= 1 {
        host.interrupt_next_write(interruption);
    } else {
        let next = host.clone();
        host.interrupt_next_write(move || wait(&next, others - 1, interruption));
    }
}

#[test]
fn a_success_at_any_worker_starts_the_count_anew() {
    let settings = r#""outlier_detection": {"consecutive_5xx": 2, "base_ejection_time": "1s"}"#;
    let mut workers = Workers::start(2, 3, settings);
    workers.fail(0, 1);
    workers.attempt(1, 1, Outcome::Success);
    assert_eq!(workers.fail(0, 1), None);
    assert!(workers.fail(1, 1).is_some());
}

/// Workers that know three hosts from answers alone.
fn with_learned_hosts(more: &str) -> Workers {
    let settings = format!(
        r#""outlier_detection": {{"consecutive_5xx": 1, "interval": "1h"}},
           "picking": {{"discovery_percent": 0, "forget_after": "100s", "ramp_time": "1h"}}{more}"#
    );
    let mut workers = Workers::start(2, 0, &settings);
    for host in 1..=3 {
        workers.attempt(0, host, Outcome::Success);
    }
    workers
}

#[test]
fn a_host_that_leaves_and_comes_back_is_what_it_was() {
    let mut workers = with_learned_hosts("");
    for seconds in [30, 60] {
        assert_eq!(workers.fail(0, 1), Some(seconds * SECOND));
        workers.live(seconds * SECOND);
        for host in 1..=3 {
            workers.attempt(1, host, Outcome::Success);
        }
    }
    workers.live(30 * SECOND);
    // It leaves: Envoy passes it over wherever a pin names it first.
    while !workers.health(1).gone {
        let mut flight = workers.request(0, GET);
        let next = flight.pin.iter().copied().find(|host| *host != 1).expect("a pin");
        let _ = workers.answer(&mut flight, (next, "200", 0, &[]));
        workers.end(flight);
    }
    assert_eq!(workers.census().known, 2);
    for _ in 0..20 {
        assert!(!workers.request(1, GET).pin.contains(&1));
    }
    workers.live(20 * SECOND);
    assert!(workers.health(1).gone);
    workers.attempt(1, 1, Outcome::Success);
    workers.tick_all();
    assert!(!workers.health(1).gone);
    assert_eq!(workers.fail(0, 1), Some(90 * SECOND));
}

#[test]
fn a_host_that_left_while_it_was_out_comes_back_out() {
    let mut workers = with_learned_hosts("");
    workers.fail(0, 1);
    // Only a trial names it while it is out.
    workers.live(30 * SECOND);
    let mut trial = workers.request(0, GET);
    assert_eq!(trial.pin[0], 1);
    let _ = workers.answer(&mut trial, (2, "200", 0, &[]));
    workers.end(trial);
    assert!(workers.health(1).gone);
    workers.live(10 * SECOND);
    assert!(!workers.request(1, GET).pin.contains(&1));
    workers.attempt(1, 1, E503);
    assert_eq!(workers.ejected_for(1), Some(60 * SECOND));
    assert!(!workers.health(1).gone);
}

#[test]
fn a_host_that_left_for_long_is_forgotten_with_its_history() {
    let mut workers = with_learned_hosts("");
    workers.fail(0, 1);
    workers.live(30 * SECOND);
    let mut trial = workers.request(0, GET);
    let _ = workers.answer(&mut trial, (2, "200", 0, &[]));
    workers.end(trial);
    workers.live(100 * SECOND);
    assert_eq!(workers.table().get(addr(1)), None);
    workers.attempt(1, 1, Outcome::Success);
    assert_eq!(workers.stage(1), Stage::Healthy);
}

#[test]
fn a_ramp_gives_exactly_a_tenth_and_then_evenly_more() {
    let mut workers = Workers::in_probation(1, 3, "");
    workers.attempt(0, 1, Outcome::Success);
    let health = workers.health(1);
    let HostState::Ramp { since } = health.state else {
        panic!("{health:?}");
    };
    let policy = workers.workers[0].policy(CLUSTER);
    let share = |millis: u64| health.share(&policy, since.after(Duration::from_millis(millis)));
    for (millis, permille) in [
        (0, 100),
        (1000, 190),
        (5000, 550),
        (9000, 910),
        (9999, 999),
        (10_000, 1000),
    ] {
        assert_eq!(share(millis), Share::from_permille(permille), "{millis}");
    }
    assert!((0..20_000).all(|millis| share(millis) <= share(millis + 1)));
    // A clock set back gives the least, not nothing.
    assert_eq!(health.share(&policy, Timestamp::ZERO), Share::from_permille(100));
}

#[test]
fn a_ramp_of_no_time_is_none() {
    let mut workers = Workers::start(
        2,
        3,
        r#""outlier_detection": {"consecutive_5xx": 1}, "picking": {"ramp_time": "0s"}"#,
    );
    workers.fail(0, 1);
    workers.live(30 * SECOND);
    workers.attempt(1, 1, Outcome::Success);
    assert_eq!(workers.state(1), HostState::Healthy);
}

#[test]
fn a_host_that_fails_while_it_ramps_is_out_again_by_the_rules_of_rotation() {
    let mut workers = Workers::in_probation(2, 3, "");
    workers.attempt(0, 1, Outcome::Success);
    workers.pass(NANOSECOND);
    workers.attempt(1, 1, RESET);
    assert_eq!(workers.ejected_for(1), Some(60 * SECOND));
    assert_eq!(workers.count(Metric::ProbationFailed), 0);
}

#[test]
fn a_stragglers_success_does_not_start_the_count_anew() {
    let settings = r#""outlier_detection": {"consecutive_5xx": 2, "base_ejection_time": "1s"}"#;
    let mut workers = Workers::start(2, 3, settings);
    let before = workers.now();
    workers.fail(0, 1);
    assert!(workers.fail(1, 1).is_some());
    workers.live(SECOND);
    workers.attempt(0, 1, Outcome::Success);
    workers.live(SECOND);
    assert_eq!(workers.fail(0, 1), None);
    workers.attempt_begun(1, 1, Outcome::Success, before);
    assert!(workers.fail(0, 1).is_some());
}
