//! One host's life: healthy, ejected, in probation, ramping up, healthy.

use crate::config::{ClusterPolicy, OutlierDetection};
use crate::detect::Detector;
use crate::model::{Entropy, HostAddr, Share, Timestamp};
use std::time::Duration;

/// Where a host is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// The host gets its full share of traffic.
    Healthy,
    /// The host gets no traffic.
    Ejected(Ejection),
    /// The host must prove itself before traffic returns.
    Probation(Probation),
    /// The host's share of traffic grows to a full one.
    Ramp {
        /// When it began.
        since: Timestamp,
    },
}

/// A time without traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// When it began; zero if it was restored, so that nobody here saw why.
    pub at: Timestamp,
    /// `ejected_until`: when it ends.
    pub until: Timestamp,
    /// The detector that asked for it.
    pub detector: Detector,
}

/// A time with one live request at once, and only one that could be retried elsewhere: a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probation {
    /// When it began.
    pub since: Timestamp,
    /// Until when the trial that is out may take; nobody starts another before. Zero if none is out.
    pub trial_until: Timestamp,
}

/// What an attempt at a host counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The host is in rotation.
    InRotation,
    /// The host is in probation, and the attempt began in it.
    InProbation,
    /// The host is out, or the attempt began before it was.
    Nothing,
}

/// The share of traffic that a ramp begins with, and that an overloaded host is left with: the default of Envoy's
/// slow start (`min_weight_percent`).
const LEAST_SHARE: Share = Share::from_permille(100);

/// A trial's answer is waited for this much longer than `probation_timeout`: by then it is there, or its VM is dead.
const TRIAL_SLACK: Duration = Duration::from_secs(5);

/// The longest that a host may ask for less traffic (Linkerd's cap on Retry-After).
pub const MAX_OVERLOAD: Duration = Duration::from_secs(300);

/// What is known of one host, apart from its [failures in a row](super::HostStreak).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostHealth {
    /// The host.
    pub addr: HostAddr,
    /// When Envoy last named it as the host of an attempt, to within a fraction of `forget_after`; zero if it is
    /// configured and has not been seen.
    pub seen: Timestamp,
    /// Where it is in its life.
    pub state: HostState,
    /// How many times `base_ejection_time` its last ejection lasted, before the cap.
    pub ejections: u32,
    /// When its last ejection ends or ended; zero if it never was ejected.
    pub quiet_since: Timestamp,
    /// When its last ejection began; attempts from before say nothing new. Zero if it never was.
    pub last_ejected_at: Timestamp,
    /// If it was ejected for being slow: its trial must be answered in less than this. Else zero.
    pub trial_limit: Duration,
    /// Until when it asked for less traffic; zero if it did not.
    pub overloaded_until: Timestamp,
    /// Envoy's own health check, or its control plane, says that it must not get traffic.
    pub unfit: bool,
    /// Envoy has shown that it is not in the cluster. It is kept for its history, should it come back.
    pub gone: bool,
}

impl HostHealth {
    /// A host of which nothing is known but that it exists.
    pub const fn new(addr: HostAddr, seen: Timestamp) -> Self {
        Self {
            addr,
            seen,
            state: HostState::Healthy,
            ejections: 0,
            quiet_since: Timestamp::ZERO,
            last_ejected_at: Timestamp::ZERO,
            trial_limit: Duration::ZERO,
            overloaded_until: Timestamp::ZERO,
            unfit: false,
            gone: false,
        }
    }

    /// Whether the host is kept out of rotation: ejected or in probation.
    pub const fn is_out(&self) -> bool {
        matches!(self.state, HostState::Ejected(_) | HostState::Probation(_))
    }

    /// Whether the host may get traffic.
    pub const fn is_available(&self) -> bool {
        !self.is_out() && !self.unfit && !self.gone
    }

    /// The probation that the host is in at `now`: one whose ejection is over is, even before that is
    /// written down.
    pub fn probation(&self, now: Timestamp) -> Option<Probation> {
        match self.state {
            HostState::Probation(probation) => Some(probation),
            HostState::Ejected(ejection) if ejection.until <= now => Some(Probation {
                since: ejection.until,
                trial_until: Timestamp::ZERO,
            }),
            _ => None,
        }
    }

    /// Which share of its traffic the host gets.
    pub fn share(&self, policy: &ClusterPolicy, now: Timestamp) -> Share {
        if !self.is_available() {
            return Share::NONE;
        }
        let ramped = match self.state {
            HostState::Ramp { since } => {
                Share::FULL.grown_from(LEAST_SHARE, now.since(since), policy.picking.ramp_time)
            }
            _ => Share::FULL,
        };
        if self.overloaded_until > now {
            ramped.min(LEAST_SHARE)
        } else {
            ramped
        }
    }

    /// How long a trial may take for its response headers: so long that no request waits much for it, and shorter if the
    /// host was ejected for being slow.
    ///
    /// It grows with each ejection: where answers normally take longer than `probation_timeout`, the host must have a
    /// chance, too.
    pub fn trial_timeout(&self, policy: &ClusterPolicy) -> Duration {
        let timeout = policy.picking.probation_timeout.saturating_mul(self.ejections.max(1));
        if self.trial_limit.is_zero() {
            timeout
        } else {
            timeout.min(self.trial_limit)
        }
    }

    /// How long a trial may be out before another one is started.
    fn trial_lease(&self, policy: &ClusterPolicy) -> Duration {
        self.trial_timeout(policy).saturating_add(TRIAL_SLACK)
    }

    /// Whether an attempt that began at `began` says nothing new: it was under way when the host was ejected.
    pub fn is_straggler(&self, began: Timestamp) -> bool {
        self.last_ejected_at != Timestamp::ZERO && began <= self.last_ejected_at
    }

    /// What an attempt that began at `began` counts for.
    pub fn standing(&self, began: Timestamp, now: Timestamp) -> Standing {
        if self.is_straggler(began) {
            return Standing::Nothing;
        }
        match self.probation(now) {
            Some(probation) if began >= probation.since => Standing::InProbation,
            None if !self.is_out() => Standing::InRotation,
            _ => Standing::Nothing,
        }
    }

    /// Ejects the host: the n-th time for n times `base_ejection_time`, capped, plus jitter. `ejections` is n - 1.
    pub fn eject(
        &mut self,
        detector: Detector,
        ejections: u32,
        policy: &OutlierDetection,
        now: Timestamp,
        entropy: &mut Entropy,
    ) -> Duration {
        self.ejections = ejections.saturating_add(1).min(most_ejections(policy));
        let jitter = nanos(policy.max_ejection_time_jitter);
        let jitter = Duration::from_nanos(entropy.below(jitter.saturating_add(1)));
        let duration = policy
            .base_ejection_time
            .saturating_mul(self.ejections)
            .min(policy.max_ejection_time)
            .saturating_add(jitter);
        self.put_out(detector, now, now.after(duration));
        duration
    }

    /// Keeps the host out until then.
    pub(super) fn put_out(&mut self, detector: Detector, now: Timestamp, until: Timestamp) {
        self.state = HostState::Ejected(Ejection {
            at: now,
            until,
            detector,
        });
        // Two ejections at the same nanosecond would be one to everybody who tells them apart by it.
        self.last_ejected_at = now.max(self.last_ejected_at.after(Duration::from_nanos(1)));
        self.quiet_since = until;
    }

    /// Starts a trial, if the host is in probation and none is out.
    pub(super) fn begin_trial(&mut self, policy: &ClusterPolicy, now: Timestamp) -> bool {
        match self.probation(now) {
            Some(probation) if probation.trial_until <= now && !self.gone && !self.unfit => {
                self.state = HostState::Probation(Probation {
                    trial_until: now.after(self.trial_lease(policy)),
                    ..probation
                });
                true
            }
            _ => false,
        }
    }

    /// The host has proved itself, or need not: its share starts to grow.
    pub(super) fn start_ramp(&mut self, policy: &ClusterPolicy, now: Timestamp) {
        self.trial_limit = Duration::ZERO;
        self.state = if policy.picking.ramp_time.is_zero() {
            HostState::Healthy
        } else {
            HostState::Ramp { since: now }
        };
    }

    /// Brings the host up to date with the clock: ends what is over, and moves what seems to lie in the future, because
    /// the clock was set back, to now. Returns whether it came to another state.
    pub(super) fn settle(&mut self, policy: &ClusterPolicy, now: Timestamp) -> bool {
        self.last_ejected_at = self.last_ejected_at.min(now);
        self.overloaded_until = if self.overloaded_until <= now {
            Timestamp::ZERO
        } else {
            self.overloaded_until.min(now.after(MAX_OVERLOAD))
        };
        let lease = self.trial_lease(policy);
        match &mut self.state {
            HostState::Healthy => {
                self.quiet_since = self.quiet_since.min(now);
                false
            }
            HostState::Ejected(ejection) if ejection.until <= now => {
                self.state = HostState::Probation(Probation {
                    since: ejection.until,
                    trial_until: Timestamp::ZERO,
                });
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
            HostState::Probation(probation) => {
                probation.since = probation.since.min(now);
                if probation.trial_until <= now || probation.trial_until > now.after(lease) {
                    probation.trial_until = Timestamp::ZERO;
                }
                self.quiet_since = self.quiet_since.min(now);
                false
            }
            HostState::Ramp { since } => {
                *since = (*since).min(now);
                let over = now.since(*since) >= policy.picking.ramp_time;
                if over {
                    self.state = HostState::Healthy;
                }
                self.quiet_since = self.quiet_since.min(now);
                over
            }
        }
    }
}

/// The largest ejection multiplier. Past it a growing one would lengthen nothing and only take longer to fall again.
pub(super) fn most_ejections(policy: &OutlierDetection) -> u32 {
    let cap = policy
        .max_ejection_time
        .as_nanos()
        .div_ceil(policy.base_ejection_time.as_nanos().max(1));
    u32::try_from(cap).unwrap_or(u32::MAX).max(1)
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
