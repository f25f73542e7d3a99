//! What Envoy itself lists as a cluster's hosts.

use super::table::{Change, ClusterTable, Event};
use crate::config::ClusterPolicy;
use crate::discover::{ListedHost, Standing};
use crate::model::{HostAddr, Timestamp};

impl ClusterTable {
    /// Takes over what Envoy lists, sorted by address: hosts that are listed are known, the others are in the cluster no
    /// more. Spare hosts are as good as others if there are no others.
    pub fn list(&mut self, listed: &[ListedHost], policy: &ClusterPolicy, now: Timestamp) -> Change {
        let (mut change, mut returned) = (Change::default(), Vec::new());
        let best = listed.iter().map(|entry| entry.standing).max();
        let needed = best.unwrap_or(Standing::Fit).max(Standing::Spare);
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
                let before = *host;
                let away = host.gone || host.unfit;
                // Being listed is being seen. It is written down now and then.
                if now.since(host.seen) >= policy.picking.forget_after / 4 {
                    host.seen = now;
                }
                host.gone = false;
                host.unfit = entry.standing < needed;
                change.changed |= *host != before;
                if away && !host.gone && !host.unfit {
                    returned.push(entry.addr);
                }
            }
        }
        for addr in returned {
            change = change.and(self.readmit(addr, policy, now));
        }
        let is_listed = |addr: &HostAddr| listed.binary_search_by_key(addr, |entry| entry.addr).is_ok();
        let addrs = self.hosts().iter().map(|host| host.addr);
        let missing: Vec<HostAddr> = addrs.filter(|addr| !is_listed(addr)).collect();
        missing
            .into_iter()
            .fold(change, |change, addr| change.and(self.remove(addr, policy)))
    }
}
