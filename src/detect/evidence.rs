//! Why a host is accused, in numbers.

use crate::config::Slow;
use crate::model::{Percent, format_duration};
use std::fmt;
use std::time::Duration;

/// A number with two decimals, for logs.
///
/// Kept as an integer: it compares, and formatting floats would add 20 kB to the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hundredths(u64);

impl Hundredths {
    /// The number nearest to `value`; what is below zero or no number is zero.
    pub fn of(value: f64) -> Self {
        Self((value * 100.0 + 0.5) as u64)
    }

    /// The number in hundredths.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Hundredths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

/// Why a host is accused. Reads as the part of a log line that follows the detector's name and a colon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// So many failures in a row.
    Count {
        /// The detector's threshold.
        threshold: u32,
    },
    /// A success rate below what its peers' rates allow. All in per cent.
    SuccessRate {
        /// The host's success rate.
        rate: Hundredths,
        /// Below this a host is accused: `mean - success_rate_stdev_factor / 1000 * deviation`.
        threshold: Hundredths,
        /// The mean of all hosts' rates.
        mean: Hundredths,
        /// Their standard deviation.
        deviation: Hundredths,
    },
    /// A failure percentage that reaches the bound.
    FailurePercentage {
        /// The host's failures, in per cent of its requests.
        percentage: Hundredths,
        /// `failure_percentage_threshold`.
        threshold: Percent,
    },
    /// A typical time that is too many times its peers'.
    Slow {
        /// The host's typical time to response headers.
        typical: Duration,
        /// The median of its peers' typical times.
        peers: Duration,
    },
    /// A typical time over the bound that its peers keep.
    OverThreshold {
        /// The host's typical time to response headers.
        typical: Duration,
        /// The bound, `slow.threshold`.
        threshold: Duration,
        /// The median of its peers' typical times.
        peers: Duration,
    },
    /// The host did not prove itself in probation.
    Probation,
    /// So many probes failed in a row.
    Probes {
        /// How many.
        count: u32,
    },
    /// Manual control.
    Control,
    /// So many sidecars have ejected it.
    Fleet {
        /// How many.
        sidecars: u32,
    },
}

impl Evidence {
    /// How fast a host that was ejected for this must be to prove that it is no longer so: just not accused again. Zero
    /// if it was not ejected for being slow.
    pub fn trial_limit(&self, slow: &Slow) -> Duration {
        match *self {
            Self::Slow { peers, .. } => {
                let times = peers.saturating_mul(slow.factor) / 1000;
                times.max(peers.saturating_add(slow.minimum_difference))
            }
            Self::OverThreshold { threshold, .. } => threshold,
            _ => Duration::ZERO,
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Count { threshold } => write!(f, "reached {threshold}"),
            Self::SuccessRate {
                rate,
                threshold,
                mean,
                deviation,
            } => write!(
                f,
                "success rate {rate} % is below {threshold} % (mean {mean} %, standard deviation {deviation})"
            ),
            Self::FailurePercentage { percentage, threshold } => {
                write!(f, "failure percentage {percentage} % reaches {} %", threshold.get())
            }
            Self::Slow { typical, peers } => {
                let tenths = (typical.as_nanos() * 10).checked_div(peers.as_nanos()).unwrap_or(0);
                write!(
                    f,
                    "typical time {} is {}.{} times its peers' {}",
                    Time(typical),
                    tenths / 10,
                    tenths % 10,
                    Time(peers)
                )
            }
            Self::OverThreshold {
                typical,
                threshold,
                peers,
            } => write!(
                f,
                "typical time {} is over {}, its peers' is {}",
                Time(typical),
                Time(threshold),
                Time(peers)
            ),
            Self::Probation => f.write_str("failed its probation"),
            Self::Probes { count } => write!(f, "{count} probes failed in a row"),
            Self::Control => f.write_str("by manual control"),
            Self::Fleet { sidecars } => write!(f, "{sidecars} sidecars have ejected it"),
        }
    }
}

/// A measured time: whole milliseconds, below ten of them with two decimals.
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < Duration::from_millis(10) {
            write!(f, "{}ms", Hundredths((self.0.as_micros() / 10) as u64))
        } else {
            f.write_str(&format_duration(self.0))
        }
    }
}
