//! Which cluster a host's answers are of, so that Envoy need not be asked with each of them.
//!
//! To ask costs a twentieth of all that Envoy spends on a request, and the answer is nearly always the same as the last
//! time. A success at a host that was never out and has no failures on record changes nothing but counts. So its cluster is
//! taken to be the only one whose record has the host. All else asks.
//!
//! One address may be in two clusters. Records are shared, and a host is on the record of its cluster before a failure of it
//! is counted: so each worker knows of clusters that share hosts, a tick or two later at most. And one answer of [`ASKED`]
//! of each host asks all the same. Once a host is seen in a second cluster, nothing is assumed of either; until then, which
//! is some thirty answers of a cluster that is new to the process, its successes count for the other one.

use super::Worker;
use super::clusters::Place;
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
    One(Place, u8),
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
    fn assume(&mut self, host: HostAddr) -> Option<Place> {
        let Some(Home::One(cluster, answers)) = self.of.get_mut(&host) else {
            return None;
        };
        *answers += 1;
        if *answers < ASKED {
            return Some(*cluster);
        }
        *answers = 0;
        None
    }

    /// A host is in a cluster; `None`: in one that is not watched yet. Returns the clusters that share it, if that is new.
    fn came(&mut self, host: HostAddr, cluster: Option<Place>) -> Vec<Place> {
        match (self.of.get(&host), cluster) {
            (None, None) => Vec::new(),
            (None, Some(cluster)) => {
                self.of.insert(host, Home::One(cluster, 0));
                Vec::new()
            }
            (Some(Home::One(known, _)), _) if Some(*known) == cluster => Vec::new(),
            (Some(Home::One(known, _)), _) => {
                let sharing = Some(*known).into_iter().chain(cluster).collect();
                self.of.insert(host, Home::Many);
                sharing
            }
            (Some(Home::Many), _) => cluster.into_iter().collect(),
        }
    }

    fn left(&mut self, host: HostAddr, cluster: Place) {
        if matches!(self.of.get(&host), Some(Home::One(known, _)) if *known == cluster) {
            self.of.remove(&host);
        }
    }
}

impl<H: Host> Worker<H> {
    /// The cluster that an answer of `host` is of, and whether that is only assumed. `is_plain`: it is a success, and
    /// nothing is to be done but to count it, unless its host has a history.
    pub fn cluster_of(&mut self, host: HostAddr, is_plain: bool) -> Option<(Rc<str>, bool)> {
        if is_plain
            && let Some(place) = self.homes.assume(host)
            && let Some(cluster) = self.clusters.name_at(place)
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
            self.came_home(host, self.clusters.place(&cluster));
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
        let Some(place) = self.clusters.place(cluster) else {
            return;
        };
        for host in &moved.left {
            self.homes.left(*host, place);
        }
        for host in &moved.came {
            self.came_home(*host, Some(place));
        }
    }

    fn came_home(&mut self, host: HostAddr, cluster: Option<Place>) {
        for sharing in self.homes.came(host, cluster) {
            if let Some(view) = self.clusters.at_mut(sharing) {
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
        let mut at_home = Vec::new();
        for place in self.clusters.places() {
            if let Some(view) = self.clusters.at_mut(place) {
                view.shares_hosts = false;
                at_home.extend(view.table().hosts().iter().map(|host| (host.addr, place)));
            }
        }
        for (host, place) in at_home {
            self.came_home(host, Some(place));
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

    #[test]
    fn a_host_is_where_it_came_and_each_is_asked_about_again_and_again() {
        let [a, b] = [0, 1].map(Place::nth);
        let mut homes = Homes::default();
        assert_eq!(homes.assume(host(1)), None);
        assert_eq!(homes.came(host(1), Some(a)), []);
        assert_eq!(homes.came(host(2), Some(b)), []);
        let mut asked = [0; 3];
        for turn in 0..u32::from(ASKED) * 10 {
            let at = 1 + turn as u8 % 2;
            match homes.assume(host(at)) {
                Some(home) => assert_eq!(home, [a, b][usize::from(at) - 1]),
                None => asked[usize::from(at)] += 1,
            }
        }
        assert_eq!(asked, [0, 5, 5]);
    }

    #[test]
    fn of_a_host_in_two_clusters_nothing_is_assumed() {
        let [a, b, c] = [0, 1, 2].map(Place::nth);
        let mut homes = Homes::default();
        for (at, cluster) in [(1, a), (1, a), (2, a), (3, b)] {
            assert_eq!(homes.came(host(at), Some(cluster)), []);
        }
        assert_eq!(homes.came(host(1), Some(b)), [a, b]);
        assert_eq!(homes.came(host(1), Some(c)), [c]);
        assert_eq!(homes.assume(host(1)), None);
        homes.left(host(1), a);
        assert_eq!(homes.assume(host(1)), None);
        homes.left(host(2), b);
        assert_eq!(homes.assume(host(2)), Some(a));
        homes.left(host(2), a);
        assert_eq!(homes.assume(host(2)), None);
        assert_eq!(homes.came(host(3), None), [b]);
        assert_eq!(homes.assume(host(3)), None);
    }
}
