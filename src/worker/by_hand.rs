//! What the status interface does with the records that the workers share.
//!
//! It is a worker of its own, without requests: what it writes, it writes and makes known as any other does. Its policies
//! are those of the filter, which leaves its configuration in shared data, `sidestep/2/configuration`. Of several
//! filters with one `vm_id` and several configurations that is the one of the last to start.

use super::Worker;
use super::homes::Homes;
use super::shared::{CLUSTERS_KEY, MAX_TRIES, record_key};
use crate::config::{ClusterPolicy, Config};
use crate::health::{Change, ClusterTable, Control, EjectionRefusal, Event, ForeignCluster, HostHealth};
use crate::host::{Cas, Host, HostError};
use crate::metrics::ErrorCause;
use crate::model::Timestamp;
use std::rc::Rc;

const CONFIGURATION_KEY: &str = "sidestep/2/configuration";

/// A cluster, as it is at a moment.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its table, brought up to date with the clock.
    pub table: ClusterTable,
    /// Its policy.
    pub policy: Rc<ClusterPolicy>,
    /// The failures in a row of its hosts, in their order.
    pub failures: Vec<u32>,
    /// When it was looked at.
    pub now: Timestamp,
}

/// Why a person's wish was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotObeyed {
    /// The rules speak against it.
    Refused(EjectionRefusal),
    /// Shared data could not be written; why has been logged.
    Lost,
}

/// What came of a snapshot in a cluster.
#[derive(Clone, Debug)]
pub struct Merged {
    /// The table before.
    pub before: ClusterTable,
    /// The table after, or as it would be.
    pub after: ClusterTable,
    /// What happened to whom.
    pub events: Vec<Event>,
}

/// Why nothing of a snapshot was taken over in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotMerged {
    /// It is another one.
    #[error(transparent)]
    Foreign(#[from] ForeignCluster),
    /// Shared data could not be written; why has been logged.
    #[error("it could not be written: try again")]
    Lost,
}

impl<H: Host> Worker<H> {
    /// Leaves the filter's configuration where the status interface finds it.
    pub fn leave_configuration(&mut self, bytes: &[u8]) {
        for _ in 0..MAX_TRIES {
            let left = self.host.shared_data(CONFIGURATION_KEY).and_then(|found| match found {
                Some((known, _)) if known == bytes => Ok(()),
                Some((_, cas)) => self.host.set_shared_data(CONFIGURATION_KEY, bytes, cas),
                None => self.host.set_shared_data(CONFIGURATION_KEY, bytes, Cas::ABSENT),
            });
            match left {
                Ok(()) => return,
                Err(HostError::CasMismatch) => {}
                Err(error) => {
                    let why = format_args!("{CONFIGURATION_KEY} not written: {error}");
                    self.error(ErrorCause::SharedDataWrite, why);
                    return;
                }
            }
        }
    }

    /// Takes over the configuration that the filter has left, unless it is the one that has been read: `read`.
    pub fn adopt_configuration(&mut self, read: &mut Option<Cas>) {
        let (bytes, cas) = match self.host.shared_data(CONFIGURATION_KEY) {
            Ok(Some((bytes, cas))) => (bytes, cas),
            // The filter has not started yet.
            Ok(None) => return,
            Err(error) => {
                let why = format_args!("no {CONFIGURATION_KEY}: {error}");
                self.error(ErrorCause::SharedDataRead, why);
                return;
            }
        };
        if *read == Some(cas) {
            return;
        }
        *read = Some(cas);
        match Config::from_json(&bytes) {
            Ok(config) => {
                self.config = config;
                // They hold the policies of before.
                self.clusters.clear();
                self.homes = Homes::default();
            }
            Err(error) => self.error(
                ErrorCause::Record,
                format_args!("the configuration in {CONFIGURATION_KEY} is not used: {error}"),
            ),
        }
    }

    /// All clusters that are known: that have a record, or that the configuration names. Sorted.
    pub fn known_clusters(&mut self) -> Vec<String> {
        let listed = match self.host.shared_data(CLUSTERS_KEY) {
            Ok(found) => found.map_or_else(String::new, |(bytes, _)| String::from_utf8(bytes).unwrap_or_default()),
            Err(error) => {
                self.error(ErrorCause::SharedDataRead, format_args!("no list of clusters: {error}"));
                String::new()
            }
        };
        let mut names: Vec<String> = Vec::new();
        for name in self.config.cluster_names().chain(listed.lines()) {
            // Each into its place: to sort them takes more code than all else here.
            if let Err(place) = names.binary_search_by(|known| known.as_str().cmp(name)) {
                names.insert(place, name.to_owned());
            }
        }
        names
    }

    /// Whether a cluster is known. One has a record a moment before it is listed.
    pub fn knows(&mut self, cluster: &str) -> bool {
        self.config.cluster_names().any(|name| name == cluster)
            || matches!(self.host.shared_data(&record_key(cluster)), Ok(Some(_)))
    }

    /// A cluster as it is now. `None` if there is no room to look at it.
    pub fn look_at(&mut self, cluster: &str) -> Option<Seen> {
        let now = self.now();
        let view = self.read_view(cluster)?;
        let policy = Rc::clone(&view.policy);
        let mut table = view.table().clone();
        let _ = table.settle(&policy, now);
        let hosts: Vec<HostHealth> = table.hosts().to_vec();
        let mut failures = Vec::with_capacity(hosts.len());
        for host in &hosts {
            let streaks = self.streak(cluster, host).streaks;
            failures.push(
                streaks
                    .any_5xx
                    .max(streaks.gateway_failure)
                    .max(streaks.local_origin_failure),
            );
        }
        Some(Seen {
            table,
            policy,
            failures,
            now,
        })
    }

    /// Carries out a person's wish.
    ///
    /// # Errors
    /// It can't be. Then nothing changes.
    pub fn obey(&mut self, cluster: &str, control: &Control) -> Result<(), NotObeyed> {
        let now = self.now();
        self.sync();
        let _ = self.read_view(cluster);
        let mut wanted = Change::default();
        let updated = self.update(cluster, |table, policy, _| {
            wanted = table.control(control.clone(), policy, now);
            wanted.clone()
        });
        self.make_listed();
        if updated.changed {
            return Ok(());
        }
        let refusal = wanted.events.iter().find_map(|event| match event {
            Event::Refused { reason, .. } => Some(*reason),
            _ => None,
        });
        Err(refusal.map_or(NotObeyed::Lost, NotObeyed::Refused))
    }

    /// Takes over what was kept of a cluster; or with `dry_run` only says what would come of it.
    ///
    /// # Errors
    /// Nothing of it is. Then nothing changes.
    pub fn merge(&mut self, cluster: &str, kept: &ClusterTable, dry_run: bool) -> Result<Merged, NotMerged> {
        let now = self.now();
        self.sync();
        let (table, policy) = self
            .read_view(cluster)
            .map(|view| (view.table().clone(), Rc::clone(&view.policy)))
            .ok_or(NotMerged::Lost)?;
        if dry_run {
            return merged(&table, kept, &policy, now)
                .map_err(NotMerged::Foreign)
                .map(|(merged, _)| merged);
        }
        let mut outcome = Err(NotMerged::Lost);
        let mut wanted = false;
        let updated = self.update(cluster, |table, policy, _| match merged(table, kept, policy, now) {
            Ok((merged, change)) => {
                *table = merged.after.clone();
                wanted = change.changed;
                outcome = Ok(merged);
                change
            }
            Err(foreign) => {
                wanted = false;
                outcome = Err(NotMerged::Foreign(foreign));
                Change::default()
            }
        });
        if wanted && !updated.changed {
            return Err(NotMerged::Lost);
        }
        outcome
    }

    /// Lists the clusters that have a record now, so that each worker looks after them.
    pub fn make_listed(&mut self) {
        self.sync();
        self.meet_clusters();
    }

    /// The part of the tick that there is without requests.
    pub fn keep_desk(&mut self) -> Timestamp {
        let now = self.now();
        self.publish_overdue();
        self.report.flush(&self.host);
        now
    }

    /// The view of a cluster as its record is right now, whatever the revision says.
    fn read_view(&mut self, cluster: &str) -> Option<&mut super::view::ClusterView> {
        let _ = self.view(cluster)?;
        self.read_record(cluster);
        self.view(cluster)
    }
}

/// What becomes of a table by what was kept of it.
fn merged(
    table: &ClusterTable,
    kept: &ClusterTable,
    policy: &ClusterPolicy,
    now: Timestamp,
) -> Result<(Merged, Change), ForeignCluster> {
    let mut after = table.clone();
    let change = after.restore(kept, policy, now)?;
    let merged = Merged {
        before: table.clone(),
        after,
        events: change.events.clone(),
    };
    Ok((merged, change))
}
