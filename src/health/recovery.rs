//! The way back: probation with one trial at a time, probes, and hosts that ask for less.

use super::host::{HostState, MAX_OVERLOAD};
use super::table::{Change, ClusterTable, Event};
use crate::config::ClusterPolicy;
use crate::detect::{Detector, Evidence};
use crate::model::{Entropy, HostAddr, Timestamp};
use std::time::Duration;

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// The host did its work.
    Passed,
    /// The host failed, or asked for less: it is ejected again, with this multiplier before.
    Failed(u32),
    /// The trial that was to take until then says nothing; another one may follow at once.
    Void(Timestamp),
}

impl ClusterTable {
    /// Starts a trial at a host in probation, unless another worker has one out.
    pub fn begin_trial(&mut self, addr: HostAddr, policy: &ClusterPolicy, now: Timestamp) -> Change {
        let began = self.host_mut(addr).is_some_and(|host| host.begin_trial(policy, now));
        Change {
            changed: began,
            events: Vec::new(),
        }
    }

    /// An attempt at a host in probation is over.
    pub fn end_trial(
        &mut self,
        addr: HostAddr,
        trial: Trial,
        policy: &ClusterPolicy,
        now: Timestamp,
        entropy: &mut Entropy,
    ) -> Change {
        let mut change = Change::default();
        let held = self.is_held(addr, now);
        let Some(host) = self.host_mut(addr) else {
            return change;
        };
        let before = *host;
        if host.settle(policy, now) {
            change.events.push(Event::Probation { host: addr });
        }
        let HostState::Probation(probation) = &mut host.state else {
            return Change::default();
        };
        match trial {
            Trial::Void(until) if probation.trial_until != until => {}
            Trial::Void(_) => probation.trial_until = Timestamp::ZERO,
            // Somebody else says when it is back.
            Trial::Passed if held => probation.trial_until = Timestamp::ZERO,
            Trial::Passed => {
                host.start_ramp(policy, now);
                change.events.push(Event::Ramping {
                    host: addr,
                    proved: true,
                });
            }
            Trial::Failed(ejections) => {
                let duration = host.eject(Detector::Probation, ejections, &policy.outlier_detection, now, entropy);
                change.events.push(Event::Ejected {
                    host: addr,
                    detector: Detector::Probation,
                    evidence: Evidence::Probation,
                    duration,
                    ejections: host.ejections,
                });
            }
        }
        change.changed = *host != before;
        change
    }

    /// Lets a host in probation back without proof: no request came that could have been retried elsewhere, and those
    /// that do come need hosts.
    pub fn waive_trial(&mut self, addr: HostAddr, policy: &ClusterPolicy, now: Timestamp) -> Change {
        let mut change = Change::default();
        if let Some(host) = self.host_mut(addr)
            && host
                .probation(now)
                .is_some_and(|probation| probation.trial_until <= now)
        {
            host.settle(policy, now);
            host.start_ramp(policy, now);
            change.changed = true;
            change.events.push(Event::Ramping {
                host: addr,
                proved: false,
            });
        }
        change
    }

    /// Enough probes in a row passed: an ejection is over, and probation begins.
    pub fn probes_passed(&mut self, addr: HostAddr, policy: &ClusterPolicy, now: Timestamp) -> Change {
        let mut change = Change::default();
        if !policy.outlier_detection.successful_active_health_check_uneject_host || self.is_held(addr, now) {
            return change;
        }
        if let Some(host) = self.host_mut(addr)
            && let HostState::Ejected(ejection) = &mut host.state
        {
            ejection.until = ejection.until.min(now);
            host.quiet_since = host.quiet_since.min(now);
            host.settle(policy, now);
            change.changed = true;
            change.events.push(Event::Probation { host: addr });
        }
        change
    }

    /// A probe failed: the host stays out until `until` at least, when the next one will have been answered.
    pub fn probe_failed(&mut self, addr: HostAddr, policy: &ClusterPolicy, until: Timestamp, now: Timestamp) -> Change {
        let mut change = Change::default();
        let Some(host) = self.host_mut(addr) else {
            return change;
        };
        let before = *host;
        match &mut host.state {
            HostState::Ejected(ejection) if ejection.until < until => {
                ejection.until = until;
                // Should the clock be set back, what is left of this counts, and not from when the ejection began.
                ejection.at = now;
                host.quiet_since = until;
            }
            // A trial that is out may still prove the host.
            HostState::Probation(probation) if probation.trial_until <= now => {
                let ejections = host.ejections;
                host.settle(policy, now);
                host.put_out(Detector::Probe, now, until);
                host.ejections = ejections;
            }
            _ => {}
        }
        change.changed = *host != before;
        change
    }

    /// A host asked for less traffic, for this long.
    pub fn overloaded(&mut self, addr: HostAddr, asked: Duration, now: Timestamp) -> Change {
        let mut change = Change::default();
        let duration = asked.min(MAX_OVERLOAD);
        if duration.is_zero() {
            return change;
        }
        if let Some(host) = self.host_mut(addr) {
            let until = now.after(duration);
            // Each answer of an overloaded host says it again; the record is not written for little more.
            let worth_writing = (duration / 4).max(Duration::from_secs(1));
            if until > host.overloaded_until.after(worth_writing) || host.overloaded_until <= now {
                host.overloaded_until = until;
                change.changed = true;
                change.events.push(Event::Overloaded { host: addr, duration });
            }
        }
        change
    }
}
