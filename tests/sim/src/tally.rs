//! Counts of host calls.

use crate::abi::Call;
use std::fmt;

/// How often each host function was called, and how many bytes went over the border with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Tally {
    counts: [u32; Call::ALL.len()],
    /// Bytes copied into and out of the module.
    pub bytes: u64,
}

impl Default for Tally {
    fn default() -> Tally {
        Tally {
            counts: [0; Call::ALL.len()],
            bytes: 0,
        }
    }
}

impl Tally {
    pub(crate) fn count(&mut self, call: Call, bytes: usize) {
        self.counts[call as usize] += 1;
        self.bytes += bytes as u64;
    }

    /// How often this function was called.
    pub fn of(&self, call: Call) -> u32 {
        self.counts[call as usize]
    }

    /// How many host calls in all.
    pub fn total(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// What was called since `before` was taken.
    pub fn since(&self, before: &Tally) -> Tally {
        let mut since = self.clone();
        for (now, then) in since.counts.iter_mut().zip(before.counts) {
            *now -= then;
        }
        since.bytes -= before.bytes;
        since
    }

    /// The functions that were called at all.
    pub fn called(&self) -> impl Iterator<Item = (Call, u32)> {
        let all = Call::ALL.iter().copied();
        all.zip(self.counts).filter(|(_, count)| *count > 0)
    }
}

impl fmt::Debug for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls, {} bytes: ", self.total(), self.bytes)?;
        f.debug_map().entries(self.called()).finish()
    }
}
