//! What other sidecars' ejections mean for a host here: evidence, under the limits of any other.

use super::eject::Charge;
use super::host::{Ejection, HostHealth, HostState};
use super::table::{Change, ClusterTable, Event};
use crate::config::ClusterPolicy;
use crate::detect::{Detector, Evidence};
use crate::model::{Entropy, HostAddr, Timestamp};
use std::time::Duration;

impl ClusterTable {
    /// Ejects a host that so many sidecars have ejected, if it is known here and the limits allow it.
    pub fn fleet_ejects(
        &mut self,
        addr: HostAddr,
        sidecars: u32,
        policy: &ClusterPolicy,
        now: Timestamp,
        entropy: &mut Entropy,
    ) -> Change {
        let charge = Charge {
            host: addr,
            detector: Detector::Fleet,
            evidence: Evidence::Fleet { sidecars },
            ejections: self.get(addr).map_or(0, |host| host.ejections),
            cleared: None,
        };
        self.accuse(&charge, policy, now, entropy)
    }

    /// Too few sidecars say any more that a host must be out: what was done for their sake ends, and the host may prove
    /// itself. An ejection by anything that was seen here stays.
    pub fn fleet_releases(&mut self, addr: HostAddr, policy: &ClusterPolicy, now: Timestamp) -> Change {
        let held = self.is_held(addr, now);
        let Some(host) = self.host_mut(addr) else {
            return Change::default();
        };
        match &mut host.state {
            HostState::Ejected(ejection) if ejection.detector == Detector::Fleet && ejection.until > now && !held => {
                ejection.until = now;
            }
            _ => return Change::default(),
        }
        host.settle(policy, now);
        Change {
            changed: true,
            events: vec![Event::Probation { host: addr }],
        }
    }

    /// The hosts that are ejected for what was seen here, for at least `since`: until when, and by which detector.
    pub fn ejected_here(&self, now: Timestamp, since: Duration) -> Vec<(HostAddr, Timestamp, Detector)> {
        let ejections = self.hosts().iter().filter(|host| !host.gone).filter_map(ejection);
        ejections
            .filter(|(_, ejection)| {
                ejection.until > now
                    && ejection.at != Timestamp::ZERO
                    && now.since(ejection.at) >= since
                    && !matches!(ejection.detector, Detector::Fleet | Detector::Control)
            })
            .map(|(host, ejection)| (host, ejection.until, ejection.detector))
            .collect()
    }

    /// The hosts that are ejected because the fleet agreed.
    pub fn ejected_by_fleet(&self, now: Timestamp) -> impl Iterator<Item = HostAddr> {
        self.hosts()
            .iter()
            .filter_map(ejection)
            .filter(move |(_, ejection)| ejection.detector == Detector::Fleet && ejection.until > now)
            .map(|(host, _)| host)
    }
}

fn ejection(host: &HostHealth) -> Option<(HostAddr, Ejection)> {
    match host.state {
        HostState::Ejected(ejection) => Some((host.addr, ejection)),
        _ => None,
    }
}
