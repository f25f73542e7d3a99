//! Failures in a row, counted as Envoy counts them.

use sidestep::config::OutlierDetection;
use sidestep::detect::{Detector, Streaks};
use sidestep::model::{FailureOrigin, Outcome};
use sidestep_core::test;

const OK: Outcome = Outcome::Success;
const E500: Outcome = Outcome::Failure(FailureOrigin::External { gateway: false });
const E503: Outcome = Outcome::Failure(FailureOrigin::External { gateway: true });
const RESET: Outcome = Outcome::Failure(FailureOrigin::LocalOrigin);

fn thresholds(any_5xx: u32, gateway: u32, local: u32, split: bool) -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: any_5xx,
        consecutive_gateway_failure: gateway,
        consecutive_local_origin_failure: local,
        split_external_local_origin_errors: split,
        ..OutlierDetection::default()
    }
}

/// The detectors that trip, with the number of the outcome that trips them, counted from 1.
fn tripped(policy: &OutlierDetection, outcomes: &[Outcome]) -> Vec<(usize, Detector)> {
    let mut streaks = Streaks::default();
    let mut tripped = Vec::new();
    for (index, outcome) in outcomes.iter().enumerate() {
        for (detector, _) in streaks.record(*outcome, policy).into_iter().flatten() {
            tripped.push((index + 1, detector));
        }
    }
    tripped
}

#[test]
fn the_threshold_th_failure_in_a_row_trips_and_a_success_starts_anew() {
    let policy = thresholds(3, 0, 0, false);
    assert_eq!(tripped(&policy, &[E500, E503, E500]), [(3, Detector::Consecutive5xx)]);
    assert_eq!(tripped(&policy, &[E500, E503, OK, E500, E500]), []);
    assert_eq!(tripped(&policy, &[E500, E500, Outcome::Overload, E500, E500]), []);
    assert_eq!(
        tripped(&policy, &[E500, E500, Outcome::Ignored, E500]),
        [(4, Detector::Consecutive5xx)]
    );
}

#[test]
fn a_second_verdict_needs_no_more_failures_than_the_first() {
    let policy = thresholds(3, 0, 0, false);
    let trips = tripped(&policy, &[E500; 9]);
    assert_eq!(trips.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [3, 6, 9]);
}

#[test]
fn a_500_is_no_gateway_failure_and_ends_a_row_of_them() {
    let policy = thresholds(0, 2, 0, false);
    assert_eq!(
        tripped(&policy, &[E503, E500, E503, E503]),
        [(4, Detector::ConsecutiveGatewayFailure)]
    );
}

#[test]
fn both_detectors_trip_at_once_and_the_narrower_speaks_first() {
    let policy = thresholds(2, 2, 0, false);
    assert_eq!(
        tripped(&policy, &[E503, E503]),
        [(2, Detector::ConsecutiveGatewayFailure), (2, Detector::Consecutive5xx)]
    );
}

#[test]
fn unless_split_a_local_origin_failure_counts_as_the_503_that_envoy_answers() {
    let policy = thresholds(2, 0, 1, false);
    assert_eq!(tripped(&policy, &[RESET, E500]), [(2, Detector::Consecutive5xx)]);
}

#[test]
fn if_split_local_origin_failures_are_counted_apart() {
    let policy = thresholds(2, 0, 2, true);
    assert_eq!(tripped(&policy, &[E500, RESET, E500]), [(3, Detector::Consecutive5xx)]);
    assert_eq!(
        tripped(&policy, &[RESET, RESET]),
        [(2, Detector::ConsecutiveLocalOriginFailure)]
    );
    // An answer, even a bad one, shows that the host was reached.
    assert_eq!(tripped(&policy, &[RESET, E500, RESET]), []);
}

#[test]
fn a_threshold_of_zero_turns_a_detector_off_and_counts_nothing() {
    let policy = thresholds(0, 0, 0, true);
    let mut streaks = Streaks::default();
    for outcome in [E500, E503, RESET] {
        assert_eq!(streaks.record(outcome, &policy), [None, None]);
    }
    assert!(streaks.is_clean());
}

#[test]
fn a_threshold_lowered_below_the_count_trips_at_the_next_failure() {
    let mut streaks = Streaks::default();
    for _ in 0..4 {
        let _ = streaks.record(E500, &thresholds(5, 0, 0, false));
    }
    let verdicts = streaks.record(E500, &thresholds(2, 0, 0, false));
    assert_eq!(verdicts.into_iter().flatten().count(), 1);
}
