//! Failures in a row, and the ejection multiplier: what a host's every failure changes.
//!
//! They are kept apart from the cluster's [table](super::ClusterTable), in small pieces, so that recording a failure
//! costs the same in a cluster of three hosts as in one of a thousand.

use super::host::HostHealth;
use super::record::{Input, RecordError, put_addr, put_time, take_addr};
use crate::config::OutlierDetection;
use crate::detect::{Streaks, Verdicts};
use crate::model::{FailureOrigin, HostAddr, Outcome, Timestamp};
use std::time::Duration;

/// How many pieces a cluster's streaks are kept in. Shared data can't delete keys, so a key for each host would be a
/// leak where hosts come and go.
pub const SHARDS: usize = 128;

/// What a host's failures have come to since its last ejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostStreak {
    /// The host.
    pub addr: HostAddr,
    /// The ejection since which this counts: [`HostHealth::last_ejected_at`].
    since_ejection: Timestamp,
    /// Failures in a row.
    pub streaks: Streaks,
    /// The ejection multiplier as of `last_failure`.
    ejections: u32,
    /// When the host last failed, or its last ejection's end if that is later.
    last_failure: Timestamp,
}

impl HostStreak {
    /// The streak of a host that has not failed since it was last ejected.
    pub fn none(host: &HostHealth) -> Self {
        Self {
            addr: host.addr,
            since_ejection: host.last_ejected_at,
            streaks: Streaks::default(),
            ejections: host.ejections,
            last_failure: host.quiet_since,
        }
    }

    /// The ejection multiplier now: it falls by one for each `interval` that has passed without failures.
    pub fn ejections_at(&self, now: Timestamp, interval: Duration) -> u32 {
        let fallen = now
            .since(self.last_failure)
            .as_nanos()
            .checked_div(interval.as_nanos())
            .and_then(|intervals| u32::try_from(intervals).ok())
            .unwrap_or(u32::MAX);
        self.ejections.saturating_sub(fallen)
    }

    /// Counts an outcome; the detectors whose threshold it reached start anew and are returned.
    pub fn record(&mut self, outcome: Outcome, policy: &OutlierDetection, now: Timestamp) -> Verdicts {
        if matches!(
            outcome,
            Outcome::Failure(FailureOrigin::External { .. } | FailureOrigin::LocalOrigin)
        ) {
            self.ejections = self.ejections_at(now, policy.interval);
            self.last_failure = now;
        }
        self.streaks.record(outcome, policy)
    }

    fn is_worth_keeping(&self, now: Timestamp, interval: Duration) -> bool {
        !self.streaks.is_clean() || self.ejections_at(now, interval) > 0
    }
}

/// Some of a cluster's streaks: those of the hosts that belong to one piece and have any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreakShard {
    entries: Vec<HostStreak>,
}

impl StreakShard {
    /// Which piece a host belongs to, below [`SHARDS`].
    pub fn of(addr: HostAddr) -> usize {
        usize::try_from(addr.mixed() % SHARDS as u64).unwrap_or(0)
    }

    /// A host's streak.
    pub fn get(&self, host: &HostHealth) -> HostStreak {
        self.entries
            .iter()
            .find(|entry| entry.addr == host.addr && entry.since_ejection == host.last_ejected_at)
            .copied()
            .unwrap_or_else(|| HostStreak::none(host))
    }

    /// Whether no failure of the host is counted since its [last ejection](HostHealth::last_ejected_at): a success changes
    /// nothing.
    pub fn is_clean(&self, addr: HostAddr, last_ejected_at: Timestamp) -> bool {
        self.entries
            .iter()
            .all(|entry| entry.addr != addr || entry.streaks.is_clean() || entry.since_ejection != last_ejected_at)
    }

    /// Puts a host's streak in, and drops what says nothing any more.
    pub fn put(&mut self, streak: HostStreak, now: Timestamp, interval: Duration, is_known: impl Fn(HostAddr) -> bool) {
        const FORGET: Duration = Duration::from_secs(60);
        self.entries.retain(|entry| {
            entry.addr != streak.addr
                && entry.is_worth_keeping(now, interval)
                && (now.since(entry.last_failure) < FORGET || is_known(entry.addr))
        });
        if streak.is_worth_keeping(now, interval) {
            self.entries.push(streak);
        }
    }

    /// The piece as bytes: per host its address, the ejection since which it counts (ns), the three failure counts,
    /// the multiplier, the last failure (ns).
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(44 * self.entries.len());
        for entry in &self.entries {
            put_addr(&mut out, entry.addr);
            put_time(&mut out, entry.since_ejection);
            for number in [
                entry.streaks.any_5xx,
                entry.streaks.gateway_failure,
                entry.streaks.local_origin_failure,
                entry.ejections,
            ] {
                out.extend_from_slice(&number.to_le_bytes());
            }
            put_time(&mut out, entry.last_failure);
        }
        out
    }

    /// The piece of these bytes.
    ///
    /// # Errors
    /// If they are none.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Input::new(bytes);
        let mut entries = Vec::new();
        while !input.is_empty() {
            entries.push(HostStreak {
                addr: take_addr(&mut input)?,
                since_ejection: input.time()?,
                streaks: Streaks {
                    any_5xx: input.number()?,
                    gateway_failure: input.number()?,
                    local_origin_failure: input.number()?,
                },
                ejections: input.number()?,
                last_failure: input.time()?,
            });
        }
        Ok(Self { entries })
    }
}
