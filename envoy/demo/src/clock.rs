//! One time for all that is measured: since the traffic began.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells the time of the run, also of moments that somebody else's clock has noted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// The same moment, since 1970.
    start_epoch: Duration,
}

impl Clock {
    /// Starts now.
    pub(crate) fn start() -> Self {
        Self {
            start: Instant::now(),
            start_epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    /// The time now.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The time that was so many seconds after 1970.
    pub(crate) fn at_epoch(&self, seconds: f64) -> Duration {
        Duration::try_from_secs_f64(seconds - self.start_epoch.as_secs_f64()).unwrap_or_default()
    }
}
