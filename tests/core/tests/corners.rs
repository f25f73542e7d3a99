//! Where two things meet that seldom do: a worker that starts, a clock that is set, a person's wish, a host that leaves.

use sidestep::health::{Control, ControlAction};
use sidestep::model::Outcome;
use sidestep_core::test;
use sidestep_core::workers::{CLUSTER, SECOND, Stage, Workers, addr};
use std::time::Duration;

const GET: &[(&str, &str)] = &[];
const HOURS: Duration = Duration::from_secs(5 * 3600);

#[test]
fn a_success_at_a_worker_that_has_just_started_starts_the_count_anew() {
    let settings = r#""outlier_detection": {"consecutive_5xx": 2, "base_ejection_time": "1s"}"#;
    let mut workers = Workers::start(2, 3, settings);
    workers.fail(0, 1);
    workers.fail(0, 1);
    workers.live(SECOND);
    workers.attempt(0, 1, Outcome::Success);
    workers.live(100 * SECOND);
    assert_eq!(workers.fail(0, 1), None);
    workers.replace(1);
    let _ = workers.whole(1, GET, (1, "200", 0, &[]));
    assert_eq!(workers.fail(0, 1), None);
}

#[test]
fn a_host_that_left_stays_away_until_it_answers() {
    let settings = r#""outlier_detection": {"consecutive_5xx": 1}, "picking": {"discovery_percent": 0}"#;
    let mut workers = Workers::start(2, 0, settings);
    for host in 1..=3 {
        workers.attempt(0, host, Outcome::Success);
    }
    workers.fail(0, 1);
    workers.live(30 * SECOND);
    let mut trial = workers.request(0, GET);
    assert_eq!(trial.pin[0], 1);
    let _ = workers.answer(&mut trial, (2, "200", 0, &[]));
    workers.end(trial);
    assert!(workers.health(1).gone);
    workers.live(10 * SECOND);
    assert!(workers.health(1).gone);
}

#[test]
fn a_caller_that_gives_an_attempt_less_time_gets_no_trial_that_takes_longer() {
    let mut workers = Workers::in_probation(1, 3, "");
    let flight = workers.request(0, &[("x-envoy-upstream-rq-per-try-timeout-ms", "200")]);
    assert!(flight.pin[0] != 1 || flight.limit <= Some(200), "{flight:?}");
}

#[test]
fn a_clock_set_back_does_not_lengthen_an_ejection_that_a_person_asked_for() {
    let mut workers = Workers::touchy(2, 3, "");
    let control = Control {
        host: addr(1),
        action: ControlAction::Eject,
        until: workers.now().after(60 * SECOND),
        reason: String::new(),
    };
    workers.workers[0].control(CLUSTER, &control);
    workers.live(10 * SECOND);
    workers.set_back(HOURS);
    workers.live(70 * SECOND);
    let mut trial = workers.request(1, GET);
    let _ = workers.answer(&mut trial, (1, "200", 0, &[]));
    workers.end(trial);
    assert_eq!(workers.stage(1), Stage::Ramp);
}

#[test]
fn probation_begins_when_the_ejection_ends_whether_a_tick_came_or_not() {
    let mut workers = Workers::touchy(1, 3, "");
    workers.fail(0, 1);
    workers.pass(30 * SECOND);
    let began = workers.now();
    workers.pass(SECOND);
    workers.tick_all();
    workers.attempt_begun(0, 1, Outcome::Success, began);
    assert_eq!(workers.stage(1), Stage::Ramp);
}

#[test]
fn a_persons_ejection_does_not_bring_another_ejected_host_back() {
    let mut workers = Workers::touchy(2, 3, "");
    workers.fail(0, 1);
    let control = Control {
        host: addr(2),
        action: ControlAction::Eject,
        until: workers.now().after(60 * SECOND),
        reason: String::new(),
    };
    workers.workers[0].control(CLUSTER, &control);
    workers.live(5 * SECOND);
    assert_eq!(workers.stage(1), Stage::Ejected);
}

#[test]
fn a_worker_without_a_view_of_a_cluster_looks_before_it_counts() {
    let mut workers = Workers::touchy(2, 3, "");
    workers.fail(0, 1);
    workers.pass(30 * SECOND);
    workers.attempt(1, 1, Outcome::Success);
    assert_eq!(workers.stage(1), Stage::Ramp);
}
