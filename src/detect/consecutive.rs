//! Failures in a row, counted as Envoy counts them.
//!
//! The rules are those of Envoy's `DetectorHostMonitorImpl` (`outlier_detection_impl.cc`), but for one that its
//! users suffer from: reaching a threshold always starts the count anew, whether the host is then ejected or not, so
//! that a second ejection needs no more failures than the first.

use super::Detector;
use crate::config::OutlierDetection;
use crate::model::{FailureOrigin, Outcome};

/// How many failures in a row a host stands at, per detector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Streaks {
    /// For `consecutive_5xx`.
    pub any_5xx: u32,
    /// For `consecutive_gateway_failure`.
    pub gateway_failure: u32,
    /// For `consecutive_local_origin_failure`.
    pub local_origin_failure: u32,
}

/// The detectors that an outcome tripped, at most two at once, the narrower first, each with its threshold.
pub type Verdicts = [Option<(Detector, u32)>; 2];

impl Streaks {
    /// Whether no failure is counted: a success changes nothing.
    pub const fn is_clean(&self) -> bool {
        self.any_5xx == 0 && self.gateway_failure == 0 && self.local_origin_failure == 0
    }

    /// Counts an outcome; the detectors whose threshold it reached start anew and are returned.
    pub fn record(&mut self, outcome: Outcome, policy: &OutlierDetection) -> Verdicts {
        match outcome {
            Outcome::Ignored => [None, None],
            // An overloaded host is alive: for Envoy a 429 is an answer like any other below 500.
            Outcome::Success | Outcome::Overload => {
                *self = Self::default();
                [None, None]
            }
            Outcome::Failure(FailureOrigin::External { gateway }) => {
                // The host was reached.
                self.local_origin_failure = 0;
                self.external(gateway, policy)
            }
            Outcome::Failure(FailureOrigin::LocalOrigin) => {
                if policy.split_external_local_origin_errors {
                    [
                        count(
                            &mut self.local_origin_failure,
                            policy.consecutive_local_origin_failure,
                            Detector::ConsecutiveLocalOriginFailure,
                        ),
                        None,
                    ]
                } else {
                    // Unless split, Envoy counts these as the 503 or 504 that it answers in the host's place.
                    self.external(true, policy)
                }
            }
        }
    }

    fn external(&mut self, gateway: bool, policy: &OutlierDetection) -> Verdicts {
        let narrow = if gateway {
            count(
                &mut self.gateway_failure,
                policy.consecutive_gateway_failure,
                Detector::ConsecutiveGatewayFailure,
            )
        } else {
            self.gateway_failure = 0;
            None
        };
        let wide = count(&mut self.any_5xx, policy.consecutive_5xx, Detector::Consecutive5xx);
        [narrow, wide]
    }
}

/// One more failure; at the threshold the count starts anew. A threshold of 0 turns the detector off.
const fn count(streak: &mut u32, threshold: u32, detector: Detector) -> Option<(Detector, u32)> {
    if threshold == 0 {
        *streak = 0;
        return None;
    }
    *streak = streak.saturating_add(1);
    // Not only equal: the threshold may have been lowered since.
    if *streak >= threshold {
        *streak = 0;
        return Some((detector, threshold));
    }
    None
}
