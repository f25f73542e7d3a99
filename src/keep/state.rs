//! What is worth keeping of all clusters' tables, and what is new from one time to the next.

use crate::health::{ClusterTable, Control, HostHealth, HostState, Probation, has_history, put_addr, shortened};
use crate::model::{HostAddr, SortedMap, Timestamp, fingerprint};
use std::time::Duration;

/// The kept part of all clusters' tables.
///
/// Of a table that is: its hosts but those that have left the cluster, and its controls. Of a host it is where it is in
/// its life and its history. What a restart makes meaningless or Envoy says anew is left out (when a host was last seen,
/// whether Envoy finds it unfit, a trial that is out, the last interval judged, whether pins are followed); so a state
/// stays the same for as long as nothing happens but traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    clusters: SortedMap<String, ClusterTable>,
}

/// What makes one state of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub(super) clusters: SortedMap<String, ClusterChange>,
}

/// What happened to a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ClusterChange {
    /// Nothing of it is kept any more.
    Removed,
    /// It is new, or another than before.
    Changed(ClusterUpdate),
}

/// What is new in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClusterUpdate {
    /// The [`host_set`] that the changes lead to.
    pub(super) host_set: u64,
    /// Hosts that are new or other than before, sorted by address.
    pub(super) changed: Vec<HostHealth>,
    /// Hosts that are not there any more, sorted by address.
    pub(super) removed: Vec<HostAddr>,
    /// All controls, if they are other ones than before.
    pub(super) controls: Option<Vec<Control>>,
}

/// Why changes were not applied: they were made from another state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the changes of cluster {cluster:?} belong to another state")]
pub struct Misfit {
    /// The cluster.
    pub cluster: String,
}

impl State {
    /// What is to be kept of these clusters. One of which nothing is known is left out.
    pub fn of<'a>(tables: impl IntoIterator<Item = (&'a str, &'a ClusterTable)>) -> Self {
        // One by one: to collect a map takes a sort, whose code would be 20 kB of the module.
        let mut clusters = SortedMap::default();
        for (name, table) in tables {
            let kept = kept_table(table);
            if !is_empty(&kept) {
                clusters.insert(name.to_owned(), kept);
            }
        }
        Self { clusters }
    }

    /// What is kept of a cluster.
    pub fn cluster(&self, name: &str) -> Option<&ClusterTable> {
        self.clusters.get(name)
    }

    /// All clusters of which something is kept, sorted by name.
    pub fn clusters(&self) -> impl Iterator<Item = (&str, &ClusterTable)> {
        self.clusters.iter().map(|(name, table)| (name.as_str(), table))
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }

    /// What makes `newer` of this state.
    pub fn diff(&self, newer: &Self) -> Changes {
        let nothing = ClusterTable::default();
        let mut clusters = SortedMap::default();
        for (name, after) in newer.clusters.iter() {
            if let Some(update) = update(self.clusters.get(name).unwrap_or(&nothing), after) {
                clusters.insert(name.clone(), ClusterChange::Changed(update));
            }
        }
        for name in self.clusters.keys() {
            if !newer.clusters.contains_key(name) {
                clusters.insert(name.clone(), ClusterChange::Removed);
            }
        }
        Changes { clusters }
    }

    /// Makes this state another one: `old.apply(&old.diff(&new))` makes `new` of `old`.
    ///
    /// # Errors
    /// If the changes were made from a state with other hosts. Then this one stays what it is.
    pub fn apply(&mut self, changes: &Changes) -> Result<(), Misfit> {
        let mut after = Vec::with_capacity(changes.clusters.len());
        for (name, change) in changes.clusters.iter() {
            let table = match change {
                ClusterChange::Removed => self.clusters.contains_key(name).then(ClusterTable::default),
                ClusterChange::Changed(update) => updated(self.clusters.get(name), update),
            };
            let table = table.ok_or_else(|| Misfit { cluster: name.clone() })?;
            after.push((name, table));
        }
        for (name, table) in after {
            if is_empty(&table) {
                self.clusters.remove(name);
            } else {
                self.clusters.insert(name.clone(), table);
            }
        }
        Ok(())
    }
}

impl Changes {
    /// Whether both states are the same.
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
    }
}

/// Which hosts a cluster has, whatever their state: FNV-1a in 64 bits over their addresses, sorted, each as in a
/// [record](ClusterTable::encode) of a control.
///
/// It is there to tell one state from another, not to withstand people who look for two sets with the same hash.
pub(super) fn host_set(hosts: &[HostHealth]) -> u64 {
    let mut bytes = Vec::with_capacity(19 * hosts.len());
    for host in hosts {
        put_addr(&mut bytes, host.addr);
    }
    fingerprint(&bytes)
}

fn is_empty(table: &ClusterTable) -> bool {
    table.hosts().is_empty() && table.controls().is_empty()
}

fn kept_table(table: &ClusterTable) -> ClusterTable {
    let hosts = table.hosts().iter().filter(|host| !host.gone).map(kept_host).collect();
    let controls = table.controls().iter().map(|control| Control {
        reason: shortened(control.reason.clone()),
        ..control.clone()
    });
    ClusterTable::of(hosts, controls.collect(), Timestamp::ZERO)
}

/// What is kept of a host.
pub(super) fn kept_host(host: &HostHealth) -> HostHealth {
    HostHealth {
        seen: Timestamp::ZERO,
        state: match host.state {
            HostState::Probation(probation) => HostState::Probation(Probation {
                trial_until: Timestamp::ZERO,
                ..probation
            }),
            other => other,
        },
        // Without a history there was no ejection to set it.
        trial_limit: if has_history(host) {
            host.trial_limit
        } else {
            Duration::ZERO
        },
        unfit: false,
        gone: false,
        ..*host
    }
}

/// What makes one table of the other, if anything does.
fn update(before: &ClusterTable, after: &ClusterTable) -> Option<ClusterUpdate> {
    let is_new = |host: &&HostHealth| before.get(host.addr) != Some(host);
    let is_gone = |host: &&HostHealth| after.position(host.addr).is_none();
    let update = ClusterUpdate {
        host_set: host_set(after.hosts()),
        changed: after.hosts().iter().filter(is_new).copied().collect(),
        removed: before.hosts().iter().filter(is_gone).map(|host| host.addr).collect(),
        controls: (before.controls() != after.controls()).then(|| after.controls().to_vec()),
    };
    (!update.is_empty()).then_some(update)
}

/// The table after an update, unless the update was made from another one.
fn updated(before: Option<&ClusterTable>, update: &ClusterUpdate) -> Option<ClusterTable> {
    let nothing = ClusterTable::default();
    let before = before.unwrap_or(&nothing);
    let stays = |host: &&HostHealth| {
        update.removed.binary_search(&host.addr).is_err()
            && update
                .changed
                .binary_search_by_key(&host.addr, |changed| changed.addr)
                .is_err()
    };
    // Merged in order: a host put in the middle of a table of a thousand would move all that follow, each time.
    let mut hosts = Vec::with_capacity(before.hosts().len().saturating_add(update.changed.len()));
    let mut changed = update.changed.iter().peekable();
    for host in before.hosts().iter().filter(stays) {
        while let Some(earlier) = changed.next_if(|changed| changed.addr < host.addr) {
            hosts.push(*earlier);
        }
        hosts.push(*host);
    }
    hosts.extend(changed);
    let controls = update.controls.as_deref().unwrap_or(before.controls()).to_vec();
    let is_known = |addr: &HostAddr| before.position(*addr).is_some();
    let table = ClusterTable::of(hosts, controls, Timestamp::ZERO);
    let fits = update.removed.iter().all(is_known) && host_set(table.hosts()) == update.host_set;
    (fits && !is_empty(&table)).then_some(table)
}

impl ClusterUpdate {
    /// Whether nothing happened.
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty() && self.controls.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::PinSupport;

    fn host(number: u8) -> HostHealth {
        HostHealth::new(addr(number), Timestamp::from_nanos(5))
    }

    fn addr(number: u8) -> HostAddr {
        HostAddr::from(std::net::SocketAddr::from(([10, 0, 0, number], 80)))
    }

    #[test]
    fn the_hash_of_a_host_set_is_fnv_1a() {
        // The basis is the hash of nothing.
        assert_eq!(host_set(&[]), 0xcbf2_9ce4_8422_2325);
        // 00 0a000001 5000, by an independent implementation.
        assert_eq!(host_set(&[host(1)]), 0xcff1_d517_6546_b0f2);
    }

    #[test]
    fn what_traffic_alone_does_to_a_table_changes_no_state() {
        let before = ClusterTable::from_hosts(vec![host(1), host(2)]);
        let mut hosts = [host(1), host(2)];
        for host in &mut hosts {
            (host.seen, host.unfit) = (Timestamp::from_nanos(99), true);
        }
        let mut after = ClusterTable::from_hosts(hosts.to_vec());
        let _ = after.see_pins(PinSupport::Followed);
        let states = [&before, &after].map(|table| State::of([("a", table)]));
        assert_eq!(states[0], states[1]);
        assert!(states[0].diff(&states[1]).is_empty());
    }

    #[test]
    fn a_cluster_without_hosts_is_left_out_and_so_are_hosts_that_have_left() {
        let gone = HostHealth { gone: true, ..host(1) };
        let table = ClusterTable::from_hosts(vec![gone]);
        assert!(State::of([("a", &table), ("b", &ClusterTable::default())]).is_empty());
    }

    #[test]
    fn changes_of_another_state_are_refused_and_change_nothing() {
        let of = |numbers: &[u8]| {
            let table = ClusterTable::from_hosts(numbers.iter().map(|number| host(*number)).collect());
            State::of([("a", &table), ("b", &ClusterTable::from_hosts(vec![host(9)]))])
        };
        let changes = of(&[1]).diff(&of(&[1, 2]));
        for mut other in [State::default(), of(&[3]), of(&[1, 3])] {
            let before = other.clone();
            let misfit = Err(Misfit {
                cluster: "a".to_owned(),
            });
            assert_eq!(other.apply(&changes), misfit);
            assert_eq!(other, before);
        }
        // They lead to the hosts that are there, but from others.
        assert!(of(&[1]).apply(&of(&[1, 2]).diff(&of(&[1]))).is_err());
        let ends = of(&[1]).diff(&State::default());
        assert!(State::default().apply(&ends).is_err());
        let mut state = of(&[1]);
        assert_eq!(state.apply(&ends), Ok(()));
        assert!(state.is_empty());
    }
}
