//! One host's life.

use crate::config::OutlierDetection;
use crate::detect::{Detector, Streaks};
use crate::model::{Entropy, HostAddr, Timestamp};
use std::time::Duration;

/// Where a host is in its life. Probation and ramp will stand between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// The host gets its share of traffic.
    Healthy,
    /// The host gets no traffic.
    Ejected(Ejection),
}

/// A time without traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// When it began.
    pub at: Timestamp,
    /// `ejected_until`: when it ends.
    pub until: Timestamp,
    /// The detector that asked for it.
    pub detector: Detector,
}

/// What is known of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostHealth {
    /// The host.
    pub addr: HostAddr,
    /// When Envoy last named it as the host of an attempt, to within a fraction of `forget_after`; zero if it is
    /// configured and has not been seen.
    pub seen: Timestamp,
    /// Failures in a row.
    pub streaks: Streaks,
    /// Where it is in its life.
    pub state: HostState,
    /// How many times `base_ejection_time` its last ejection lasted, before the cap. See [`Self::ejections_at`].
    pub ejections: u32,
    /// Since when it has neither failed nor been ejected: the later of its last failure and its last ejection's end.
    pub quiet_since: Timestamp,
    /// When its last ejection began; attempts from before say nothing new. Zero if it never was.
    pub last_ejected_at: Timestamp,
}

impl HostHealth {
    /// A host of which nothing is known but that it exists.
    pub fn new(addr: HostAddr, seen: Timestamp) -> Self {
        Self {
            addr,
            seen,
            streaks: Streaks::default(),
            state: HostState::Healthy,
            ejections: 0,
            quiet_since: Timestamp::ZERO,
            last_ejected_at: Timestamp::ZERO,
        }
    }

    /// Whether the host may get traffic. An ejection whose time is over counts as over, even before
    /// [`Self::settle`] has written it down.
    pub fn is_available(&self, now: Timestamp) -> bool {
        match self.state {
            HostState::Healthy => true,
            HostState::Ejected(ejection) => ejection.until <= now,
        }
    }

    /// The current ejection multiplier: it falls by one for each `interval` that has passed without failures.
    pub fn ejections_at(&self, now: Timestamp, interval: Duration) -> u32 {
        let fallen = now
            .since(self.quiet_since)
            .as_nanos()
            .checked_div(interval.as_nanos())
            .and_then(|intervals| u32::try_from(intervals).ok())
            .unwrap_or(u32::MAX);
        self.ejections.saturating_sub(fallen)
    }

    /// Ejects the host: the n-th time for n times `base_ejection_time`, capped, plus jitter.
    pub fn eject(
        &mut self,
        detector: Detector,
        policy: &OutlierDetection,
        now: Timestamp,
        entropy: &mut Entropy,
    ) -> Duration {
        // Past the cap a growing multiplier would lengthen nothing and only take longer to fall again.
        let cap = policy
            .max_ejection_time
            .as_nanos()
            .div_ceil(policy.base_ejection_time.as_nanos().max(1));
        let grown = self.ejections_at(now, policy.interval).saturating_add(1);
        self.ejections = grown.min(u32::try_from(cap).unwrap_or(u32::MAX).max(1));
        let jitter = nanos(policy.max_ejection_time_jitter);
        let jitter = Duration::from_nanos(entropy.below(jitter.saturating_add(1)));
        let duration = policy
            .base_ejection_time
            .saturating_mul(self.ejections)
            .min(policy.max_ejection_time)
            .saturating_add(jitter);
        let until = now.after(duration);
        self.state = HostState::Ejected(Ejection {
            at: now,
            until,
            detector,
        });
        self.streaks = Streaks::default();
        self.last_ejected_at = now;
        self.quiet_since = until;
        duration
    }

    /// Brings the host up to date with the clock: ends an ejection whose time is over, and moves what seems to lie
    /// in the future, because the clock was set back, to now. Returns whether the host is back.
    pub fn settle(&mut self, now: Timestamp) -> bool {
        self.last_ejected_at = self.last_ejected_at.min(now);
        match &mut self.state {
            HostState::Healthy => {
                self.quiet_since = self.quiet_since.min(now);
                false
            }
            HostState::Ejected(ejection) if ejection.until <= now => {
                self.state = HostState::Healthy;
                true
            }
            HostState::Ejected(ejection) => {
                if now < ejection.at {
                    ejection.until = now.after(ejection.until.since(ejection.at));
                    ejection.at = now;
                    self.quiet_since = ejection.until;
                }
                false
            }
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
