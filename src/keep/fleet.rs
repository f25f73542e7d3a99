//! What the sidecars of a fleet report of hosts, as keys.
//!
//! | key | says |
//! |---|---|
//! | `PREFIX/1/fleet/NAME/ZONE/member/SIDECAR` | the sidecar is alive |
//! | `PREFIX/1/fleet/NAME/ZONE/ejected/CLUSTER/HOST/SIDECAR` | it has ejected the host, by what it saw itself |
//!
//! A SIDECAR is its node, a `-` and a number of the process; or only that, if the node has no name.
//!
//! All keys of a sidecar are under one lease of its own: when it is not heard of any more they end. No zone is written as
//! `-`; in names `%` and `/` are written as `%25` and `%2F`. The value is when the ejection ends, in ms since the Unix
//! epoch, a blank, and its detector: for people, nobody else reads it.

use crate::config::{Etcd, Fleet, Quorum};
use crate::model::{HostAddr, SortedMap, SortedSet};

/// The most reports that are kept.
const MAX_REPORTS: usize = 100_000;

/// A host of a cluster.
pub type Place = (String, HostAddr);

/// The keys of one fleet.
#[derive(Clone, Debug)]
pub struct Keys {
    prefix: String,
}

/// What a key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// This sidecar is alive.
    Member(String),
    /// This host is ejected by this sidecar.
    Ejected(Place, String),
}

impl Keys {
    /// The keys of a fleet.
    pub fn of(etcd: &Etcd, fleet: &Fleet) -> Self {
        let zone = if fleet.zone.is_empty() { "-" } else { &fleet.zone };
        Self {
            prefix: format!("{}/1/fleet/{}/{}/", etcd.prefix, escaped(&fleet.name), escaped(zone)),
        }
    }

    /// What all of them begin with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The key that says that a sidecar is alive.
    pub fn member(&self, sidecar: &str) -> String {
        format!("{}member/{}", self.prefix, escaped(sidecar))
    }

    /// The key that says that a sidecar has ejected a host.
    pub fn ejected(&self, (cluster, host): &Place, sidecar: &str) -> String {
        format!(
            "{}ejected/{}/{host}/{}",
            self.prefix,
            escaped(cluster),
            escaped(sidecar)
        )
    }

    /// What a key says; `None` if it is none of these.
    pub fn read(&self, key: &[u8]) -> Option<Said> {
        let rest = std::str::from_utf8(key).ok()?.strip_prefix(self.prefix.as_str())?;
        let mut parts = rest.split('/');
        let said = match parts.next()? {
            "member" => Said::Member(unescaped(parts.next()?)),
            "ejected" => {
                let cluster = unescaped(parts.next()?);
                let host = parts.next()?.parse().ok()?;
                Said::Ejected((cluster, host), unescaped(parts.next()?))
            }
            _ => return None,
        };
        parts.next().is_none().then_some(said)
    }
}

/// What all sidecars report.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    members: SortedSet<String>,
    /// By whom a host was ejected.
    ejected: SortedMap<Place, SortedSet<String>>,
    count: usize,
}

impl Reports {
    /// A key was written.
    pub fn put(&mut self, said: Said) {
        match said {
            Said::Member(_) if self.members.len() >= MAX_REPORTS => {}
            Said::Member(sidecar) => {
                self.members.insert(sidecar, ());
            }
            Said::Ejected(place, sidecar) => {
                if self.count < MAX_REPORTS
                    && let Some(by) = self.ejected.get_or_default(place)
                    && by.insert(sidecar, ()).is_none()
                {
                    self.count += 1;
                }
            }
        }
    }

    /// A key is gone.
    pub fn delete(&mut self, said: &Said) {
        match said {
            Said::Member(sidecar) => {
                self.members.remove(sidecar);
            }
            Said::Ejected(place, sidecar) => {
                if let Some(by) = self.ejected.get_mut(place) {
                    self.count -= usize::from(by.remove(sidecar).is_some());
                    if by.is_empty() {
                        self.ejected.remove(place);
                    }
                }
            }
        }
    }

    /// How many sidecars are alive.
    pub fn alive(&self) -> usize {
        distinct(&self.members)
    }

    /// How many hosts are reported.
    pub const fn len(&self) -> usize {
        self.ejected.len()
    }

    /// Whether none is.
    pub const fn is_empty(&self) -> bool {
        self.ejected.is_empty()
    }

    /// The hosts that a quorum has ejected, and how many have.
    pub fn agreed(&self, quorum: Quorum) -> impl Iterator<Item = (&Place, usize)> {
        let needed = quorum.of(self.alive());
        self.ejected
            .iter()
            .map(|(place, by)| (place, distinct(by)))
            .filter(move |(_, count)| *count >= needed)
    }
}

/// How many sidecars these are. Two processes of one node are one: the one before may still have its lease.
fn distinct(processes: &SortedSet<String>) -> usize {
    let node = |process: &String| {
        process
            .rsplit_once('-')
            .map_or(process.clone(), |(node, _)| node.to_owned())
    };
    let nodes: SortedSet<String> = processes.keys().map(|process| (node(process), ())).collect();
    nodes.len()
}

/// A name as a part of a key.
pub(super) fn escaped(name: &str) -> String {
    name.replace('%', "%25").replace('/', "%2F")
}

fn unescaped(name: &str) -> String {
    name.replace("%2F", "/").replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn keys(name: &str, zone: &str) -> Keys {
        let fleet = Fleet {
            name: name.to_owned(),
            zone: zone.to_owned(),
            quorum: Quorum::Number(2),
            lease: Duration::from_secs(10),
        };
        Keys::of(&Etcd::default(), &fleet)
    }

    fn place(cluster: &str) -> Place {
        (cluster.to_owned(), "[::1]:80".parse().expect("an address"))
    }

    #[test]
    fn a_key_says_what_was_written_whatever_the_names() {
        let keys = keys("a/b", "");
        for name in ["outbound|80||x", "a/b", "100%", "%2F", "%252F/", "é"] {
            let said = Said::Ejected(place(name), "n/1".to_owned());
            assert_eq!(
                keys.read(keys.ejected(&place(name), "n/1").as_bytes()),
                Some(said),
                "{name}"
            );
            assert_eq!(
                keys.read(keys.member(name).as_bytes()),
                Some(Said::Member(name.to_owned()))
            );
        }
        assert_eq!(keys.member("x"), "/sidestep/1/fleet/a%2Fb/-/member/x");
    }

    #[test]
    fn other_keys_say_nothing() {
        let keys = keys("a", "z");
        let good = keys.ejected(&place("c"), "s");
        for key in [
            good.replace("/z/", "/y/"),
            good.replace("[::1]:80", "host"),
            good.replace("ejected", "released"),
            format!("{good}/more"),
            good.replace("/s", ""),
            String::new(),
        ] {
            assert_eq!(keys.read(key.as_bytes()), None, "{key}");
        }
        assert_eq!(keys.read(&[0xff]), None);
    }

    #[test]
    fn a_quorum_counts_each_sidecar_once_and_forgets_who_is_gone() {
        let mut reports = Reports::default();
        let said = |sidecar: &str| Said::Ejected(place("c"), sidecar.to_owned());
        let agreed = |reports: &Reports| reports.agreed(Quorum::Number(2)).count();
        reports.put(said("1"));
        reports.put(said("1"));
        assert_eq!(agreed(&reports), 0);
        reports.put(said("2"));
        assert_eq!(agreed(&reports), 1);
        reports.delete(&said("1"));
        reports.delete(&said("1"));
        assert_eq!(agreed(&reports), 0);
        for member in ["1", "2", "3", "4", "5"] {
            reports.put(Said::Member(member.to_owned()));
        }
        reports.put(said("1"));
        assert_eq!(reports.agreed(Quorum::Share(crate::model::Percent::HALF)).count(), 0);
        reports.delete(&Said::Member("5".to_owned()));
        assert_eq!(reports.agreed(Quorum::Share(crate::model::Percent::HALF)).count(), 1);
    }

    #[test]
    fn two_processes_of_one_node_have_one_voice() {
        let mut reports = Reports::default();
        let said = |sidecar: &str| Said::Ejected(place("c"), sidecar.to_owned());
        for process in ["envoy-1-a", "envoy-1-b"] {
            reports.put(Said::Member(process.to_owned()));
            reports.put(said(process));
        }
        assert_eq!((reports.alive(), reports.agreed(Quorum::Number(2)).count()), (1, 0));
        // Without a node each process stands for itself.
        for process in ["envoy-2-a", "c", "d"] {
            reports.put(Said::Member(process.to_owned()));
        }
        reports.put(said("envoy-2-a"));
        assert_eq!((reports.alive(), reports.agreed(Quorum::Number(2)).count()), (4, 1));
    }
}
