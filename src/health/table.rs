//! A cluster's hosts: who is known, who is forgotten, and what may happen to them.

use super::control::{Control, ControlAction};
use super::host::{HostHealth, HostState};
use super::limits::{EjectionRefusal, allowed};
use super::pins::PinSupport;
use crate::config::ClusterPolicy;
use crate::detect::{Detector, Evidence};
use crate::model::{HostAddr, Timestamp};
use std::time::Duration;

/// The hosts of one cluster, sorted by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterTable {
    hosts: Vec<HostHealth>,
    controls: Vec<Control>,
    judged: Timestamp,
    pins: PinSupport,
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
        /// What it is accused of.
        evidence: Evidence,
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
    Probation {
        /// The host.
        host: HostAddr,
    },
    /// The host's share of traffic starts to grow.
    Ramping {
        /// The host.
        host: HostAddr,
        /// Whether it has proved itself in probation.
        proved: bool,
    },
    /// The host has its full share again.
    Returned {
        /// The host.
        host: HostAddr,
    },
    /// The host asked for less traffic.
    Overloaded {
        /// The host.
        host: HostAddr,
        /// For how long.
        duration: Duration,
    },
    /// A person released or holds the host.
    Controlled {
        /// The host.
        host: HostAddr,
        /// What was wanted.
        action: ControlAction,
    },
    /// The host was ejected before the restart, and still is.
    Restored {
        /// The host.
        host: HostAddr,
        /// Until when.
        until: Timestamp,
    },
    /// Too few hosts are available: no pins.
    Panic(Census),
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

impl Change {
    pub(super) fn refused(host: HostAddr, detector: Detector, reason: EjectionRefusal) -> Self {
        Self {
            changed: false,
            events: vec![Event::Refused { host, detector, reason }],
        }
    }

    /// Both, one after the other.
    pub fn and(mut self, other: Self) -> Self {
        self.changed |= other.changed;
        self.events.extend(other.events);
        self
    }
}

/// How many hosts a cluster has, and how many of them may get traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Hosts that Envoy could send traffic to, as far as is known.
    pub known: usize,
    /// Those of them that are ejected or in probation.
    pub out: usize,
    /// Those of them that may get traffic.
    pub available: usize,
}

impl ClusterTable {
    /// A table of these hosts; of hosts with the same address the first stays.
    pub fn from_hosts(hosts: Vec<HostHealth>) -> Self {
        Self::of(hosts, Vec::new(), Timestamp::ZERO)
    }

    pub(crate) fn of(hosts: Vec<HostHealth>, controls: Vec<Control>, judged: Timestamp) -> Self {
        // Records are sorted, so each host goes to the end. No sort: its code would be 8 kB of the module.
        let mut table = Self {
            hosts: Vec::with_capacity(hosts.len()),
            controls,
            judged,
            pins: PinSupport::Unknown,
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

    /// What people want of hosts.
    pub fn controls(&self) -> &[Control] {
        &self.controls
    }

    pub(super) const fn controls_mut(&mut self) -> &mut Vec<Control> {
        &mut self.controls
    }

    /// When the last interval ended that was judged.
    pub const fn judged(&self) -> Timestamp {
        self.judged
    }

    /// Whether the cluster follows pins, as far as any worker has seen.
    pub const fn pins(&self) -> PinSupport {
        self.pins
    }

    /// A pinned attempt was answered, by a host that the pin names or by another one.
    pub fn see_pins(&mut self, pins: PinSupport) -> Change {
        let changed = self.pins != pins;
        self.pins = pins;
        Change {
            changed,
            events: Vec::new(),
        }
    }

    /// Nobody says any more which hosts are unfit: none is held to be.
    pub fn forget_unfit(&mut self) -> Change {
        let unfit = self.hosts.iter_mut().filter(|host| host.unfit);
        Change {
            changed: unfit.map(|host| host.unfit = false).count() > 0,
            events: Vec::new(),
        }
    }

    /// Whether a request is to be pinned although all hosts have their share, to see whether the cluster follows: before a
    /// probe of all hosts is believed.
    pub fn wants_pin(&self, policy: &ClusterPolicy, now: Timestamp) -> bool {
        policy.probe.as_ref().is_some_and(|probe| probe.all)
            && self.pins.at(now) == PinSupport::Unknown
            && !self.hosts.is_empty()
    }

    pub(super) const fn set_judged(&mut self, end: Timestamp) {
        self.judged = end;
    }

    /// Where `addr` stands in [`Self::hosts`].
    pub fn position(&self, addr: HostAddr) -> Option<usize> {
        self.search(addr).ok()
    }

    /// Where `addr` stands, or where it would have to.
    fn search(&self, addr: HostAddr) -> Result<usize, usize> {
        self.hosts.binary_search_by_key(&addr, |host| host.addr)
    }

    /// What is known of a host.
    pub fn get(&self, addr: HostAddr) -> Option<&HostHealth> {
        self.hosts.get(self.position(addr)?)
    }

    pub(super) fn host_mut(&mut self, addr: HostAddr) -> Option<&mut HostHealth> {
        let position = self.position(addr)?;
        self.hosts.get_mut(position)
    }

    /// Counts the hosts.
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for host in self.hosts.iter().filter(|host| !host.gone && !host.unfit) {
            census.known += 1;
            census.out += usize::from(host.is_out());
            census.available += usize::from(host.is_available());
        }
        census
    }

    /// Until when some host may get less than its full share of traffic, so that requests need a pin. What has no end
    /// yet counts as lasting for a minute from now; somebody must ask again by then.
    pub fn restless_until(&self, policy: &ClusterPolicy, now: Timestamp) -> Timestamp {
        const FOR_NOW: Duration = Duration::from_secs(60);
        let until = |host: &HostHealth| {
            // Envoy itself sends them nothing.
            if host.gone || host.unfit {
                return Timestamp::ZERO;
            }
            let stage = match host.state {
                HostState::Healthy => Timestamp::ZERO,
                // Behind an ejection comes a probation.
                HostState::Ejected(ejection) => ejection.until.max(now).after(FOR_NOW),
                HostState::Probation(_) => now.after(FOR_NOW),
                HostState::Ramp { since } => since.after(policy.picking.ramp_time),
            };
            stage.max(host.overloaded_until)
        };
        let wants_pin = if self.wants_pin(policy, now) {
            now.after(FOR_NOW)
        } else {
            Timestamp::ZERO
        };
        let hosts = self.hosts.iter().map(until).max();
        hosts.unwrap_or_default().max(wants_pin)
    }

    /// Adds the hosts that the configuration names. They are there whatever `max_hosts` says.
    pub fn add_configured(&mut self, policy: &ClusterPolicy) {
        for addr in &policy.hosts {
            self.insert(*addr, Timestamp::ZERO);
        }
    }

    /// Notes that a response came from `addr`.
    pub fn learn(&mut self, addr: HostAddr, now: Timestamp, policy: &ClusterPolicy) -> Change {
        let mut change = Change::default();
        if self.position(addr).is_none() {
            if self.hosts.len() >= policy.picking.max_hosts {
                change.events.push(Event::Full { host: addr });
                return change;
            }
            self.insert(addr, now);
            change.changed = true;
        }
        let Some(host) = self.host_mut(addr) else {
            return change;
        };
        let before = *host;
        host.seen = now;
        // It answers. If Envoy thinks otherwise, its next list says so again.
        host.gone = false;
        host.unfit = false;
        change.changed |= *host != before;
        if before.gone || before.unfit {
            change = change.and(self.readmit(addr, policy, now));
        }
        change
    }

    /// A host that may have been away is in the cluster: it is what it was when it left, unless more hosts would be out
    /// than may be.
    pub(super) fn readmit(&mut self, addr: HostAddr, policy: &ClusterPolicy, now: Timestamp) -> Change {
        let mut change = Change::default();
        let census = self.census();
        let nobody_left = census.available == 0 && policy.standby_cluster.is_none();
        let too_many = census.out > allowed(census, &policy.outlier_detection) || nobody_left;
        let held = self.is_held(addr, now);
        if let Some(host) = self.host_mut(addr)
            && host.is_out()
            && too_many
            && !held
        {
            host.start_ramp(policy, now);
            change.changed = true;
            change.events.push(Event::Ramping {
                host: addr,
                proved: false,
            });
        }
        change
    }

    /// Whether [`Self::settle`] would change anything.
    pub fn is_settled(&self, policy: &ClusterPolicy, now: Timestamp) -> bool {
        self.controls.iter().all(|control| control.until > now)
            && self.hosts.iter().all(|host| {
                let mut settled = *host;
                settled.settle(policy, now);
                settled == *host && !is_forgotten(host, policy, now)
            })
    }

    /// Brings the table up to date with the clock: ends what is over, forgets hosts that are neither configured nor
    /// seen for `forget_after`.
    pub fn settle(&mut self, policy: &ClusterPolicy, now: Timestamp) -> Change {
        let mut change = Change::default();
        for host in &mut self.hosts {
            let before = *host;
            if host.settle(policy, now) {
                change.events.push(match host.state {
                    HostState::Probation(_) => Event::Probation { host: host.addr },
                    _ => Event::Returned { host: host.addr },
                });
            }
            change.changed |= *host != before;
        }
        let known = (self.hosts.len(), self.controls.len());
        self.hosts.retain(|host| !is_forgotten(host, policy, now));
        self.controls.retain(|control| control.until > now);
        change.changed |= known != (self.hosts.len(), self.controls.len());
        change
    }

    /// Envoy has shown that a host is not in the cluster any more; one that is configured stays. One with a history is
    /// kept apart until it is forgotten: should it come back, it comes back as what it was.
    pub fn remove(&mut self, addr: HostAddr, policy: &ClusterPolicy) -> Change {
        let mut change = Change::default();
        if policy.hosts.contains(&addr) {
            return change;
        }
        if let Some(position) = self.position(addr)
            && let Some(host) = self.hosts.get_mut(position)
        {
            change.changed = !host.gone;
            host.gone = true;
            if host.last_ejected_at == Timestamp::ZERO {
                self.hosts.remove(position);
                change.changed = true;
            }
        }
        change
    }

    pub(super) fn insert(&mut self, addr: HostAddr, seen: Timestamp) {
        if let Err(position) = self.search(addr) {
            self.hosts.insert(position, HostHealth::new(addr, seen));
        }
    }
}

/// Whether a host that nobody configured has been out of sight for too long. A host that is out gets no traffic and so
/// can't be seen: its time out does not count.
fn is_forgotten(host: &HostHealth, policy: &ClusterPolicy, now: Timestamp) -> bool {
    let out = host.is_out() && !host.gone;
    let last = host.seen.max(host.quiet_since.min(now));
    !out && now.since(last) >= policy.picking.forget_after && !policy.hosts.contains(&host.addr)
}
