//! `outlier_detection.slow`: when a host is too slow.

use super::block::Block;
use super::error::BoxedError;
use crate::model::Percent;
use std::ops::RangeInclusive;
use std::time::Duration;

/// When a host is too slow: its typical time to response headers, over an interval, against its peers'.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slow {
    /// A host is accused if its typical time is this many thousandths of the median of its peers' typical times.
    pub factor: u32,
    /// A host is accused if its typical time is over this and the median of its peers is not.
    pub threshold: Option<Duration>,
    /// What is typical: this percentile of the host's times.
    pub percentile: Percent,
    /// The least by which a host's typical time must be over its peers' median.
    pub minimum_difference: Duration,
    /// The fewest hosts with enough requests for the detector to look at them.
    pub minimum_hosts: u32,
    /// The fewest requests of an interval for a host to be looked at.
    pub request_volume: u32,
    /// Chance that the verdict is enforced; 0 %: report only.
    pub enforcing: Percent,
}

impl Default for Slow {
    fn default() -> Self {
        Self {
            factor: 5000,
            threshold: None,
            percentile: Percent::HALF,
            minimum_difference: Duration::from_millis(50),
            minimum_hosts: 3,
            request_volume: 20,
            enforcing: Percent::ALL,
        }
    }
}

const HOUR: Duration = Duration::from_secs(3600);

/// In thousandths. With less than the lowest, chance would pick a host of equals; over the highest, none is picked.
const FACTOR: RangeInclusive<u32> = 1100..=1_000_000;
const THRESHOLD: RangeInclusive<Duration> = Duration::from_millis(1)..=HOUR;
const PERCENTILE: RangeInclusive<u32> = 1..=99;
const MINIMUM_DIFFERENCE: RangeInclusive<Duration> = Duration::ZERO..=HOUR;
/// One host has no peers.
const MINIMUM_HOSTS: RangeInclusive<u32> = 2..=u32::MAX;
const REQUEST_VOLUME: RangeInclusive<u32> = 1..=u32::MAX;

impl Slow {
    pub(super) fn read(block: &mut Block<'_>) -> Result<Self, BoxedError> {
        let default = Self::default();
        let factor = match block.take("factor") {
            Some(field) => field.thousandths(FACTOR)?,
            None => default.factor,
        };
        Ok(Self {
            factor,
            threshold: block.duration("threshold", THRESHOLD)?,
            percentile: block
                .percent_in("percentile", PERCENTILE)?
                .unwrap_or(default.percentile),
            minimum_difference: block
                .duration("minimum_difference", MINIMUM_DIFFERENCE)?
                .unwrap_or(default.minimum_difference),
            minimum_hosts: block
                .integer("minimum_hosts", MINIMUM_HOSTS)?
                .unwrap_or(default.minimum_hosts),
            request_volume: block
                .integer("request_volume", REQUEST_VOLUME)?
                .unwrap_or(default.request_volume),
            enforcing: block.percent("enforcing")?.unwrap_or(default.enforcing),
        })
    }
}
