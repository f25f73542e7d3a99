//! Which cluster a host's answers are of, so that Envoy need not be asked with each of them.
//!
//! To ask costs a twentieth of all that Envoy spends on a request, and the answer is nearly always the same as the last
//! time. A success at a host that was never out and has no failures on record changes nothing but counts. So its cluster is
//! taken to be the only one whose record has the host. All else asks.
//!
//! One address may be in two clusters. Records are shared, and a host is on the record of its cluster before a failure of it
//! is counted: so each worker knows of clusters that share hosts, a tick or two later at most. And one answer of [`ASKED`] of each host
//! asks all the same. Once a host is seen in a second cluster, nothing is assumed of either; until then, which is some thirty
//! answers of a cluster that is new to the process, its successes count for the other one.

use super::Worker;
use crate::health::{HostHealth, HostState};
use crate::host::Host;
use crate::model::{HostAddr, Map, Timestamp};
use std::rc::Rc;
use std::time::Duration;

/// Of so many answers of a host that could do without, one asks. Odd, and prime: so that clusters that take turns at a host
/// are both met.
const ASKED: u8 = 31;

/// That clusters share hosts is found anew after this time: addresses move from one to another.
const BELIEVED_FOR: Duration = Duration::from_secs(600);

/// Where hosts are.
#[derive(Debug, Default)]
pub(super) struct Homes {
    of: Map<HostAddr, Home>,
    since: Timestamp,
}

#[derive(Debug)]
enum Home {
    /// In this cluster alone, as far as is known; so many answers ago Envoy was asked.
    One(Rc<str>, u8),
    /// In several.
    Many,
}

/// The hosts that a cluster's record has, and had not before, and the other way round.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) came: Vec<HostAddr>,
    pub(super) left: Vec<HostAddr>,
}

impl Homes {
    /// The cluster that a host is in, unless Envoy is to be asked.
    fn assume(&mut self, host: HostAddr) -> Option<Rc<str>> {
        let Some(Home::One(cluster, answers)) = self.of.get_mut(&host) else {
            return None;
        };
        *answers += 1;
        if *answers < ASKED {
            return Some(Rc::clone(cluster));
        }
        *answers = 0;
        None
    }

    /// A host is in a cluster. Returns the clusters that share it, if that is new.
    fn came(&mut self, host: HostAddr, cluster: &Rc<str>) -> Vec<Rc<str>> {
        let home = self.of.entry(host).or_insert_with(|| Home::One(Rc::clone(cluster), 0));
        match home {
            Home::One(known, _) if known == cluster => Vec::new(),
            Home::One(known, _) => {
                let both = vec![Rc::clone(known), Rc::clone(cluster)];
                *home = Home::Many;
                both
            }
            Home::Many => vec![Rc::clone(cluster)],
        }
    }

    fn left(&mut self, host: HostAddr, cluster: &str) {
        if let Some(Home::One(known, _)) = self.of.get(&host)
            && **known == *cluster
        {
            self.of.remove(&host);
        }
    }
}

impl<H: Host> Worker<H> {
    /// The cluster that an answer of `host` is of, and whether that is only assumed. `is_plain`: it is a success, and
    /// nothing is to be done but to count it, unless its host has a history.
    pub fn cluster_of(&mut self, host: HostAddr, is_plain: bool) -> Option<(Rc<str>, bool)> {
        if is_plain
            && let Some(cluster) = self.homes.assume(host)
            && self.is_unblemished(&cluster, host)
        {
            return Some((cluster, true));
        }
        self.found_cluster(host).map(|cluster| (cluster, false))
    }

    /// The cluster of the current stream, whose answer is of `host`.
    pub fn found_cluster(&mut self, host: HostAddr) -> Option<Rc<str>> {
        let cluster = self.cluster_name()?;
        // What no record has room for is at home nowhere; and that a host is in several is known.
        if matches!(self.homes.of.get(&host), Some(Home::One(..))) {
            self.came_home(host, &cluster);
        }
        Some(cluster)
    }

    /// Whether nothing speaks against the host, and its cluster shares no hosts.
    fn is_unblemished(&mut self, cluster: &str, host: HostAddr) -> bool {
        let view = self.fresh_view(cluster);
        view.is_some_and(|view| !view.shares_hosts && view.host(host).is_some_and(was_never_out))
            && self.is_clean(cluster, host, Timestamp::ZERO)
    }

    /// A cluster's record has other hosts than before.
    pub(super) fn moved(&mut self, cluster: &str, moved: &Moved) {
        if *moved == Moved::default() {
            return;
        }
        let Some(name) = self.clusters.name(cluster.as_bytes()) else {
            return;
        };
        for host in &moved.left {
            self.homes.left(*host, cluster);
        }
        for host in &moved.came {
            self.came_home(*host, &name);
        }
    }

    fn came_home(&mut self, host: HostAddr, cluster: &Rc<str>) {
        for cluster in self.homes.came(host, cluster) {
            if let Some(view) = self.clusters.get_mut(&cluster) {
                view.shares_hosts = true;
            }
        }
    }

    /// Finds anew which clusters share hosts, if that was long ago.
    pub(super) fn renew_homes(&mut self, now: Timestamp) {
        // Also if the clock was set back.
        if now.since(self.homes.since) < BELIEVED_FOR && now >= self.homes.since {
            return;
        }
        self.homes = Homes {
            since: now,
            ..Homes::default()
        };
        let names: Vec<Rc<str>> = self.clusters.names().map(Rc::clone).collect();
        for name in &names {
            if let Some(view) = self.clusters.get_mut(name) {
                view.shares_hosts = false;
            }
        }
        for name in &names {
            let Some(view) = self.clusters.get(name) else {
                continue;
            };
            let hosts: Vec<HostAddr> = view.table().hosts().iter().map(|host| host.addr).collect();
            for host in hosts {
                self.came_home(host, name);
            }
        }
    }
}

/// Whether the host is in rotation, and always was as far as is known.
fn was_never_out(host: &HostHealth) -> bool {
    host.state == HostState::Healthy && host.last_ejected_at == Timestamp::ZERO && !host.gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(last: u8) -> HostAddr {
        HostAddr::from(std::net::SocketAddr::from(([10, 0, 0, last], 80)))
    }

    fn name(name: &str) -> Rc<str> {
        Rc::from(name)
    }

    #[test]
    fn a_host_is_where_it_came_and_each_is_asked_about_again_and_again() {
        let mut homes = Homes::default();
        assert_eq!(homes.assume(host(1)), None);
        assert_eq!(homes.came(host(1), &name("a")), []);
        assert_eq!(homes.came(host(2), &name("b")), []);
        let mut asked = [0; 3];
        for turn in 0..u32::from(ASKED) * 10 {
            let at = 1 + turn as u8 % 2;
            match homes.assume(host(at)) {
                Some(home) => assert_eq!(&*home, ["a", "b"][usize::from(at) - 1]),
                None => asked[usize::from(at)] += 1,
            }
        }
        assert_eq!(asked, [0, 5, 5]);
    }

    #[test]
    fn of_a_host_in_two_clusters_nothing_is_assumed() {
        let mut homes = Homes::default();
        for (at, cluster) in [(1, "a"), (1, "a"), (2, "a"), (3, "b")] {
            assert_eq!(homes.came(host(at), &name(cluster)), []);
        }
        assert_eq!(homes.came(host(1), &name("b")), [name("a"), name("b")]);
        assert_eq!(homes.came(host(1), &name("c")), [name("c")]);
        assert_eq!(homes.assume(host(1)), None);
        homes.left(host(1), "a");
        assert_eq!(homes.assume(host(1)), None);
        homes.left(host(2), "b");
        assert_eq!(homes.assume(host(2)).as_deref(), Some("a"));
        homes.left(host(2), "a");
        assert_eq!(homes.assume(host(2)), None);
    }
}
