//! Failures in a row, which all workers count together.
//!
//! The streaks of a cluster's hosts are kept in [`SHARDS`] pieces, each under a key of its own, so that counting a failure
//! reads and writes a few bytes whatever the number of hosts. A success at a host without failures on record, which is
//! nearly every attempt, reads nothing while [`Metric::RevisionStreaks`] stands.

use super::Worker;
use super::shared::{MAX_TRIES, RecordVersion};
use crate::detect::Verdicts;
use crate::health::{HostHealth, HostStreak, SHARDS, StreakShard};
use crate::host::{Host, HostError, HostResult};
use crate::metrics::{ErrorCause, Metric};
use crate::model::{HostAddr, Outcome, Timestamp};
use std::time::Duration;

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
    /// Whether no failure of the host is on record, since it was last ejected.
    pub(super) fn is_clean(&mut self, cluster: &str, host: HostAddr, last_ejected_at: Timestamp) -> bool {
        self.fresh_shard(cluster, host)
            .is_none_or(|view| view.shard.is_clean(host, last_ejected_at))
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
                            let why = format_args!("no streaks of cluster {cluster}: {error}");
                            self.report.error(ErrorCause::Record, why, self.clock);
                            StreakShard::default()
                        });
                    }
                }
                Err(error) => {
                    let why = format_args!("no streaks of cluster {cluster}: {error}");
                    self.report.error(ErrorCause::SharedDataRead, why, self.clock);
                }
            }
        }
        Some(view)
    }

    /// Counts an outcome of a host that is in rotation.
    ///
    /// `eject` is told of the detectors whose threshold was reached, and says whether the host was ejected. If so, that
    /// alone makes its streak one of the past, whatever happens to this worker next; else the count starts anew.
    pub(super) fn count_streak(
        &mut self,
        cluster: &str,
        host: &HostHealth,
        outcome: Outcome,
        now: Timestamp,
        mut eject: impl FnMut(&mut Self, &HostStreak, Verdicts) -> bool,
    ) {
        let policy = self.policy(cluster);
        let detection = &policy.outlier_detection;
        for _ in 0..MAX_TRIES {
            let Some(view) = self.fresh_shard(cluster, host.addr) else {
                return;
            };
            let mut streak = view.shard.get(host);
            let before = streak;
            let verdicts = streak.record(outcome, detection, now);
            if verdicts.iter().any(Option::is_some) && eject(self, &streak, verdicts) {
                return;
            }
            if streak == before {
                return;
            }
            match self.write_streak(cluster, streak, now, detection.interval) {
                Ok(()) => return,
                Err(HostError::CasMismatch) => {}
                Err(error) => {
                    self.error(
                        ErrorCause::SharedDataWrite,
                        format_args!(
                            "a failure at {} of cluster {cluster} is not counted: {error}",
                            host.addr
                        ),
                    );
                    return;
                }
            }
        }
        self.error(
            ErrorCause::SharedDataContention,
            format_args!("a failure in cluster {cluster} is not counted: other workers were faster {MAX_TRIES} times"),
        );
    }

    /// Writes a streak into the piece as it was last read.
    fn write_streak(
        &mut self,
        cluster: &str,
        streak: HostStreak,
        now: Timestamp,
        interval: Duration,
    ) -> HostResult<()> {
        let number = StreakShard::of(streak.addr);
        let Some(view) = self.clusters.get_mut(cluster) else {
            return Ok(());
        };
        let Some(shard) = view.streaks.shard(cluster, number) else {
            return Ok(());
        };
        // One that could not be read can't be written; that is said.
        let Some(expected) = shard.version.expected() else {
            return Ok(());
        };
        shard.version = RecordVersion::Unknown;
        let (key, mut pieces) = (shard.key.clone(), shard.shard.clone());
        pieces.put(streak, now, interval, |addr| view.host(addr).is_some());
        self.host.set_shared_data(&key, &pieces.encode(), expected)?;
        self.publish_streak();
        Ok(())
    }
}
