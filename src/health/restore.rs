//! What was kept of a cluster from before a restart, merged into its live table.
//!
//! A restored host is never better off than evidence allows and never worse off than the limits do: what this process
//! has seen for itself wins; an ejection goes on for the time that it had left, and one that is over leads to probation;
//! and no more hosts are out than the policy allows now.

use super::control::{Control, ControlAction, MAX_CONTROLS};
use super::host::{Ejection, HostHealth, HostState, MAX_OVERLOAD, Probation, most_ejections};
use super::limits::{EjectionRefusal, may_eject};
use super::table::{Change, ClusterTable, Event};
use crate::config::ClusterPolicy;
use crate::detect::Detector;
use crate::model::Timestamp;

/// Why nothing of a cluster is restored: the hosts that were kept are those of another cluster, or of one that has been
/// rebuilt since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("another cluster's: of its {kept} hosts {known} are known here")]
pub struct ForeignCluster {
    /// How many hosts were kept.
    pub kept: usize,
    /// How many of them the live table knows.
    pub known: usize,
}

/// What is restored first gets the room that the limits leave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rank {
    ByPerson,
    Ejected,
    Probation,
    InRotation,
}

impl ClusterTable {
    /// Takes over what was kept of this cluster.
    ///
    /// # Errors
    /// If this table knows hosts, and less than half of them, or of those that were kept if those are fewer, are in both.
    /// Then nothing changes.
    pub fn restore(&mut self, kept: &Self, policy: &ClusterPolicy, now: Timestamp) -> Result<Change, ForeignCluster> {
        self.check_same(kept)?;
        let before = self.clone();
        let mut change = Change::default();
        let hosts = || kept.hosts().iter().filter(|host| !host.gone);
        for host in hosts() {
            if self.position(host.addr).is_some() {
                continue;
            }
            if self.hosts().len() < policy.picking.max_hosts {
                // As if just seen: it has the usual time to show itself before it is forgotten.
                self.insert(host.addr, now);
            } else {
                change.events.push(Event::Full { host: host.addr });
            }
        }
        for rank in [Rank::ByPerson, Rank::Ejected, Rank::Probation, Rank::InRotation] {
            for host in hosts() {
                if rank_of(host, kept, now) == rank {
                    change = change.and(self.restore_host(host, rank, policy, now));
                }
            }
        }
        for control in kept.controls() {
            change = change.and(self.restore_control(control, policy, now));
        }
        change.changed = *self != before;
        Ok(change)
    }

    fn check_same(&self, kept: &Self) -> Result<(), ForeignCluster> {
        let is_known = |host: &&HostHealth| self.get(host.addr).is_some_and(|known| !known.gone);
        let known = kept.hosts().iter().filter(is_known).count();
        let kept = kept.hosts().len();
        // A process that has only just begun to learn its hosts knows but a few of them.
        let fewer = kept.min(self.hosts().len());
        if known >= fewer.div_ceil(2) {
            Ok(())
        } else {
            Err(ForeignCluster { kept, known })
        }
    }

    fn restore_host(&mut self, kept: &HostHealth, rank: Rank, policy: &ClusterPolicy, now: Timestamp) -> Change {
        let mut change = Change::default();
        let addr = kept.addr;
        if self.is_held(addr, now) {
            return change;
        }
        let (census, detection) = (self.census(), &policy.outlier_detection);
        let Some(host) = self.host_mut(addr).filter(|host| !has_evidence(host)) else {
            return change;
        };
        host.take_history(kept, policy, now);
        let (detector, room) = match (rank, kept.state) {
            (Rank::InRotation, state) => {
                if matches!(state, HostState::Ramp { .. }) {
                    host.state = state;
                    host.settle(policy, now);
                }
                return change;
            }
            // It gets no traffic anyway. When it is fit again, the limits are looked at.
            (_, state) if host.unfit => (detector_of(state), Ok(())),
            (Rank::ByPerson, _) if census.available > 1 => (Detector::Control, Ok(())),
            (Rank::ByPerson, _) => (Detector::Control, Err(EjectionRefusal::LastHost)),
            (_, state) => (
                detector_of(state),
                may_eject(census, detection, policy.standby_cluster.is_some()),
            ),
        };
        if let Err(reason) = room {
            host.start_ramp(policy, now);
            change = Change::refused(addr, detector, reason);
            change.events.push(Event::Ramping {
                host: addr,
                proved: false,
            });
            return change;
        }
        host.last_ejected_at = kept.last_ejected_at.min(now);
        host.trial_limit = kept.trial_limit;
        change.events.push(match kept.state {
            HostState::Ejected(ejection) if ejection.until > now => {
                // The policy may be another one than before, and the clock may have been set back.
                let longest = detection
                    .max_ejection_time
                    .saturating_add(detection.max_ejection_time_jitter);
                let until = match rank {
                    Rank::ByPerson => ejection.until,
                    _ => ejection.until.min(now.after(longest)),
                };
                host.state = HostState::Ejected(Ejection {
                    // What others saw, or this one before, is no evidence of its own.
                    at: Timestamp::ZERO,
                    until,
                    detector,
                });
                // Not always the end: a person who holds a host out makes it no worse.
                host.quiet_since = kept.quiet_since.min(until);
                Event::Restored { host: addr, until }
            }
            _ => {
                // Since now: an attempt that is out was none of its trials.
                host.state = HostState::Probation(Probation {
                    since: now,
                    trial_until: Timestamp::ZERO,
                });
                Event::Probation { host: addr }
            }
        });
        change
    }

    /// A person's wish still holds, unless there is a newer one.
    fn restore_control(&mut self, kept: &Control, policy: &ClusterPolicy, now: Timestamp) -> Change {
        let addr = kept.host;
        if kept.until <= now || self.controls().iter().any(|control| control.host == addr) {
            return Change::default();
        }
        let Some(host) = self.get(addr) else {
            return Change::default();
        };
        match kept.action {
            ControlAction::Hold => self.control(kept.clone(), policy, now),
            ControlAction::Eject if !is_ejected_by_person(host, now) => Change::default(),
            ControlAction::Eject if self.controls().len() >= MAX_CONTROLS => {
                Change::refused(addr, Detector::Control, EjectionRefusal::TooManyControls)
            }
            ControlAction::Eject => {
                self.controls_mut().push(kept.clone());
                Change::default()
            }
            ControlAction::Release => Change::default(),
        }
    }
}

impl HostHealth {
    fn take_history(&mut self, kept: &Self, policy: &ClusterPolicy, now: Timestamp) {
        self.ejections = kept.ejections.min(most_ejections(&policy.outlier_detection));
        self.quiet_since = kept.quiet_since.min(now);
        if self.overloaded_until <= now && kept.overloaded_until > now {
            self.overloaded_until = kept.overloaded_until.min(now.after(MAX_OVERLOAD));
        }
    }
}

/// Whether this process has seen for itself what the host is.
fn has_evidence(host: &HostHealth) -> bool {
    host.gone || host.last_ejected_at != Timestamp::ZERO || !matches!(host.state, HostState::Healthy)
}

fn is_ejected_by_person(host: &HostHealth, now: Timestamp) -> bool {
    matches!(host.state, HostState::Ejected(ejection)
        if ejection.detector == Detector::Control && ejection.until > now)
}

fn rank_of(host: &HostHealth, kept: &ClusterTable, now: Timestamp) -> Rank {
    match host.state {
        HostState::Ejected(_) if is_ejected_by_person(host, now) && kept.is_held(host.addr, now) => Rank::ByPerson,
        HostState::Ejected(ejection) if ejection.until > now => Rank::Ejected,
        HostState::Ejected(_) | HostState::Probation(_) => Rank::Probation,
        HostState::Healthy | HostState::Ramp { .. } => Rank::InRotation,
    }
}

const fn detector_of(state: HostState) -> Detector {
    match state {
        HostState::Ejected(ejection) => ejection.detector,
        _ => Detector::Probation,
    }
}
