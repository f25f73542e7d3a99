//! `outlier_detection`: when a host is ejected, and for how long.
//!
//! All fields are those of Envoy's `envoy.config.cluster.v3.OutlierDetection`, but for `slow`, and all are read the way
//! Envoy and its tools write them: a block can be pasted from a cluster of Envoy's.

use super::Slow;
use super::block::Block;
use super::error::BoxedError;
use crate::model::{Percent, format_duration};
use std::ops::RangeInclusive;
use std::time::Duration;

type Result<T> = std::result::Result<T, BoxedError>;

/// When a host is ejected, and for how long. Names, meanings and, but for `max_ejection_percent`, defaults are
/// those of Envoy's `envoy.config.cluster.v3.OutlierDetection`.
#[derive(Clone, Debug, PartialEq)]
pub struct OutlierDetection {
    /// Failures (5xx, and local-origin ones unless split) in a row that eject. 0: never.
    pub consecutive_5xx: u32,
    /// Gateway failures (502, 503, 504, and local-origin ones unless split) in a row that eject. 0: never.
    pub consecutive_gateway_failure: u32,
    /// Local-origin failures in a row that eject, if split. 0: never.
    pub consecutive_local_origin_failure: u32,
    /// Whether local-origin failures are counted apart from the host's own answers.
    pub split_external_local_origin_errors: bool,
    /// Chance that reaching `consecutive_5xx` is enforced; 0 %: report only.
    pub enforcing_consecutive_5xx: Percent,
    /// Chance that reaching `consecutive_gateway_failure` is enforced; 0 %: report only.
    pub enforcing_consecutive_gateway_failure: Percent,
    /// Chance that reaching `consecutive_local_origin_failure` is enforced; 0 %: report only.
    pub enforcing_consecutive_local_origin_failure: Percent,
    /// Success rate: a host is accused if its rate is below the mean of all by this many thousandths of their standard
    /// deviation.
    pub success_rate_stdev_factor: u32,
    /// Success rate: the fewest hosts with enough requests for the detector to look at them.
    pub success_rate_minimum_hosts: u32,
    /// Success rate: the fewest requests of an interval for a host to be looked at.
    pub success_rate_request_volume: u32,
    /// Chance that success rate's verdict on a host's own answers is enforced; 0 %: report only.
    pub enforcing_success_rate: Percent,
    /// Chance that success rate's verdict on local-origin failures is enforced, if split; 0 %: report only.
    pub enforcing_local_origin_success_rate: Percent,
    /// Failure percentage: a host is accused if at least this share of its requests failed.
    pub failure_percentage_threshold: Percent,
    /// Failure percentage: the fewest hosts with enough requests for the detector to look at them.
    pub failure_percentage_minimum_hosts: u32,
    /// Failure percentage: the fewest requests of an interval for a host to be looked at.
    pub failure_percentage_request_volume: u32,
    /// Chance that failure percentage's verdict on a host's own answers is enforced; 0 %: report only.
    pub enforcing_failure_percentage: Percent,
    /// Chance that failure percentage's verdict on local-origin failures is enforced, if split; 0 %: report only.
    pub enforcing_failure_percentage_local_origin: Percent,
    /// When a host is too slow.
    pub slow: Slow,
    /// How long the detectors that look at whole intervals collect before they judge; and for each such time without
    /// failures the next ejection gets shorter by `base_ejection_time`.
    pub interval: Duration,
    /// The n-th ejection lasts n times this.
    pub base_ejection_time: Duration,
    /// An ejection lasts at most this, before jitter. At least `base_ejection_time`.
    pub max_ejection_time: Duration,
    /// Up to this much is added to an ejection's time, evenly at random.
    pub max_ejection_time_jitter: Duration,
    /// At most this share of a cluster's known hosts is ejected at once.
    pub max_ejection_percent: Percent,
    /// Whether one host may go whatever share of two or more it is, unless `max_ejection_percent` is 0 %.
    pub always_eject_one_host: bool,
    /// Whether enough passing probes end an ejection early.
    pub successful_active_health_check_uneject_host: bool,
}

impl Default for OutlierDetection {
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            consecutive_gateway_failure: 5,
            consecutive_local_origin_failure: 5,
            split_external_local_origin_errors: false,
            enforcing_consecutive_5xx: Percent::ALL,
            enforcing_consecutive_gateway_failure: Percent::NONE,
            enforcing_consecutive_local_origin_failure: Percent::ALL,
            success_rate_stdev_factor: 1900,
            success_rate_minimum_hosts: 5,
            success_rate_request_volume: 100,
            enforcing_success_rate: Percent::ALL,
            enforcing_local_origin_success_rate: Percent::ALL,
            failure_percentage_threshold: Percent::new(85).unwrap_or(Percent::ALL),
            failure_percentage_minimum_hosts: 5,
            failure_percentage_request_volume: 50,
            enforcing_failure_percentage: Percent::NONE,
            enforcing_failure_percentage_local_origin: Percent::NONE,
            slow: Slow::default(),
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_time_jitter: Duration::ZERO,
            max_ejection_percent: Percent::HALF,
            always_eject_one_host: true,
            successful_active_health_check_uneject_host: true,
        }
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Longer than any ejection should last: a host that is gone for longer belongs out of the cluster.
const EJECTION_TIME: RangeInclusive<Duration> = MILLISECOND..=DAY;
const JITTER: RangeInclusive<Duration> = Duration::ZERO..=DAY;
/// As in Envoy, whatever 32 bits hold.
const COUNT: RangeInclusive<u32> = 0..=u32::MAX;

/// The place of a field's value.
type Slot<T> = fn(&mut OutlierDetection) -> &mut T;

const COUNTS: [(&str, Slot<u32>); 8] = [
    ("consecutive_5xx", |to| &mut to.consecutive_5xx),
    ("consecutive_gateway_failure", |to| &mut to.consecutive_gateway_failure),
    ("consecutive_local_origin_failure", |to| {
        &mut to.consecutive_local_origin_failure
    }),
    ("success_rate_minimum_hosts", |to| &mut to.success_rate_minimum_hosts),
    ("success_rate_request_volume", |to| &mut to.success_rate_request_volume),
    ("success_rate_stdev_factor", |to| &mut to.success_rate_stdev_factor),
    ("failure_percentage_minimum_hosts", |to| {
        &mut to.failure_percentage_minimum_hosts
    }),
    ("failure_percentage_request_volume", |to| {
        &mut to.failure_percentage_request_volume
    }),
];

const PERCENTS: [(&str, Slot<Percent>); 9] = [
    ("enforcing_consecutive_5xx", |to| &mut to.enforcing_consecutive_5xx),
    ("enforcing_consecutive_gateway_failure", |to| {
        &mut to.enforcing_consecutive_gateway_failure
    }),
    ("enforcing_consecutive_local_origin_failure", |to| {
        &mut to.enforcing_consecutive_local_origin_failure
    }),
    ("enforcing_success_rate", |to| &mut to.enforcing_success_rate),
    ("enforcing_local_origin_success_rate", |to| {
        &mut to.enforcing_local_origin_success_rate
    }),
    ("failure_percentage_threshold", |to| {
        &mut to.failure_percentage_threshold
    }),
    ("enforcing_failure_percentage", |to| {
        &mut to.enforcing_failure_percentage
    }),
    ("enforcing_failure_percentage_local_origin", |to| {
        &mut to.enforcing_failure_percentage_local_origin
    }),
    ("max_ejection_percent", |to| &mut to.max_ejection_percent),
];

const BOOLEANS: [(&str, Slot<bool>); 3] = [
    ("split_external_local_origin_errors", |to| {
        &mut to.split_external_local_origin_errors
    }),
    ("always_eject_one_host", |to| &mut to.always_eject_one_host),
    ("successful_active_health_check_uneject_host", |to| {
        &mut to.successful_active_health_check_uneject_host
    }),
];

impl OutlierDetection {
    pub(super) fn read(block: &mut Block<'_>) -> Result<Self> {
        block.accept_protobuf();
        let mut policy = Self::default();
        for &(name, slot) in &COUNTS {
            set(slot(&mut policy), block.integer(name, COUNT)?);
        }
        for &(name, slot) in &PERCENTS {
            set(slot(&mut policy), block.percent(name)?);
        }
        for &(name, slot) in &BOOLEANS {
            set(slot(&mut policy), block.boolean(name)?);
        }
        set(&mut policy.interval, block.duration("interval", EJECTION_TIME)?);
        policy.read_ejection_times(block)?;
        policy.slow = block.block("slow", Slow::read)?;
        refuse_what_is_not_there(block)?;
        Ok(policy)
    }

    fn read_ejection_times(&mut self, block: &mut Block<'_>) -> Result<()> {
        set(
            &mut self.base_ejection_time,
            block.duration("base_ejection_time", EJECTION_TIME)?,
        );
        let base = self.base_ejection_time;
        let max = block.duration("max_ejection_time", EJECTION_TIME)?;
        if let Some(max) = max.filter(|max| *max < base) {
            return Err(block.contradiction([
                (
                    "max_ejection_time",
                    format!("at least base_ejection_time, which is {}", format_duration(base)),
                ),
                (
                    "base_ejection_time",
                    format!("at most max_ejection_time, which is {}", format_duration(max)),
                ),
            ]));
        }
        // As in Envoy, a long base alone lifts the default of the maximum.
        self.max_ejection_time = max.unwrap_or_else(|| self.max_ejection_time.max(base));
        set(
            &mut self.max_ejection_time_jitter,
            block.duration("max_ejection_time_jitter", JITTER)?,
        );
        Ok(())
    }
}

/// The fields of Envoy's that cannot be had: silence would look like support. What asks for nothing may stay.
fn refuse_what_is_not_there(block: &mut Block<'_>) -> Result<()> {
    if let Some(field) = block.take_useless("monitors").filter(|field| !field.is_empty_list()) {
        return Err(field.refuse("no monitors: they are extensions of Envoy's, which calls them not implemented"));
    }
    match block.take_useless("detect_degraded_hosts") {
        Some(field) if field.boolean()? => {
            Err(field.refuse("false: sidestep ejects hosts, and knows no degraded ones"))
        }
        _ => Ok(()),
    }
}

fn set<T>(slot: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *slot = value;
    }
}
