//! From an accusation to an ejection, or to a reason to refuse it.

use super::host::HostHealth;
use super::limits::{EjectionRefusal, may_eject};
use super::table::{Change, ClusterTable, Event};
use crate::config::{ClusterPolicy, OutlierDetection};
use crate::detect::{Detector, Evidence};
use crate::model::{Entropy, HostAddr, Percent, Timestamp};

/// What a detector has against a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The host.
    pub host: HostAddr,
    /// The detector.
    pub detector: Detector,
    /// What it saw.
    pub evidence: Evidence,
    /// The host's ejection multiplier before this, see [`HostStreak::ejections_at`](super::HostStreak::ejections_at).
    pub ejections: u32,
    /// A reason to refuse that was found with the evidence.
    pub cleared: Option<EjectionRefusal>,
}

impl ClusterTable {
    /// Ejects a host that a detector accuses, if its verdict is to be enforced and the limits allow it.
    pub fn accuse(&mut self, charge: &Charge, policy: &ClusterPolicy, now: Timestamp, entropy: &mut Entropy) -> Change {
        let Charge {
            host: addr, detector, ..
        } = *charge;
        let detection = &policy.outlier_detection;
        if self.get(addr).is_none_or(HostHealth::is_out) {
            // Another worker's verdict was faster.
            return Change::default();
        }
        let verdict = match charge.cleared {
            Some(reason) => Err(reason),
            None if self.is_held(addr, now) => Err(EjectionRefusal::Held),
            None => enforce(detector, detection, entropy)
                .and_then(|()| may_eject(self.census(), detection, policy.standby_cluster.is_some())),
        };
        let Some(host) = self.host_mut(addr) else {
            return Change::default();
        };
        if let Err(reason) = verdict {
            return Change::refused(addr, detector, reason);
        }
        host.settle(policy, now);
        host.trial_limit = charge.evidence.trial_limit(&detection.slow);
        let duration = host.eject(detector, charge.ejections, detection, now, entropy);
        Change {
            changed: true,
            events: vec![Event::Ejected {
                host: addr,
                detector,
                evidence: charge.evidence,
                duration,
                ejections: host.ejections,
            }],
        }
    }

    /// Carries out what was found when the interval that ended at `end` was judged, the worst first, unless that was done already.
    pub fn judge(
        &mut self,
        end: Timestamp,
        charges: &[Charge],
        policy: &ClusterPolicy,
        now: Timestamp,
        entropy: &mut Entropy,
    ) -> Change {
        if self.judged() >= end {
            return Change::default();
        }
        self.set_judged(end);
        charges.iter().fold(
            Change {
                changed: true,
                events: Vec::new(),
            },
            |change, charge| change.and(self.accuse(charge, policy, now, entropy)),
        )
    }

    /// Forgets a judgement that lies in the future, because the clock was set back: else none would follow until then.
    pub fn forget_future(&mut self, end: Timestamp) -> Change {
        let changed = self.judged() > end;
        if changed {
            self.set_judged(end);
        }
        Change {
            changed,
            events: Vec::new(),
        }
    }
}

/// Draws whether a detector's verdict is enforced or only reported.
fn enforce(detector: Detector, policy: &OutlierDetection, entropy: &mut Entropy) -> Result<(), EjectionRefusal> {
    let share: Percent = match detector {
        Detector::Consecutive5xx => policy.enforcing_consecutive_5xx,
        Detector::ConsecutiveGatewayFailure => policy.enforcing_consecutive_gateway_failure,
        Detector::ConsecutiveLocalOriginFailure => policy.enforcing_consecutive_local_origin_failure,
        Detector::SuccessRate => policy.enforcing_success_rate,
        Detector::LocalOriginSuccessRate => policy.enforcing_local_origin_success_rate,
        Detector::FailurePercentage => policy.enforcing_failure_percentage,
        Detector::FailurePercentageLocalOrigin => policy.enforcing_failure_percentage_local_origin,
        Detector::Slow => policy.slow.enforcing,
        Detector::Probation | Detector::Probe | Detector::Control | Detector::Fleet => Percent::ALL,
    };
    if share.chance(entropy.draw()) {
        Ok(())
    } else {
        Err(EjectionRefusal::NotEnforced)
    }
}
