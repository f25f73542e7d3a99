//! What all who detect and retry aim at, as far as they can be told: the same thresholds, times and number of retries.

use std::time::Duration;

/// No request takes longer, where that can be said.
pub(crate) const ROUTE_TIMEOUT: Duration = Duration::from_secs(2);
/// Where there are retries: an attempt that takes longer has failed. Well over what a healthy host ever takes, and over
/// what a slow one takes, as people set it.
pub(crate) const PER_TRY_TIMEOUT: Duration = Duration::from_millis(500);
/// After the first attempt.
pub(crate) const RETRIES: u32 = 1;

/// Failures in a row that eject.
pub(crate) const CONSECUTIVE: u32 = 3;
/// Detectors look at so long a time, in the plan's seconds.
pub(crate) const INTERVAL: f64 = 2.0;
/// A host that is out stays out for so long, in the plan's seconds.
pub(crate) const BASE_EJECTION_TIME: f64 = 3.0;
/// And for no longer, however often it was out, in the plan's seconds.
pub(crate) const MAX_EJECTION_TIME: f64 = 30.0;
/// From little traffic to a full share, in the plan's seconds.
pub(crate) const RAMP_TIME: f64 = 4.0;
/// For detectors that look at whole intervals: the fewest requests to a host, of the 50 that an interval has for each of
/// ten hosts.
pub(crate) const VOLUME: u32 = 20;
/// For the detector of slow hosts: fewer, for a slow host gets fewer.
pub(crate) const SLOW_VOLUME: u32 = 10;
/// For the detectors that look at whole intervals: the fewest hosts.
pub(crate) const MINIMUM_HOSTS: u32 = 3;
