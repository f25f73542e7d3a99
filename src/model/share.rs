//! A host's share of traffic.

use std::time::Duration;

/// Which part of its fair share of traffic a host gets, in thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share(u16);

impl Share {
    /// No traffic.
    pub const NONE: Self = Self(0);
    /// As much as any other host.
    pub const FULL: Self = Self(1000);

    /// So many thousandths of a full share, at most all.
    pub const fn from_permille(permille: u16) -> Self {
        Self(if permille > 1000 { 1000 } else { permille })
    }

    /// The share in thousandths.
    pub const fn permille(self) -> u16 {
        self.0
    }

    /// The share that grows evenly from `least` to this one over `whole`, after `elapsed`.
    #[must_use]
    pub fn grown_from(self, least: Self, elapsed: Duration, whole: Duration) -> Self {
        if elapsed >= whole {
            return self;
        }
        let gap = u128::from(self.0.saturating_sub(least.0));
        // `whole` is more than `elapsed`, so not zero.
        let grown = gap * elapsed.as_nanos() / whole.as_nanos().max(1);
        Self(least.0.saturating_add(u16::try_from(grown).unwrap_or(u16::MAX)))
    }

    /// Whether a host with this share takes its turn, decided by `entropy` (uniform over all of `u64`).
    pub const fn takes(self, entropy: u64) -> bool {
        ((entropy as u128 * 1000) >> 64) < self.0 as u128
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_evenly_and_ends_full() {
        let least = Share::from_permille(100);
        let after = |millis| Share::FULL.grown_from(least, Duration::from_millis(millis), Duration::from_secs(10));
        assert_eq!([after(0), after(5_000)].map(Share::permille), [100, 550]);
        assert_eq!([after(10_000), after(90_000)], [Share::FULL; 2]);
        assert!((0..10_000).all(|millis| after(millis) <= after(millis + 1)));
        assert_eq!(
            Share::FULL.grown_from(least, Duration::ZERO, Duration::ZERO),
            Share::FULL
        );
    }

    #[test]
    fn none_never_takes_its_turn_and_full_always_does() {
        for entropy in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(!Share::NONE.takes(entropy));
            assert!(Share::FULL.takes(entropy));
        }
    }
}
