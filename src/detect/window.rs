//! What one host did in one interval, as far as the detectors that look at whole intervals need to know.

use super::Sketch;
use crate::model::{FailureOrigin, Outcome};

/// Requests of one interval that went well, and those that did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests that went well.
    pub successes: u32,
    /// Requests that did not.
    pub failures: u32,
}

impl Tally {
    /// All requests.
    pub const fn requests(self) -> u64 {
        self.successes as u64 + self.failures as u64
    }

    const fn is_empty(self) -> bool {
        self.requests() == 0
    }

    const fn success(&mut self) {
        self.successes = self.successes.saturating_add(1);
    }

    const fn failure(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    const fn take_success_back(&mut self) {
        self.successes = self.successes.saturating_sub(1);
    }

    const fn merge(&mut self, other: Self) {
        self.successes = self.successes.saturating_add(other.successes);
        self.failures = self.failures.saturating_add(other.failures);
    }
}

/// What one host did in one interval.
///
/// Which outcome counts where is as in Envoy's `DetectorHostMonitorImpl` (`outlier_detection_impl.cc`). `split` is
/// `split_external_local_origin_errors` everywhere: without it each failure is the host's own, and nothing is counted for
/// the local origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// What the host answered, for `success_rate` and `failure_percentage`.
    pub external: Tally,
    /// Whether it could be reached and gave an answer, for their local-origin siblings; only if split.
    pub local_origin: Tally,
    /// The times to response headers, for `slow`.
    pub times: Sketch,
}

/// Why bytes are no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// The bytes end in the middle of something.
    #[error("cut short")]
    Short,
    /// A value that nothing writes.
    #[error("unknown value {0}")]
    Unknown(u8),
}

const EXTERNAL: u8 = 1;
const LOCAL_ORIGIN: u8 = 2;
const TIMES: u8 = 4;

impl Window {
    /// The most bytes that a window takes.
    pub const MAX_BYTES: usize = 1 + 8 + 8 + Sketch::MAX_BYTES;

    /// Counts an outcome.
    pub const fn count(&mut self, outcome: Outcome, split: bool) {
        match outcome {
            Outcome::Ignored => {}
            // An overloaded host is alive: for Envoy a 429 is an answer like any other below 500.
            Outcome::Success | Outcome::Overload => {
                self.external.success();
                if split {
                    self.local_origin.success();
                }
            }
            Outcome::Failure(FailureOrigin::External { .. }) => {
                self.external.failure();
                if split {
                    // The host was reached.
                    self.local_origin.success();
                }
            }
            Outcome::Failure(FailureOrigin::LocalOrigin) => {
                if split {
                    self.local_origin.failure();
                } else {
                    self.external.failure();
                }
            }
        }
    }

    /// Makes a local-origin failure of an answer that counted as a success when its headers came, for the host then cut it
    /// short.
    ///
    /// If the headers came in an earlier interval, the success may not be here to take back: the failure counts all the
    /// same.
    pub const fn revise_success_to_failure(&mut self, split: bool) {
        self.external.take_success_back();
        if split {
            self.local_origin.take_success_back();
        }
        self.count(Outcome::Failure(FailureOrigin::LocalOrigin), split);
    }

    /// Counts all that `other` has counted: what another worker saw of the same host in the same interval.
    pub fn merge(&mut self, other: &Self) {
        self.external.merge(other.external);
        self.local_origin.merge(other.local_origin);
        self.times.merge(&other.times);
    }

    /// Whether nothing is counted.
    pub fn is_empty(&self) -> bool {
        self.external.is_empty() && self.local_origin.is_empty() && self.times.is_empty()
    }

    /// Adds the window as bytes, at most [`Window::MAX_BYTES`]. All numbers are little-endian.
    ///
    /// | bytes | meaning |
    /// |---|---|
    /// | 1 | what follows: `EXTERNAL` 1, `LOCAL_ORIGIN` 2, `TIMES` 4 |
    /// | 8 if `EXTERNAL` | successes, failures |
    /// | 8 if `LOCAL_ORIGIN` | successes, failures |
    /// | 1 if `TIMES` | number of buckets of the sketch that follow |
    /// | per bucket: 1, 2 | its number, its count |
    ///
    /// What counts nothing is left out, so each window has one form.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut flags = 0;
        for (flag, empty) in [
            (EXTERNAL, self.external.is_empty()),
            (LOCAL_ORIGIN, self.local_origin.is_empty()),
            (TIMES, self.times.is_empty()),
        ] {
            if !empty {
                flags |= flag;
            }
        }
        out.push(flags);
        for tally in [self.external, self.local_origin] {
            if !tally.is_empty() {
                out.extend_from_slice(&tally.successes.to_le_bytes());
                out.extend_from_slice(&tally.failures.to_le_bytes());
            }
        }
        if !self.times.is_empty() {
            self.times.encode(out);
        }
    }

    /// Reads a window from the front of `input` and leaves what comes after it.
    ///
    /// # Errors
    /// If the bytes are not what [`Window::encode`] writes. What is left of `input` then means nothing.
    pub fn decode(input: &mut &[u8]) -> Result<Self, WindowError> {
        let flags = byte(input)?;
        if flags & !(EXTERNAL | LOCAL_ORIGIN | TIMES) != 0 {
            return Err(WindowError::Unknown(flags));
        }
        let mut window = Self::default();
        for (flag, tally) in [
            (EXTERNAL, &mut window.external),
            (LOCAL_ORIGIN, &mut window.local_origin),
        ] {
            if flags & flag != 0 {
                tally.successes = number(input).map(u32::from_le_bytes)?;
                tally.failures = number(input).map(u32::from_le_bytes)?;
                if tally.is_empty() {
                    return Err(WindowError::Unknown(flags));
                }
            }
        }
        if flags & TIMES != 0 {
            window.times = Sketch::decode(input)?;
            if window.times.is_empty() {
                return Err(WindowError::Unknown(flags));
            }
        }
        Ok(window)
    }
}

/// The next `N` bytes.
pub(super) fn number<const N: usize>(input: &mut &[u8]) -> Result<[u8; N], WindowError> {
    let (head, rest) = input.split_first_chunk().ok_or(WindowError::Short)?;
    *input = rest;
    Ok(*head)
}

/// The next byte.
pub(super) fn byte(input: &mut &[u8]) -> Result<u8, WindowError> {
    number(input).map(|[byte]| byte)
}
