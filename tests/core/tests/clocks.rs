//! Clocks that are set back or forward by hours, at whatever moment, do no lasting harm.

use sidestep::model::{Outcome, Timestamp};
use sidestep::stream::Flow;
use sidestep_core::test;
use sidestep_core::workers::{E503, SECOND, Stage, Workers};
use std::time::Duration;

const GET: &[(&str, &str)] = &[];
const HOURS: Duration = Duration::from_secs(5 * 3600);

#[test]
fn whatever_the_clock_does_at_any_stage_of_life_all_hosts_are_back_soon_after() {
    for back in [false, true] {
        for jump_at in (0..60_u64).step_by(2) {
            let settings = r#""outlier_detection": {"consecutive_5xx": 1, "base_ejection_time": "20s"},
                "picking": {"discovery_percent": 0}"#;
            let mut workers = Workers::start(2, 3, settings);
            workers.live(5 * SECOND);
            // An overload that seems to lie hours ahead lasts for as long as one may at most.
            for second in 0..jump_at + 310 {
                if second == jump_at {
                    if back {
                        workers.set_back(HOURS);
                    } else {
                        workers.pass(HOURS);
                    }
                }
                match second {
                    2 => workers.attempt(0, 1, E503),
                    4 => {
                        let _ = workers.whole(0, GET, (2, "429", 0, &[("retry-after", "30")]));
                    }
                    _ => {}
                }
                let mut flight = workers.request(second as usize % 2, GET);
                let host = flight.pin.first().copied().unwrap_or(3);
                let _ = workers.answer(&mut flight, (host, "200", 0, &[]));
                workers.end(flight);
                workers.live(SECOND);
            }
            let what = format!("{} after {jump_at} s", if back { "back" } else { "on" });
            for host in 1..=3 {
                assert_eq!(workers.stage(host), Stage::Healthy, "host {host}, {what}");
                assert_eq!(
                    workers.health(host).overloaded_until,
                    Timestamp::ZERO,
                    "host {host}, {what}"
                );
            }
            assert!(workers.request(0, GET).pin.is_empty(), "{what}");
            // And who fails goes, for no longer than once.
            workers.attempt(1, 2, E503);
            assert_eq!(workers.ejected_for(2), Some(20 * SECOND), "{what}");
        }
    }
}

#[test]
fn a_clock_set_back_does_not_keep_retries_from_a_cluster_that_ignored_a_pin_once() {
    let mut workers = Workers::touchy(1, 5, "");
    workers.fail(0, 1);
    let mut flight = workers.request(0, GET);
    let other = (2..=5)
        .find(|host| !flight.pin.contains(host))
        .expect("four hosts, three named");
    let _ = workers.answer(&mut flight, (other, "200", 0, &[]));
    workers.end(flight);
    workers.set_back(HOURS);
    workers.live(61 * SECOND);
    workers.attempt(0, 1, Outcome::Success);
    workers.live(61 * SECOND);
    let mut flight = workers.request(0, GET);
    assert!(flight.pin.is_empty());
    assert_eq!(workers.answer(&mut flight, (2, "503", 0, &[])), Flow::Pause);
}

#[test]
fn a_clock_set_back_does_not_keep_a_host_that_was_passed_over_away() {
    let mut workers = Workers::touchy(1, 4, "");
    workers.fail(0, 1);
    // Host 2 is passed over once.
    loop {
        let mut flight = workers.request(0, GET);
        if flight.pin[0] == 2 {
            let next = flight.pin[1];
            let _ = workers.answer(&mut flight, (next, "200", 0, &[]));
            workers.end(flight);
            break;
        }
        workers.gone(flight, 0x4000);
    }
    workers.set_back(HOURS);
    workers.live(61 * SECOND);
    workers.attempt(0, 1, Outcome::Success);
    assert!((0..40).any(|_| workers.request(0, GET).pin.contains(&2)));
}

#[test]
fn a_clock_set_back_does_not_keep_the_multiplier_from_falling() {
    let settings = r#""outlier_detection": {"consecutive_5xx": 2, "interval": "10s"}"#;
    let mut workers = Workers::start(2, 3, settings);
    for _ in 0..3 {
        workers.fail(0, 1);
        workers.fail(0, 1);
        let left = workers.ejected_for(1).expect("it is out");
        workers.live(left);
        workers.attempt(0, 1, Outcome::Success);
        workers.live(10 * SECOND);
    }
    assert_eq!(workers.fail(0, 1), None);
    workers.set_back(HOURS);
    workers.live(1000 * SECOND);
    workers.attempt(0, 1, Outcome::Success);
    workers.fail(0, 1);
    assert_eq!(workers.fail(0, 1), Some(30 * SECOND));
}
