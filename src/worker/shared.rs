//! The records that all workers share, kept in Envoy's shared data.
//!
//! | key | holds |
//! |---|---|
//! | `sidestep/1/cluster/NAME` | one cluster's [table](ClusterTable), written on change only |
//! | `sidestep/1/version` | when the latest of all ejections ends (8 bytes); written after each write of a record |
//! | `sidestep/1/clusters` | the clusters that have a record, one name a line |
//!
//! The version is what a request reads: it is small, and its compare-and-swap number rises with each write, so an
//! unchanged number says that every record is unchanged. Shared data outlives the VM, is one for all workers and
//! ends with the process; keys can't be deleted. The `1` is the format, so that another version of the module
//! that runs beside this one leaves these keys alone.

use super::Worker;
use super::view::ClusterView;
use crate::config::ClusterPolicy;
use crate::health::{Change, ClusterTable, Event, FORMAT};
use crate::host::{Cas, Host, HostError, HostResult};
use crate::metrics::ErrorCause;
use crate::model::{Entropy, Timestamp};
use crate::pick::Rotation;
use std::rc::Rc;

// The keys below carry the format's number.
const _: () = assert!(FORMAT == 1, "another format needs other keys");

const VERSION_KEY: &str = "sidestep/1/version";
pub(super) const CLUSTERS_KEY: &str = "sidestep/1/clusters";

/// How often a change is tried before it is given up. Each failed try means that another worker's succeeded, so
/// this many in a row need as many other workers at the same microsecond.
const MAX_TRIES: u32 = 16;

/// The key of a cluster's record.
pub(super) fn record_key(cluster: &str) -> String {
    format!("sidestep/1/cluster/{cluster}")
}

/// The version of all records, as last read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Version {
    /// Rises with each write of any record; `None` before the first one.
    pub(super) cas: Option<Cas>,
    /// When the latest of all ejections ends: before this moment, some host may be out.
    pub(super) latest_ejection_end: Timestamp,
    /// A record was written, but the version could not be: the tick tries again.
    pub(super) overdue: Option<Timestamp>,
}

/// Which record a table was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordVersion {
    /// Not read yet, or written since.
    Unknown,
    /// There was none.
    Absent,
    /// The record with this number.
    At(Cas),
}

impl<H: Host> Worker<H> {
    /// Reads the version. If Envoy fails to give it, the views stay as they are.
    pub(super) fn sync(&mut self) {
        match self.host.shared_data(VERSION_KEY) {
            Ok(None) => {}
            Ok(Some((bytes, cas))) => {
                self.version.cas = Some(cas);
                self.version.latest_ejection_end = decode_version(&bytes);
            }
            Err(error) => self.error(ErrorCause::SharedDataRead, format_args!("no version: {error}")),
        }
    }

    /// The view of a cluster, up to date with the version last read.
    pub(super) fn fresh_view(&mut self, cluster: &str) -> Option<&mut ClusterView> {
        let version = self.version.cas;
        let view = self.view(cluster)?;
        let stale = view.record == RecordVersion::Unknown || view.read_at != version;
        let up_to_date = !stale || self.read_record(cluster);
        let view = self.clusters.get_mut(cluster)?;
        if up_to_date {
            view.read_at = version;
        }
        Some(view)
    }

    /// The view of a cluster, as it is; a new one if there is room.
    fn view(&mut self, cluster: &str) -> Option<&mut ClusterView> {
        if !self.clusters.contains_key(cluster) {
            if self.clusters.len() >= super::MAX_CLUSTERS {
                self.error(
                    ErrorCause::MaxClusters,
                    format_args!("cluster {cluster} is not watched"),
                );
                return None;
            }
            let start = usize::try_from(self.entropy.draw() >> 33).unwrap_or(0);
            let view = ClusterView::new(cluster, &self.config, Rotation::starting_at(start));
            self.clusters.insert(Rc::from(cluster), view);
        }
        self.clusters.get_mut(cluster)
    }

    /// Reads a cluster's record into its view, unless it is the one that the view has. Returns whether it could.
    fn read_record(&mut self, cluster: &str) -> bool {
        let Some(view) = self.clusters.get_mut(cluster) else {
            return false;
        };
        match self.host.shared_data(&view.key) {
            Ok(None) => view.record = RecordVersion::Absent,
            Ok(Some((_, cas))) if view.record == RecordVersion::At(cas) => {}
            Ok(Some((bytes, cas))) => {
                // Even a record that does not decode has a number, by which it will be replaced.
                view.record = RecordVersion::At(cas);
                let (table, malformed) = match ClusterTable::decode(&bytes) {
                    Ok(table) => (table, None),
                    Err(error) => (ClusterTable::default(), Some(error)),
                };
                view.install(table);
                if let Some(error) = malformed {
                    self.error(
                        ErrorCause::Record,
                        format_args!("the record of cluster {cluster} counts as empty: {error}"),
                    );
                }
            }
            Err(error) => {
                self.error(
                    ErrorCause::SharedDataRead,
                    format_args!("no record of cluster {cluster}: {error}"),
                );
                return false;
            }
        }
        true
    }

    /// Changes a cluster's record by `step`, which is done anew if another worker was faster, and reports what
    /// happened. A step that changes nothing writes nothing.
    pub(super) fn update(
        &mut self,
        cluster: &str,
        mut step: impl FnMut(&mut ClusterTable, &ClusterPolicy, &mut Entropy) -> Change,
    ) {
        for _ in 0..MAX_TRIES {
            match self.try_update(cluster, &mut step) {
                Ok(Some(events)) => {
                    self.report_events(cluster, &events);
                    return;
                }
                Ok(None) => return,
                Err(HostError::CasMismatch) => {}
                Err(error) => {
                    self.error(
                        ErrorCause::SharedDataWrite,
                        format_args!("a change to cluster {cluster} is lost: {error}"),
                    );
                    return;
                }
            }
        }
        self.error(
            ErrorCause::SharedDataContention,
            format_args!("a change to cluster {cluster} is lost: other workers were faster {MAX_TRIES} times"),
        );
    }

    fn try_update(
        &mut self,
        cluster: &str,
        step: &mut impl FnMut(&mut ClusterTable, &ClusterPolicy, &mut Entropy) -> Change,
    ) -> HostResult<Option<Vec<Event>>> {
        let Some(view) = self.view(cluster) else {
            return Ok(None);
        };
        if view.record == RecordVersion::Unknown {
            self.read_record(cluster);
        }
        let Some(view) = self.clusters.get_mut(cluster) else {
            return Ok(None);
        };
        let mut table = view.table().clone();
        let change = step(&mut table, &view.policy, &mut self.entropy);
        if change.changed {
            let expected = match view.record {
                RecordVersion::At(cas) => cas,
                RecordVersion::Absent => Cas::ABSENT,
                RecordVersion::Unknown => return Err(HostError::Status(0)),
            };
            // Whatever comes of the write, the number that we know is the wrong one afterwards.
            view.record = RecordVersion::Unknown;
            self.host.set_shared_data(&view.key, &table.encode(), expected)?;
            let end = table.latest_ejection_end();
            view.install(table);
            self.publish(end);
        }
        Ok(Some(change.events))
    }

    /// Makes a written record known: raises the version, keeping the latest end of all ejections.
    pub(super) fn publish(&mut self, ejection_end: Timestamp) {
        let end = ejection_end.max(self.version.overdue.unwrap_or_default());
        self.version.overdue = None;
        for _ in 0..MAX_TRIES {
            let written = self.host.shared_data(VERSION_KEY).and_then(|current| {
                let (latest, cas) = current.map_or((Timestamp::ZERO, Cas::ABSENT), |(bytes, cas)| {
                    (decode_version(&bytes), cas)
                });
                let value = latest.max(end).as_nanos().to_le_bytes();
                self.host.set_shared_data(VERSION_KEY, &value, cas)
            });
            match written {
                Ok(()) => return,
                Err(HostError::CasMismatch) => {}
                Err(error) => {
                    self.error(
                        ErrorCause::SharedDataWrite,
                        format_args!("version not written: {error}"),
                    );
                    break;
                }
            }
        }
        self.version.overdue = Some(end);
    }
}

fn decode_version(bytes: &[u8]) -> Timestamp {
    bytes.try_into().map_or(Timestamp::ZERO, |bytes| {
        Timestamp::from_nanos(u64::from_le_bytes(bytes))
    })
}
