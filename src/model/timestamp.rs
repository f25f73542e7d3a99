//! A moment on the host's clock.

use std::time::Duration;

/// A moment on Envoy's clock: nanoseconds since the Unix epoch.
///
/// All workers of a process read the same clock, so their timestamps compare. The clock may be set back or jump;
/// every subtraction here saturates, so a moment that seems to lie in the future is simply "no time ago".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The beginning of time: before anything that can happen.
    pub const ZERO: Self = Self(0);

    /// The moment `nanos` nanoseconds after the Unix epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the Unix epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this moment, zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This moment plus `duration`, at most the end of time.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos_of(duration)))
    }
}

/// A duration in whole nanoseconds, at most `u64::MAX` (584 years).
fn nanos_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_set_back_makes_no_time_pass() {
        let later = Timestamp::from_nanos(5);
        assert_eq!(Timestamp::from_nanos(3).since(later), Duration::ZERO);
    }

    #[test]
    fn adding_saturates_at_the_end_of_time() {
        let end = Timestamp::from_nanos(u64::MAX);
        assert_eq!(end.after(Duration::MAX), end);
    }
}
