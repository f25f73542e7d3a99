//! What becomes of hosts, told without workers, bytes or shares. Times in milliseconds.

use std::collections::BTreeMap;

/// In milliseconds: what the settings below say, and the time that a trial's lease lasts beyond `probation_timeout`.
pub(super) const RAMP: u64 = 3000;
pub(super) const INTERVAL: u64 = 2000;
pub(super) const TRIAL: u64 = 1000;
pub(super) const SLACK: u64 = 5000;
pub(super) const OVERLOAD: u64 = 4000;
pub(super) const TICK: u64 = 1000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Policy {
    pub(super) failures: u32,
    pub(super) percent: usize,
    pub(super) panic: usize,
}

impl Policy {
    pub(super) fn settings(self) -> String {
        let Self {
            failures,
            percent,
            panic,
        } = self;
        format!(
            r#""outlier_detection": {{
                "consecutive_5xx": {failures}, "consecutive_gateway_failure": 0, "max_ejection_percent": {percent},
                "base_ejection_time": "2s", "max_ejection_time": "6s", "interval": "2s",
                "success_rate_minimum_hosts": 100, "failure_percentage_minimum_hosts": 100,
                "slow": {{"minimum_hosts": 100}}
            }},
            "picking": {{"discovery_percent": 0, "ramp_time": "3s", "probation_timeout": "1s",
                "panic_threshold": {panic}}}"#
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum How {
    Ok,
    Error,
    /// 429 with Retry-After.
    Busy,
    /// 425, which says nothing.
    Early,
    /// The client hung up before any answer.
    HungUp,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    In {
        ramp_since: u64,
    },
    /// Ejected until then, in probation from then on.
    Out {
        until: u64,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) place: Place,
    pub(super) ejected_at: Option<u64>,
    /// Until when a trial may be out.
    pub(super) trial: u64,
    pub(super) row: u32,
    pub(super) overloaded_until: u64,
    pub(super) held_until: u64,
    /// When its last probation began, to within a tick.
    pub(super) open: (u64, u64),
}

pub(super) struct Model {
    pub(super) hosts: BTreeMap<u16, Host>,
    pub(super) policy: Policy,
}

impl Host {
    pub(super) fn is_out(&self) -> bool {
        matches!(self.place, Place::Out { .. })
    }

    pub(super) fn in_probation(&self, now: u64) -> Option<u64> {
        match self.place {
            Place::Out { until } if until <= now => Some(until),
            _ => None,
        }
    }

    pub(super) fn put_out(&mut self, at: u64, until: u64) {
        self.place = Place::Out { until };
        self.ejected_at = Some(at);
        (self.trial, self.row, self.open) = (0, 0, (until, until + TICK));
    }

    pub(super) fn come_in(&mut self, now: u64) {
        self.place = Place::In { ramp_since: now };
        self.trial = 0;
    }

    pub(super) fn has_full_share(&self, now: u64) -> bool {
        matches!(self.place, Place::In { ramp_since } if now - ramp_since >= RAMP) && self.overloaded_until <= now
    }
}

impl Model {
    pub(super) fn available(&self) -> usize {
        self.hosts.values().filter(|host| !host.is_out()).count()
    }

    pub(super) fn is_in_panic(&self) -> bool {
        self.available() == 0 || self.available() * 100 < self.hosts.len() * self.policy.panic
    }

    pub(super) fn is_restless(&self, now: u64) -> bool {
        self.hosts.values().any(|host| !host.has_full_share(now))
    }

    /// The host that the next request would try, if it may.
    pub(super) fn trial_due(&self, now: u64) -> Option<(u16, u64)> {
        self.hosts.iter().find_map(|(number, host)| {
            let since = host.in_probation(now).filter(|_| host.trial <= now)?;
            Some((*number, since))
        })
    }

    pub(super) fn may_eject(&self) -> bool {
        let out = self.hosts.len() - self.available();
        self.available() > 1 && (out == 0 || (out + 1) * 100 <= self.hosts.len() * self.policy.percent)
    }

    /// Whether an answer of a request that began then is of a kind whose meaning is open: from about the time when
    /// probation began.
    pub(super) fn is_open(&self, host: u16, began: u64) -> bool {
        self.hosts
            .get(&host)
            .is_none_or(|host| (host.open.0..=host.open.1).contains(&began))
    }

    /// An answer has come. Returns whether the host is ejected for it.
    pub(super) fn answered(&mut self, host: u16, how: How, began: u64, now: u64) -> bool {
        let may_eject = self.may_eject();
        let threshold = self.policy.failures;
        let host = self.hosts.get_mut(&host).expect("a known host");
        if how == How::Busy && (host.overloaded_until <= now || now + OVERLOAD > host.overloaded_until + 1000) {
            host.overloaded_until = now + OVERLOAD;
        }
        let straggler = host.ejected_at.is_some_and(|at| began <= at);
        if straggler || matches!(how, How::Early | How::HungUp) {
            return false;
        }
        match host.place {
            Place::Out { until } if now < until || began < until => false,
            Place::Out { .. } if how == How::Ok => {
                host.come_in(now);
                false
            }
            Place::Out { .. } => true,
            Place::In { .. } if how == How::Error => {
                host.row += 1;
                let reached = host.row == threshold;
                if reached {
                    host.row = 0;
                }
                reached && may_eject && host.held_until <= now
            }
            Place::In { .. } => {
                host.row = 0;
                false
            }
        }
    }
}
