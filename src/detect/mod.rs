//! Detectors: from what was seen of an attempt to an [outcome](crate::model::Outcome), and from outcomes to
//! the verdict that a host should go.
//!
//! A detector only accuses. Whether the host is ejected is decided by [`health`](crate::health), which knows the
//! cluster's other hosts. [`Streaks`] accuses at once; what looks at whole intervals (success rate, failure percentage,
//! slowness) collects in [`Window`]s, and [`judge()`] accuses.

mod classify;
mod consecutive;
mod evidence;
mod judge;
mod matchers;
mod peers;
mod rates;
mod sketch;
mod slow;
mod window;

pub use classify::{Answer, ResponseFlags, classify, classify_grpc};
pub use consecutive::{Streaks, Verdicts};
pub use evidence::{Evidence, Hundredths};
pub use judge::{Accusation, judge};
pub use matchers::matched;
pub use sketch::Sketch;
pub use window::{Tally, Window, WindowError};

/// A rule that turns outcomes into an ejection, by its name in Envoy's `outlier_detection` where it is one of Envoy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detector {
    /// `consecutive_5xx`.
    Consecutive5xx,
    /// `consecutive_gateway_failure`.
    ConsecutiveGatewayFailure,
    /// `consecutive_local_origin_failure`.
    ConsecutiveLocalOriginFailure,
    /// `success_rate`: a host's own answers over an interval, against the mean of all.
    SuccessRate,
    /// `local_origin_success_rate`: whether it could be reached, against the mean of all.
    LocalOriginSuccessRate,
    /// `failure_percentage`: a host's own answers over an interval, against a bound.
    FailurePercentage,
    /// `failure_percentage_local_origin`: whether it could be reached, against a bound.
    FailurePercentageLocalOrigin,
    /// `slow`: a host's typical time over an interval, against its peers'.
    Slow,
    /// A host in probation did not prove itself.
    Probation,
    /// Active probes failed in a row.
    Probe,
    /// Somebody said so.
    Control,
    /// Enough other sidecars of the fleet have ejected it.
    Fleet,
}

impl Detector {
    /// All detectors, in the order of their numbers in a [record](crate::health::ClusterTable::encode).
    pub const ALL: [Self; 12] = [
        Self::Consecutive5xx,
        Self::ConsecutiveGatewayFailure,
        Self::ConsecutiveLocalOriginFailure,
        Self::SuccessRate,
        Self::LocalOriginSuccessRate,
        Self::FailurePercentage,
        Self::FailurePercentageLocalOrigin,
        Self::Slow,
        Self::Probation,
        Self::Probe,
        Self::Control,
        Self::Fleet,
    ];

    /// The name in configuration, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consecutive5xx => "consecutive_5xx",
            Self::ConsecutiveGatewayFailure => "consecutive_gateway_failure",
            Self::ConsecutiveLocalOriginFailure => "consecutive_local_origin_failure",
            Self::SuccessRate => "success_rate",
            Self::LocalOriginSuccessRate => "local_origin_success_rate",
            Self::FailurePercentage => "failure_percentage",
            Self::FailurePercentageLocalOrigin => "failure_percentage_local_origin",
            Self::Slow => "slow",
            Self::Probation => "probation",
            Self::Probe => "probe",
            Self::Control => "control",
            Self::Fleet => "fleet",
        }
    }
}
