//! What this worker tells the fleet of hosts, and what it does about what the fleet tells.

use super::Worker;
use super::keeping::Keeping;
use super::shared::decode_number;
use crate::detect::Detector;
use crate::health::EjectionRefusal;
use crate::host::{Cas, Host, HostError};
use crate::keep::Place;
use crate::metrics::ErrorCause;
use crate::model::{HostAddr, SortedMap, SortedSet, Timestamp};
use std::rc::Rc;
use std::time::Duration;

/// An ejection is told to others only after this time: by then it shows whether the other hosts do any better.
const SETTLE: Duration = Duration::from_millis(500);

/// An ejection for the fleet's sake that was refused is tried again after this time.
const AGAIN: Duration = Duration::from_secs(10);

/// Whether a doubt need not be written again. One in the future is from before the clock was set back.
fn is_recent(doubted: Timestamp, now: Timestamp) -> bool {
    doubted <= now && now.since(doubted) < SETTLE
}

fn doubt_key(cluster: &str) -> String {
    format!("sidestep/2/doubt/{cluster}")
}

impl<H: Host> Worker<H> {
    /// What this sidecar can tell others: hosts that it has ejected by what it saw, of clusters that it sees right. What it
    /// has told it takes back when the ejection is over, or when it has doubts.
    pub(super) fn reports(&mut self, told: &SortedSet<Place>, now: Timestamp) -> SortedMap<Place, String> {
        let mut all = SortedMap::default();
        let clusters: Vec<Rc<str>> = self.clusters.names().map(Rc::clone).collect();
        for cluster in clusters {
            let Some(view) = self.clusters.get(&cluster) else {
                continue;
            };
            let ejected = view.table().ejected_here(now, SETTLE);
            if ejected.is_empty() || self.has_doubts(&cluster, now) {
                continue;
            }
            let does_well = self.does_well(&cluster);
            for (host, until, detector) in ejected {
                let place = (cluster.to_string(), host);
                if does_well || told.contains_key(&place) {
                    let millis = until.as_nanos() / 1_000_000;
                    all.insert(place, format!("{millis} {}", detector.name()));
                }
            }
        }
        all
    }

    /// Whether more hosts of a cluster were accused a short time ago than may be out: then the fault may well be here.
    fn has_doubts(&mut self, cluster: &str, now: Timestamp) -> bool {
        let doubted = match self.host.shared_data(&doubt_key(cluster)) {
            Ok(found) => Timestamp::from_nanos(found.map_or(0, |(bytes, _)| decode_number(&bytes))),
            Err(error) => {
                self.error(ErrorCause::SharedDataRead, format_args!("no doubt read: {error}"));
                return true;
            }
        };
        let doubt = self.policy(cluster).outlier_detection.base_ejection_time;
        doubted != Timestamp::ZERO && doubted <= now && now.since(doubted) < doubt
    }

    /// Whether some host of a cluster, of those that have been asked, has not failed since it last answered well.
    fn does_well(&mut self, cluster: &str) -> bool {
        let Some(view) = self.clusters.get(cluster) else {
            return false;
        };
        let hosts = view.table().hosts().iter();
        let asked = hosts.filter(|host| host.is_available() && host.seen != Timestamp::ZERO);
        let asked: Vec<_> = asked.copied().collect();
        asked
            .iter()
            .any(|host| self.is_clean(cluster, host.addr, host.last_ejected_at))
    }

    /// More hosts of a cluster are accused than may be out: what this sidecar sees of it is not told to others for a while.
    pub(super) fn doubt(&mut self, cluster: &str, detector: Detector, reason: EjectionRefusal) {
        let is_sign = matches!(reason, EjectionRefusal::MaxEjectionPercent | EjectionRefusal::LastHost)
            && !matches!(detector, Detector::Fleet | Detector::Control);
        if self.config.keep.fleet.is_none() || !is_sign {
            return;
        }
        let now = self.clock;
        let key = doubt_key(cluster);
        let written = self.host.shared_data(&key).and_then(|found| match found {
            Some((bytes, _)) if is_recent(Timestamp::from_nanos(decode_number(&bytes)), now) => Ok(()),
            found => {
                let cas = found.map_or(Cas::ABSENT, |(_, cas)| cas);
                self.host.set_shared_data(&key, &now.as_nanos().to_le_bytes(), cas)
            }
        });
        match written {
            // Another worker's doubt is as good.
            Ok(()) | Err(HostError::CasMismatch) => {}
            Err(error) => self.error(ErrorCause::SharedDataWrite, format_args!("no doubt written: {error}")),
        }
    }

    /// Ejects the hosts that a quorum of the fleet has ejected, once for each agreement, and lets those prove themselves
    /// that none is found for any more.
    pub(super) fn heed_fleet(&mut self, keeping: &mut Keeping, now: Timestamp) {
        let Some((reports, fleet)) = keeping.keeper.as_ref().and_then(|keeper| keeper.reports(now)) else {
            return;
        };
        let agreed: SortedMap<Place, usize> = reports
            .agreed(fleet.quorum)
            .map(|(place, count)| (place.clone(), count))
            .collect();
        self.sync();
        let is_first = !std::mem::replace(&mut keeping.has_heeded, true);
        for (place, count) in agreed.iter() {
            let (cluster, host) = (place.0.as_str(), place.1);
            let tried = keeping.refused.get(place).copied();
            let waits = tried.is_some_and(|tried| tried <= now && now.since(tried) < AGAIN);
            // Of a cluster that no request was sent to yet nothing is known, its policy included.
            if keeping.acted.contains_key(place) || waits || !self.clusters.contains(cluster) {
                continue;
            }
            let Some(health) = self.fresh_view(cluster).and_then(|view| view.host(host)).copied() else {
                continue;
            };
            // A worker that has just been elected does not know whether its predecessor has acted. A host that was out, and
            // has proved itself since, is not put out for the same once more.
            let has_proved = is_first && health.last_ejected_at != Timestamp::ZERO;
            if health.is_out() || has_proved {
                keeping.acted.insert(place.clone(), ());
                continue;
            }
            let sidecars = u32::try_from(*count).unwrap_or(u32::MAX);
            let done = self.update(cluster, |table, policy, entropy| {
                table.fleet_ejects(host, sidecars, policy, now, entropy)
            });
            if done.ejected {
                keeping.acted.insert(place.clone(), ());
                keeping.refused.remove(place);
            } else {
                keeping.refused.insert(place.clone(), now);
            }
        }
        keeping.acted.retain(|place, ()| agreed.contains_key(place));
        keeping.refused.retain(|place, _| agreed.contains_key(place));
        self.release_strangers(&agreed, now);
    }

    /// Also those that another worker ejected before this one was elected, or that were restored.
    fn release_strangers(&mut self, agreed: &SortedMap<Place, usize>, now: Timestamp) {
        let mut over: Vec<(Rc<str>, HostAddr)> = Vec::new();
        for (cluster, view) in self.clusters.iter() {
            for host in view.table().ejected_by_fleet(now) {
                if !agreed.contains_key(&(cluster.to_string(), host)) {
                    over.push((Rc::clone(cluster), host));
                }
            }
        }
        for (cluster, host) in over {
            self.update(&cluster, |table, policy, _| table.fleet_releases(host, policy, now));
        }
    }
}
