//! Which cluster a host's answers are of, so that Envoy need not be asked with each of them.
//!
//! To ask costs a twentieth of all that Envoy spends on a request, and the answer is nearly always the same as the last
//! time. A success at a host that was never ejected and has no failures on record changes nothing but counts of this interval;
//! so its cluster is taken to be the one that was found when Envoy was last asked about this host. All else asks.
//!
//! One address may be in two clusters. One answer in [`ASKED`] asks all the same; if that shows that a host is in another
//! cluster, too, or has moved, nothing is assumed of either cluster for a while. A cluster that shares hosts with another one is
//! met in this way after some thirty answers or at its first failure, and all that went wrong until then is that some successes
//! were counted for the other one.

use super::Worker;
use crate::health::{HostHealth, HostState};
use crate::host::Host;
use crate::model::{HostAddr, Map, Timestamp};
use std::rc::Rc;
use std::time::Duration;

/// Of so many answers that could do without, one asks. A prime, so that it is each host's turn whatever the load balancing.
pub(super) const ASKED: u32 = 31;

/// What is assumed is found anew after this time: addresses move from cluster to cluster.
const BELIEVED_FOR: Duration = Duration::from_secs(600);

/// The most hosts that are remembered.
const MOST: usize = 16_384;

/// Where hosts were found.
#[derive(Debug, Default)]
pub(super) struct Homes {
    of: Map<HostAddr, Rc<str>>,
    /// The clusters that share a host with another one.
    shared: Vec<Rc<str>>,
    turn: u32,
    since: Timestamp,
}

impl Homes {
    /// The cluster that a host was found in, unless Envoy is to be asked.
    pub(super) fn assume(&mut self, host: HostAddr) -> Option<Rc<str>> {
        let home = self.of.get(&host)?;
        self.turn += 1;
        if self.turn >= ASKED {
            self.turn = 0;
            return None;
        }
        let shared = self.shared.iter().any(|shared| shared == home);
        (!shared).then(|| Rc::clone(home))
    }

    /// Envoy has said which cluster a host's answer is of.
    pub(super) fn found(&mut self, host: HostAddr, cluster: &Rc<str>) {
        match self.of.get_mut(&host) {
            // The worker's own name for it, which is found faster.
            Some(home) if home == cluster => *home = Rc::clone(cluster),
            Some(home) => {
                for cluster in [Rc::clone(home), Rc::clone(cluster)] {
                    if !self.shared.contains(&cluster) {
                        self.shared.push(cluster);
                    }
                }
            }
            None => {
                if self.of.len() >= MOST {
                    self.of.clear();
                }
                self.of.insert(host, Rc::clone(cluster));
            }
        }
    }

    /// Forgets all of it, once it is old.
    pub(super) fn age(&mut self, now: Timestamp) {
        // Also if the clock was set back.
        if now.since(self.since) >= BELIEVED_FOR || now < self.since {
            *self = Self {
                since: now,
                ..Self::default()
            };
        }
    }
}

impl<H: Host> Worker<H> {
    /// The cluster that an answer of `host` is of, and whether that is only assumed. `is_plain`: the answer changes nothing
    /// but counts, as long as nothing is on record about its host.
    pub fn cluster_of(&mut self, host: HostAddr, is_plain: bool) -> Option<(Rc<str>, bool)> {
        if is_plain
            && let Some(cluster) = self.homes.assume(host)
            && let Some(view) = self.clusters.get(&cluster)
            && view.host(host).is_some_and(has_nothing_on_record)
        {
            return Some((cluster, true));
        }
        self.found_cluster(host).map(|cluster| (cluster, false))
    }

    /// The cluster of the current stream, whose answer is of `host`.
    pub fn found_cluster(&mut self, host: HostAddr) -> Option<Rc<str>> {
        let cluster = self.cluster_name()?;
        self.homes.found(host, &cluster);
        Some(cluster)
    }
}

/// Whether the host is in rotation, and has always been as far as is known.
fn has_nothing_on_record(host: &HostHealth) -> bool {
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
    fn a_host_is_at_home_where_it_was_found_and_that_is_looked_at_again_and_again() {
        let mut homes = Homes::default();
        assert_eq!(homes.assume(host(1)), None);
        homes.found(host(1), &name("a"));
        homes.found(host(2), &name("b"));
        let mut asked = [0; 3];
        for turn in 0..ASKED * 10 {
            let at = 1 + turn as u8 % 2;
            match homes.assume(host(at)) {
                Some(home) => assert_eq!(&*home, ["a", "b"][usize::from(at) - 1]),
                None => asked[usize::from(at)] += 1,
            }
        }
        assert_eq!(asked, [0, 5, 5]);
    }

    #[test]
    fn clusters_that_share_a_host_are_always_asked_about_and_others_are_not() {
        let mut homes = Homes::default();
        for (at, cluster) in [(1, "a"), (2, "a"), (3, "b"), (4, "c")] {
            homes.found(host(at), &name(cluster));
        }
        homes.found(host(1), &name("b"));
        for _ in 0..ASKED {
            assert_eq!([1, 2, 3].map(|at| homes.assume(host(at))), [None, None, None]);
        }
        assert_eq!(homes.assume(host(4)).as_deref(), Some("c"));
        homes.found(host(1), &name("a"));
        assert_eq!(homes.shared.len(), 2);
    }

    #[test]
    fn what_is_old_is_found_anew() {
        let start = Timestamp::from_nanos(1_000_000_000_000);
        let mut homes = Homes::default();
        homes.age(start);
        homes.found(host(1), &name("a"));
        homes.found(host(1), &name("b"));
        homes.age(start.after(BELIEVED_FOR - Duration::from_nanos(1)));
        assert_eq!(homes.assume(host(1)), None);
        homes.age(start.after(BELIEVED_FOR));
        homes.found(host(1), &name("b"));
        assert_eq!(homes.assume(host(1)).as_deref(), Some("b"));
        homes.age(start);
        assert_eq!(homes.assume(host(1)), None);
    }

    #[test]
    fn there_is_an_end_to_what_is_remembered() {
        let mut homes = Homes::default();
        for number in 0..=MOST as u32 {
            let addr = std::net::SocketAddr::from((number.to_be_bytes(), 80));
            homes.found(addr.into(), &name("a"));
        }
        assert_eq!(homes.of.len(), 1);
    }
}
