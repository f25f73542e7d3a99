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

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::*;
    use proptest::prelude::*;
    use sidestep_core::workers::{E500, RESET};

    #[derive(Clone, Debug)]
    enum Step {
        /// A request is answered by the host that its pin names first, or by this one.
        Request {
            worker: usize,
            host: u16,
            status: &'static str,
        },
        /// An attempt ends that began this many seconds ago, by whatever the clock says.
        Attempt {
            worker: usize,
            host: u16,
            outcome: Outcome,
            took: u64,
        },
        /// This many milliseconds pass, and all tick.
        Pass(u64),
        /// The clock is set by this many minutes.
        Set(i64),
        /// A worker's VM dies.
        Die(usize),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let status = prop::sample::select(vec!["200", "200", "503", "503", "500", "429"]);
        let outcome = prop::sample::select(vec![Outcome::Success, E500, E503, RESET, Outcome::Overload]);
        let step = prop_oneof![
            6 => (0..3_usize, 1..=4_u16, status)
                .prop_map(|(worker, host, status)| Step::Request { worker, host, status }),
            4 => (0..3_usize, 1..=4_u16, outcome, 0..40_u64)
                .prop_map(|(worker, host, outcome, took)| Step::Attempt { worker, host, outcome, took }),
            3 => (1..30_000_u64).prop_map(Step::Pass),
            1 => (-600..600_i64).prop_map(Step::Set),
            1 => (0..3_usize).prop_map(Step::Die),
        ];
        prop::collection::vec(step, 1..80)
    }

    fn request(workers: &mut Workers, worker: usize, host: u16, status: &str) {
        let mut flight = workers.request(worker, GET);
        let host = flight.pin.first().copied().unwrap_or(host);
        let asks = [("retry-after", "20")];
        if workers.answer(&mut flight, (host, status, 0, &asks)) == Flow::Pause {
            workers.answer_retry(&mut flight, "200");
        }
        workers.end(flight);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn after_any_story_with_any_jumps_all_hosts_come_back(steps in steps(), percent in 10..=100_u8) {
            let settings = format!(
                r#""outlier_detection": {{"consecutive_5xx": 2, "max_ejection_percent": {percent},
                    "base_ejection_time": "10s", "max_ejection_time": "40s"}},
                   "picking": {{"discovery_percent": 0}}"#
            );
            let mut workers = Workers::start(3, 4, &settings);
            for step in steps {
                match step {
                    Step::Request { worker, host, status } => request(&mut workers, worker, host, status),
                    Step::Attempt { worker, host, outcome, took } => {
                        let began = Timestamp::from_nanos(workers.now().as_nanos() - took * 1_000_000_000);
                        let _ = workers.steer(worker, false);
                        workers.attempt_begun(worker, host, outcome, began);
                    }
                    Step::Pass(millis) => workers.live(Duration::from_millis(millis)),
                    Step::Set(minutes) if minutes < 0 => workers.set_back(Duration::from_secs(minutes.unsigned_abs() * 60)),
                    Step::Set(minutes) => workers.pass(Duration::from_secs(minutes.unsigned_abs() * 60)),
                    Step::Die(worker) => workers.replace(worker),
                }
            }
            // An overload lasts for at most 300 s, whatever the clock did.
            for second in 0..330_u16 {
                request(&mut workers, usize::from(second % 3), second % 4 + 1, "200");
                workers.live(SECOND);
            }
            for host in 1..=4 {
                prop_assert_eq!(workers.stage(host), Stage::Healthy, "host {}: {:?}", host, workers.health(host));
                prop_assert_eq!(workers.health(host).overloaded_until, Timestamp::ZERO);
            }
            prop_assert!(workers.request(0, GET).pin.is_empty());
            // And who fails goes, for no longer than once.
            workers.fail(0, 2);
            prop_assert_eq!(workers.fail(1, 2), Some(10 * SECOND));
        }
    }
}
