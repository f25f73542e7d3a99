//! Detectors: from what was seen of an attempt to an [outcome](crate::model::Outcome), and from outcomes to
//! the verdict that a host should go.
//!
//! A detector only accuses. Whether the host is ejected is decided by [`health`](crate::health), which knows the
//! cluster's other hosts. The detectors that look at whole intervals (success rate, failure percentage, slowness)
//! belong here too, beside [`Streaks`].

mod classify;
mod consecutive;

pub use classify::{Answer, ResponseFlags, classify};
pub use consecutive::{Streaks, Verdicts};

/// A rule that turns outcomes into an ejection, by the name of its threshold in Envoy's `outlier_detection`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detector {
    /// `consecutive_5xx`.
    Consecutive5xx,
    /// `consecutive_gateway_failure`.
    ConsecutiveGatewayFailure,
    /// `consecutive_local_origin_failure`.
    ConsecutiveLocalOriginFailure,
}

impl Detector {
    /// All detectors, in the order of their numbers in a [record](crate::health::ClusterTable::encode).
    pub const ALL: [Self; 3] = [
        Self::Consecutive5xx,
        Self::ConsecutiveGatewayFailure,
        Self::ConsecutiveLocalOriginFailure,
    ];

    /// The name in configuration, metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Consecutive5xx => "consecutive_5xx",
            Self::ConsecutiveGatewayFailure => "consecutive_gateway_failure",
            Self::ConsecutiveLocalOriginFailure => "consecutive_local_origin_failure",
        }
    }
}
