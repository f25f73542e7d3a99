//! Failures in a row, which all workers count together.
//!
//! The streaks of a cluster's hosts are kept in [`SHARDS`] pieces, each under a key of its own, so that counting a failure
//! reads and writes a few bytes whatever the number of hosts. A success at a host without failures on record, which is
//! nearly every attempt, reads nothing while [`Metric::RevisionStreaks`] stands.

use super::Worker;
use super::shared::{MAX_TRIES, RecordVersion};
use crate::detect::Verdicts;
use crate::health::{HostHealth, HostStreak, SHARDS, StreakShard};
use crate::host::{Host, HostError};
use crate::metrics::{ErrorCause, Metric};
use crate::model::{HostAddr, Outcome, Timestamp};

/// What one worker has of a cluster's streaks.
#[derive(Debug, Default)]
pub(super) struct StreaksView {
    /// By number; what was never asked for takes no room.
    shards: Vec<Option<Box<ShardView>>>,
}

#[derive(Debug)]
struct ShardView {
    key: String,
    version: RecordVersion,
    /// The revision of all streaks when it was read.
    read_at: Option<u64>,
    shard: StreakShard,
}

impl StreaksView {
    fn shard(&mut self, cluster: &str, number: usize) -> Option<&mut ShardView> {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, || None);
        }
        let slot = self.shards.get_mut(number)?;
        Some(slot.get_or_insert_with(|| {
            Box::new(ShardView {
                key: format!("sidestep/2/streaks/{cluster}/{number}"),
                version: RecordVersion::Unknown,
                read_at: None,
                shard: StreakShard::default(),
            })
        }))
    }
}

impl<H: Host> Worker<H> {
    /// Whether no failure of the host is on record.
    pub(super) fn is_clean(&mut self, cluster: &str, host: &HostHealth) -> bool {
        self.fresh_shard(cluster, host.addr)
            .is_none_or(|view| view.shard.is_clean(host))
    }

    /// The host's streak.
    pub(super) fn streak(&mut self, cluster: &str, host: &HostHealth) -> HostStreak {
        self.fresh_shard(cluster, host.addr)
            .map_or_else(|| HostStreak::none(host), |view| view.shard.get(host))
    }

    /// The piece that a host belongs to, read anew if any has changed.
    fn fresh_shard(&mut self, cluster: &str, addr: HostAddr) -> Option<&mut ShardView> {
        let revision = self.revision(Metric::RevisionStreaks);
        let number = StreakShard::of(addr);
        let view = self.clusters.get_mut(cluster)?.streaks.shard(cluster, number)?;
        let mut failed = None;
        if view.read_at != Some(revision) || view.version == RecordVersion::Unknown {
            match self.host.shared_data(&view.key) {
                Ok(found) => {
                    view.read_at = Some(revision);
                    let (bytes, version) = found.map_or((Vec::new(), RecordVersion::Absent), |(bytes, cas)| {
                        (bytes, RecordVersion::At(cas))
                    });
                    if view.version != version {
                        view.version = version;
                        // One that does not decode counts as empty, and will be replaced.
                        view.shard = StreakShard::decode(&bytes).unwrap_or_else(|error| {
                            failed = Some((ErrorCause::Record, error.to_string()));
                            StreakShard::default()
                        });
                    }
                }
                Err(error) => failed = Some((ErrorCause::SharedDataRead, error.to_string())),
            }
        }
        if let Some((cause, why)) = failed {
            self.error(cause, format_args!("no streaks of cluster {cluster}: {why}"));
        }
        self.clusters.get_mut(cluster)?.streaks.shard(cluster, number)
    }

    /// Counts an outcome of a host that is in rotation. Returns its streak and the detectors whose threshold it reached;
    /// of all workers, only one is told of each.
    pub(super) fn count_streak(
        &mut self,
        cluster: &str,
        host: &HostHealth,
        outcome: Outcome,
        now: Timestamp,
    ) -> (HostStreak, Verdicts) {
        let detection = self.policy(cluster).outlier_detection.clone();
        let none = (HostStreak::none(host), [None, None]);
        for _ in 0..MAX_TRIES {
            let Some(view) = self.fresh_shard(cluster, host.addr) else {
                return none;
            };
            let mut streak = view.shard.get(host);
            let before = streak;
            let verdicts = streak.record(outcome, &detection, now);
            if streak == before {
                return (streak, verdicts);
            }
            let Some(expected) = view.version.expected() else {
                // It could not be read, which is said.
                return none;
            };
            view.version = RecordVersion::Unknown;
            let mut shard = view.shard.clone();
            shard.put(streak, now, detection.interval);
            let key = view.key.clone();
            match self.host.set_shared_data(&key, &shard.encode(), expected) {
                Ok(()) => {
                    self.raise(Metric::RevisionStreaks);
                    return (streak, verdicts);
                }
                Err(HostError::CasMismatch) => {}
                Err(error) => {
                    self.error(
                        ErrorCause::SharedDataWrite,
                        format_args!(
                            "a failure at {} of cluster {cluster} is not counted: {error}",
                            host.addr
                        ),
                    );
                    return none;
                }
            }
        }
        self.error(
            ErrorCause::SharedDataContention,
            format_args!("a failure in cluster {cluster} is not counted: other workers were faster {MAX_TRIES} times"),
        );
        none
    }
}
