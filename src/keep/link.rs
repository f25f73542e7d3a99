//! Whether etcd can be asked now, for each purpose by itself: what is refused again and again must not be made up for by
//! what is answered.

use crate::model::{Entropy, Timestamp};
use std::time::Duration;

/// After the first failure etcd is left alone for this long, and twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// And never for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// The way to etcd, for one purpose.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Link {
    /// Failures since the last answer.
    failures: u32,
    /// It is not asked before.
    paused_until: Timestamp,
}

impl Link {
    /// Whether etcd may be asked.
    pub(super) fn is_open(&self, now: Timestamp) -> bool {
        // A pause longer than any is from before the clock was set back.
        self.paused_until <= now || self.paused_until.since(now) > LONGEST_PAUSE * 2
    }

    /// It has answered.
    pub(super) const fn answered(&mut self) {
        self.failures = 0;
    }

    /// It has not answered, or not well. The pause has jitter, so that a fleet does not come back all at once.
    pub(super) fn failed(&mut self, now: Timestamp, entropy: &mut Entropy) {
        let pause = FIRST_PAUSE
            .saturating_mul(1 << self.failures.min(10))
            .min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        let nanos = u64::try_from(pause.as_nanos()).unwrap_or(u64::MAX);
        self.paused_until = now.after(pause / 2 + Duration::from_nanos(entropy.below(nanos / 2 + 1)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_have_an_end_and_are_over_with_the_first_answer() {
        let mut link = Link::default();
        let mut entropy = Entropy::seeded(7);
        let mut now = Timestamp::from_nanos(1_000_000_000);
        assert!(link.is_open(now));
        for failures in 0..20 {
            link.failed(now, &mut entropy);
            let most = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
            assert!(
                !link.is_open(now.after(most / 2 - Duration::from_nanos(1))),
                "{failures}"
            );
            now = now.after(most);
            assert!(link.is_open(now), "{failures}");
        }
        link.answered();
        link.failed(now, &mut entropy);
        assert!(link.is_open(now.after(FIRST_PAUSE)));
    }
}
