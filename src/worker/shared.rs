//! The records that all workers share, kept in Envoy's shared data.
//!
//! | key | holds |
//! |---|---|
//! | `sidestep/2/cluster/NAME` | one cluster's [table](ClusterTable), written on change only |
//! | `sidestep/2/streaks/NAME/N` | the failures in a row of some of its hosts: `worker::streaks` |
//! | `sidestep/2/window/NAME` | what its hosts did in the last interval: `worker::windows` |
//! | `sidestep/2/restless` | until when some host of some cluster may get less than its share (8 bytes) |
//! | `sidestep/2/clusters` | the clusters that have a record, one name a line |
//! | `sidestep/2/budget/NAME` | the retries of the running second that its budget's floor has paid: `worker::budget` |
//! | `sidestep/2/doubt/NAME` | when more of its hosts were accused than may be out (8 bytes): `worker::fleet` |
//! | `sidestep/2/elected/CONFIGURATION` | who probes: `worker::elected` |
//! | `sidestep/2/elected/keeper` | who keeps backups and speaks for the fleet's member: `worker::keeping` |
//! | `sidestep/2/epoch`, `sidestep/2/restored` | when the process started, and whether it has restored (8 bytes each): `worker::keeping` |
//! | `sidestep/2/configuration` | the filter's configuration, as it was written: `worker::by_hand` |
//! | `sidestep/2/workers` | how many workers have started (8 bytes) |
//!
//! Shared data outlives the VM, is one for all workers and ends with the process; keys can't be deleted. The `2` is the
//! format, so that another version of the module that runs beside this one leaves these keys alone.
//!
//! Reading shared data takes a lock and copies. So that nobody reads what has not changed, there are two gauges that
//! rise with each write, [`Metric::RevisionRecords`] and [`Metric::RevisionStreaks`]: metrics are one for all workers
//! too, and reading one is a single atomic load. They carry nothing but "look again".

use super::Worker;
use super::homes::Moved;
use super::view::ClusterView;
use crate::config::ClusterPolicy;
use crate::health::{Change, ClusterTable, Event, FORMAT};
use crate::host::{Cas, Host, HostError, HostResult};
use crate::metrics::{ErrorCause, Metric};
use crate::model::{Entropy, Timestamp};
use crate::pick::Rotation;

// The keys below carry the format's number.
const _: () = assert!(FORMAT == 2, "another format needs other keys");

const RESTLESS_KEY: &str = "sidestep/2/restless";
const WORKERS_KEY: &str = "sidestep/2/workers";
pub(super) const CLUSTERS_KEY: &str = "sidestep/2/clusters";

/// How often a change is tried before it is given up. Each failed try means that another worker's succeeded, so
/// this many in a row need as many other workers at the same microsecond.
pub(super) const MAX_TRIES: u32 = 16;

/// The key of a cluster's record.
pub(super) fn record_key(cluster: &str) -> String {
    format!("sidestep/2/cluster/{cluster}")
}

/// How this worker knows whether shared data has changed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Revisions {
    /// Whether the gauges count. Where Envoy's `stats_config` excludes them they don't, and everything is read anew.
    counting: bool,
    /// Counts on where the gauges don't.
    uncounted: u64,
    /// Of all records, as last looked at; `None` if it was never.
    pub(super) records: Option<u64>,
    /// As of that look: until when some host may get less than its share.
    pub(super) restless_until: Timestamp,
    /// A record was written, but this could not be made known: the tick tries again.
    overdue: Option<Timestamp>,
    /// The same of a streak.
    streaks_overdue: bool,
}

/// Which version of a piece of shared data this worker has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RecordVersion {
    /// Not read yet, or written since.
    #[default]
    Unknown,
    /// There was none.
    Absent,
    /// The one with this number.
    At(Cas),
}

/// What came of a change to a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Updated {
    /// The record is another one now.
    pub(super) changed: bool,
    /// A host was ejected.
    pub(super) ejected: bool,
}

impl RecordVersion {
    /// What a write must name for it to replace this version; `None` if it is not known.
    pub(super) const fn expected(self) -> Option<Cas> {
        match self {
            Self::At(cas) => Some(cas),
            Self::Absent => Some(Cas::ABSENT),
            Self::Unknown => None,
        }
    }
}

impl<H: Host> Worker<H> {
    /// Finds out whether the gauges count.
    pub(super) fn start_revisions(&mut self) {
        let counts = |worker: &Self, metric| {
            let id = worker.report.id(metric)?;
            let before = worker.host.metric(id).ok()?;
            worker.host.increment_metric(id, 1).ok()?;
            (worker.host.metric(id).ok()? > before).then_some(())
        };
        self.revisions.counting =
            counts(self, Metric::RevisionRecords).is_some() && counts(self, Metric::RevisionStreaks).is_some();
        if !self.revisions.counting {
            self.error(
                ErrorCause::Metric,
                format_args!("the gauges sidestep.revision.* don't count, so shared data is read with every request: let Envoy's stats_config have them"),
            );
        }
    }

    /// A gauge's revision. Two that are equal say that nothing was written in between.
    pub(super) fn revision(&mut self, metric: Metric) -> u64 {
        if self.revisions.counting
            && let Some(id) = self.report.id(metric)
        {
            match self.host.metric(id) {
                Ok(revision) => return revision,
                Err(error) => self.error(ErrorCause::Metric, format_args!("no {}: {error}", metric.name())),
            }
        }
        // Down from the top, where no gauge comes to.
        self.revisions.uncounted = self.revisions.uncounted.wrapping_add(1);
        u64::MAX.wrapping_sub(self.revisions.uncounted)
    }

    /// Raises a gauge's revision: something was written. Returns whether that is known now.
    pub(super) fn raise(&mut self, metric: Metric) -> bool {
        let raised = match self.report.id(metric) {
            // Also if they don't seem to count here: they may for the others.
            Some(id) => self.host.increment_metric(id, 1),
            _ => Ok(()),
        };
        if let Err(error) = raised {
            self.error(
                ErrorCause::Metric,
                format_args!("{} not raised: {error}", metric.name()),
            );
        }
        raised.is_ok()
    }

    /// The number of this worker, another one for each that starts in this process; 0 if it can't be had.
    pub(super) fn draw_number(&mut self) -> u64 {
        for _ in 0..MAX_TRIES {
            let drawn = self.host.shared_data(WORKERS_KEY).and_then(|current| {
                let (count, cas) = current.map_or((0, Cas::ABSENT), |(bytes, cas)| (decode_number(&bytes), cas));
                let next = count.wrapping_add(1);
                self.host.set_shared_data(WORKERS_KEY, &next.to_le_bytes(), cas)?;
                Ok(next)
            });
            match drawn {
                Ok(number) => return number,
                Err(HostError::CasMismatch) => {}
                Err(error) => {
                    self.error(ErrorCause::SharedDataWrite, format_args!("no number: {error}"));
                    break;
                }
            }
        }
        0
    }

    /// Looks whether records have changed. If Envoy fails to say, the views stay as they are.
    pub(super) fn sync(&mut self) {
        let revision = self.revision(Metric::RevisionRecords);
        if self.revisions.records == Some(revision) {
            return;
        }
        match self.host.shared_data(RESTLESS_KEY) {
            Ok(found) => {
                let until = found.map_or(0, |(bytes, _)| decode_number(&bytes));
                self.revisions.restless_until = Timestamp::from_nanos(until);
                self.revisions.records = Some(revision);
            }
            Err(error) => self.error(ErrorCause::SharedDataRead, format_args!("no {RESTLESS_KEY}: {error}")),
        }
    }

    /// The view of a cluster, up to date with the revision last looked at.
    pub(super) fn fresh_view(&mut self, cluster: &str) -> Option<&mut ClusterView> {
        let revision = self.revisions.records;
        let view = self.view(cluster)?;
        let stale = view.record == RecordVersion::Unknown || view.read_at != revision;
        let up_to_date = !stale || self.read_record(cluster);
        let view = self.clusters.get_mut(cluster)?;
        if up_to_date {
            view.read_at = revision;
        }
        Some(view)
    }

    /// The view of a cluster, as it is; a new one if there is room.
    pub(super) fn view(&mut self, cluster: &str) -> Option<&mut ClusterView> {
        if !self.clusters.contains(cluster) {
            if self.clusters.len() >= super::MAX_CLUSTERS {
                self.error(
                    ErrorCause::MaxClusters,
                    format_args!("cluster {cluster} is not watched"),
                );
                return None;
            }
            let start = usize::try_from(self.entropy.draw() >> 33).unwrap_or(0);
            let view = ClusterView::new(cluster, &self.config, Rotation::starting_at(start));
            let came = view.table().hosts().iter().map(|host| host.addr).collect();
            self.clusters.insert(cluster, view);
            let left = Vec::new();
            self.moved(cluster, &Moved { came, left });
        }
        self.clusters.get_mut(cluster)
    }

    /// Reads a cluster's record into its view, unless it is the one that the view has. Returns whether it could.
    pub(super) fn read_record(&mut self, cluster: &str) -> bool {
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
                let moved = view.install(table);
                self.moved(cluster, &moved);
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
    ) -> Updated {
        for _ in 0..MAX_TRIES {
            match self.try_update(cluster, &mut step) {
                Ok(change) => {
                    self.report_events(cluster, &change.events);
                    return Updated {
                        changed: change.changed,
                        ejected: change.events.iter().any(|event| matches!(event, Event::Ejected { .. })),
                    };
                }
                Err(HostError::CasMismatch) => {}
                Err(error) => {
                    self.error(
                        ErrorCause::SharedDataWrite,
                        format_args!("a change to cluster {cluster} is lost: {error}"),
                    );
                    return Updated::default();
                }
            }
        }
        self.error(
            ErrorCause::SharedDataContention,
            format_args!("a change to cluster {cluster} is lost: other workers were faster {MAX_TRIES} times"),
        );
        Updated::default()
    }

    fn try_update(
        &mut self,
        cluster: &str,
        step: &mut impl FnMut(&mut ClusterTable, &ClusterPolicy, &mut Entropy) -> Change,
    ) -> HostResult<Change> {
        let Some(view) = self.view(cluster) else {
            return Ok(Change::default());
        };
        if view.record == RecordVersion::Unknown {
            self.read_record(cluster);
        }
        let now = self.clock;
        let Some(view) = self.clusters.get_mut(cluster) else {
            return Ok(Change::default());
        };
        let mut table = view.table().clone();
        let change = step(&mut table, &view.policy, &mut self.entropy);
        if change.changed {
            let expected = view.record.expected().ok_or(HostError::Status(0))?;
            // Whatever comes of the write, the number that we know is the wrong one afterwards.
            view.record = RecordVersion::Unknown;
            self.host.set_shared_data(&view.key, &table.encode(), expected)?;
            let until = table.restless_until(&view.policy, now);
            let moved = view.install(table);
            self.moved(cluster, &moved);
            self.publish(until);
        }
        Ok(change)
    }

    /// Makes a written record known: requests look up their cluster until then, and workers read records again.
    pub(super) fn publish(&mut self, restless_until: Timestamp) {
        let until = restless_until.max(self.revisions.overdue.unwrap_or_default());
        let said = self.say_restless(until);
        let raised = self.raise(Metric::RevisionRecords);
        self.revisions.overdue = (!said || !raised).then_some(until);
        if said {
            self.revisions.restless_until = self.revisions.restless_until.max(until);
        }
    }

    /// A streak was written: makes that known.
    pub(super) fn publish_streak(&mut self) {
        self.revisions.streaks_overdue = !self.raise(Metric::RevisionStreaks);
    }

    /// Makes known what could not be before.
    pub(super) fn raise_overdue(&mut self) {
        if self.revisions.streaks_overdue {
            self.publish_streak();
        }
    }

    /// Makes known what could not be before.
    pub(super) fn publish_overdue(&mut self) {
        if let Some(until) = self.revisions.overdue {
            self.publish(until);
        }
    }

    /// Moves the end of all restlessness to `until`, if that is later. Returns whether it is now.
    fn say_restless(&mut self, until: Timestamp) -> bool {
        for _ in 0..MAX_TRIES {
            let written = self.host.shared_data(RESTLESS_KEY).and_then(|current| {
                let (latest, cas) = current.map_or((0, Cas::ABSENT), |(bytes, cas)| (decode_number(&bytes), cas));
                if latest >= until.as_nanos() {
                    return Ok(());
                }
                self.host
                    .set_shared_data(RESTLESS_KEY, &until.as_nanos().to_le_bytes(), cas)
            });
            match written {
                Ok(()) => return true,
                Err(HostError::CasMismatch) => {}
                Err(error) => {
                    self.error(
                        ErrorCause::SharedDataWrite,
                        format_args!("{RESTLESS_KEY} not written: {error}"),
                    );
                    break;
                }
            }
        }
        false
    }
}

pub(super) fn decode_number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_le_bytes)
}
