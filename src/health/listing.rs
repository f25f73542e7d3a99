//! What Envoy itself lists as a cluster's hosts.

use super::table::{Change, ClusterTable, Event};
use crate::config::ClusterPolicy;
use crate::model::{HostAddr, Timestamp};

/// A host as Envoy lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListedHost {
    /// The host.
    pub addr: HostAddr,
    /// Whether Envoy itself would send traffic to it.
    pub fit: bool,
}

impl ClusterTable {
    /// Takes over what Envoy lists: hosts that are listed are known, the others are in the cluster no more.
    pub fn list(&mut self, listed: &[ListedHost], policy: &ClusterPolicy, now: Timestamp) -> Change {
        let mut change = Change::default();
        for entry in listed {
            if self.position(entry.addr).is_none() {
                if self.hosts().len() >= policy.picking.max_hosts {
                    change.events.push(Event::Full { host: entry.addr });
                    continue;
                }
                self.insert(entry.addr, now);
                change.changed = true;
            }
            if let Some(host) = self.host_mut(entry.addr) {
                // Being listed is being seen; written down now and then is enough.
                let stale = now.since(host.seen) >= policy.picking.forget_after / 4;
                change.changed |= stale || host.gone || host.unfit == entry.fit;
                if stale {
                    host.seen = now;
                }
                host.gone = false;
                host.unfit = !entry.fit;
            }
        }
        // Both lists may be long: no search of one for each entry of the other.
        let listed: std::collections::HashSet<HostAddr> = listed.iter().map(|entry| entry.addr).collect();
        let missing: Vec<HostAddr> = self
            .hosts()
            .iter()
            .map(|host| host.addr)
            .filter(|addr| !listed.contains(addr))
            .collect();
        missing
            .into_iter()
            .fold(change, |change, addr| change.and(self.remove(addr, policy)))
    }
}
