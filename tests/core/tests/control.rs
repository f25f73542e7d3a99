//! What people want of a host, whatever the detectors say.

use sidestep::health::{Control, ControlAction, HostState, MAX_REASON};
use sidestep::metrics::Metric;
use sidestep::model::Outcome;
use sidestep_core::test;
use sidestep_core::workers::{CLUSTER, SECOND, Stage, Workers, addr};
use std::time::Duration;

const GET: &[(&str, &str)] = &[];

fn control(workers: &mut Workers, worker: usize, host: u16, action: ControlAction, lasts: Duration) {
    let control = Control {
        host: addr(host),
        action,
        until: workers.now().after(lasts),
        reason: "why not".to_owned(),
    };
    workers.workers[worker].control(CLUSTER, &control);
}

#[test]
fn a_held_host_is_not_ejected_and_an_ejected_one_that_is_held_stays_out() {
    let mut workers = Workers::touchy(2, 4, "");
    control(&mut workers, 0, 1, ControlAction::Hold, 100 * SECOND);
    for failure in 0..4 {
        assert_eq!(workers.fail(failure % 2, 1), None);
    }
    assert_eq!(workers.count(Metric::EjectionsRefusedHeld), 4);
    workers.fail(0, 2);
    control(&mut workers, 1, 2, ControlAction::Hold, 50 * SECOND);
    assert_eq!(workers.ejected_for(2), Some(50 * SECOND));
    workers.live(99 * SECOND);
    assert_eq!(workers.stage(2), Stage::Probation);
    assert_eq!(workers.fail(0, 1), None);
    workers.live(SECOND);
    assert!(workers.table().controls().is_empty());
    assert_eq!(workers.fail(0, 1), Some(30 * SECOND));
}

#[test]
fn a_host_in_probation_that_is_held_is_not_tried() {
    let mut workers = Workers::in_probation(2, 3, "");
    control(&mut workers, 0, 1, ControlAction::Hold, 20 * SECOND);
    for _ in 0..20 {
        assert!(!workers.request(1, GET).pin.contains(&1));
        workers.live(SECOND);
    }
    assert_eq!(workers.request(1, GET).pin[0], 1);
}

#[test]
fn people_eject_beyond_the_share_but_never_the_last_available_host() {
    let mut workers = Workers::touchy(2, 3, "");
    for host in [1, 2] {
        control(&mut workers, 0, host, ControlAction::Eject, 100 * SECOND);
        assert_eq!(workers.ejected_for(host), Some(100 * SECOND));
    }
    control(&mut workers, 1, 3, ControlAction::Eject, 100 * SECOND);
    assert_eq!(workers.stage(3), Stage::Healthy);
    assert_eq!(workers.count(Metric::EjectionsRefusedLastHost), 1);
    assert_eq!(workers.count(Metric::EjectionsControl), 2);
    control(&mut workers, 1, 77, ControlAction::Eject, SECOND);
    assert_eq!(workers.count(Metric::EjectionsRefusedUnknownHost), 1);
    workers.live(100 * SECOND);
    assert_eq!([workers.stage(1), workers.stage(2)], [Stage::Probation; 2]);
}

#[test]
fn a_manual_ejection_does_not_make_the_next_one_longer() {
    let mut workers = Workers::touchy(2, 3, "");
    control(&mut workers, 0, 1, ControlAction::Eject, 5 * SECOND);
    workers.live(5 * SECOND);
    workers.attempt(1, 1, Outcome::Success);
    assert_eq!(workers.fail(0, 1), Some(30 * SECOND));
}

#[test]
fn a_released_host_ramps_up_wherever_it_was() {
    for probation in [false, true] {
        let mut workers = Workers::touchy(2, 3, "");
        workers.fail(0, 1);
        workers.live(if probation { 30 * SECOND } else { SECOND });
        control(&mut workers, 1, 1, ControlAction::Release, Duration::ZERO);
        assert_eq!(workers.state(1), HostState::Ramp { since: workers.now() });
        workers.live(10 * SECOND);
        assert_eq!(workers.stage(1), Stage::Healthy);
    }
    // Also one that a person ejected or holds.
    let mut workers = Workers::touchy(2, 3, "");
    control(&mut workers, 0, 1, ControlAction::Eject, 100 * SECOND);
    control(&mut workers, 1, 1, ControlAction::Release, Duration::ZERO);
    assert_eq!(workers.stage(1), Stage::Ramp);
    control(&mut workers, 0, 1, ControlAction::Hold, 100 * SECOND);
    control(&mut workers, 1, 1, ControlAction::Release, Duration::ZERO);
    assert_eq!(workers.fail(0, 1), Some(30 * SECOND));
    // A healthy host has nothing to be released from.
    control(&mut workers, 1, 2, ControlAction::Release, Duration::ZERO);
    assert_eq!(workers.stage(2), Stage::Healthy);
}

#[test]
fn a_reason_is_kept_and_cut_between_two_letters() {
    let mut workers = Workers::touchy(1, 3, "");
    let reason = "ü".repeat(100);
    let wish = Control {
        host: addr(1),
        action: ControlAction::Hold,
        until: workers.now().after(SECOND),
        reason,
    };
    workers.workers[0].control(CLUSTER, &wish);
    let kept = workers.table().controls()[0].reason.clone();
    assert_eq!(kept, "ü".repeat(MAX_REASON / 2));
}
