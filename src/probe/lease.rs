//! Which of all workers does what only one may do.

use crate::model::Timestamp;
use std::time::Duration;

/// One worker's right to do, until a moment, what only one worker may do.
///
/// It lies in shared data, where every worker reads it at its tick and writes it by compare-and-swap only. So with a
/// clock that all share and that is not set back, no two workers hold it at once; and if its holder dies, another one
/// has it at its first tick after the lease's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The worker that holds it: a number that it drew for itself and that no other one has.
    pub holder: u64,
    /// When it ends.
    pub until: Timestamp,
}

/// What a worker does about a lease at its tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseStep {
    /// Another worker holds it.
    NotMine,
    /// This worker holds it, and has nothing to write.
    Mine,
    /// Write this with the version that was read. If that succeeds, this worker holds it, else another one does.
    Claim(Lease),
}

/// A worker may read a lease that was renewed just after it read the clock: that is not in the future.
const SLACK: Duration = Duration::from_secs(1);

impl Lease {
    /// The lease's length as bytes.
    pub const SIZE: usize = 16;

    /// The lease as bytes: holder, then end in nanoseconds, little-endian.
    pub fn encode(self) -> [u8; Self::SIZE] {
        let bytes = u128::from(self.holder) | u128::from(self.until.as_nanos()) << 64;
        bytes.to_le_bytes()
    }

    /// The lease in these bytes; `None` if they are none, which is as good as no lease at all.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes = u128::from_le_bytes(bytes.try_into().ok()?);
        Some(Self {
            holder: bytes as u64,
            until: Timestamp::from_nanos((bytes >> 64) as u64),
        })
    }

    /// What worker `me` does about the lease that it has just read, if leases are given for `term`.
    ///
    /// The holder renews when less than half of the term is left, so that it writes twice a term and a tick may be
    /// late. Anyone claims a lease that is not there or over, or whose end is further away than a term and a
    /// second: then the clock was set back, and to wait for that end could take for ever.
    pub fn step(current: Option<Self>, me: u64, now: Timestamp, term: Duration) -> LeaseStep {
        let claim = LeaseStep::Claim(Self {
            holder: me,
            until: now.after(term),
        });
        let Some(lease) = current else { return claim };
        let left = lease.until.since(now);
        if left.is_zero() || left > term.saturating_add(SLACK) {
            claim
        } else if lease.holder != me {
            LeaseStep::NotMine
        } else if left < term / 2 {
            claim
        } else {
            LeaseStep::Mine
        }
    }
}
