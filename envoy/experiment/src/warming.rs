//! A host that comes back cold: with empty caches and code not yet compiled it can bear little, and more from second to
//! second once it has work.

use std::time::Duration;

/// What a cold host can bear at first, as a share of what it can when warm.
const COLD: f64 = 0.1;
/// A warm host can bear so many times its fair share: enough for it never to be the limit.
const ROOM: f64 = 1.5;
/// So many requests at once are borne beyond the rate.
const BURST: f64 = 2.0;

/// How warm a host is. It warms from the first request on that comes to it.
#[derive(Clone, Debug)]
pub(crate) struct Warming {
    /// Its fair share of the traffic, requests a second.
    fair: f64,
    /// How long it takes to be warm.
    time: Duration,
    first: Option<Duration>,
    last: Duration,
    /// Requests that it can bear right now.
    tokens: f64,
}

impl Warming {
    /// Cold, for a host with this fair share (requests a second), that takes so long to be warm.
    pub(crate) fn new(fair: f64, time: Duration) -> Self {
        Self {
            fair,
            time,
            first: None,
            last: Duration::ZERO,
            tokens: BURST,
        }
    }

    /// Whether it can bear a request that comes now. Time must not run backwards.
    pub(crate) fn bears(&mut self, now: Duration) -> bool {
        let first = *self.first.get_or_insert(now);
        let since = now.saturating_sub(first);
        if since >= self.time {
            return true;
        }
        let warmth = COLD + (1.0 - COLD) * since.as_secs_f64() / self.time.as_secs_f64();
        let passed = if since.is_zero() {
            Duration::ZERO
        } else {
            now.saturating_sub(self.last)
        };
        self.last = now;
        self.tokens = (self.tokens + ROOM * self.fair * warmth * passed.as_secs_f64()).min(BURST);
        let borne = self.tokens >= 1.0;
        if borne {
            self.tokens -= 1.0;
        }
        borne
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of the requests of each second are borne, if they come at this rate from the fifth second on.
    fn borne(rate: u32) -> Vec<usize> {
        let mut warming = Warming::new(20.0, Duration::from_secs(4));
        (5..11)
            .map(|second| {
                (0..rate)
                    .filter(|n| warming.bears(Duration::from_secs(second) + Duration::from_secs(1) * *n / rate))
                    .count()
            })
            .collect()
    }

    #[test]
    fn a_full_share_at_once_is_too_much_until_it_is_warm() {
        let borne = borne(20);
        assert!(borne[0] < 12, "{borne:?}");
        assert!(borne.is_sorted(), "{borne:?}");
        assert_eq!(borne[4..], [20, 20]);
    }

    #[test]
    fn a_small_share_is_borne_from_the_start() {
        assert_eq!(borne(3), [3; 6]);
    }

    #[test]
    fn it_stays_cold_until_the_first_request() {
        let mut warming = Warming::new(20.0, Duration::from_secs(4));
        let late = Duration::from_secs(100);
        assert_eq!((0..10).filter(|_| warming.bears(late)).count(), 2);
    }
}
