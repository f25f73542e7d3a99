//! What times were seen, in a few bytes: a histogram whose buckets grow with what they hold.
//!
//! Exact quantiles need every value. This keeps counts only, in buckets so narrow that the middle of one is near to all
//! that it holds, whether those are milliseconds or minutes (a log-linear histogram, as HdrHistogram and DDSketch are).
//! Two sketches add up bucket by bucket, so what several workers saw becomes what one would have seen.

use super::WindowError;
use super::window::{byte, number};
use crate::model::Percent;
use std::time::Duration;

/// The first bucket begins at 2^17 ns (0.13 ms); what is quicker counts there, too.
const FIRST_OCTAVE: u32 = 17;
/// The last octave begins at 2^35 ns and ends at 68.7 s; what is slower counts in its last bucket.
const OCTAVES: usize = 19;
/// Buckets of one octave, all equally wide. The widest, against what it holds, is the first: a quarter of its lower
/// end, so that nothing in it is farther from its middle than an eighth.
const PER_OCTAVE: usize = 4;
const BUCKETS: usize = OCTAVES * PER_OCTAVE;

/// Durations between 0.13 ms and 68.7 s, with a relative error of at most 12.5 %.
///
/// A bucket counts to 65,535 and then stays there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    counts: [u16; BUCKETS],
}

impl Default for Sketch {
    fn default() -> Self {
        Self { counts: [0; BUCKETS] }
    }
}

impl Sketch {
    /// The most that [`Sketch::encode`] adds, in bytes.
    pub(super) const MAX_BYTES: usize = 1 + 3 * BUCKETS;

    /// Counts a duration.
    pub fn add(&mut self, duration: Duration) {
        if let Some(count) = self.counts.get_mut(bucket(duration)) {
            *count = count.saturating_add(1);
        }
    }

    /// Counts all that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
    }

    /// How many durations are counted.
    pub fn count(&self) -> u32 {
        self.counts.iter().map(|count| u32::from(*count)).sum()
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
    }

    /// The least duration that at least this share of all does not exceed: at 50 % the median, the lower one of two.
    /// `None` if nothing is counted.
    pub fn quantile(&self, share: Percent) -> Option<Duration> {
        self.bucket_of(share).map(middle)
    }

    /// A duration that at least this share of all does not exceed: the end of the bucket that [`Self::quantile`] is in.
    pub fn bound(&self, share: Percent) -> Option<Duration> {
        self.bucket_of(share).map(end)
    }

    fn bucket_of(&self, share: Percent) -> Option<usize> {
        let rank = (u64::from(self.count()) * u64::from(share.get())).div_ceil(100).max(1);
        let mut passed = 0;
        self.counts.iter().position(|count| {
            passed += u64::from(*count);
            passed >= rank
        })
    }

    /// Adds the sketch as bytes: the number of buckets that count anything (1), and of each its number (1) and its count
    /// (2, little-endian), in ascending order.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let used = || self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        out.push(used().count() as u8);
        for (bucket, count) in used() {
            out.push(bucket as u8);
            out.extend_from_slice(&count.to_le_bytes());
        }
    }

    /// Reads what [`Sketch::encode`] wrote, and nothing that it would not have written.
    pub(super) fn decode(input: &mut &[u8]) -> Result<Self, WindowError> {
        let mut sketch = Self::default();
        let mut next = 0;
        for _ in 0..byte(input)? {
            let bucket = byte(input)?;
            let count = number(input).map(u16::from_le_bytes)?;
            let slot = sketch.counts.get_mut(usize::from(bucket));
            match slot {
                Some(slot) if bucket >= next && count > 0 => *slot = count,
                _ => return Err(WindowError::Unknown(bucket)),
            }
            next = bucket + 1;
        }
        Ok(sketch)
    }
}

/// The number of the bucket that `duration` counts in.
fn bucket(duration: Duration) -> usize {
    let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let Some(octave) = nanos.checked_ilog2().filter(|octave| *octave >= FIRST_OCTAVE) else {
        return 0;
    };
    // The two bits after the leading one say in which quarter of its octave the duration is.
    let quarter = (nanos >> (octave - 2)) as usize % PER_OCTAVE;
    let bucket = (octave - FIRST_OCTAVE) as usize * PER_OCTAVE + quarter;
    bucket.min(BUCKETS - 1)
}

/// The duration where a bucket ends.
fn end(bucket: usize) -> Duration {
    let (octave, quarter) = (bucket / PER_OCTAVE, bucket % PER_OCTAVE);
    let eighths = 10 + 2 * quarter as u64;
    Duration::from_nanos(eighths << (octave as u32 + FIRST_OCTAVE - 3))
}

/// The duration in the middle of a bucket.
fn middle(bucket: usize) -> Duration {
    let (octave, quarter) = (bucket / PER_OCTAVE, bucket % PER_OCTAVE);
    // In eighths of the octave's beginning: 8 + 2 x quarter is the bucket's lower end, and one more its middle.
    let eighths = 9 + 2 * quarter as u64;
    Duration::from_nanos(eighths << (octave as u32 + FIRST_OCTAVE - 3))
}
