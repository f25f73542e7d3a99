//! One host's ejections: how long, how often, and what ends them.

use sidestep::detect::Detector;
use sidestep::health::HostState;
use sidestep::metrics::Metric;
use sidestep::model::{HostAddr, Outcome, Timestamp};
use sidestep::worker::Attempt;
use sidestep_core::test;
use sidestep_core::workers::{CLUSTER, E503, NANOSECOND, SECOND, Stage, Workers, addr};
use std::time::Duration;

/// Two workers and a cluster in which one failure is enough to eject.
fn touchy(hosts: u16, detection: &str) -> Workers {
    let comma = if detection.is_empty() { "" } else { ", " };
    Workers::start(
        2,
        hosts,
        &format!(r#""outlier_detection": {{"consecutive_5xx": 1{comma}{detection}}}"#),
    )
}

/// Why a failure of a host has just not ejected it.
fn refusals(workers: &mut Workers, host: u16, reason: Metric) -> u64 {
    let before = workers.count(reason);
    assert_eq!(workers.fail(0, host), None);
    workers.count(reason) - before
}

/// The host does well in its probation.
fn prove(workers: &mut Workers, host: u16) {
    assert_eq!(workers.stage(host), Stage::Probation);
    workers.pass(NANOSECOND);
    workers.attempt(0, host, Outcome::Success);
    assert_eq!(workers.stage(host), Stage::Ramp);
}

#[test]
fn the_nth_ejection_lasts_n_times_the_base_up_to_the_maximum_and_a_failed_probation_is_one() {
    let detection = r#""base_ejection_time": "30s", "max_ejection_time": "100s", "interval": "1000s""#;
    for proves_itself in [false, true] {
        let mut workers = touchy(3, detection);
        for seconds in [30, 60, 90, 100, 100] {
            assert_eq!(workers.fail(0, 1), Some(seconds * SECOND));
            workers.pass(seconds * SECOND);
            if proves_itself {
                prove(&mut workers, 1);
            }
        }
    }
}

#[test]
fn each_interval_without_failures_takes_one_from_the_multiplier() {
    let mut workers = touchy(3, r#""interval": "10s""#);
    for seconds in [30, 60, 90] {
        assert_eq!(workers.fail(0, 1), Some(seconds * SECOND));
        workers.pass(seconds * SECOND);
    }
    // Two whole intervals and a bit after the third ejection's end: 3 - 2 + 1.
    workers.pass(25 * SECOND);
    assert_eq!(workers.fail(1, 1), Some(60 * SECOND));
    workers.pass(60 * SECOND);
    prove(&mut workers, 1);
    workers.pass(1000 * SECOND);
    assert_eq!(workers.fail(0, 1), Some(30 * SECOND));
}

#[test]
fn past_the_maximum_the_multiplier_grows_no_further_so_that_it_can_fall() {
    let detection = r#""base_ejection_time": "30s", "max_ejection_time": "60s", "interval": "10s""#;
    let mut workers = touchy(3, detection);
    for _ in 0..20 {
        workers.fail(0, 1);
        workers.pass(60 * SECOND);
    }
    workers.pass(20 * SECOND);
    assert_eq!(workers.fail(0, 1), Some(30 * SECOND));
}

#[test]
fn a_failure_that_ejects_nobody_still_keeps_the_multiplier_from_falling() {
    let mut workers = touchy(3, r#""interval": "10s""#);
    assert_eq!(workers.fail(0, 1), Some(30 * SECOND));
    workers.pass(30 * SECOND);
    prove(&mut workers, 1);
    // Only one of three may go, and that is another one now.
    assert_eq!(workers.fail(0, 2), Some(30 * SECOND));
    for _ in 0..3 {
        workers.pass(9 * SECOND);
        assert_eq!(workers.fail(1, 1), None);
        // The row of failures is over, but not forgotten.
        workers.attempt(0, 1, Outcome::Success);
    }
    workers.pass(9 * SECOND);
    prove(&mut workers, 2);
    assert_eq!(workers.fail(0, 1), Some(60 * SECOND));
}

#[test]
fn an_ejected_host_is_in_probation_exactly_when_its_time_is_over() {
    let mut workers = touchy(2, "");
    assert_eq!(workers.fail(0, 1), Some(30 * SECOND));
    workers.pass(30 * SECOND - NANOSECOND);
    let steer = |workers: &mut Workers| {
        let steering = workers.steer(1, true).expect("a host is out");
        (workers.stage(1), steering.trial)
    };
    assert_eq!(steer(&mut workers), (Stage::Ejected, None));
    workers.pass(NANOSECOND);
    assert_eq!(steer(&mut workers), (Stage::Probation, Some(addr(1))));
}

#[test]
fn jitter_lengthens_an_ejection_by_up_to_its_bound_and_not_always_alike() {
    let mut workers = touchy(2, r#""max_ejection_time_jitter": "10s""#);
    let mut durations = Vec::new();
    for _ in 0..50 {
        let duration = workers.fail(0, 1).expect("it is ejected");
        assert!((30 * SECOND..=40 * SECOND).contains(&duration), "{duration:?}");
        durations.push(duration);
        workers.pass(10_000 * SECOND);
    }
    durations.sort();
    durations.dedup();
    assert!(durations.len() > 40);
}

#[test]
fn stragglers_of_before_an_ejection_neither_prolong_it_nor_count_after_it() {
    let mut workers = touchy(3, "");
    let before = workers.now();
    assert_eq!(workers.fail(0, 1), Some(30 * SECOND));
    let at_the_same_moment = workers.now();
    let stragglers = |workers: &mut Workers| {
        let health = workers.health(1);
        for worker in [0, 1] {
            for began in [before, at_the_same_moment] {
                workers.attempt_begun(worker, 1, E503, began);
            }
        }
        assert_eq!(workers.health(1), health);
    };
    stragglers(&mut workers);
    workers.pass(30 * SECOND);
    stragglers(&mut workers);
    // Nor do they prove anything.
    workers.attempt_begun(0, 1, Outcome::Success, at_the_same_moment);
    assert_eq!(workers.stage(1), Stage::Probation);
    prove(&mut workers, 1);
    stragglers(&mut workers);
    assert_eq!(workers.fail(1, 1), Some(60 * SECOND));
}

#[test]
fn the_last_available_host_stays_and_a_lone_one_always() {
    let mut workers = touchy(1, "");
    assert_eq!(refusals(&mut workers, 1, Metric::EjectionsRefusedLastHost), 1);
    let mut workers = touchy(2, r#""max_ejection_percent": 100"#);
    assert!(workers.fail(0, 1).is_some());
    assert_eq!(refusals(&mut workers, 2, Metric::EjectionsRefusedLastHost), 1);
    // A host in probation is not available yet.
    workers.pass(30 * SECOND);
    assert_eq!(refusals(&mut workers, 2, Metric::EjectionsRefusedLastHost), 1);
}

#[test]
fn half_of_four_may_go_and_when_one_has_proved_itself_another_may() {
    let mut workers = touchy(4, "");
    assert!(workers.fail(0, 1).is_some());
    workers.pass(SECOND);
    assert!(workers.fail(1, 2).is_some());
    assert_eq!(refusals(&mut workers, 3, Metric::EjectionsRefusedMaxEjectionPercent), 1);
    workers.pass(29 * SECOND);
    assert_eq!([workers.stage(1), workers.stage(2)], [Stage::Probation, Stage::Ejected]);
    assert_eq!(refusals(&mut workers, 3, Metric::EjectionsRefusedMaxEjectionPercent), 1);
    prove(&mut workers, 1);
    assert!(workers.fail(0, 3).is_some());
}

#[test]
fn a_detector_that_only_reports_ejects_nobody_and_says_so() {
    let mut workers = touchy(3, r#""enforcing_consecutive_5xx": 0"#);
    assert_eq!(refusals(&mut workers, 1, Metric::EjectionsRefusedNotEnforced), 1);
    assert_eq!(workers.stage(1), Stage::Healthy);
}

#[test]
fn a_share_of_zero_ejects_nobody() {
    let mut workers = touchy(10, r#""max_ejection_percent": 0"#);
    assert_eq!(refusals(&mut workers, 1, Metric::EjectionsRefusedMaxEjectionPercent), 1);
}

#[test]
fn a_clock_set_back_keeps_an_ejection_at_its_length() {
    let mut workers = touchy(3, "");
    assert!(workers.fail(0, 1).is_some());
    workers.set_back(500_000 * SECOND);
    workers.tick_all();
    workers.pass(30 * SECOND - NANOSECOND);
    workers.tick_all();
    assert_eq!(workers.stage(1), Stage::Ejected);
    workers.pass(NANOSECOND);
    workers.tick_all();
    assert_eq!(workers.stage(1), Stage::Probation);
}

#[test]
fn a_host_that_nobody_configured_is_forgotten_when_it_is_not_seen_for_long() {
    let mut workers = Workers::start(2, 2, r#""picking": {"forget_after": "600s"}"#);
    workers.attempt(0, 77, Outcome::Success);
    assert_eq!(workers.health(77).seen, workers.now());
    workers.live(599 * SECOND);
    assert!(workers.table().get(addr(77)).is_some());
    workers.live(SECOND);
    assert_eq!(workers.table().get(addr(77)), None);
    assert_eq!(workers.table().hosts().len(), 2);
}

#[test]
fn a_full_table_takes_no_host_on_and_says_so() {
    let mut workers = Workers::start(1, 2, r#""picking": {"max_hosts": 2}"#);
    workers.attempt(0, 77, E503);
    assert_eq!(workers.count(Metric::ErrorsMaxHosts), 1);
    assert_eq!(workers.table().get(addr(77)), None);
}

#[test]
fn every_detector_survives_the_record() {
    for detector in Detector::ALL {
        assert_eq!(Detector::ALL.get(detector as usize), Some(&detector));
    }
}

#[test]
fn an_ejection_names_its_detector_and_is_counted_as_its_own() {
    let mut workers = touchy(3, "");
    workers.fail(0, 1);
    let detector = |workers: &Workers| match workers.state(1) {
        HostState::Ejected(ejection) => Some(ejection.detector),
        _ => None,
    };
    assert_eq!(detector(&workers), Some(Detector::Consecutive5xx));
    workers.pass(30 * SECOND);
    workers.fail(0, 1);
    assert_eq!(detector(&workers), Some(Detector::Probation));
    assert_eq!(workers.count(Metric::EjectionsConsecutive5xx), 1);
    assert_eq!(workers.count(Metric::EjectionsProbation), 1);
}

#[test]
fn a_host_that_was_never_seen_is_not_blamed_for_what_was_only_sent_to_it() {
    let mut workers = touchy(3, "");
    let sent = |host: HostAddr, began: Timestamp| Attempt {
        host,
        began,
        took: Some(Duration::from_millis(1)),
        outcome: E503,
        seen: false,
        repeated: false,
    };
    let attempt = sent(addr(1), workers.now());
    workers.workers[0].record(CLUSTER, &attempt);
    let stranger = sent(addr(77), workers.now());
    workers.workers[0].record(CLUSTER, &stranger);
    assert_eq!(workers.stage(1), Stage::Healthy);
    assert_eq!(workers.table().get(addr(77)), None);
    workers.attempt(1, 1, Outcome::Success);
    workers.tick_all();
    workers.pass(SECOND);
    let attempt = sent(addr(1), workers.now());
    workers.workers[0].record(CLUSTER, &attempt);
    assert_eq!(workers.stage(1), Stage::Ejected);
}
