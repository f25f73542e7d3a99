//! A cluster's hosts and what happens to them.

use super::host::{HostHealth, HostState};
use super::limits::{EjectionRefusal, may_eject};
use crate::config::{ClusterPolicy, OutlierDetection};
use crate::detect::Detector;
use crate::model::{Entropy, HostAddr, Outcome, Percent, Timestamp};
use std::time::Duration;

/// The hosts of one cluster, sorted by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterTable {
    hosts: Vec<HostHealth>,
}

/// One try of one request at one host, when its outcome is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The host.
    pub host: HostAddr,
    /// When it began.
    pub began: Timestamp,
    /// What it says about the host.
    pub outcome: Outcome,
    /// Envoy said that it was this host. If not, it was only sent there: that is no proof that the host exists.
    pub seen: bool,
}

/// Something that happened to a host, worth a metric and a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The host is out.
    Ejected {
        /// The host.
        host: HostAddr,
        /// The detector that accused it.
        detector: Detector,
        /// The detector's threshold.
        threshold: u32,
        /// For how long.
        duration: Duration,
        /// The ejection multiplier.
        ejections: u32,
    },
    /// A detector accused the host, but it stays.
    Refused {
        /// The host.
        host: HostAddr,
        /// The detector that accused it.
        detector: Detector,
        /// Why it stays.
        reason: EjectionRefusal,
    },
    /// The host's ejection is over.
    Returned {
        /// The host.
        host: HostAddr,
    },
    /// A host was not recorded, because the table is full.
    Full {
        /// The host.
        host: HostAddr,
    },
}

/// What a step did to the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Change {
    /// Whether the table is another one than before and must be written.
    pub changed: bool,
    /// What happened.
    pub events: Vec<Event>,
}

impl ClusterTable {
    /// A table of these hosts; of hosts with the same address the first stays.
    pub fn from_hosts(hosts: Vec<HostHealth>) -> Self {
        // Records are sorted, so each host goes to the end. No sort: its code would be 8 kB of the module.
        let mut table = Self {
            hosts: Vec::with_capacity(hosts.len()),
        };
        for host in hosts {
            match table.hosts.last() {
                Some(last) if last.addr >= host.addr => {
                    if let Err(position) = table.search(host.addr) {
                        table.hosts.insert(position, host);
                    }
                }
                _ => table.hosts.push(host),
            }
        }
        table
    }

    /// The hosts, sorted by address.
    pub fn hosts(&self) -> &[HostHealth] {
        &self.hosts
    }

    /// Where `addr` stands in [`Self::hosts`].
    pub fn position(&self, addr: HostAddr) -> Option<usize> {
        self.search(addr).ok()
    }

    /// Where `addr` stands, or where it would have to.
    fn search(&self, addr: HostAddr) -> Result<usize, usize> {
        self.hosts.binary_search_by_key(&addr, |host| host.addr)
    }

    /// What is known of `addr`.
    pub fn get(&self, addr: HostAddr) -> Option<&HostHealth> {
        self.hosts.get(self.position(addr)?)
    }

    /// How many hosts may not get traffic.
    pub fn ejected(&self, now: Timestamp) -> usize {
        self.hosts.iter().filter(|host| !host.is_available(now)).count()
    }

    /// When the last of the current ejections ends; zero if there is none.
    pub fn latest_ejection_end(&self) -> Timestamp {
        self.ejection_ends().max().unwrap_or_default()
    }

    /// When the ejections on record end, those that are over included until they are settled.
    pub fn ejection_ends(&self) -> impl Iterator<Item = Timestamp> {
        self.hosts.iter().filter_map(|host| match host.state {
            HostState::Healthy => None,
            HostState::Ejected(ejection) => Some(ejection.until),
        })
    }

    /// Adds the hosts that the configuration names. They are there whatever `max_hosts` says.
    pub fn add_configured(&mut self, policy: &ClusterPolicy) {
        for addr in &policy.hosts {
            self.insert(*addr, Timestamp::ZERO);
        }
    }

    /// Notes that a response came from `addr`.
    pub fn learn(&mut self, addr: HostAddr, now: Timestamp, policy: &ClusterPolicy) -> Change {
        let (changed, event) = match self.find_or_insert(addr, now, policy) {
            Ok((host, new)) => {
                let stale = new || host.seen != now;
                host.seen = now;
                (stale, None)
            }
            Err(full) => (false, Some(full)),
        };
        Change {
            changed,
            events: event.into_iter().collect(),
        }
    }

    /// Records an attempt's outcome, and ejects its host if a detector asks for it and the limits allow it.
    ///
    /// Attempts that began before the host's last ejection are stragglers: they neither prolong an ejection nor
    /// count after it.
    pub fn record(
        &mut self,
        attempt: &Attempt,
        policy: &ClusterPolicy,
        now: Timestamp,
        entropy: &mut Entropy,
    ) -> Change {
        let mut change = Change::default();
        if attempt.outcome == Outcome::Ignored {
            return change;
        }
        let ever_seen = |host: &HostHealth| host.seen != Timestamp::ZERO;
        if !attempt.seen && !self.get(attempt.host).is_some_and(ever_seen) {
            return change;
        }
        let (count, ejected) = (self.hosts.len(), self.ejected(now));
        let (host, new) = match self.find_or_insert(attempt.host, now, policy) {
            Ok(found) => found,
            Err(full) => {
                change.events.push(full);
                return change;
            }
        };
        let count = count + usize::from(new);
        let before = *host;
        if host.settle(now) {
            change.events.push(Event::Returned { host: host.addr });
        }
        let straggler = attempt.began <= host.last_ejected_at && host.last_ejected_at != Timestamp::ZERO;
        if host.is_available(now) && !straggler {
            if matches!(attempt.outcome, Outcome::Failure(_)) {
                host.ejections = host.ejections_at(now, policy.outlier_detection.interval);
                host.quiet_since = now;
            }
            let verdicts = host.streaks.record(attempt.outcome, &policy.outlier_detection);
            for (detector, threshold) in verdicts.into_iter().flatten() {
                let detection = &policy.outlier_detection;
                let verdict = enforce(detector, detection, entropy)
                    .and_then(|()| may_eject(count, ejected, detection.max_ejection_percent));
                change.events.push(match verdict {
                    Ok(()) => {
                        let duration = host.eject(detector, detection, now, entropy);
                        Event::Ejected {
                            host: host.addr,
                            detector,
                            threshold,
                            duration,
                            ejections: host.ejections,
                        }
                    }
                    Err(reason) => Event::Refused {
                        host: host.addr,
                        detector,
                        reason,
                    },
                });
                if verdict.is_ok() {
                    break;
                }
            }
        }
        change.changed = new || *host != before;
        change
    }

    /// Whether [`Self::settle`] would change anything.
    pub fn is_settled(&self, policy: &ClusterPolicy, now: Timestamp) -> bool {
        self.hosts.iter().all(|host| {
            let mut settled = *host;
            settled.settle(now);
            settled == *host && !is_forgotten(host, policy, now)
        })
    }

    /// Brings the table up to date with the clock: ends ejections, forgets hosts that are neither configured nor
    /// seen for `forget_after`.
    pub fn settle(&mut self, policy: &ClusterPolicy, now: Timestamp) -> Change {
        let mut change = Change::default();
        for host in &mut self.hosts {
            let before = *host;
            if host.settle(now) {
                change.events.push(Event::Returned { host: host.addr });
            }
            change.changed |= *host != before;
        }
        let known = self.hosts.len();
        self.hosts.retain(|host| !is_forgotten(host, policy, now));
        change.changed |= self.hosts.len() != known;
        change
    }

    /// Forgets a host that Envoy has shown not to be in the cluster any more; not one that is configured.
    pub fn remove(&mut self, addr: HostAddr, policy: &ClusterPolicy) -> Change {
        let position = self.position(addr).filter(|_| !policy.hosts.contains(&addr));
        if let Some(position) = position {
            self.hosts.remove(position);
        }
        Change {
            changed: position.is_some(),
            events: Vec::new(),
        }
    }

    /// The host's entry, and whether it is new. A full table takes no host on.
    fn find_or_insert(
        &mut self,
        addr: HostAddr,
        now: Timestamp,
        policy: &ClusterPolicy,
    ) -> Result<(&mut HostHealth, bool), Event> {
        let full = Event::Full { host: addr };
        let new = self.position(addr).is_none();
        if new {
            if self.hosts.len() >= policy.picking.max_hosts {
                return Err(full);
            }
            self.insert(addr, now);
        }
        let position = self.position(addr).ok_or(full)?;
        self.hosts.get_mut(position).map(|host| (host, new)).ok_or(full)
    }

    fn insert(&mut self, addr: HostAddr, seen: Timestamp) {
        if let Err(position) = self.search(addr) {
            self.hosts.insert(position, HostHealth::new(addr, seen));
        }
    }
}

/// Whether a host that nobody configured has been out of sight for too long. An ejected host gets no traffic and
/// so can't be seen: its time out does not count.
fn is_forgotten(host: &HostHealth, policy: &ClusterPolicy, now: Timestamp) -> bool {
    let last = host.seen.max(host.quiet_since.min(now));
    host.is_available(now) && now.since(last) >= policy.picking.forget_after && !policy.hosts.contains(&host.addr)
}

/// Draws whether a detector's verdict is enforced or only reported.
fn enforce(detector: Detector, policy: &OutlierDetection, entropy: &mut Entropy) -> Result<(), EjectionRefusal> {
    let share: Percent = match detector {
        Detector::Consecutive5xx => policy.enforcing_consecutive_5xx,
        Detector::ConsecutiveGatewayFailure => policy.enforcing_consecutive_gateway_failure,
        Detector::ConsecutiveLocalOriginFailure => policy.enforcing_consecutive_local_origin_failure,
    };
    if share.chance(entropy.draw()) {
        Ok(())
    } else {
        Err(EjectionRefusal::NotEnforced)
    }
}
